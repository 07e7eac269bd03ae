"""What every store of files has in common."""

from pathlib import Path

from stylemap import decoding, naming
from stylemap.decoding import LARGEST_FILE
from stylemap.errors import InputError

MANIFEST = "dataset.json"  # in a zip: who made it and from what


class Source:
    """Files by name, see `naming`.

    Attributes:
        path: as given.
        verified: names of pictures known to be whole, because `stylemap data prepare` decoded them.
    """

    verified: frozenset[str] = frozenset()

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """All files but hidden ones, sorted."""
        raise NotImplementedError

    def listing(self) -> tuple[list[str], list[str]]:
        """-> those that are pictures, by their extension, and the others but for ``dataset.json``."""
        found: tuple[list[str], list[str]] = [], []
        for name in self.names():
            if name != MANIFEST:
                found[naming.extension(name) not in decoding.EXTENSIONS].append(name)
        return found

    def pictures(self) -> list[str]:
        """Those that are pictures, by their extension."""
        return self.listing()[0]

    def read_size(self, name: str) -> tuple[int, int]:
        """Read only the header of a picture -> its stored (width, height).

        Raises:
            InputError: it is none, or damaged.
        """
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: this file is damaged.
            OSError: the folder, zip or disk is gone.
        """
        raise NotImplementedError

    def fetch(self, name: str) -> bytes:
        """`read`, but what only this file suffers from (no permission, a link to nowhere, a bad sector) is its InputError."""
        try:
            return self.read(name)
        except OSError as err:
            if not self.path.exists():
                raise
            raise InputError(f"{name} cannot be read: {err.strerror or err}; restore it or make it readable") from err

    def stamp(self, name: str) -> str:
        """Changes when the file does, as far as can be told without reading it."""
        raise NotImplementedError

    def manifest(self) -> dict:
        """The ``dataset.json`` of a zip, ours or NVIDIA's; {} if there is none."""
        return {}


def refuse_huge(name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise InputError(f"{name} is {size / 2**30:.1f} GiB, more than any picture should be; remove it")


def file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as err:  # a link to nowhere, say: reading it will tell
        return str(err.errno)
    return f"{status.st_size} {status.st_mtime_ns}"
