"""Opening image files with Pillow: limits on memory and time, and one line for whatever is wrong with a file."""

import contextlib
import io
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from stylemap.decoding import formats, jpeg, png, tiff
from stylemap.errors import InputError, brief
from stylemap.files import opened

MAX_PIXELS = 200_000_000  # a header that promises more is refused before anything is allocated
LARGEST_FILE = 1 << 30  # bytes; an image that has more is refused before it is read
# Some formats store a white wall of any size in a hundred bytes. So decoding may take this memory,
MEMORY = 800 << 20  # bytes
# or this many times the file. What cameras write takes about 10 times its file
GROWTH = 80
SMALL_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # bytes of Pillow's pixels; all other modes have 4
# Bytes for each pixel that readers use besides
BESIDE = {"WEBP": 9, "AVIF": 3, "HEIF": 2, "GIF": 4}
MOST_EXIF = 1000  # pieces of a JPEG's EXIF, which Pillow joins one by one
MOST_RUNS = 1 << 24  # pixels of a BMP in run lengths, which Pillow unpacks slowly
MOST_PASSES = 20, 2_000_000_000  # scans of a JPEG; with more scans, the pixels that they visit together
# Bytes: most headers end within the first, those of photos with a preview within the last
HEAD = (1 << 11, 1 << 15, 1 << 18)

# What Pillow raises on damaged data: its plugins do not catch what their parsing raises
DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, AttributeError, AssertionError,
    ArithmeticError, RuntimeError, struct.error, zlib.error, cv2.error,
)  # fmt: skip
UNREAD = re.compile(r"unsupported|not (supported|implemented)|unknown (pixel|data|value)|cannot handle", re.IGNORECASE)

# Pillow warns of tags, EXIF and sizes in the middle of other work and without the file's name
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@contextlib.contextmanager
def open_image(
    data: bytes | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS, header: bool = False
) -> Iterator[Image.Image]:
    """Open an image without decoding it. Whatever fails here or in the block becomes an InputError with the image's name.

    Its ``info`` has ``transparency``, ``icc_profile``, ``exif``, ``original_orientation`` and, for a PNG, ``bits``. The rest of
    the metadata is in `open_with_metadata`.

    Args:
        header: read only what the size needs; the image cannot be decoded then.
    """
    name = name or (str(data) if isinstance(data, Path) else "the file")
    with _stream(data, name) as stream:
        picture = None
        try:
            picture, stored = _open(stream, name, header)
            width, height = picture.size
            if width * height > max_pixels:
                limit = f"more than {max_pixels / 1e6:g} million pixels"
                raise InputError(f"{name} is {width} x {height}, {limit}; make it smaller first")
            if not header:
                _bound(picture, stored, name)
                picture = _corrected(picture)
            yield picture
        except InputError:
            raise
        except MemoryError as err:
            size = "too large" if picture is None else f"{picture.size[0]} x {picture.size[1]}"
            raise InputError(f"{name} is {size}: it does not fit into memory; make it smaller first") from err
        except Image.DecompressionBombError as err:  # some of Pillow's readers look at its own limit, which is lower
            limit = f"{2 * Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels"
            raise InputError(f"{name} has more than {limit}; make it smaller first") from err
        except DAMAGED as err:
            raise InputError(f"{name} {_reason(err)}") from err


def open_with_metadata(contents: bytes) -> Image.Image | None:
    """Open an image as Pillow does, with all metadata; None if Pillow fails at that.

    Use it only for an image that `open_image` could open: here only the pieces of a JPEG's EXIF are bounded.
    """
    reader = formats.reader(contents[: formats.START], "the file")
    if reader is JpegImageFile and contents.count(jpeg.EXIF_MARK) > MOST_EXIF:
        return None
    try:
        picture = reader(io.BytesIO(contents))
        if reader is PngImageFile:
            picture.load()  # texts may stand after the pixels
    except (*DAMAGED, Image.DecompressionBombError):
        return None
    return picture


