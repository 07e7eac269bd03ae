"""A folder or a zip of pictures as training data: the original files, decoded when asked for. Knows no torch.

The reader serves ``DataLoader`` workers however they start: it pickles as a path and a list of names, and each process
opens the zip for itself, since processes that share one file handle would move each other's position.
"""

import contextlib
import copy
import hashlib
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from stylemap import images
from stylemap.errors import InputError

LARGEST_SIDE = 4096  # pixels
NAMED = 5  # unreadable files that one warning spells out
HOLDOUT_SHARE = 10  # at most one image in this many is held out
BROKEN_ENTRY = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # RuntimeError: encrypted, unknown compression


class ImageFolder:
    """The JPEG, PNG and WebP pictures below a folder or inside a zip, in the order of their relative posix paths.

    Found by file name; hidden files and folders, ``__MACOSX`` and other extensions are passed over, links are followed,
    and a folder that can be reached twice is read once. Every header is read at the start; files that fail are left out
    and one warning names them. A file whose pixels turn out damaged when asked for is named by a warning, once in each
    process, and the next readable image in index order takes its place: index i gives the same pixels in every process,
    whatever was asked before. A file that can no longer be read from disk is an error and never replaced.

    Attributes:
        path, side: as given.
        skipped: name -> reason, for the files left out at the start and those found damaged later by this process.
    """

    def __init__(self, path: str | Path, side: int, names: Sequence[str] | None = None):
        """Find the pictures and check their headers.

        Args:
            path: a folder or a .zip file.
            side: pixels; pictures are cut and resized to this square, 1 to 4096.
            names: only these relative posix paths, in this order; None = all, sorted.

        Raises:
            InputError: no such path, neither folder nor zip, a broken zip, an unknown name, a bad side, or no picture
                that can be read.
        """
        if not 1 <= side <= LARGEST_SIDE:
            raise InputError(f"side must be 1 to {LARGEST_SIDE} pixels, got {side}")
        self.path = Path(path)
        self.side = side
        self.skipped: dict[str, str] = {}
        self._source = _source(self.path)
        self._names = self._readable(self._pictures() if names is None else self._known(names))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i, or what takes its place if it is damaged, as uint8 [side, side, 3] RGB.

        Raises:
            IndexError: i is out of range.
            InputError: every image is damaged, or a file can no longer be read from disk.
        """
        first = range(len(self))[i]
        for step in range(len(self)):
            name = self._names[(first + step) % len(self)]
            if name not in self.skipped:
                picture = self._load(name)
                if picture is not None:
                    return picture
        raise InputError(f"{self.path} holds no readable image: all {len(self)} are damaged; copy them again")

    def name(self, i: int) -> str:
        """The relative posix path of image i."""
        return self._names[i]

    def _pictures(self) -> list[str]:
        files = sorted(name for name in self._source.files() if not _hidden(name))
        names = [name for name in files if PurePosixPath(name).suffix.lower() in images.EXTENSIONS]
        if not files:
            raise InputError(f"{self.path} is empty; put JPEG, PNG or WebP pictures into it")
        if not names:
            what = f"only {len(files)} other files, such as {files[0]}"
            raise InputError(f"{self.path} holds no JPEG, PNG or WebP picture, {what}; convert or add pictures")
        return names

    def _known(self, names: Sequence[str]) -> list[str]:
        missing = sorted(set(names) - set(self._pictures()))
        if missing:
            what = f"{len(missing)} of the named images, such as {missing[0]}"
            raise InputError(f"{self.path} lacks {what}; restore them")
        if not names:
            raise InputError(f"no image of {self.path} was named; name at least one")
        return list(names)

    def _readable(self, names: list[str]) -> list[str]:
        for name in names:
            try:
                self._source.check(name)
            except InputError as err:
                self.skipped[name] = str(err)
        readable = [name for name in names if name not in self.skipped]
        reasons = list(self.skipped.values())
        if not readable:
            raise InputError(f"{self.path} holds no readable image: all {len(names)} fail, the first as {reasons[0]}")
        if reasons:
            more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
            self._warn(f"skipped {len(reasons)} of {len(names)} images: {'; '.join(reasons[:NAMED])}{more}")
        return readable

    def _load(self, name: str) -> np.ndarray | None:
        """The picture, or None if it is damaged, which is then remembered and told."""
        try:
            return images.load(self._source.read(name), self.side, name)
        except OSError as err:  # a lost file or disk is no property of the data: to go on would make runs differ
            raise InputError(f"{self.path}: {name} can no longer be read ({err.strerror or err}); restore it") from err
        except InputError as err:
            self.skipped[name] = str(err)
            self._warn(f"the next image replaces a damaged one: {err}")
            return None

    def _warn(self, message: str) -> None:
        warnings.warn(f"{self.path}: {message}", stacklevel=4)

    def _only(self, names: list[str]) -> "ImageFolder":
        """The same data set with fewer names; headers are not read again."""
        part = copy.copy(self)
        part._names = names
        part.skipped = dict(self.skipped)
        return part


def split(path: str | Path, side: int, holdout: int) -> tuple[ImageFolder, ImageFolder]:
    """Open the pictures of a folder or zip as (training, held-out) sets: disjoint, together all, each in sorted order.

    Held out are the names with the smallest SHA-1 of their UTF-8 relative path, ``holdout`` of them but at most a
    tenth of all (rounded down) and at least one. So the choice depends on nothing but the names, and with the same
    number held out, adding images never moves one from training to held-out: an image once trained on is never tested
    on. Each image added may push one from held-out to training, if its own hash is smaller. While a set is so small
    that the tenth decides, growing it can move training images to held-out; so can removing images or a larger
    ``holdout``. Files left out at the start count as absent, and are listed in ``skipped`` of both.

    Raises:
        InputError: holdout < 1, fewer than two readable images, or anything ``ImageFolder`` raises.
    """
    if holdout < 1:
        raise InputError(f"holdout must be at least 1 image, got {holdout}")
    everything = ImageFolder(path, side)
    if len(everything) < 2:
        raise InputError(f"{path} holds one readable image; two are needed, one to train on and one to hold out")
    count = min(holdout, max(1, len(everything) // HOLDOUT_SHARE))
    held_out = set(sorted(everything._names, key=_sha1)[:count])
    return (
        everything._only([name for name in everything._names if name not in held_out]),
        everything._only([name for name in everything._names if name in held_out]),
    )


def _sha1(name: str) -> bytes:
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()


def _hidden(name: str) -> bool:
    return any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in PurePosixPath(name).parts)


# ---- where the bytes lie


def _source(path: Path) -> "_Directory | _Archive":
    if path.is_dir():
        return _Directory(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder or zip; check the path")
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor a zip; name one that holds pictures")
    try:
        return _Archive(path)
    except (OSError, *BROKEN_ENTRY) as err:
        raise InputError(f"{path} is a broken zip ({err}); copy or pack it again") from err


class _Directory:
    def __init__(self, path: Path):
        self.path = path

    def files(self) -> Iterator[str]:
        """Relative posix paths of all files below, each folder entered once so that loops of links end."""
        entered = set()
        for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_refuse):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in entered:
                subfolders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            subfolders.sort()  # which of two ways to a folder comes first must not depend on the disk
            yield from (Path(folder, file).relative_to(self.path).as_posix() for file in files)

    def check(self, name: str) -> None:
        images.check(self.path / name, name)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()


class _Archive:
    def __init__(self, path: Path):
        self.path = path
        self._handle = zipfile.ZipFile(path)
        self._owner = os.getpid()  # the process whose handle it is

    def __getstate__(self) -> dict:
        return {"path": self.path, "_handle": None, "_owner": None}

    def files(self) -> set[str]:
        return {entry.filename for entry in self._zip().infolist() if not entry.is_dir()}  # a name may be there twice

    def check(self, name: str) -> None:
        with _entry_errors(name), self._zip().open(name) as stream:
            images.check(stream, name)

    def read(self, name: str) -> bytes:
        handle = self._zip()  # a zip that is gone or replaced is no damaged entry: let that error through
        with _entry_errors(name):
            return handle.read(name)

    def _zip(self) -> zipfile.ZipFile:
        if self._owner != os.getpid():
            self._handle = zipfile.ZipFile(self.path)
            self._owner = os.getpid()
        return self._handle


@contextlib.contextmanager
def _entry_errors(name: str) -> Iterator[None]:
    try:
        yield
    except BROKEN_ENTRY as err:
        raise InputError(f"{name} cannot be unpacked ({err}); pack it again") from err


def _refuse(err: OSError) -> None:
    raise InputError(f"cannot list {err.filename}: {err.strerror}; make it readable or move it away") from err
