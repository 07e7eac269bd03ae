"""The photo that an edit goes back into: its pixels as the file stores them, and what else the file says of them.

`decoding` gives a model what it can look at, 8-bit sRGB over white. A photo that is to come back whole keeps its own depth,
transparency and colours instead, and the edit is converted to those.
"""

import contextlib
import io
import itertools
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from stylemap import decoding, faces, stored
from stylemap.decoding import colours, containers
from stylemap.errors import InputError

Place = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Format:
    """A kind of file to write."""

    name: str
    channels: tuple[int, ...]  # of colour, those it knows
    bits: int  # a channel, at most
    side: int  # pixels, at most
    alpha: bool
    options: dict[str, Any]  # Pillow's


PNG = Format("PNG", (1, 3), 16, 1 << 31, True, {"format": "PNG"})
WEBP = Format("WebP", (3,), 8, 16_383, True, {"format": "WEBP", "lossless": True, "exact": True})
JPEG = Format("JPEG", (1, 3, 4), 8, 65_500, False, {"format": "JPEG", "quality": 95, "subsampling": 0})
FORMATS = {".png": PNG, ".webp": WEBP, ".jpg": JPEG, ".jpeg": JPEG}

RECODED = "JPEG changes every pixel a little: name a .png to keep those that the edit does not touch"
HIDDEN = 0.1  # of an edit; if more than that lies where the photo is mostly transparent it is said

MODES = {1: "L", 3: "RGB", 4: "CMYK"}
PNG_COLOURS = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}  # channels, alpha -> colour type
PNG_MEANING = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # chunks: how the values are to be shown
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
INTEROPERABILITY, MAKER_NOTE = 0xA005, 0x927C  # offsets, which do not hold elsewhere; the latter may hold thumbnails
WIDTH, HEIGHT, COLOUR_SPACE = 0xA002, 0xA003, 0xA001
RESOLUTION = (0x011A, 0x011B, 0x0128)  # x, y, unit
OF_THE_FILE = frozenset(  # EXIF tags that say how a file is laid out, or are kept elsewhere
    {*range(0x00FE, 0x0108), 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, 0x013D, *range(0x0140, 0x0160), 0x02BC}
    | {0x0200, *range(0x0201, 0x0213), 0x83BB, 0x8649, 0x8773, 0xC612, 0xEA1C}
)
ELSEWHERE = (  # marks in XMP of further pictures in the file, which the result has not
    b"HasExtendedXMP", b"Thumbnails", b"Container:Directory", b"hdrgm:", b"GDepth:", b"GImage:", b"MotionPhoto", b"MicroVideo",
)  # fmt: skip


@dataclass(frozen=True)
class Notes:
    """What a file says of its picture, ready for Pillow's ``save``."""

    exif: Image.Exif | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)  # of a PNG
    comment: bytes | None = None  # of a JPEG
    meaning: tuple[tuple[bytes, bytes], ...] = ()  # chunks of a PNG


@dataclass(frozen=True, eq=False)
class Original:
    """A photo, in a form that the file to be written can hold."""

    colour: np.ndarray  # uint8 or uint16 [H, W, C], C = 1 grey, 3 RGB, 4 CMYK
    alpha: np.ndarray | None  # [H, W], of the same type
    kind: Format
    profile: bytes | None = None  # ICC
    notes: Notes = Notes()
    lost: tuple[str, ...] = ()  # a line for each thing in the file that the result lacks

    @property
    def full(self) -> float:
        """The value of white, and of opaque."""
        return float(np.iinfo(self.colour.dtype).max)

    def encode(self, colours: np.ndarray, place: Place) -> np.ndarray:
        """Convert colours to the values that this photo's file has for them at a place.

        The model saw the photo over white. So where the photo is half transparent, the values are those that show the colours
        over white. Where it is wholly transparent, its own values stay.

        Args:
            colours: float [h, w, 3] in 0..255, sRGB.

        Returns:
            Float [h, w, C] in the range of the photo.
        """
        own = self.colour[place]
        if self.alpha is None:
            return self._to_file(colours) * (self.full / 255)
        opacity = self.alpha[place][..., None] / np.float32(self.full)
        bare = (colours - 255 * (1 - opacity)) / np.maximum(opacity, 1 / self.full)
        return np.where(opacity > 0, self._to_file(bare.clip(0, 255)) * (self.full / 255), own)

    def hidden(self, alignment: faces.Alignment, region: np.ndarray) -> list[str]:
        """A line about an edit that the photo's transparency, or its lack of colours, keeps from being seen.

        Args:
            alignment, region: as in `editing.pasting.paste`.
        """
        lines = []
        if self.alpha is not None:
            opaque = faces.align_mask(self.alpha / np.float32(self.full), alignment)
            share = np.average(opaque < 0.5, weights=region) if region.any() else 0
            if share > HIDDEN:
                lines.append(f"{share:.0%} of the edit lies where the photo is transparent, and does not show")
        if self.colour.shape[2] == 1:
            lines.append("the photo is grey, and so is the edit in it")
        return lines

    @property
    def _to_file(self) -> Callable[[np.ndarray], np.ndarray]:
        return _from_srgb(self.colour.shape[2], self.profile)

    def write(self, stream: BinaryIO, colour: np.ndarray) -> None:
        """Write the photo with other colours, shaped as its own.

        Raises:
            OSError: the disk is full, or the picture too large for its kind of file.
        """
        options = self._options()
        if colour.dtype == np.uint16:
            stream.write(_deep_png(colour, self.alpha, options))
        else:
            _image(colour, self.alpha).save(stream, **options)

    def _options(self) -> dict[str, Any]:
        options, notes = dict(self.kind.options), self.notes
        given = {"icc_profile": self.profile, "dpi": notes.dpi, "xmp": notes.xmp, "comment": notes.comment}
        options |= {name: value for name, value in given.items() if value is not None}
        if notes.exif is not None:
            options["exif"] = notes.exif
        if self.kind is PNG:
            options["pnginfo"] = _png_info(notes)
        return options


