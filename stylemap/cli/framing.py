"""The squares of photos that verbs work on, as ``--frame`` and ``--crop`` say, and masks over them."""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stylemap import faces, resampling
from stylemap.cli import inputs
from stylemap.errors import InputError, Note, listed
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo, open_photo

NAMED = 3  # photos of a kind that are spelled out
OTHERWISE = "--frame centre takes the central square, --crop any other"


class Framing:
    """Opens the photos of a verb that has the flags of `flags.add_framing`."""

    def __init__(self, arguments: argparse.Namespace, side: int):
        """
        Raises:
            InputError: flags that exclude each other, or no way to find faces where one is asked for.
        """
        self.side, self.frame = side, arguments.frame or "auto"
        if arguments.crop and arguments.frame:
            raise InputError("--frame and --crop both say which square to take; give one of the two")
        if arguments.crop or self.frame == "centre":
            inputs.only_with("--frame face", arguments, "landmarks", "detector")
        self.crop = None
        if arguments.crop:
            self.crop = faces.Alignment.crop(*arguments.crop, side)
        self.finder = None if self.crop or self.frame == "centre" else self._find_finder(arguments)
        self._opened: dict[str, Photo] = {}

    def _find_finder(self, arguments: argparse.Namespace) -> faces.Finder | None:
        if self.frame == "auto" and not arguments.landmarks and not arguments.detector:
            return find_finder()
        return faces.Finder(arguments.landmarks, arguments.detector)

    def open(self, path: str | Path, crop: bool = True) -> Photo:
        """A photo. Where it was opened before, its face is not looked for again.

        Args:
            crop: whether ``--crop`` is about this photo.

        Raises:
            InputError: as of `photo.open_photo`.
        """
        name = self._name(path)
        before = self._opened.get(name)
        frame = before.alignment if before else (self.crop if crop and self.crop else self.frame)
        photo = open_photo(Path(path), self.side, frame, self.finder, name)
        if not before:
            self._opened[name] = replace(photo, pixels=photo.pixels[:0])  # thousands of them would fill the memory
        return photo

    def _name(self, path: str | Path) -> str:
        return Path(path).as_posix() if self.finder else str(path)

    def each(self, paths: Sequence[str | Path]) -> Iterator[Photo]:
        """The photos of a verb, one after the other, and then a line on what was done. ``--crop`` is about a single one.

        Raises:
            InputError: as of `open`, or a crop of several.
        """
        if self.crop and len(paths) > 1:
            raise InputError(f"--crop is a square of one photo, and there are {len(paths)}; leave it out, or give one")
        yield from map(self.open, paths)
        self.tell()

    def place(self, path: str | Path) -> tuple[float, ...] | None:
        """What names the square of a photo that was opened before; None: the central one."""
        photo = self._opened[self._name(path)]
        return None if photo.is_central else (*photo.alignment.corner, *photo.alignment.edge)

    def tell(self) -> None:
        """A `Note` on the squares that were chosen without being asked for, of the photos opened so far."""
        if self.frame != "auto" or self.crop:
            return
        photos = list(self._opened.values())
        found = [photo for photo in photos if photo.aligned]
        if found:
            counts = [f"{p.name} (the largest of {p.faces})" if (p.faces or 0) > 1 else p.name for p in found]
            several = f"the faces of {len(found)} photos" if len(found) > 1 else "the face"
            text = f"took {several}, straightened: {listed(counts, NAMED)}; {OTHERWISE}"
            warnings.warn(text, Note, stacklevel=3)
        if cut := [photo.name for photo in photos if photo.is_central and len({*photo.size}) > 1]:
            why = "no face was found" if self.finder else "there is no face detector (`stylemap weights pull yunet`)"
            text = f"took the central square of {listed(cut, NAMED)}, as {why}; --crop takes any other"
            warnings.warn(text, Note, stacklevel=3)


def find_finder(detector: str | None = None) -> faces.Finder | None:
    """What finds faces: the given model, or the one in the cache; None where there is none.

    Raises:
        InputError: a model that was given and cannot be used.
    """
    try:
        return faces.Finder(detector=detector)
    except InputError as err:
        if detector is not None:
            raise InputError(f"--detector: {err}, or leave --detector out") from err
        return None


def fit_mask(mask: np.ndarray, photo: Photo, name: str, on_square: bool = False) -> np.ndarray:
    """A mask over a photo, float32 [H, W] in [0, 1] -> over what the model sees, [R, R].

    Args:
        name: what messages call it.
        on_square: it lies over the square of the photo already.

    Raises:
        InputError: it does not fit.
    """
    side = photo.alignment.side
    if on_square or photo.is_central:
        mask_files.validate_size(mask.shape, (side, side) if on_square else photo.size[::-1], name)
        return resampling.fit_mask(mask, side)
    mask_files.validate_size(mask.shape, photo.size[::-1], name, "give one of the square with --mask-on face")
    turned = faces.align_mask(mask, photo.alignment.scaled(max(mask.shape) / max(photo.size)))
    if turned.max() == 0:
        (left, top), (right, bottom) = photo.alignment.quad.min(0).round(), photo.alignment.quad.max(0).round()
        raise InputError(
            f"the mask {name} does not touch the {'face' if photo.aligned else 'square'}, which lies within x {left:.0f} to "
            f"{right:.0f}, y {top:.0f} to {bottom:.0f} of the photo; paint it there"
        )
    return turned
