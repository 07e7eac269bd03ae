"""An edit of an aligned image, put back into the photo."""

from collections.abc import Callable

import cv2
import numpy as np

from stylemap import resampling
from stylemap.faces.geometry import Alignment

FEATHER = 0.05  # of the aligned side, the default width of soft borders
INVISIBLE = 0.5 / 255  # a weight below this cannot change a byte

Encode = Callable[[np.ndarray, tuple[slice, slice]], np.ndarray]


def paste_back(
    photo: np.ndarray,
    edited: np.ndarray,
    alignment: Alignment,
    mask: np.ndarray | None = None,
    feather: float = FEATHER,
    encode: Encode | None = None,
) -> np.ndarray:
    """The photo with an edited aligned image in it, at the photo's full size -> a new array of the photo's type.

    The edit shows where the mask is 1, and fades within ``feather`` around it. It also fades towards the border of the aligned
    image, unless the photo ends there too. All other pixels stay byte for byte the same.

    Args:
        photo: uint8 or uint16 [H, W, C].
        edited: [side, side, 3] in 0..255, uint8 or float.
        mask: float [side, side] in [0, 1], in the aligned frame; None = all of the aligned image.
        feather: in sides of the aligned image; 0 = the mask as it is.
        encode: what the photo has for colours float [h, w, 3] in 0..255 at a place, rows and columns of it -> float [h, w, C];
            None = the photo has just these colours.

    Raises:
        ValueError: shapes that do not fit, or values outside of their range.
    """
    side = alignment.side
    if edited.shape != (side, side, 3) or not np.isfinite(edited).all():
        raise ValueError(f"edited must be [{side}, {side}, 3] and finite, got {list(edited.shape)}")
    weight = share(mask, alignment, *photo.shape[:2], feather)
    edited = edited.astype(np.float32)
    result = photo.copy()
    top, bottom, left, right = _touched(weight, alignment, *photo.shape[:2])
    rows = max(1, resampling.STRIP // max(1, right - left))
    for y in range(top, bottom, rows):
        part = result[y : min(y + rows, bottom), left:right]
        height, width = part.shape[:2]
        matrix = alignment.from_photo @ np.array([[1, 0, left], [0, 1, y], [0, 0, 1]])
        # weights are 0 at the border of the aligned image, unless the photo ends there
        part_weight = resampling.warp(weight, matrix, height, width, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)[..., None]
        new = resampling.warp(edited, matrix, height, width, cv2.INTER_LANCZOS4).clip(0, 255)
        if encode is not None:
            new = encode(new, (slice(y, y + height), slice(left, right)))
        part[:] = np.rint(part + part_weight * (new - part))
    return result


def share(
    mask: np.ndarray | None, alignment: Alignment, height: int, width: int, feather: float = FEATHER
) -> np.ndarray:
    """The share of the edit at each pixel of the aligned image when `paste_back` puts it into a photo of height x width.

    Returns:
        float32 [side, side] in [0, 1], 0 at those borders of the aligned image beyond which the photo goes on.

    Raises:
        ValueError: as of `paste_back`.
    """
    side = alignment.side
    if mask is None:
        mask = np.ones((side, side), np.float32)
    if mask.shape != (side, side) or not (mask.min() >= 0 and mask.max() <= 1):  # NaN is neither
        raise ValueError(f"mask must be [{side}, {side}] with values in [0, 1], got {list(mask.shape)}")
    if not 0 <= feather <= 0.5:
        raise ValueError(f"feather must be 0 to 0.5 sides, got {feather}")
    low, high = resampling.bounds(alignment.from_photo, -0.5, width - 0.5, -0.5, height - 0.5)
    columns, rows = (_ramp(side, feather * side, low[i] < -0.51, high[i] > side - 0.49) for i in (0, 1))
    return _softened(mask.astype(np.float32), round(feather * side / 2)) * np.minimum(columns, rows[:, None])


def _ramp(side: int, length: float, first: bool, last: bool) -> np.ndarray:
    """Up from 0 within ``length`` pixels of the first end, if there is to be a ramp, and down to the last. float32 [side]."""
    at = np.arange(side, dtype=np.float32)
    distance = np.minimum(at if first else np.inf, side - 1 - at if last else np.inf)
    return resampling.smoothstep(np.broadcast_to(distance, side) / max(1, length)).astype(np.float32)


def _softened(mask: np.ndarray, radius: int) -> np.ndarray:
    """Grow by ``radius`` pixels and blur within ``radius``: stays 1 where it was, and is 0 beyond twice the radius."""
    if radius == 0:
        return mask
    size = 2 * radius + 1
    mask = cv2.dilate(mask, np.ones((size, size), np.uint8))
    return cv2.GaussianBlur(mask, (size, size), radius / 2.5, borderType=cv2.BORDER_REPLICATE).clip(0, 1)


def _touched(weight: np.ndarray, alignment: Alignment, height: int, width: int) -> tuple[int, int, int, int]:
    """Rows and columns of a photo of height x width that a weight [side, side] reaches: top, bottom, left, right."""
    seen = weight >= INVISIBLE
    if not seen.any():
        return 0, 0, 0, 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    # a pixel's weight reaches the next pixel's centre, and in a photo of coarser pixels any that overlaps that
    low, high = resampling.bounds(alignment.to_photo, columns[0] - 1, columns[-1] + 1, rows[0] - 1, rows[-1] + 1)
    left, top = np.clip(np.floor(low).astype(int), 0, (width, height)).tolist()
    right, bottom = np.clip(np.ceil(high).astype(int) + 1, 0, (width, height)).tolist()
    return top, bottom, left, right
