"""Pictures of a folder, zip or LMDB as training data: the original files, decoded when asked for. Knows no torch."""

import copy
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylemap import decoding, naming
from stylemap.datasets.sources import open_source
from stylemap.errors import InputError
from stylemap.naming import SPLITS, split_of

LARGEST_SIDE = 4096  # pixels
NAMED = 5  # unreadable files that one warning spells out
HOLDOUT_SHARE = 10  # at most one image in this many is held out


class ImageFolder:
    """The pictures below a folder, inside a zip or an LMDB, in the order of their relative posix paths.

    Found by file name (`decoding.EXTENSIONS`); hidden files and what systems leave behind are passed over, and so are
    other files, of which one warning tells where they may be pictures. Links are followed, and a folder that can be reached
    twice is read once. Every header is read at the start, but for what `stylemap data prepare` wrote; files that fail are
    left out and one warning names them. A file whose pixels turn
    out damaged when asked for is named by a warning, once in each process, and the next readable image in index order
    takes its place: index i gives the same pixels in every process, whatever was asked before. A file that can no longer
    be read from disk is an error and never replaced.

    Attributes:
        path, side: as given.
        passed_over: endings in lower case -> how many files that are no pictures have them.
        skipped: name -> reason, for the files left out at the start and those found damaged later by this process.
    """

    def __init__(self, path: str | Path, side: int, names: Sequence[str] | None = None):
        """Find the pictures and check their headers.

        Args:
            path: a folder, a .zip file, an LMDB or a folder of LMDBs.
            side: pixels; pictures are cut and resized to this square, 1 to 4096.
            names: only these relative posix paths, in this order; None = all, sorted.

        Raises:
            InputError: no such path, none of these, a broken zip or LMDB, an unknown name, a bad side, or no picture
                that can be read.
        """
        if not 1 <= side <= LARGEST_SIDE:
            raise InputError(f"side must be 1 to {LARGEST_SIDE} pixels, got {side}")
        self.path = Path(path)
        self.side = side
        self.skipped: dict[str, str] = {}
        self.passed_over: dict[str, int] = {}
        self._source = open_source(self.path, side)
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
        pictures, others = self._source.listing()
        if not pictures and not others:
            raise InputError(f"{self.path} is empty; put JPEG, PNG or WebP pictures into it")
        if not pictures:
            what = f"only {len(others)} other files, such as {others[0]}"
            raise InputError(f"{self.path} holds no picture ({decoding.READABLE}), {what}; convert or add pictures")
        self.passed_over = naming.kinds(others)
        if missed := naming.missed(self.passed_over):
            self._warn(missed)
        return pictures

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
            if name in self._source.verified:
                continue
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
            return decoding.decode_square(self._source.read(name), self.side, name)
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
    """Open pictures as (training, held-out) sets; see `divide`.

    Raises:
        InputError: as `ImageFolder` or `divide`.
    """
    return divide(open_whole(path, side), holdout)


def open_whole(path: str | Path, side: int) -> ImageFolder:
    """All pictures, to be divided. Folders that are named like splits and do not count are told of.

    Raises:
        InputError: as `ImageFolder`.
    """
    everything = ImageFolder(path, side)
    if not has_splits(everything) and (text := uncounted_splits(everything._names)):
        everything._warn(text)
    return everything


