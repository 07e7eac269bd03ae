"""Image files become uint8 pixels. Nothing here imports torch, so that loading processes start fast.

`opening` opens a file of one of the `formats` within bounds; `jpeg`, `png` and `tiff` read what surrounds the pixels there.
`colours` makes upright sRGB of every mode, `channels` keeps every channel at its full depth.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from stylemap import resampling
from stylemap.decoding import channels, colours
from stylemap.decoding.formats import EXTENSIONS, READABLE
from stylemap.decoding.opening import DAMAGED, LARGEST_FILE, MAX_PIXELS, open_image, open_with_metadata

try:
    import simplejpeg
except ImportError:  # an extra
    simplejpeg = None

__all__ = [
    "DAMAGED", "EXTENSIONS", "LARGEST_FILE", "MAX_PIXELS", "READABLE", "FileInfo",
    "decode", "decode_square", "inspect", "luminance", "open_image", "open_with_metadata", "read_size", "upright_size",
]  # fmt: skip


def decode(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file of any mode to uint8 [H, W, 3] RGB, upright and in sRGB.

    Alpha is laid over white, as a browser's page or a printer would. 16-bit values keep their upper 8 bits' worth. The
    EXIF orientation is applied. An embedded colour profile that differs from sRGB is converted; one that cannot be used
    is ignored. Of an animation the first frame is taken, of several pages the first.

    Args:
        data: the file's bytes, or its path.
        name: what errors call it; None = the path, or "the file".
        max_pixels: refuse images of more pixels than this, before decoding.

    Raises:
        InputError: no such file, no image (see `READABLE`), damaged or cut short, too large, or values without a white.
    """
    with open_image(data, name, max_pixels) as picture:
        return colours.upright(_pixels(picture), colours.orientation(picture))


def decode_square(
    data: bytes | Path, side: int, name: str | None = None, max_pixels: int = MAX_PIXELS, pad: bool = False
) -> np.ndarray:
    """`resampling.fit` of ``decode(data)`` -> uint8 [side, side, 3], faster for a JPEG much larger than ``side``.

    Such a JPEG is decoded at a half, quarter or eighth, never below twice ``side``, so that the final area resize still
    averages at least 2 x 2 pixels. Nothing is displaced by that. Arguments and errors are those of ``decode``.
    """
    with open_image(data, name, max_pixels) as picture:
        orientation = colours.orientation(picture)
        top, left, length = _square(picture, orientation, pad)
        factor = next((f for f in (8, 4, 2) if length >= 2 * side * f and _reducible(picture, f, top, left, length)), 1)
        if factor > 1:
            picture.draft(None, (picture.width // factor, picture.height // factor))
        pixels = colours.rgb(picture) if factor > 1 else _pixels(picture)
        square = resampling.cut(pixels, top // factor, left // factor, length // factor)
        return colours.upright(resampling.resize(square, side), orientation)


def _square(picture: Image.Image, orientation: int, pad: bool) -> tuple[int, int, int]:
    """`resampling.square` of the upright image -> (top, left, side) in the image as it is stored."""
    sideways = colours.sideways(orientation)
    height, width = picture.size if sideways else picture.size[::-1]
    top, left, side = resampling.square(height, width, pad)
    down, right = colours.flips(orientation)
    top = height - side - top if down else top
    left = width - side - left if right else left
    return (left, top, side) if sideways else (top, left, side)


def _reducible(picture: Image.Image, factor: int, top: int, left: int, length: int) -> bool:
    """Whether a JPEG reduced by ``factor`` has the square, from its first pixel to its last, without what pads its blocks.

    A block is reduced as a whole: where the image ends within one, the padding is mixed into the last pixels.
    """
    if picture.format != "JPEG" or top % factor or left % factor or length % factor:
        return False
    ends = zip((left, top), picture.size, _block(picture, factor), strict=True)
    return all(min(start + length, whole) <= whole - whole % block for start, whole, block in ends)


def _block(picture: Image.Image, factor: int) -> tuple[int, int]:
    """Width and height in pixels of the largest block that a JPEG's reduction by ``factor`` makes smaller.

    A block of colour that has fewer samples anyway is reduced by less: at a half, blocks of 4:2:0 stay as they are.
    """
    across, down = (max(layer[i] for layer in picture.layer) for i in (1, 2))
    spans = [(across / layer[1], down / layer[2]) for layer in picture.layer]
    reduced = [span for span in spans if min(span) < factor]
    return 8 * max(span[0] for span in reduced), 8 * max(span[1] for span in reduced)


def read_size(data: bytes | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Read only the header -> (width, height) as stored. Raises the InputError that ``decode`` would raise for it."""
    with open_image(data, name, max_pixels, header=True) as picture:
        return picture.size


def upright_size(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) of the upright image, from its header. Arguments and errors are those of ``decode``."""
    with open_image(data, name, max_pixels) as picture:
        return picture.size if colours.sideways(colours.orientation(picture)) else picture.size[::-1]


@dataclass(frozen=True)
class FileInfo:
    """What an image file holds; ``width`` and ``height`` are those of the upright image."""

    kind: str  # JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF, HEIF
    mode: str  # Pillow's: RGB, L, CMYK, RGBA, P, I;16 ...
    width: int
    height: int
    turned: bool  # stored other than upright
    transparent: bool
    profile: bool  # an embedded colour profile that is not sRGB

    @property
    def plain(self) -> bool:
        """Whether any decoder would give the pixels that ``decode`` gives: 8-bit RGB or grey, upright, opaque, sRGB."""
        return self.mode in ("RGB", "L") and not (self.turned or self.transparent or self.profile)


def inspect(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> FileInfo:
    """Decode every pixel and tell what the file holds. Raises the InputError that ``decode`` would raise for it."""
    with open_image(data, name, max_pixels) as picture:
        orientation, stored = colours.orientation(picture), colours.stored_orientation(picture)
        picture.load()
        colours.split_alpha(picture.crop((0, 0, 1, 1)))  # refuses what `decode` refuses
        width, height = picture.size[::-1] if colours.sideways(orientation) else picture.size
        return FileInfo(
            kind=picture.format,
            mode=picture.mode,
            width=width,
            height=height,
            turned=stored != 1,
            transparent=colours.transparent(picture),
            profile=colours.changes_colours(picture),
        )


def luminance(data: bytes | Path) -> np.ndarray:
    """Any image -> float32 [H, W] in [0, 1], upright, over black; Rec. 601 weights, 16-bit grey at full precision.

    Colour profiles are ignored: a mask is data, not colour. Raises the InputErrors of ``decode``.
    """
    colour, alpha = channels.read(data).shares()
    grey = colour @ colours.LUMINANCE if colour.shape[2] == 3 else colour[..., 0]
    return grey if alpha is None else grey * alpha


def _pixels(picture: Image.Image) -> np.ndarray:
    """`colours.rgb`, by a faster library for the ordinary JPEG, whose pixels are the same; Pillow decides on what is damaged."""
    ordinary = picture.format == "JPEG" and picture.mode in ("RGB", "L") and not colours.changes_colours(picture)
    if ordinary and simplejpeg is not None:
        with contextlib.suppress(ValueError):
            return simplejpeg.decode_jpeg(picture.fp.getbuffer())
    return colours.rgb(picture)
