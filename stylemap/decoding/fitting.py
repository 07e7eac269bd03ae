"""Pictures of any size to squares of one side."""

import cv2
import numpy as np
from PIL import Image


def square(height: int, width: int, pad: bool = False) -> tuple[int, int, int]:
    """Which square of a picture is kept -> (top, left, side) in its pixels.

    The central one, an odd remainder at the bottom or right. With ``pad`` the least that holds the whole picture; the corner
    is then outside of it, at 0 or less.
    """
    side = max(height, width) if pad else min(height, width)
    inside = (lambda length: -((side - length) // 2)) if pad else (lambda length: (length - side) // 2)
    return inside(height), inside(width), side


def fit(picture: np.ndarray, side: int, pad: bool = False) -> np.ndarray:
    """Make uint8 [H, W, 3] square and resize it -> uint8 [side, side, 3].

    The central square is cut out, an odd remainder at the bottom or right; with ``pad`` the whole picture is kept, centred
    on white. Shrinking averages by exact pixel area, enlarging is Lanczos-3.
    """
    return resize(cut(picture, *square(*picture.shape[:2], pad)), side)


def fit_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """The central square of float32 [H, W] in [0, 1], resized by area, which keeps the mean -> float32 [side, side]."""
    top, left, length = square(*mask.shape)
    mask = cv2.resize(mask[top : top + length, left : left + length], (side, side), interpolation=cv2.INTER_AREA)
    return mask.clip(0, 1)  # the sums may round beyond the range


def cut(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """A square of uint8 [H, W, 3] -> [side, side, 3], white where it is outside of the picture."""
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape[:2] == (side, side):
        return inside
    canvas = np.full((side, side, 3), 255, np.uint8)
    canvas[max(-top, 0) : height - top, max(-left, 0) : width - left] = inside
    return canvas


def resize(square: np.ndarray, side: int) -> np.ndarray:
    """uint8 [n, n, 3] -> uint8 [side, side, 3]."""
    if len(square) > side:
        return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)  # Pillow's BOX rounds the area's border
    if len(square) < side:
        # Pillow's kernel is renormalised at the border; cv2's Lanczos is the wider one, with more ringing
        return np.array(Image.fromarray(square).resize((side, side), Image.Resampling.LANCZOS))
    return np.ascontiguousarray(square)
