"""What a photo's file says of its image besides the pixels: EXIF, XMP, resolution, texts. It is kept in another file."""

import contextlib
import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from stylemap import decoding
from stylemap.decoding import colours, png, tiff
from stylemap.decoding.channels import Channels
from stylemap.photos.output_formats import JPEG, PNG, WEBP, Format

PNG_DISPLAY = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # chunks: how values are to be displayed
NO_TEXT = ("Raw profile type", "XML:com.adobe.xmp")  # keys of texts of a PNG that hold profiles and XMP
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
INTEROPERABILITY, MAKER_NOTE = 0xA005, 0x927C  # offsets, which do not hold elsewhere; the latter may hold thumbnails
WIDTH, HEIGHT, COLOUR_SPACE = 0xA002, 0xA003, 0xA001
RESOLUTION = (0x011A, 0x011B, 0x0128)  # x, y, unit
OF_THE_FILE = frozenset(  # EXIF tags that say how a file is laid out, or are kept elsewhere
    {*range(0x00FE, 0x0108), 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, 0x013D, *range(0x0140, 0x0160), 0x02BC}
    | {0x0200, *range(0x0201, 0x0213), 0x83BB, 0x8649, 0x8773, 0xC612, 0xEA1C}
)
ELSEWHERE = (  # marks in XMP of further images in the file, which the result has not
    b"HasExtendedXMP", b"Thumbnails", b"Container:Directory", b"hdrgm:", b"GDepth:", b"GImage:", b"MotionPhoto", b"MicroVideo",
)  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """What a file says of its image, ready for Pillow's ``save``."""

    exif: Image.Exif | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)  # of a PNG
    comment: bytes | None = None  # of a JPEG
    display: tuple[tuple[bytes, bytes], ...] = ()  # chunks of a PNG that say how its values are to be displayed

    def options(self) -> dict[str, Any]:
        """Pillow's options for ``save``, without a PNG's ``pnginfo``."""
        options = {"exif": self.exif, "dpi": self.dpi, "xmp": self.xmp, "comment": self.comment}
        return {name: value for name, value in options.items() if value is not None}

    def png_info(self) -> PngImagePlugin.PngInfo:
        """What only a PNG can hold, in chunks."""
        info = PngImagePlugin.PngInfo()
        for name, contents in self.display:
            info.add(name, contents)
        for key, value in self.text.items():
            info.add_text(key, value)  # of an iTXt, with its language
        if self.xmp is not None:
            info.add_itxt("XML:com.adobe.xmp", self.xmp.decode("utf-8", "replace"))
        return info

    def in_srgb(self) -> "Metadata":
        """The metadata of the same image once its colours have become sRGB."""
        if self.exif is not None and EXIF_IFD in self.exif:
            self.exif[EXIF_IFD] = {**self.exif[EXIF_IFD], COLOUR_SPACE: 1}
        return replace(self, display=())

    def of_size(self, size: tuple[int, int]) -> "Metadata":
        """The metadata of an image of another width and height that is made of this one."""
        if self.exif is not None and EXIF_IFD in self.exif:
            kept = self.exif[EXIF_IFD]
            self.exif[EXIF_IFD] = {**kept, **{t: v for t, v in zip((WIDTH, HEIGHT), size, strict=True) if t in kept}}
        return replace(self, xmp=_xmp(self.xmp, size, []))


def read(data: bytes | Path, stored: Channels, kind: Format) -> tuple[Metadata, list[str]]:
    """Read what a file says of its image, as it holds of the upright image in a file of another kind.

    Args:
        stored: the file's channels.
        kind: of the file to be written.

    Returns:
        The metadata, and a line for each thing that cannot be read or that does not fit into that kind.
    """
    contents = data if isinstance(data, bytes) else data.read_bytes()
    picture = decoding.open_with_metadata(contents)
    if picture is None:
        return Metadata(), ["the photo's metadata cannot be read; the result has none"]
    lost: list[str] = []
    info, size = picture.info, stored.colour.shape[1::-1]
    dpi = _dpi(info, stored.orientation)
    text = {k: v for k, v in getattr(picture, "text", {}).items() if not k.startswith(NO_TEXT)}
    display = _display(contents) if picture.format == "PNG" else ()
    comment = info.get("comment")
    exif, xmp = _exif(picture, size, dpi, kind, lost), _xmp(info.get("xmp"), size, lost)
    if kind is not PNG:
        if text:
            lost.append(f"{kind.name} has no place for the photo's text: {', '.join(sorted(text))[:80]}")
        if any(name != b"sRGB" for name, _ in display) and not info.get("icc_profile") and not _ordinary(info):
            lost.append(f"{kind.name} has no place for the photo's gamma and primaries")
        text, display = {}, ()
    if kind is not JPEG or not isinstance(comment, bytes):
        comment = None
    return Metadata(exif, xmp, dpi, text, comment, display), lost + _further(picture)


