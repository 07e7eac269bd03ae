"""The one error that is the user's to mend, and what its message repeats of foreign text."""

import errno
import re
import reprlib

ECHOED = 40  # characters of a wrong value that a message repeats
NO_MEMORY = "(out of|not enough|insufficient) memory|(can't|cannot|could not|failed to) allocate|ALLOC_FAILED|bad.alloc"


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or flag and the repair.

    The command line prints it as ``error: ...`` and exits with 2; library users catch a ValueError.
    """


class Note(UserWarning):
    """What was assumed about input, or could not be kept of it: one line. The command line prints it as ``note: ...``."""


def brief(err: Exception) -> str:
    """What a library's error says, on one line that is not too long."""
    return " ".join(str(err).split())[:200]


def shortened(text: str) -> str:
    """What a message repeats of what was given."""
    return text if len(text) <= ECHOED else text[:ECHOED] + "..."


def shown(value: object) -> str:
    """A value of any kind as a message repeats it: on one line, shortened, and nothing a terminal would obey."""
    return _repr.repr(value)


def out_of_memory(err: Exception) -> bool:
    """Whether an error means that memory ran out. Python, the system, torch, oneDNN and OpenCV each say it in another way."""
    said = isinstance(err, RuntimeError) or type(err).__module__.partition(".")[0] == "cv2"
    return (
        isinstance(err, MemoryError)
        or (isinstance(err, OSError) and err.errno == errno.ENOMEM)
        or (said and re.search(NO_MEMORY, str(err), re.IGNORECASE) is not None)
    )


_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother = 2, ECHOED, ECHOED
