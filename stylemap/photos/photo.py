"""Photos as people bring them: the square that the model sees, where it lies, and the file it was cut out of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylemap import decoding, faces
from stylemap.errors import InputError


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, and the square of it that the model sees."""

    pixels: np.ndarray  # uint8 [R, R, 3], what the model sees
    source: bytes | Path | None  # the file that the pixels were cut out of; None: they are the whole photo
    size: tuple[int, int]  # (width, height) of the photo, upright
    alignment: faces.Alignment  # where the pixels lie in the photo
    aligned: bool = False  # to a face
    labels: np.ndarray | None = None  # uint8 [R, R] of `datasets.parts.Part`, of drawn faces
    name: str = "the file"  # as messages call it


def from_pixels(pixels: np.ndarray, labels: np.ndarray | None = None) -> Photo:
    """A photo that is its pixels, uint8 [R, R, 3]."""
    side = len(pixels)
    return Photo(pixels, None, (side, side), faces.Alignment.central(side, side, side), labels=labels)


def open_square(
    source: bytes | Path, side: int, name: str = "the file", max_pixels: int = decoding.MAX_PIXELS
) -> Photo:
    """The central square of an image file at the model's side. Errors are those of `decoding.decode`."""
    height, width = decoding.upright_size(source, name, max_pixels)
    pixels = decoding.decode_square(source, side, name, max_pixels)
    return Photo(pixels, source, (width, height), faces.Alignment.central(height, width, side), name=name)


def open_face(
    source: bytes | Path,
    side: int,
    finder: faces.Finder,
    name: str = "the file",
    max_pixels: int = decoding.MAX_PIXELS,
    repair: str | None = None,
) -> Photo:
    """The largest face of an image file, aligned like FFHQ's, at the model's side.

    Args:
        repair: what to do where there is no face, besides choosing another photo; None: as `faces.Finder.largest` says.

    Raises:
        InputError: as of `decoding.decode`; no face, or landmarks that do not fit the photo.
    """
    photo = decoding.decode(source, name, max_pixels)
    face = finder.largest(name, photo, repair)
    try:
        aligned = faces.cut(photo, face, side)
    except InputError as err:
        raise InputError(f"{name}: {err}") from err
    return Photo(aligned.picture, source, photo.shape[1::-1], aligned.alignment, aligned=True, name=name)
