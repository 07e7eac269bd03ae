"""Images at other sides and places: squares of one side, and warping by a similarity. Numbers and pixels only, no torch.

Shrinking averages over the area of each pixel of the result. Enlarging is Lanczos-3 for whole images, and Lanczos-4 for warped
ones; OpenCV places their samples to 1/32 of a pixel.
"""

import math

import cv2
import numpy as np
from PIL import Image

STRIP = 1 << 20  # pixels that are worked on at a time, where that bounds the memory


def square(height: int, width: int, pad: bool = False) -> tuple[int, int, int]:
    """The square of an image that is kept -> (top, left, side) in its pixels.

    This is the central square; an odd remainder is cut off at the bottom or right. With ``pad`` it is the smallest square around
    the whole image, whose corner is at 0 or less.
    """
    side = max(height, width) if pad else min(height, width)
    inside = (lambda length: -((side - length) // 2)) if pad else (lambda length: (length - side) // 2)
    return inside(height), inside(width), side


def fit(picture: np.ndarray, side: int, pad: bool = False) -> np.ndarray:
    """Make uint8 [H, W, 3] square and resize it -> uint8 [side, side, 3].

    The central square is cut out, see `square`. With ``pad`` the whole image is kept, centred on white. Shrinking averages by
    exact pixel area, enlarging is Lanczos-3.
    """
    return resize(cut(picture, *square(*picture.shape[:2], pad)), side)


def fit_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """The central square of float32 [H, W] in [0, 1], resized by area, which keeps the mean -> float32 [side, side]."""
    top, left, length = square(*mask.shape)
    mask = cv2.resize(mask[top : top + length, left : left + length], (side, side), interpolation=cv2.INTER_AREA)
    return mask.clip(0, 1)  # sums may round beyond the range


def fit_labels(labels: np.ndarray, side: int) -> np.ndarray:
    """The central square of uint8 [H, W], of which each pixel of uint8 [side, side] takes the value at its centre."""
    top, left, length = square(*labels.shape)
    return cv2.resize(
        labels[top : top + length, left : left + length], (side, side), interpolation=cv2.INTER_NEAREST_EXACT
    )


def cut(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """A square of uint8 [H, W, 3] -> [side, side, 3], white where it lies outside."""
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


def smoothstep(t: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1 without a kink; steepest in the middle, where it rises by 1.5."""
    t = t.clip(0, 1)
    return t * t * (3 - 2 * t)


def warp(
    source: np.ndarray,
    matrix: np.ndarray,
    height: int,
    width: int,
    interpolation: int,
    border: int = cv2.BORDER_REFLECT,
) -> np.ndarray:
    """Resample under a similarity -> [height, width, ...] of the source's type.

    Each pixel of the result is the mean over its own area where that is larger than a pixel of the source.

    Args:
        source: uint8 or float32 [h, w] or [h, w, 3].
        matrix: float64 [2, 3], from pixels of the result to pixels of the source.
        border: how the source goes on beyond its border.
    """
    step = math.hypot(matrix[0, 0], matrix[1, 0])  # pixels of the source per pixel of the result
    reduction = max(1, int(step / 2 + 1e-9))  # by blocks, which is fast; the rest by samples less than a pixel apart
    source, matrix = _cropped(source, matrix, height, width, reduction)
    if reduction > 1:
        source, matrix = _reduced(source, matrix, reduction)
    samples = max(1, math.ceil(step / reduction - 1e-9))  # along each side of a pixel of the result
    # sample f lies at pixel (f + 0.5) / samples - 0.5 of the result
    offset = 0.5 / samples - 0.5
    finer = matrix @ np.array([[1 / samples, 0, offset], [0, 1 / samples, offset], [0, 0, 1]])
    flags = interpolation | cv2.WARP_INVERSE_MAP
    result = cv2.warpAffine(source, finer, (width * samples, height * samples), flags=flags, borderMode=border)
    return cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA) if samples > 1 else result


def _cropped(
    source: np.ndarray, matrix: np.ndarray, height: int, width: int, reduction: int
) -> tuple[np.ndarray, np.ndarray]:
    """A view of the pixels that a result of height x width needs, also by mirroring, and the matrix for it."""
    low, high = bounds(matrix, -0.5, width - 0.5, -0.5, height - 0.5)
    margin = 5 * reduction  # Lanczos-4 reads 4 pixels to each side
    crop = []
    for axis, size in ((1, source.shape[0]), (0, source.shape[1])):
        first, last = math.floor(low[axis]) - margin, math.ceil(high[axis]) + margin + 1
        if first < 0:
            last = max(last, -first)
        if last > size:
            first = min(first, 2 * size - last)
        first, last = max(first, 0), min(last, size)
        crop.append(slice(min(first, size - 1), max(last, 1)))
    rows, columns = crop
    matrix = matrix.copy()
    matrix[:, 2] -= columns.start, rows.start
    return source[rows, columns], matrix


def _reduced(source: np.ndarray, matrix: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of blocks of ``by`` x ``by`` pixels, and the matrix for them.

    The last blocks may reach beyond the image. There it is mirrored up to a block too far out: half a pixel of the result.
    """
    height, width = source.shape[:2]
    rows, columns = -(-height // by), -(-width // by)
    result = np.empty((rows, columns, *source.shape[2:]), source.dtype)
    strip = max(1, STRIP // (width * by))  # rows of blocks
    for row in range(0, rows, strip):  # so that whole photos need not be copied to be made a multiple of ``by``
        part = source[row * by : (row + strip) * by]
        rest = -len(part) % by, -width % by
        if any(rest):
            part = cv2.copyMakeBorder(part, 0, rest[0], 0, rest[1], cv2.BORDER_REFLECT)
        size = columns, len(part) // by
        result[row : row + strip] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    matrix = matrix / by
    matrix[:, 2] += 0.5 / by - 0.5  # pixel x is at (x + 0.5) / by - 0.5
    return result, matrix


def bounds(matrix: np.ndarray, left: float, right: float, top: float, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest (x, y) that a matrix gives in a rectangle."""
    corners = np.array([(left, top, 1), (right, top, 1), (left, bottom, 1), (right, bottom, 1)]) @ matrix.T
    return corners.min(0), corners.max(0)
