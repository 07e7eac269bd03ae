"""Photos as people bring them: the square that the model sees, where it lies, and the file it was cut out of."""

import contextlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from stylemap import decoding, faces
from stylemap.errors import InputError, shortened

# A square photo is the square of its face already if both overlap by this (intersection over union) and it is turned by less.
# 28 photos of CelebA-HQ had 0.82 or more and 3.1 degrees or less, 30 drawn faces 0.74 or more, faces found in AFHQ 0.61 or more.
CUT_OUT, STRAIGHT = 0.6, 10
FARTHEST = 1e6  # pixels, of a square that is chosen; no photo is so wide

Frame = Literal["auto", "face", "centre"]  # how the square is found: see `open_framed`, `open_face`, `open_square`
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, and the square of it that the model sees."""

    pixels: np.ndarray  # uint8 [R, R, 3], what the model sees
    source: bytes | Path | None  # the file that the pixels were cut out of; None: they are the whole photo
    size: tuple[int, int]  # (width, height) of the photo, upright
    alignment: faces.Alignment  # where the pixels lie in the photo
    aligned: bool = False  # to a face
    faces: int | None = None  # that were found in it; None: nobody looked
    labels: np.ndarray | None = None  # uint8 [R, R] of `datasets.parts.Part`, of drawn faces
    name: str = "the file"  # as messages call it

    @property
    def is_central(self) -> bool:
        """Whether the pixels are the central square."""
        width, height = self.size
        return self.alignment.lies_as(faces.Alignment.central(height, width, self.alignment.side))


def from_pixels(pixels: np.ndarray, labels: np.ndarray | None = None) -> Photo:
    """A photo that is its pixels, uint8 [R, R, 3]."""
    side = len(pixels)
    return Photo(pixels, None, (side, side), faces.Alignment.central(side, side, side), labels=labels)


def read_crop(text: str) -> tuple[float, float, float, float]:
    """ "420,80,640,-15" -> (420, 80, 640, -15) for `faces.Alignment.crop`; without the fourth, the square is not turned.

    Raises:
        InputError: something else.
    """
    numbers = text.split(",")
    if len(numbers) not in (3, 4) or not all(re.fullmatch(NUMBER, number) for number in numbers):
        raise InputError(
            f"{shortened(text)!r} is not a square like 420,80,640 or 420,80,640,-15: left, top, side, degrees"
        )
    left, top, length, degrees = (max(-FARTHEST, min(FARTHEST, float(number))) for number in [*numbers, "0"][:4])
    return left, top, length, degrees


def open_photo(
    source: bytes | Path,
    side: int,
    frame: Frame | faces.Alignment,
    finder: faces.Finder | None,
    name: str = "the file",
    max_pixels: int = decoding.MAX_PIXELS,
    repair: str | None = None,
) -> Photo:
    """An image file at the model's side, framed as ``frame`` says. Arguments and errors are those of the functions below.

    Args:
        frame: how the square is found, or the square.
        finder: needed for ``face``.
    """
    if isinstance(frame, faces.Alignment):
        return open_crop(source, frame, name, max_pixels)
    if frame == "centre":
        return open_square(source, side, name, max_pixels)
    if frame == "face":
        return open_face(source, side, finder, name, max_pixels, repair)
    return open_framed(source, side, finder, name, max_pixels)


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


def open_crop(
    source: bytes | Path, alignment: faces.Alignment, name: str = "the file", max_pixels: int = decoding.MAX_PIXELS
) -> Photo:
    """A square of an image file that was chosen by hand. It may be turned, and reach beyond the photo, see `faces.align`.

    Raises:
        InputError: as of `decoding.decode`; a square that does not fit the photo.
    """
    height, width = decoding.upright_size(source, name, max_pixels)
    if alignment.lies_as(faces.Alignment.central(height, width, alignment.side)):
        return open_square(source, alignment.side, name, max_pixels)
    photo = decoding.decode(source, name, max_pixels)
    try:
        pixels = faces.crop(photo, alignment)
    except InputError as err:
        raise InputError(f"{name}: {err}") from err
    return Photo(pixels, source, (width, height), alignment, name=name)


def open_framed(
    source: bytes | Path,
    side: int,
    finder: faces.Finder | None,
    name: str = "the file",
    max_pixels: int = decoding.MAX_PIXELS,
) -> Photo:
    """The largest face of an image file, or else its central square, at the model's side.

    A square image stays as it is if it has no more pixels than the model sees, or if it is the square of a face already.

    Args:
        finder: None = there is none, so it is the central square.

    Raises:
        InputError: as of `decoding.decode`, or of the finder.
    """
    height, width = decoding.upright_size(source, name, max_pixels)
    if finder is None or height == width <= side:
        return open_square(source, side, name, max_pixels)
    photo = decoding.decode(source, name, max_pixels)
    squares = squares_of_faces(photo, side, finder, name)
    if not squares or (height == width and _is_cut_out(squares[0], height)):
        return replace(open_square(source, side, name, max_pixels), faces=len(squares))
    pixels = faces.crop(photo, squares[0])
    return Photo(pixels, source, (width, height), squares[0], aligned=True, name=name, faces=len(squares))


def squares_of_faces(
    photo: np.ndarray, side: int, finder: faces.Finder, name: str = "the file"
) -> list[faces.Alignment]:
    """FFHQ's squares of the faces in a photo uint8 [H, W, 3], the largest first; without what is no face but noise.

    Raises:
        InputError: as of `faces.Finder.faces`.
    """
    squares = []
    for face in finder.faces(name, photo):
        with contextlib.suppress(InputError):
            squares.append(faces.square(photo, face, side))
    return squares


def _is_cut_out(face: faces.Alignment, side: int) -> bool:
    """Whether a photo of side x side is the square of this face already."""
    whole = faces.Alignment.central(side, side, side)
    common, _ = cv2.intersectConvexConvex(face.quad.astype(np.float32), whole.quad.astype(np.float32))
    union = math.hypot(*face.edge) ** 2 + side**2 - common
    return common > CUT_OUT * union and abs(face.as_crop[3]) < STRAIGHT
