"""The one error that a user can mend, and how its message quotes what was given."""

import errno
import re
import reprlib
from collections.abc import Sequence

QUOTED = 40  # characters of a wrong value in a message
NO_MEMORY = "(out of|not enough|insufficient) memory|(can't|cannot|could not|failed to) allocate|ALLOC_FAILED|bad.alloc"


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or flag and the repair.

    The command line prints it as ``error: ...`` and exits with 2; library users catch a ValueError.
    """


class Note(UserWarning):
    """One line about input: what was assumed, or what could not be kept. The command line prints it as ``note: ...``."""


def brief(err: Exception) -> str:
    """What a library's error says, on one line that is not too long."""
    return " ".join(str(err).split())[:200]


def shortened(text: str) -> str:
    """A text as a message quotes it: its begin."""
    return text if len(text) <= QUOTED else text[:QUOTED] + "..."


def listed(words: Sequence[str], most: int) -> str:
    """The first ``most`` words as a message lists them, and how many more there are."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def quoted(value: object) -> str:
    """A value of any type as a message quotes it: on one line, shortened, without control characters."""
    return _repr.repr(value)


def out_of_memory(err: Exception) -> bool:
    """Whether memory ran out. Python, the system, torch, oneDNN and OpenCV each say it in another way."""
    by_message = isinstance(err, RuntimeError) or type(err).__module__.partition(".")[0] == "cv2"
    return (
        isinstance(err, MemoryError)
        or (isinstance(err, OSError) and err.errno == errno.ENOMEM)
        or (by_message and re.search(NO_MEMORY, str(err), re.IGNORECASE) is not None)
    )


_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 2, QUOTED, QUOTED
