"""Part labels of pictures, found by name in a folder or zip. Knows no torch."""

import functools
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from stylemap import decoding, resampling
from stylemap.datasets.parts import Part, part_ids
from stylemap.datasets.sources import Source, open_source
from stylemap.errors import InputError
from stylemap.naming import canonical, split_of, without_extension

FILE_PARTS = {  # how CelebAMask-HQ's files end: 00000_skin.png
    "skin": Part.SKIN,
    "nose": Part.NOSE,
    "eye_g": Part.EYEGLASSES,
    "l_eye": Part.LEFT_EYE,
    "r_eye": Part.RIGHT_EYE,
    "l_brow": Part.LEFT_BROW,
    "r_brow": Part.RIGHT_BROW,
    "l_ear": Part.LEFT_EAR,
    "r_ear": Part.RIGHT_EAR,
    "mouth": Part.MOUTH,
    "u_lip": Part.UPPER_LIP,
    "l_lip": Part.LOWER_LIP,
    "hair": Part.HAIR,
    "hat": Part.HAT,
    "ear_r": Part.EARRING,
    "neck_l": Part.NECKLACE,
    "neck": Part.NECK,
    "cloth": Part.CLOTH,
}
WHOLE = None  # in place of a part: the file is a map of all of them
Files = dict[Part | None, str]  # one under WHOLE, or one for each part, the ids ascending


class _Labels(NamedTuple):
    """The files with the labels of one picture."""

    path: str  # as the picture's should be: relative, without extension
    files: Files


class PartLabels:
    """The part labels of pictures, in a folder or zip of PNG files of either layout.

    - A label map for each picture, ``<picture>.png``: its grey values, or palette indices, are ids of `Part`.
    - The files of CelebAMask-HQ, one for each part, ``<picture>_<part>.png``: white is the part, or the lighter of any
      two values. They are laid over one another in the order of their ids, as is usual for this data set: a pixel of several
      parts is of the last.

    Labels belong to a picture by name, never by the order of a listing: those of the same relative path (extensions aside);
    if there are none, of the same file name; if there are none either and the name is a number, of the same number:
    ``7.jpg`` and ``00007_skin.png``. A file in ``train/`` never belongs to a picture in ``val/``, and so on.

    Attributes:
        source: of the files.
    """

    def __init__(self, source: str | Path | Source, folder: str = ""):
        """List the files.

        Args:
            source: a folder or zip, or one that is open.
            folder: only files below a folder of this name, wherever it lies; "" = all.

        Raises:
            InputError: no such path, or no PNG file there.
        """
        self.source = source if isinstance(source, Source) else open_source(source)
        self._folder = folder
        if not self._by_path:
            where = f" in a folder {folder}" if folder else ""
            raise InputError(f"{self.source.path} holds no part labels, which are PNG files{where}; check the path")

    def __getstate__(self) -> dict:
        return {"source": self.source, "_folder": self._folder}  # other processes list the files for themselves

    def __contains__(self, name: str) -> bool:
        """Whether a picture has labels. Raises InputError where several could be its."""
        return self._find(name) is not None

    def files(self, name: str) -> Files:
        """The files with the labels of a picture.

        Args:
            name: the picture's relative posix path, as a source gives it.

        Raises:
            InputError: there are none, or several that could be.
        """
        found = self._find(name)
        if found is None:
            stem = PurePosixPath(without_extension(name)).name
            wanted = f"{stem}.png or {stem}_skin.png and so on"
            raise InputError(f"{self.source.path} holds no part labels of {name}: no {wanted}; add them")
        return found.files

    def read(self, name: str) -> np.ndarray:
        """The labels of a picture, uint8 [H, W] of `Part`, at the size they are stored in.

        Raises:
            InputError: there are none or several, or a file is damaged or of another kind.
            OSError: the folder, zip or disk is gone.
        """
        return self.read_files(self.files(name))

    def read_files(self, files: Files) -> np.ndarray:
        """The labels in some files, as `read` gives them; knows the files, so nothing is listed."""
        if WHOLE in files:
            return self._map(files[WHOLE])
        labels = None
        for part, file in files.items():
            white = _white(_opened(self.source.read(file), file), file)
            labels = np.zeros(white.shape, np.uint8) if labels is None else labels
            if white.shape != labels.shape:
                other = next(iter(files.values()))
                raise InputError(f"{other} and {file} differ in size; make them one size or copy them again")
            labels[white] = part
        return labels

    def mask(self, name: str, parts: str | Iterable[int], side: int) -> np.ndarray:
        """How much of each pixel is of the given parts, float32 [side, side] in [0, 1].

        Args:
            parts: a name in GROUPS, or ids.
            side: pixels; like the photo, the central square is cut out and averaged by area.

        Raises:
            InputError: as of ``read`` and ``part_ids``.
        """
        ids = part_ids(parts)
        return resampling.fit_mask(np.isin(self.read(name), ids).astype(np.float32), side)

    def _find(self, name: str) -> _Labels | None:
        path = without_extension(canonical(name))
        stem = PurePosixPath(path).name
        levels = [(self._by_path, path), (self._by_stem, stem), (self._by_number, _number(stem))]
        for index, key in levels:
            found = [labels for labels in index.get(key, []) if _same_split(labels.path, path)]
            if len(found) > 1:
                one, other = (next(iter(labels.files.values())) for labels in found[:2])
                raise InputError(f"{one} and {other} could both be part labels of {name}; keep one or name its folder")
            if found:
                return found[0]
        picture, part = _split_part(path)
        owner = None if part is WHOLE else self._find(picture)  # a_hat.png was taken for a part of "a", not for its map
        return _Labels(path, {WHOLE: owner.files[part]}) if owner and part in owner.files else None

    @functools.cached_property
    def _by_path(self) -> dict[str, list[_Labels]]:
        maps: dict[str, Files] = {}
        parted: dict[str, Files] = {}
        for name in self.source.names():
            path = PurePosixPath(name)
            if path.suffix.lower() != ".png" or (self._folder and self._folder not in path.parts[:-1]):
                continue
            picture, part = _split_part(without_extension(name))
            if part is WHOLE:
                maps[picture] = {WHOLE: name}
            else:
                parted.setdefault(picture, {})[part] = name
        index: dict[str, list[_Labels]] = {}
        for path, files in [*maps.items(), *parted.items()]:
            index.setdefault(path, []).append(_Labels(path, dict(sorted(files.items(), key=lambda item: item[0] or 0))))
        return index

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[_Labels]]:
        index: dict[str, list[_Labels]] = {}
        for path, found in self._by_path.items():
            index.setdefault(PurePosixPath(path).name, []).extend(found)
        return index

    @functools.cached_property
    def _by_number(self) -> dict[str | None, list[_Labels]]:
        index: dict[str | None, list[_Labels]] = {}
        for stem, found in self._by_stem.items():
            if number := _number(stem):
                index.setdefault(number, []).extend(found)
        return index

    def _map(self, name: str) -> np.ndarray:
        """A file of ids -> uint8 [H, W]."""
        values = _values(_opened(self.source.read(name), name), name)
        if values.max() >= len(Part):
            why = f"holds the value {values.max()}, and ids of parts are 0 to {len(Part) - 1}"
            raise InputError(f"{name} {why}; name a file of one part <picture>_<part>.png")
        return values.astype(np.uint8)


