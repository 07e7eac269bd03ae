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
        verified: names of images known to be whole, because `stylemap data prepare` decoded them.
    """

    verified: frozenset[str] = frozenset()

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """The names of all files that are not hidden, sorted."""
        raise NotImplementedError

    def listing(self) -> tuple[list[str], list[str]]:
        """-> the names of images, which their extension tells, and those of other files except ``dataset.json``."""
        images, others = [], []
        for name in self.names():
            if name != MANIFEST:
                (images if naming.extension(name) in decoding.EXTENSIONS else others).append(name)
        return images, others

    def pictures(self) -> list[str]:
        """The names of images."""
        return self.listing()[0]

    def read_size(self, name: str) -> tuple[int, int]:
        """Read only the header of an image -> its stored (width, height).

        Raises:
            InputError: the file is not an image, or damaged.
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
        """As `read`, but an error of this file alone (no permission, a link to nowhere, a bad sector) is an InputError."""
        try:
            return self.read(name)
        except OSError as err:
            if not self.path.exists():
                raise
            raise InputError(f"{name} cannot be read: {err.strerror or err}; restore it or make it readable") from err

    def stamp(self, name: str) -> str:
        """A text that changes when the file does, as far as that can be seen without reading it."""
        raise NotImplementedError

    def manifest(self) -> dict:
        """The content of ``dataset.json`` in a zip of this project or of NVIDIA's; {} if there is none."""
        return {}


def refuse_huge(name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise InputError(f"{name} is {size / 2**30:.1f} GiB, more than any image should be; remove it")


def file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as err:  # a link to nowhere, say: reading it will raise the error
        return str(err.errno)
    return f"{status.st_size} {status.st_mtime_ns}"
