"""Pictures and masks as the page sends and shows them: PNG, and PNG in base64."""

import base64
import binascii
import math

import cv2
import numpy as np

from stylemap import decoding
from stylemap.editing.schema import refuse
from stylemap.errors import InputError

PNG_START = b"\x89PNG\r\n\x1a\n"


def to_png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W, 3] RGB or [H, W] grey, quickly rather than small."""
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def mask_from_text(text: str, side: int, path: str = "the mask") -> np.ndarray:
    """A base64 PNG of side x side pixels -> uint8 [side, side], 255 = white. Colours count by luminance and alpha.

    Raises:
        InputError: anything else; ``path`` is what the message calls it.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise InputError(f"{path} must be base64") from err
    if not data.startswith(PNG_START):
        refuse(path, "must be a PNG")
    width, height = decoding.read_size(data, path, side * side)
    if (width, height) != (side, side):
        refuse(path, f"must be {side} x {side} pixels like the picture, not {width} x {height}")
    try:
        return np.rint(decoding.luminance(data) * 255).astype(np.uint8)
    except InputError as err:
        raise InputError(f"{path} is damaged or cut short") from err


def mask_to_text(mask: np.ndarray) -> str:
    """The inverse of `mask_from_text`."""
    return base64.b64encode(to_png(mask)).decode()


def decibels(mse: float) -> float:
    """PSNR of pixels in [-1, 1]; at most 99, as JSON has no infinity."""
    return min(99.0, 10 * math.log10(4 / mse)) if mse > 0 else 99.0
