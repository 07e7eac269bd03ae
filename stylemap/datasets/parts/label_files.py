"""Part labels of images, found by name in a folder or zip. Nothing here imports torch."""

import functools
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from stylemap import decoding, resampling
from stylemap.datasets.parts.ids import Part, part_ids
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
PART_FILE = re.compile(rf"(.*[^/])_({'|'.join(FILE_PARTS)})", re.DOTALL)
WHOLE = None  # in place of a part: the file is a map of all parts
Files = dict[Part | None, str]  # one under WHOLE, or one for each part in the order of the ids


class PartLabels:
    """The part labels of images, in a folder or zip of PNG files of either layout.

    - A label map for each image, ``<image>.png``: its grey values, or palette indices, are ids of `Part`.
    - The files of CelebAMask-HQ, one for each part, ``<image>_<part>.png``: the part is white, or the lighter of any two
      values. They are laid over one another in the order of their ids, as is usual for this data set, so a pixel that is in
      several parts belongs to the last.

    Labels are matched to an image by name, never by the order of a listing. The same relative path (without extensions) is
    tried first, then the same file name, then, if the name is a number, the same number: ``7.jpg`` and ``00007_skin.png``. A file
    in ``train/`` never belongs to an image in ``val/``, and so on.

    Attributes:
        source: where the files lie.
    """

    def __init__(self, source: str | Path | Source, folder: str = ""):
        """List the files.

        Args:
            source: a folder or zip, or an open source.
            folder: take only files below a folder of this name, wherever it lies; "" = all.

        Raises:
            InputError: no such path, or no PNG file there.
        """
        self.source = source if isinstance(source, Source) else open_source(source)
        self._folder = folder
        if not self._index:
            where = f" in a folder {folder}" if folder else ""
            raise InputError(f"{self.source.path} holds no part labels, which are PNG files{where}; check the path")

    def __getstate__(self) -> dict:
        return {"source": self.source, "_folder": self._folder}  # other processes list the files for themselves

    def __contains__(self, name: str) -> bool:
        """Whether an image has labels. Raises an InputError if several files could be its labels."""
        return self._find(name) is not None

    def files(self, name: str) -> Files:
        """The files with the labels of an image.

        Args:
            name: the image's relative posix path, as a source gives it.

        Raises:
            InputError: there are no labels, or several files could be them.
        """
        files = self._find(name)
        if files is None:
            stem = PurePosixPath(without_extension(name)).name
            what = f"{stem}.png or {stem}_skin.png and so on"
            raise InputError(f"{self.source.path} holds no part labels of {name}: no {what}; add them")
        return files

    def read(self, name: str) -> np.ndarray:
        """The labels of an image, uint8 [H, W] of `Part`, at the size of the file.

        Raises:
            InputError: as `files`, or a file is damaged or of another kind.
            OSError: the folder, zip or disk is gone.
        """
        return self.read_files(self.files(name))

    def read_files(self, files: Files) -> np.ndarray:
        """The labels in some files, as `read` gives them. Nothing is listed."""
        if WHOLE in files:
            return _read_map(self.source.read(files[WHOLE]), files[WHOLE])
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
        """The share of each pixel that belongs to the given parts, float32 [side, side] in [0, 1].

        Args:
            parts: a name in GROUPS, or ids.
            side: pixels; the central square is cut out and averaged by area, as in the image.

        Raises:
            InputError: as `read` and `part_ids`.
        """
        ids = part_ids(parts)
        return resampling.fit_mask(np.isin(self.read(name), ids).astype(np.float32), side)

    def _find(self, name: str) -> Files | None:
        path = without_extension(canonical(name))
        for key in _keys(path):
            candidates = [files for image, files in self._index.get(key, []) if _same_split(image, path)]
            if len(candidates) > 1:
                one, other = (next(iter(files.values())) for files in candidates[:2])
                raise InputError(f"{one} and {other} could both be part labels of {name}; keep one or name its folder")
            if candidates:
                return candidates[0]
        image, part = _split_part(path)
        owner = None if part is WHOLE else self._find(image)  # a_hat.png was taken for a part of "a", not for its map
        return {WHOLE: owner[part]} if owner and part in owner else None

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str], list[tuple[str, Files]]]:
        """Under each key that an image may have: its path without extension, and the files with its labels."""
        maps: dict[str, Files] = {}
        parted: dict[str, Files] = {}
        for name in self.source.names():
            path = PurePosixPath(name)
            if path.suffix.lower() != ".png" or (self._folder and self._folder not in path.parts[:-1]):
                continue
            image, part = _split_part(without_extension(name))
            if part is WHOLE:
                maps[image] = {WHOLE: name}
            else:
                parted.setdefault(image, {})[part] = name
        index: dict[tuple[str, str], list[tuple[str, Files]]] = {}
        for path, files in [*maps.items(), *parted.items()]:
            ordered = dict(sorted(files.items(), key=lambda item: item[0] or 0))
            for key in _keys(path):
                index.setdefault(key, []).append((path, ordered))
        return index


def read_label_map(path: str | Path) -> np.ndarray:
    """A label map that is a file of its own, uint8 [H, W] of `Part`.

    Raises:
        InputError: no such file, or it is not a label map.
    """
    return _read_map(Path(path), str(path))


def _read_map(data: bytes | Path, name: str) -> np.ndarray:
    values = _values(_opened(data, name), name)
    if values.max() >= len(Part):
        why = f"holds the value {values.max()}, and ids of parts are 0 to {len(Part) - 1}"
        raise InputError(f"{name} {why}; name a file of one part <image>_<part>.png")
    return values.astype(np.uint8)


def _opened(data: bytes | Path, name: str) -> PngImageFile:
    """A decoded PNG. `decoding.decode` would take twice as long for colour profiles, alpha and EXIF, which do not matter here."""
    with decoding.open_image(data, name) as picture:
        if picture.format != "PNG":
            raise InputError(f"{name} is not a PNG, and ids of parts must be exact; export it as PNG")
        picture.load()
        return picture


def _white(picture: PngImageFile, name: str) -> np.ndarray:
    """Where the file of one part shows it, bool [H, W]: white, or the lighter of any two values, such as 0 and 1."""
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
        bits = picture.info["bits"]  # Pillow stretches grey of 2 and 4 bits to 0..255
        return values // (255 // ((1 << bits) - 1)) if picture.mode == "L" else values
    grey, *colours = (values[:, :, i] for i, band in enumerate(picture.getbands()) if band != "A")
    if any((colour != grey).any() for colour in colours):
        raise InputError(f"{name} is coloured; the grey values of a label map are ids of parts, convert it")
    return grey


def _split_part(path: str) -> tuple[str, Part | None]:
    """ "0/00000_l_eye" -> ("0/00000", Part.LEFT_EYE)."""
    named = PART_FILE.fullmatch(path)
    return (named[1], FILE_PARTS[named[2]]) if named else (path, WHOLE)


def _keys(path: str) -> list[tuple[str, str]]:
    """What labels of an image may be found by, the most exact first: its path, its file name, the number that this is."""
    stem = PurePosixPath(path).name
    keys = [("path", path), ("name", stem)]
    if stem.isascii() and stem.isdecimal():
        keys.append(("number", stem.lstrip("0") or "0"))  # not an int: it may have any length
    return keys


def _same_split(path: str, other: str) -> bool:
    """Whether two files may be of the same split: no folder says otherwise."""
    first, second = (next(filter(None, map(split_of, PurePosixPath(x).parts[:-1])), None) for x in (path, other))
    return None in (first, second) or first == second
