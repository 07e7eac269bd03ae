"""A picture as its file stores it: every channel at its full depth, upright. `decoding` gives 8-bit sRGB, which is less."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stylemap import decoding
from stylemap.decoding import colours

BITS_PER_SAMPLE = 258  # TIFF tag
DEPTH_AT = 24  # where a PNG tells its bits, from the start of the file
EXACT = frozenset({"PNG", "TIFF", "BMP", "GIF", "PPM"})  # kinds of files that keep every value


@dataclass(frozen=True, eq=False)
class Stored:
    """The channels of a picture."""

    colour: np.ndarray  # [H, W, C], C = 1 grey, 3 RGB, 4 CMYK; uint8 or uint16, of some TIFFs int32 or float32
    alpha: np.ndarray | None  # [H, W], uint8 or uint16 as the colours
    turn: Image.Transpose | None  # what has turned it upright
    exact: bool  # whether a file of this kind keeps every value, as JPEG does not

    @property
    def full(self) -> float:
        """The value that stands for white and for opaque."""
        return {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}.get(self.colour.dtype, 1.0)


def read(data: bytes | Path, name: str | None = None, max_pixels: int = decoding.MAX_PIXELS) -> Stored:
    """Read every channel of a picture. Arguments and errors are those of `decoding.decode`.

    Palettes become RGB and bilevel pictures grey. A transparent colour becomes an alpha channel.
    """
    with decoding.opened(data, name, max_pixels) as picture:
        return of(data, picture)


def of(data: bytes | Path, picture: Image.Image) -> Stored:
    """The channels of a picture that `decoding.opened` has opened."""
    picture.load()
    turn = colours.turn(picture)
    colour, alpha = _channels(picture)
    deep = _deep(data, picture)
    if deep is not None:
        colour, deep_alpha = (deep[..., :-1], deep[..., -1]) if deep.shape[2] in (2, 4) else (deep, None)
        alpha = deep_alpha if deep_alpha is not None or alpha is None else alpha.astype(np.uint16) * 257
    if turn is not None:
        colour = colours.turned(colour, turn)
        colour = colour[..., None] if colour.ndim == 2 else colour
        alpha = alpha if alpha is None else colours.turned(alpha, turn)
    return Stored(colour, alpha, colours.turned_by(picture), picture.format in EXACT)


def size(path: Path) -> tuple[int, int]:
    """(height, width) of the upright picture, from its header. Errors are those of `decoding.decode`."""
    with decoding.opened(path) as picture:
        return picture.size if colours.turn(picture) in colours.SIDEWAYS else picture.size[::-1]


def _channels(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    if picture.mode in ("I", "F"):
        return np.array(picture)[..., None], None
    colour, alpha = colours.split_alpha(picture)
    if colour.mode not in ("L", "I;16", "RGB", "CMYK"):  # LAB, YCbCr, HSV
        colour = colour.convert("RGB")
    values = np.array(colour)
    values = values[..., None] if values.ndim == 2 else values
    if alpha is None:
        return values, None
    opacity = np.array(alpha)
    return values, opacity.astype(np.uint16) * 257 if values.dtype == np.uint16 else opacity


def _deep(data: bytes | Path, picture: Image.Image) -> np.ndarray | None:
    """The 16-bit channels that Pillow would reduce to 8, as OpenCV reads them; None where there are none."""
    if picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    contents = data if isinstance(data, bytes) else None
    if picture.format == "PNG":
        start = contents[: DEPTH_AT + 1] if contents else _start(data, DEPTH_AT + 1)
        bits = start[DEPTH_AT]
    elif picture.format == "TIFF":
        bits = max(picture.tag_v2.get(BITS_PER_SAMPLE, (8,)))
    else:
        return None
    if bits != 16:
        return None
    contents = contents or data.read_bytes()
    try:
        pixels = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is not None and picture.format == "TIFF":
        pixels = colours.turned(pixels, colours.turned_by(picture))
    fits = pixels is not None and pixels.dtype == np.uint16 and pixels.shape[:2] == picture.size[::-1]
    if not fits or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        return None  # 8 bits of it are better than nothing; who writes it says so
    pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
    return pixels[..., [0, 3]] if picture.mode == "LA" else pixels


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(count)
