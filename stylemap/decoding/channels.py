"""The channels of an image file at their full depth, upright. (`decoding.decode` gives 8-bit sRGB.)"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stylemap.decoding import colours, tiff
from stylemap.decoding.opening import MAX_PIXELS, open_image

EXACT = frozenset({"PNG", "TIFF", "BMP", "GIF", "PPM"})  # kinds of files that keep every value


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of an image."""

    colour: np.ndarray  # [H, W, C], C = 1 grey, 3 RGB, 4 CMYK; uint8 or uint16, of some TIFFs int32 or float32
    alpha: np.ndarray | None  # [H, W], uint8 or uint16 as the colours
    orientation: int  # that of the file, which these channels no longer have
    exact: bool  # whether a file of this kind keeps every value, as JPEG does not
    reduced: bool  # whether the file has 16 bits a channel and these have 8: no reader here gives the others

    @property
    def full(self) -> float:
        """The value that stands for white and for opaque."""
        return {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}.get(self.colour.dtype, 1.0)

    def shares(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Colours [H, W, 1 or 3] and alpha [H, W] as float32, of which 1 is white and opaque."""
        colour = self.colour.astype(np.float32) / np.float32(self.full)
        if colour.shape[2] == 4:
            colour = (1 - colour[..., :3]) * (1 - colour[..., 3:])  # CMYK
        return colour, None if self.alpha is None else self.alpha.astype(np.float32) / np.float32(self.full)


def read(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Channels:
    """Read every channel of an image. Arguments and errors are those of `decoding.decode`.

    Palettes become RGB and bilevel images grey. A transparent colour becomes an alpha channel.
    """
    with open_image(data, name, max_pixels) as picture:
        return of(data, picture)


def of(data: bytes | Path, picture: Image.Image) -> Channels:
    """The channels of an image that `open_image` has opened."""
    picture.load()
    turned, stored = colours.orientation(picture), colours.stored_orientation(picture)
    colour, alpha = (x if x is None else colours.upright(x, turned) for x in _channels(picture))
    sixteen = _is_deep(picture)
    for whole in _deep(data, stored) if sixteen else ():
        if whole.shape[:2] == colour.shape[:2] and _alike(whole[..., : colour.shape[2]], colour):
            alpha = whole[..., 3] if whole.shape[2] == 4 else alpha if alpha is None else alpha.astype(np.uint16) * 257
            colour = whole[..., : colour.shape[2]]
            break
    return Channels(colour, alpha, stored, picture.format in EXACT, sixteen and colour.dtype != np.uint16)


def _alike(deep: np.ndarray, colour: np.ndarray) -> bool:
    """Whether 8-bit values are the upper halves of 16-bit ones, or the nearest to them."""
    return bool((abs((deep >> 8).astype(np.int16) - colour) <= 1).all())


def _channels(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    if picture.mode in ("I", "F"):
        return np.array(picture)[..., None], None
    colour, alpha = colours.split_alpha(picture)
    if colour.mode == "LAB":
        colour = colours.srgb(colour, None)
    values = np.array(colour)
    values = values[..., None] if values.ndim == 2 else values
    if alpha is None:
        return values, None
    opacity = np.array(alpha)
    return values, opacity.astype(np.uint16) * 257 if values.dtype == np.uint16 else opacity


def _is_deep(picture: Image.Image) -> bool:
    """Whether the file has 16 bits a channel, of which Pillow keeps 8."""
    if picture.mode not in ("RGB", "RGBA", "LA"):
        return False
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(tiff.BITS_PER_SAMPLE, (8,))) == 16
    return picture.info.get("bits") == 16  # of a PNG


def _deep(data: bytes | Path, stored: int) -> tuple[np.ndarray, ...]:
    """The channels in 16 bits, uint16 [H, W, 3 or 4]: as OpenCV reads them, and turned upright, which some versions do too."""
    contents = data if isinstance(data, bytes) else data.read_bytes()
    try:
        pixels = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return ()
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        return ()
    pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
    return pixels, colours.upright(pixels, stored)
