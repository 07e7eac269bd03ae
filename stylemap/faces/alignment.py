"""The image of a face: cut out of a photo along FFHQ's square."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from stylemap import resampling
from stylemap.errors import InputError
from stylemap.faces.geometry import SMALLEST, Alignment, quad

LARGEST = 10  # half the square in longest sides of the photo: more is a mistake, and slow
FADE = 0.3  # of the quad's side: so far outside of the photo there is nothing but its median colour
BLUR = 0.02  # of the quad's side: sigma of what surrounds the photo


@dataclass(frozen=True, eq=False)
class Aligned:
    """A face cut out of a photo."""

    picture: np.ndarray  # uint8 [side, side, 3] RGB
    alignment: Alignment


def align(photo: np.ndarray, landmarks: np.ndarray, side: int) -> Aligned:
    """Cut a face out of a photo uint8 [H, W, 3] along FFHQ's square -> uint8 [side, side, 3] and where it was.

    Beyond its border the photo is mirrored, blurred more and more, and faded to the median colour. Inside, nothing changes. Only
    what the square touches is read.

    Raises:
        InputError: the landmarks are not those of a face, or not of one in this photo.
        ValueError: not a uint8 photo, or ``side`` < 1.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0 or side < 1:
        raise ValueError(
            f"needs a photo uint8 [H, W, 3] and a side of 1 or more, got {photo.dtype} {photo.shape}, {side}"
        )
    alignment = Alignment.of(quad(landmarks), side)
    return Aligned(crop(photo, alignment, "these landmarks do", "correct them"), alignment)


def crop(
    photo: np.ndarray, alignment: Alignment, what: str = "this square does", repair: str = "choose another"
) -> np.ndarray:
    """Cut a square out of a photo uint8 [H, W, 3], as `align` does -> uint8 [side, side, 3].

    Args:
        what, repair: the beginning and the end of the error.

    Raises:
        InputError: the square is too small or too large for this photo, or lies beside it.
    """
    height, width = photo.shape[:2]
    half, centre = math.hypot(*alignment.edge) / 2, alignment.quad.mean(0)
    beyond = np.maximum(-centre, centre - (width, height)).max()  # of the photo, pixels
    if not SMALLEST <= half <= LARGEST * max(height, width) or not beyond <= half:  # NaN is neither
        raise InputError(f"{what} not fit a photo of {width} x {height} pixels; {repair}")
    return along(photo, alignment)


def along(photo: np.ndarray, alignment: Alignment) -> np.ndarray:
    """What a photo uint8 [H, W, 3] shows in a square -> uint8 [side, side, 3], beyond its border as `align` goes on."""
    side = alignment.side
    picture = resampling.warp(photo, alignment.to_photo, side, side, cv2.INTER_LANCZOS4)
    return _surrounded(picture, alignment, *photo.shape[:2])


def align_mask(mask: np.ndarray, alignment: Alignment) -> np.ndarray:
    """A mask float [H, W] in [0, 1], painted on the photo -> float32 [side, side] in the aligned frame.

    Outside of the photo it is mirrored, as the photo itself is.
    """
    aligned = resampling.warp(
        mask.astype(np.float32), alignment.to_photo, alignment.side, alignment.side, cv2.INTER_LINEAR
    )
    return aligned.clip(0, 1)  # sums may round beyond


def _surrounded(picture: np.ndarray, alignment: Alignment, height: int, width: int) -> np.ndarray:
    """Blur and fade what lies outside of a photo of height x width. uint8 [side, side, 3] -> uint8 [side, side, 3]."""
    matrix = alignment.to_photo.astype(np.float32)
    at = np.arange(alignment.side, dtype=np.float32)
    x, y = (row[0] * at + row[1] * at[:, None] + row[2] for row in matrix)  # [side, side] each
    beyond = np.maximum(np.maximum(-0.5 - x, x - (width - 0.5)), np.maximum(-0.5 - y, y - (height - 0.5)))
    inside = beyond <= 0
    if inside.all():
        return picture
    beyond /= math.hypot(*alignment.edge)  # pixels -> sides of the quad
    blurred = cv2.GaussianBlur(picture, (0, 0), max(BLUR * alignment.side, 0.3)).astype(np.float32)
    median = np.median(picture[inside] if inside.any() else picture.reshape(-1, 3), axis=0).astype(np.float32)
    result = picture.astype(np.float32)
    result += resampling.smoothstep(beyond / (2 * BLUR))[..., None] * (blurred - result)
    result += (beyond / FADE).clip(0, 1)[..., None] * (median - result)
    return np.rint(result).astype(np.uint8)