def _reason(err: Exception) -> str:
    reason = brief(err) or type(err).__name__
    if isinstance(err, KeyError) or reason.isdigit():  # a key of one of Pillow's tables
        reason = f"unknown value {reason}"
    if isinstance(err, NotImplementedError) or UNREAD.search(reason):
        return f"is stored in a way that is not read ({reason}); export it as PNG or JPEG"
    return f"is damaged or cut short ({reason}); copy or export it again"


@contextlib.contextmanager
def _stream(data: bytes | Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if isinstance(data, bytes):
        yield io.BytesIO(data)
        return
    if not isinstance(data, Path):
        yield data
        return
    if data.exists() and not data.is_file():  # a pipe would block
        raise InputError(f"{name} is not a file; name an image: {formats.READABLE}")
    with opened(data, name) as stream:
        if os.fstat(stream.fileno()).st_size > LARGEST_FILE:
            raise InputError(f"{name} has more than {LARGEST_FILE >> 30} GiB; make it smaller first")
        yield stream


def _open(stream: BinaryIO, name: str, header: bool) -> tuple[Image.Image, int]:
    """-> the image, and the bytes of its file (with ``header`` not all)."""
    start = stream.read(formats.START)
    reader = formats.reader(start, name)
    if reader in (JpegImageFile, PngImageFile):
        open_picture = jpeg.open_picture if reader is JpegImageFile else png.open_picture
        for size in (*(HEAD if header else ()), -1):
            start += stream.read(size)
            picture = open_picture(start, header)
            if picture is not None:
                return picture, len(start)
        raise ValueError("it ends before its pixels")
    stream.seek(0)
    size = 0
    if not header:
        data = stream.read()
        stream, size = io.BytesIO(data), len(data)
    return (tiff.open_picture if reader is TiffImageFile else reader)(stream), size


def _bound(picture: Image.Image, stored: int, name: str) -> None:
    """Check that decoding an image from ``stored`` bytes stays within the limits.

    Raises:
        InputError, ValueError, NotImplementedError: it would exceed them.
    """
    width, height = picture.size
    of_pixel = SMALL_MODES.get(picture.mode, 4) + 3 + BESIDE.get(picture.format, 0)
    if picture.format == "JPEG" and picture.info["scans"] > 1:  # libjpeg keeps all coefficients until the last
        of_pixel = max(of_pixel, max(3, SMALL_MODES.get(picture.mode, 4)) + 2 * picture.layers)
        if (
            picture.info["scans"] > MOST_PASSES[0]
            and picture.info["scans"] * (width * height + 100_000) > MOST_PASSES[1]
        ):
            raise ValueError(f"it goes over its pixels {picture.info['scans']} times")
    least = width * height / 512 if picture.format == "JPEG" else 0  # a block of 64 takes a bit
    if picture.format == "PNG":
        least = png.inflated_size(picture.fp.getvalue()) / png.DEFLATED
    if least > stored:
        raise ValueError(f"it has {stored} bytes for {width} x {height} pixels")
    if png.has_16_bit_key(picture):
        of_pixel += 8
    if width * height * of_pixel > max(MEMORY, stored * GROWTH):
        raise InputError(
            f"{name} claims {width} x {height} pixels in {stored} bytes, too few for so large an image; make it smaller first"
        )
    if picture.format == "BMP" and picture.tile[0][0] == "bmp_rle" and width * height > MOST_RUNS:
        raise NotImplementedError(f"{width} x {height} pixels in run lengths")


# ---- where Pillow's values are not those that the file means


def _corrected(picture: Image.Image) -> Image.Image:
    if png.has_16_bit_key(picture):
        return png.with_16_bit_key(picture)
    if picture.format == "TIFF":
        return tiff.as_tagged(picture)
    if picture.format == "GIF":
        return _uncovered(picture)
    if picture.format == "BMP" and picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (0, 0):
        picture.putalpha(255)  # the fourth byte is not in use
    return picture


def _uncovered(picture: Image.Image) -> Image.Image:
    """Make transparent what the first frame of a GIF does not cover."""
    box = picture.tile[0][1]
    if box == (0, 0, *picture.size):
        return picture
    whole = Image.new("RGBA", picture.size)
    whole.paste(picture.convert("RGBA").crop(box), box[:2])
    picture.info.pop("transparency", None)
    whole.format, whole.info = picture.format, picture.info
    return whole