def divide(everything: ImageFolder, holdout: int, below: str | None = None) -> tuple[ImageFolder, ImageFolder]:
    """(training, held-out) sets: disjoint, each in sorted order.

    Where all lie in ``train/`` and in ``val/`` or ``test/``, those are the sets: held out is ``val/`` if there is one, else
    ``test/``; `naming.split_of` knows other names of them. Otherwise the names with the smallest SHA-1 of their UTF-8
    relative path are held out, at most a tenth of all (rounded down) and at least one, and the rest is trained on. Either
    way ``holdout`` of them are measured on, those with the smallest hash.

    So the choice depends on nothing but the names. While a set is so small that the tenth decides, growing it would move
    training images to held-out; so would removing images or a larger ``holdout``. ``below`` keeps from that: it is the
    `border` of an earlier split, and what was trained on then is not held out now. Files left out at the start count as
    absent, and are listed in ``skipped`` of both.

    Args:
        below: no name with a larger hash is held out; it has no effect on given splits.

    Raises:
        InputError: holdout < 1, fewer than two readable images, or none that may be held out.
    """
    if holdout < 1:
        raise InputError(f"holdout must be at least 1 image, got {holdout}")
    names, path = everything._names, everything.path
    if len(names) < 2:
        raise InputError(f"{path} holds one readable image; two are needed, one to train on and one to hold out")
    parts = given_splits(names)
    if parts:
        training, candidates = parts["train"], parts.get("val") or parts["test"]
        held_out = set(smallest_hashes(candidates, holdout))
    else:
        smallest = smallest_hashes(names, min(holdout, max(1, len(names) // HOLDOUT_SHARE)))
        held_out = {name for name in smallest if below is None or _sha1(name).hex() <= below}
        if not held_out:
            raise InputError(
                f"{path} has none of the pictures left that were held out before; restore them, or begin a new run"
            )
        training = [name for name in names if name not in held_out]
    return everything._only(training), everything._only(sorted(held_out))


def has_splits(everything: ImageFolder) -> bool:
    """Whether the splits are folders; see `divide`."""
    return bool(given_splits(everything._names))


def border(training: ImageFolder, held_out: ImageFolder) -> str | None:
    """The largest hash of a held-out name, in hexadecimal: all names above it were trained on. None where splits are given."""
    if given_splits(training._names + held_out._names):
        return None
    return max(_sha1(name).hex() for name in held_out._names)


def trained(name: str, border: str | None) -> bool:
    """Whether a training with this `border` saw a picture of that name."""
    return "train" in map(split_of, name.split("/")[:-1]) if border is None else _sha1(name).hex() > border


def smallest(pictures: ImageFolder, count: int) -> ImageFolder:
    """The ``count`` pictures with the smallest hashes; all if there are no more."""
    return pictures._only(sorted(smallest_hashes(pictures._names, count)))


def given_splits(names: Sequence[str]) -> dict[str, list[str]]:
    """The names by split if their folders are ``train`` and ``val`` or ``test`` and nothing else; {} if not.

    Folders that all have in common, such as that of the archive, may lie above.
    """
    above = 0
    while names and all(n.count("/") > above for n in names) and len({n.split("/")[above] for n in names}) == 1:
        above += 1
    parts: dict[str | None, list[str]] = {}
    for name in names:
        folders = name.split("/")[:-1]
        parts.setdefault(split_of(folders[above]) if len(folders) > above else None, []).append(name)
    return parts if "train" in parts and len(parts) > 1 and None not in parts else {}


def uncounted_splits(names: Sequence[str]) -> str | None:
    """What to tell of names in folders like ``val/`` that are not `given_splits`; None if there is nothing to tell."""
    splits = [set().union(*map(naming.hinted_splits, name.split("/")[:-1])) for name in names]
    inside = [name for name, found in zip(names, splits, strict=True) if found & {"val", "test"}]
    if not inside:
        return None
    outside = next((name for name, found in zip(names, splits, strict=True) if not found & set(SPLITS)), None)
    why = "all pictures lie in train/ and in val/ or test/, which lie in one folder"
    example = f", unlike {outside}" if outside else ""
    return (
        f"{len(inside)} pictures may be trained on though their folders are named like splits, as that of {inside[0]} is. Such "
        f"folders count only where {why}{example}; move the pictures, or name the folder to train on"
    )


def smallest_hashes(names: Sequence[str], count: int) -> list[str]:
    """The ``count`` names with the smallest SHA-1: a choice that depends on nothing but the names."""
    return sorted(names, key=_sha1)[:count]


def _sha1(name: str) -> bytes:
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