def opened(
    source: bytes | Path | np.ndarray, suffix: str, name: str | None = None, max_pixels: int = decoding.MAX_PIXELS
) -> Original:
    """A photo to be written as a file of another or the same kind.

    Args:
        source: a file, its contents, or pixels uint8 [H, W, 3] in sRGB.
        suffix: of the file to be written, in `FORMATS`.

    The other arguments and the errors are those of `decoding.decode`.
    """
    kind = FORMATS[suffix.lower()]
    if isinstance(source, np.ndarray):
        return Original(source, None, kind, lost=(RECODED,) if kind is JPEG else ())
    return _read(source, kind, name, max_pixels)


def _read(data: bytes | Path, kind: Format, name: str | None, max_pixels: int) -> Original:
    lost: list[str] = []
    with decoding.opened(data, name, max_pixels) as picture:
        found = stored.of(data, picture)
        if found.colour.dtype not in (np.uint8, np.uint16):
            colours.split_alpha(picture)  # says why such values are not read
        width, height = found.colour.shape[1::-1]
        if max(width, height) > kind.side:
            size = f"{width} x {height} pixels"
            raise InputError(
                f"{name or data} has {size}, and {kind.name} holds at most {kind.side} a side: name a .png"
            )
        profile = picture.info.get("icc_profile") or None
    if found.reduced:
        lost.append("the photo has 16 bits a channel; only 8 of them can be read")
    with decoding.annotated(data) as picture:
        if picture is None:
            lost.append("the photo's metadata cannot be read; the result has none")
            notes = Notes()
        else:
            notes = _notes(data, picture, found, kind, lost)
            lost += _further(picture)
    photo = Original(found.colour, found.alpha, kind, profile, notes)
    photo = _in_colours(photo, lost)
    if photo.alpha is not None and not kind.alpha:
        lost.append(f"{kind.name} has no transparency: what is transparent becomes white")
        opacity = photo.alpha[..., None] / np.float32(photo.full)
        white = 0 if photo.colour.shape[2] == 4 else photo.full
        laid = np.rint(white + opacity * (photo.colour - np.float32(white))).astype(photo.colour.dtype)
        photo = replace(photo, colour=laid, alpha=None)
    if photo.colour.dtype == np.uint16 and kind.bits < 16:
        lost.append(f"the photo has 16 bits a channel; {kind.name} holds 8")
        photo = replace(photo, colour=_eight_bit(photo.colour), alpha=_eight_bit(photo.alpha))
    if kind is JPEG:
        lost.append(RECODED)
    return replace(photo, lost=tuple(lost))


# ---- colours


def _in_colours(photo: Original, lost: list[str]) -> Original:
    """In colours that the file can hold, and that the edit can be brought to; if need be in sRGB."""
    channels, kind = photo.colour.shape[2], photo.kind
    if channels not in kind.channels:
        if channels == 1 and (photo.profile is None or _reading(1, photo.profile) is None):
            return replace(photo, colour=photo.colour.repeat(3, axis=2), profile=None)
        if channels == 4:
            lost.append(f"{kind.name} has no CMYK: the result is in sRGB")
        return _in_srgb(photo)
    try:
        _from_srgb(channels, photo.profile)
    except ImageCms.PyCMSError:
        lost.append("the photo's colour profile converts in one direction only: the result is in sRGB")
        return _in_srgb(photo)
    return photo