def _dpi(info: dict, orientation: int) -> tuple[float, float] | None:
    """The resolution across and down, upright."""
    dpi = info.get("dpi")
    if not dpi or not all(0 < value < 65_536 for value in dpi):  # NaN is neither
        return None
    return dpi[::-1] if colours.sideways(orientation) else dpi


def _ordinary(info: dict) -> bool:
    """Whether a PNG's gamma is that of sRGB, near enough."""
    return "srgb" in info or abs(info.get("gamma", 0.45455) - 0.45455) < 0.005


def _further(picture: Image.Image) -> list[str]:
    """What a file holds besides its first image."""
    with contextlib.suppress(*decoding.DAMAGED):
        if (count := getattr(picture, "n_frames", 1)) > 1:
            return [f"the photo's file holds {count} images: the result is the first"]
    if "mp" in picture.info or "mpoffset" in picture.info:
        return ["the photo's file holds further images, such as a gain map: the result is the first"]
    return []


def _exif(
    picture: Image.Image, size: tuple[int, int], dpi: tuple | None, kind: Format, lost: list[str]
) -> Image.Exif | None:
    """The EXIF of the upright image, if it can be read and the kind of file has room for it."""
    try:
        exif = picture.getexif()
        if picture.info.get("exif") and not exif:  # what could not be read once is empty the second time
            raise ValueError
        kept = _of_picture(exif, size, dpi if kind is WEBP else None)
        length = len(kept.tobytes()) if kept else 0  # what it raises is of a damaged file
    except decoding.DAMAGED:
        lost.append("the photo's EXIF cannot be read")
        return None
    if kind is JPEG and length > 65_000:
        lost.append("JPEG has no room for the photo's EXIF")
        return None
    return kept


def _of_picture(exif: Image.Exif, size: tuple[int, int], dpi: tuple[float, float] | None) -> Image.Exif | None:
    """EXIF as it holds of an upright image of that width and height; without thumbnail and maker's notes."""
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in OF_THE_FILE and tag not in (EXIF_IFD, GPS_IFD, tiff.ORIENTATION):
            kept[tag] = value
    for pointer in (EXIF_IFD, GPS_IFD):
        entries = {t: v for t, v in exif.get_ifd(pointer).items() if t not in (INTEROPERABILITY, MAKER_NOTE)}
        if entries:
            kept[pointer] = entries
    if EXIF_IFD in kept:
        kept[EXIF_IFD] |= {t: v for t, v in ((WIDTH, size[0]), (HEIGHT, size[1])) if t in kept[EXIF_IFD]}
    if dpi:
        kept.update(zip(RESOLUTION, (*map(float, dpi), 2), strict=True))
    if tiff.ORIENTATION in exif:
        kept[tiff.ORIENTATION] = 1
    return kept if len(kept) else None


def _xmp(xmp: bytes | None, size: tuple[int, int], lost: list[str]) -> bytes | None:
    """XMP that says that the image is upright, and of which size."""
    if not xmp:
        return None
    if any(mark in xmp for mark in ELSEWHERE):
        lost.append("the photo's XMP describes further images in its file; the result has neither")
        return None
    values = {b"tiff:Orientation": 1, b"tiff:ImageWidth": size[0], b"tiff:ImageLength": size[1]}
    values |= {b"exif:PixelXDimension": size[0], b"exif:PixelYDimension": size[1]}
    for name, value in values.items():
        xmp = re.sub(name + rb"(=[\"']|>)\s*\d+", lambda m, n=name, v=value: n + m[1] + str(v).encode(), xmp)
    return xmp


def _display(contents: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of a PNG that say how its values are to be displayed."""
    before = itertools.takewhile(lambda chunk: chunk[1] != b"IDAT", png.chunks(contents))
    return tuple((name, bytes(whole[8:-4])) for _, name, whole in before if name in PNG_DISPLAY)
