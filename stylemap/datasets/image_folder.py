"""The images of a folder, zip or LMDB as a data set: the original files, decoded when asked for. Knows no torch."""

import copy
import warnings
from pathlib import Path

import numpy as np

from stylemap import decoding, naming
from stylemap.datasets.sources import open_source
from stylemap.datasets.splitting import divide, given_splits, smallest_hashes, uncounted_splits
from stylemap.errors import InputError

LARGEST_SIDE = 4096  # pixels
NAMED = 5  # unreadable files that one warning spells out


class ImageFolder:
    """The images below a folder, inside a zip or an LMDB, in the order of their relative posix paths.

    Images are found by file name (`decoding.EXTENSIONS`). Hidden files and what systems leave behind are passed over. So are
    other files, and one warning says which of them may be images. Links are followed; a folder that can be reached twice is
    read once. Every header is read at the start, except in what `stylemap data prepare` wrote; files that fail are left out,
    and one warning names them. If the pixels of a file turn out to be damaged, a warning names it, once in each process, and
    the next readable image in index order takes its place: index i gives the same pixels in every process, whatever was asked
    before. A file that can no longer be read from disk is an error and never replaced.

    Attributes:
        path, side: as given.
        names: relative posix paths, by index.
        passed_over: ending in lower case -> number of files with it that are not images.
        skipped: name -> reason, for files left out at the start and those found damaged later by this process.
    """

    def __init__(self, path: str | Path, side: int):
        """Find the images and read their headers.

        Args:
            path: a folder, a .zip file, an LMDB or a folder of LMDBs.
            side: pixels; images are cut and resized to this square, 1 to 4096.

        Raises:
            InputError: no such path, none of these, a broken zip or LMDB, a bad side, or no image that can be read.
        """
        validate_side(side, "side")
        self.path = Path(path)
        self.side = side
        self.skipped: dict[str, str] = {}
        self.passed_over: dict[str, int] = {}
        self._source = open_source(self.path, side)
        self.names = self._readable(self._list())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i, or what takes its place if it is damaged, as uint8 [side, side, 3] RGB.

        Raises:
            IndexError: i is out of range.
            InputError: every image is damaged, or a file can no longer be read from disk.
        """
        first = range(len(self))[i]
        for step in range(len(self)):
            name = self.names[(first + step) % len(self)]
            if name not in self.skipped:
                image = self._decode(name)
                if image is not None:
                    return image
        raise InputError(f"{self.path} holds no readable image: all {len(self)} are damaged; copy them again")

    def name(self, i: int) -> str:
        """The relative posix path of image i."""
        return self.names[i]

    def subset(self, names: list[str]) -> "ImageFolder":
        """The same data set with fewer names; headers are not read again."""
        part = copy.copy(self)
        part.names, part.skipped = names, dict(self.skipped)
        return part

    def take(self, count: int) -> "ImageFolder":
        """The ``count`` images whose names have the smallest hashes; all if there are no more."""
        return self.subset(sorted(smallest_hashes(self.names, count)))

    def split(self, holdout: int, border: str | None = None) -> tuple["ImageFolder", "ImageFolder"]:
        """(training, held-out) sets; see `splitting.divide`. Files left out at the start are in ``skipped`` of both."""
        training, heldout = divide(self.path, self.names, holdout, border)
        return self.subset(training), self.subset(heldout)

    def _list(self) -> list[str]:
        pictures, others = self._source.listing()
        if not pictures and not others:
            raise InputError(f"{self.path} is empty; put JPEG, PNG or WebP images into it")
        if not pictures:
            what = f"only {len(others)} other files, such as {others[0]}"
            raise InputError(f"{self.path} holds no image ({decoding.READABLE}), {what}; convert or add images")
        self.passed_over = naming.kinds(others)
        if missed := naming.missed(self.passed_over):
            self._warn(missed)
        return pictures

    def _readable(self, names: list[str]) -> list[str]:
        for name in names:
            if name in self._source.verified:
                continue
            try:
                self._source.read_size(name)
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

    def _decode(self, name: str) -> np.ndarray | None:
        """The image. If it is damaged: None, with a warning, and it is not tried again."""
        try:
            return decoding.decode_square(self._source.read(name), self.side, name)
        except OSError as err:  # a lost file or disk is no property of the data: to go on would make runs differ
            raise InputError(f"{self.path}: {name} can no longer be read ({err.strerror or err}); restore it") from err
        except InputError as err:
            self.skipped[name] = str(err)
            self._warn(f"the next image replaces a damaged one: {err}")
            return None

    def _warn(self, message: str) -> None:
        warnings.warn(f"{self.path}: {message}", stacklevel=4)


def validate_side(side: int, name: str) -> None:
    """Raise an InputError, which calls the side ``name``, unless images can have it."""
    if not 1 <= side <= LARGEST_SIDE:
        raise InputError(f"{name} must be 1 to {LARGEST_SIDE} pixels, got {side}")


def open_whole(path: str | Path, side: int) -> ImageFolder:
    """All images, to be split. A warning tells of folders that are named like splits and do not count.

    Raises:
        InputError: as `ImageFolder`.
    """
    whole = ImageFolder(path, side)
    if not given_splits(whole.names) and (text := uncounted_splits(whole.names)):
        whole._warn(text)
    return whole