def _in_srgb(photo: Original) -> Original:
    """As 8-bit RGB."""
    picture = colours.srgb(_image(_eight_bit(photo.colour), None), photo.profile)
    notes = photo.notes
    if notes.exif is not None and EXIF_IFD in notes.exif:
        notes.exif[EXIF_IFD] = {**notes.exif[EXIF_IFD], COLOUR_SPACE: 1}
    return replace(
        photo, colour=np.array(picture), alpha=_eight_bit(photo.alpha), profile=None, notes=replace(notes, meaning=())
    )


def _reading(channels: int, profile: bytes) -> ImageCms.ImageCmsTransform | None:
    return colours.profile_transform(profile, MODES[channels])


def _from_srgb(channels: int, profile: bytes | None) -> Callable[[np.ndarray], np.ndarray]:
    """sRGB float [h, w, 3] in 0..255 -> float [h, w, C] in 0..255, the way back from how `decoding` reads such a file.

    Raises:
        ImageCms.PyCMSError: there is none.
    """
    if profile is None or _reading(channels, profile) is None:
        return {1: _grey, 3: lambda srgb: srgb, 4: _cmyk}[channels]
    transform = colours.between(None, profile, "RGB", MODES[channels])

    def convert(srgb: np.ndarray) -> np.ndarray:
        converted = np.array(transform.apply(Image.fromarray(np.rint(srgb).astype(np.uint8))), np.float32)
        return converted.reshape(*srgb.shape[:2], channels)

    return convert


def _grey(srgb: np.ndarray) -> np.ndarray:
    """Rec. 601, as Pillow does."""
    return (srgb @ np.float32([0.299, 0.587, 0.114]))[..., None]


def _cmyk(srgb: np.ndarray) -> np.ndarray:
    return np.concatenate([255 - srgb, np.zeros_like(srgb[..., :1])], axis=2)


def _eight_bit(values: np.ndarray | None) -> np.ndarray | None:
    return values if values is None or values.dtype == np.uint8 else colours.to_8_bits(values)


# ---- what a file says of its picture


def _notes(data: bytes | Path, picture: Image.Image, found: stored.Stored, kind: Format, lost: list[str]) -> Notes:
    """What holds of the upright picture in a file of another kind; says what does not fit into that."""
    info, size = picture.info, found.colour.shape[1::-1]
    dpi = info.get("dpi")
    if dpi and not all(0 < value < 65_536 for value in dpi):  # NaN is neither
        dpi = None
    if dpi and found.turn in colours.SIDEWAYS:
        dpi = dpi[::-1]
    exif = None
    try:
        found_exif = picture.getexif()
        if info.get("exif") and not found_exif:  # what could not be read once is empty the second time
            raise ValueError
        exif = _exif(found_exif, size, dpi if kind is WEBP else None)
        if kind is JPEG and exif and len(exif.tobytes()) > 65_000:
            lost.append("JPEG has no room for the photo's EXIF")
            exif = None
    except decoding.DAMAGED:
        lost.append("the photo's EXIF cannot be read")
    xmp = info.get("xmp")
    if xmp and any(mark in xmp for mark in ELSEWHERE):
        lost.append("the photo's XMP describes further pictures in its file; the result has neither")
        xmp = None
    text = {
        key: value
        for key, value in getattr(picture, "text", {}).items()
        if not key.startswith(("Raw profile type", "XML:com.adobe.xmp"))
    }
    meaning = _meaning(data) if picture.format == "PNG" else ()
    comment = info.get("comment")
    if kind is not PNG:
        if text:
            lost.append(f"{kind.name} has no place for the photo's text: {', '.join(sorted(text))[:80]}")
        if any(chunk[0] != b"sRGB" for chunk in meaning) and not info.get("icc_profile") and not _ordinary(info):
            lost.append(f"{kind.name} has no place for the photo's gamma and primaries")
    return Notes(
        exif,
        _upright(xmp, size) if xmp else None,
        dpi,
        text if kind is PNG else {},
        comment if kind is JPEG and isinstance(comment, bytes) else None,
        meaning if kind is PNG else (),
    )


def _ordinary(info: dict) -> bool:
    """Whether a PNG's gamma is that of sRGB, near enough."""
    return "srgb" in info or abs(info.get("gamma", 0.45455) - 0.45455) < 0.005