def _opened(data: bytes, name: str) -> PngImageFile:
    """A PNG, decoded. `decoding.decode` would take twice as long for what is to be displayed: profiles, alpha, EXIF."""
    with decoding.open_image(data, name) as picture:
        if picture.format != "PNG":
            raise InputError(f"{name} is no PNG, and ids of parts must be exact; export it as PNG")
        picture.load()
        return picture


def _white(picture: PngImageFile, name: str) -> np.ndarray:
    """Where the file of one part has it, bool [H, W]: white, or the lighter of any two values, such as 0 and 1."""
    grey = np.asarray(picture.convert("L"))
    low, high = grey.min(), grey.max()
    if low < 128 <= high:
        return grey >= 128
    if not ((grey == low) | (grey == high)).all():
        raise InputError(
            f"{name} holds values from {low} to {high}; the file of a part is black and white, or of two values"
        )
    return (grey == high) & (high > 0)


def _values(picture: PngImageFile, name: str) -> np.ndarray:
    """The numbers in a PNG, [H, W]: grey values or palette indices, not what they look like."""
    values = np.asarray(picture)
    if values.ndim == 2:
        bits = picture.info["bits"]  # Pillow spreads grey of 2 and 4 bits to 0..255
        return values // (255 // ((1 << bits) - 1)) if picture.mode == "L" else values
    grey, *colours = (values[:, :, i] for i, band in enumerate(picture.getbands()) if band != "A")
    if any((colour != grey).any() for colour in colours):
        raise InputError(f"{name} is coloured; the grey values of a label map are ids of parts, convert it")
    return grey


def _split_part(path: str) -> tuple[str, Part | None]:
    """ "0/00000_l_eye" -> ("0/00000", Part.LEFT_EYE)."""
    words = path.rsplit("_", 2)
    for count in (2, 1):  # of words in the name of the part: l_eye goes before an eye of 00000_l
        ending, picture = "_".join(words[-count:]), "_".join(words[:-count])
        if ending in FILE_PARTS and picture and not picture.endswith("/"):
            return picture, FILE_PARTS[ending]
    return path, WHOLE


def _number(stem: str) -> str | None:
    """A number without zeros before it; None if the stem is none. No int: it may have any length."""
    return (stem.lstrip("0") or "0") if stem.isascii() and stem.isdecimal() else None


def _same_split(path: str, other: str) -> bool:
    """Whether nothing says that two files are of different splits."""
    first, second = (
        next((split for p in PurePosixPath(x).parts[:-1] if (split := split_of(p))), None) for x in (path, other)
    )
    return None in (first, second) or first == second
