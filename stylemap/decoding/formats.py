"""Formats of image files that are read: their endings, their first bytes, their readers."""

from collections.abc import Callable
from itertools import chain
from typing import BinaryIO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from stylemap import files
from stylemap.decoding import png
from stylemap.errors import InputError

ENDINGS = {  # what is read -> how its files' names end, in lower case
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
}
EXTENSIONS = frozenset(chain.from_iterable(ENDINGS.values()))  # what data sets look for
READABLE = f"{', '.join([*ENDINGS][:-1])} or {[*ENDINGS][-1]}"  # for messages

Reader = Callable[[BinaryIO], Image.Image]
START = 64  # bytes that tell the format
HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
MARKS = (  # offset of a format's mark, the mark, the reader
    (0, b"\xff\xd8\xff", JpegImageFile),  # only the first where a phone puts several in one file (MPO, gain map)
    (0, png.START, PngImageFile),
    (8, b"WEBP", WebPImageFile),
    (0, b"BM", BmpImageFile),
    (0, b"GIF8", GifImageFile),
    (0, b"II*\0", TiffImageFile),
    (0, b"MM\0*", TiffImageFile),
    (0, b"II+\0", TiffImageFile),  # BigTIFF
    (0, b"MM\0+", TiffImageFile),
)
FOREIGN = (  # other files with an image's name: offset of the mark, the mark, what to call it
    (4, b"ftypcrx", "a camera's raw file"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (0, b"IIRO", "a camera's raw file"),
    (0, b"IIRS", "a camera's raw file"),
    (0, b"IIU\0", "a camera's raw file"),
    (4, b"ftyp", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (4, b"JXL ", "a JPEG XL"),
    (4, b"jP  ", "a JPEG 2000"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG"),
)


def reader(start: bytes, name: str) -> Reader:
    """Pillow's class for a file that begins with ``start``. The name is for messages only.

    Callers use the class and not ``Image.open``, whose limit of pixels is global and lower than `opening.MAX_PIXELS`.

    Raises:
        InputError: not an image, or one that needs a package that is not installed.
    """
    for at, mark, plugin in MARKS:
        if start.startswith(mark, at):
            return plugin
    brands = _brands(start)
    if brands & AVIF_BRANDS:  # first: an AVIF is a HEIF too
        return _avif(name)
    if brands & HEIC_BRANDS:
        return _heic(name)
    raise InputError(f"{name} {_no_picture(start)}")


def _brands(start: bytes) -> set[bytes]:
    """The brands of a file of the HEIF family: what it can be read as."""
    if start[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(start[:4], "big"), len(start))
    return {start[8:12], *(start[at : at + 4] for at in range(16, end - 3, 4))}


def _no_picture(start: bytes) -> str:
    """Why a file with these first bytes cannot be read, and the repair."""
    if what := files.substitute(start):
        return f"is really {what}: the image was lost on the way; download or copy it again"
    for at, mark, what in FOREIGN:
        if start.startswith(mark, at):
            return f"is really {what}: it holds another format; convert it first"
    reason = "it holds another format; convert it first" if start else "it is empty; copy or export it again"
    return f"is not an image ({READABLE}): {reason}"


def _avif(name: str) -> Reader:
    try:
        from PIL import _avif as library  # noqa: F401  not every build of Pillow has it
        from PIL.AvifImagePlugin import AvifImageFile
    except ImportError as err:
        raise InputError(f"{name} is an AVIF; pip install 'pillow>=11.3', or export it as JPEG") from err
    return AvifImageFile


def _heic(name: str) -> Reader:
    try:
        from pi_heif import HeifImageFile  # an extra: what iPhones write
    except ImportError as err:
        raise InputError(f"{name} is a HEIC photo; pip install pi-heif, or export it as JPEG") from err
    return HeifImageFile