def _further(picture: Image.Image) -> list[str]:
    """What a file holds besides its first picture."""
    with contextlib.suppress(*decoding.DAMAGED):
        if (count := getattr(picture, "n_frames", 1)) > 1:
            return [f"the photo's file holds {count} pictures: the result is the first"]
    if "mp" in picture.info or "mpoffset" in picture.info:
        return ["the photo's file holds further pictures, such as a gain map: the result is the first"]
    return []


def _exif(exif: Image.Exif, size: tuple[int, int], dpi: tuple[float, float] | None) -> Image.Exif | None:
    """EXIF as it holds of an upright picture of that width and height; without thumbnail and maker's notes."""
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in OF_THE_FILE and tag not in (EXIF_IFD, GPS_IFD, containers.ORIENTATION):
            kept[tag] = value
    for pointer in (EXIF_IFD, GPS_IFD):
        entries = {t: v for t, v in exif.get_ifd(pointer).items() if t not in (INTEROPERABILITY, MAKER_NOTE)}
        if entries:
            kept[pointer] = entries
    if EXIF_IFD in kept:
        kept[EXIF_IFD] |= {t: v for t, v in ((WIDTH, size[0]), (HEIGHT, size[1])) if t in kept[EXIF_IFD]}
    if dpi:
        kept.update(zip(RESOLUTION, (*map(float, dpi), 2), strict=True))
    if containers.ORIENTATION in exif:
        kept[containers.ORIENTATION] = 1
    if not len(kept):
        return None
    kept.tobytes()  # what it raises is of a damaged file
    return kept


def _upright(xmp: bytes, size: tuple[int, int]) -> bytes:
    """XMP that says that the picture is upright, and of which size."""
    values = {b"tiff:Orientation": 1, b"tiff:ImageWidth": size[0], b"tiff:ImageLength": size[1]}
    values |= {b"exif:PixelXDimension": size[0], b"exif:PixelYDimension": size[1]}
    for name, value in values.items():
        xmp = re.sub(name + rb"(=[\"']|>)\s*\d+", lambda m, n=name, v=value: n + m[1] + str(v).encode(), xmp)
    return xmp


def _meaning(data: bytes | Path) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of a PNG that say how its values are to be shown."""
    chunks = containers.png_chunks(data if isinstance(data, bytes) else data.read_bytes())
    before = itertools.takewhile(lambda chunk: chunk[1] != b"IDAT", chunks)
    return tuple((name, bytes(whole[8:-4])) for _, name, whole in before if name in PNG_MEANING)


# ---- to bytes


def _image(colour: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    """uint8 [H, W, C] and [H, W] -> L, LA, RGB, RGBA or CMYK."""
    height, width, channels = colour.shape
    if channels == 4:
        return Image.frombytes("CMYK", (width, height), np.ascontiguousarray(colour).tobytes())
    if alpha is not None:
        return Image.fromarray(np.dstack([colour, alpha]))
    return Image.fromarray(np.ascontiguousarray(colour[..., 0] if channels == 1 else colour))


def _png_info(notes: Notes) -> PngImagePlugin.PngInfo:
    made = PngImagePlugin.PngInfo()
    for name, contents in notes.meaning:
        made.add(name, contents)
    for key, value in notes.text.items():
        made.add_text(key, value)  # of an iTXt, with its language
    if notes.xmp is not None:
        made.add_itxt("XML:com.adobe.xmp", notes.xmp.decode("utf-8", "replace"))
    return made


def _deep_png(colour: np.ndarray, alpha: np.ndarray | None, options: dict[str, Any]) -> bytes:
    """A PNG of 16 bits a channel, which Pillow writes of grey alone; the other chunks are Pillow's."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, **options)
    small = buffer.getvalue()
    chunks = small[33 : small.rindex(b"IDAT") - 4]  # between the header, IHDR, and the pixels
    pixels = colour if alpha is None else np.dstack([colour, alpha])
    height, width, channels = pixels.shape
    rows = np.empty((height, 1 + 2 * width * channels), np.uint8)
    rows[:, 0] = 1  # the filter: each byte less that of the pixel to the left
    values = pixels.astype(">u2").view(np.uint8).reshape(height, -1)
    rows[:, 1:] = values
    rows[:, 1 + 2 * channels :] -= values[:, : -2 * channels]
    kind = PNG_COLOURS[colour.shape[2], alpha is not None]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    first, data, last = (
        containers.png_chunk(*c) for c in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND",))
    )
    return b"".join([containers.PNG_START, first, chunks, data, last])
