"""The photo that an edit goes back into: its pixels and metadata as the file stores them.

A model sees 8-bit sRGB over white, from `decoding`. The original keeps its depth, transparency and colours, and the edit is
converted to these.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms

from stylemap import decoding, faces
from stylemap.decoding import channels, colours, png
from stylemap.errors import InputError
from stylemap.photos import metadata
from stylemap.photos.metadata import Metadata
from stylemap.photos.output_formats import FORMATS, JPEG, PNG, Format

Place = tuple[slice, slice]  # rows and columns

RECODED = "JPEG changes every pixel a little: name a .png to keep those that the edit does not touch"
HIDDEN = 0.1  # share of an edit; a note tells if more lies where the photo is mostly transparent

MODES = {1: "L", 3: "RGB", 4: "CMYK"}
PNG_COLOURS = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}  # channels, alpha -> colour type


@dataclass(frozen=True, eq=False)
class Original:
    """A photo, in a form that the file to be written can hold."""

    colour: np.ndarray  # uint8 or uint16 [H, W, C], C = 1 grey, 3 RGB, 4 CMYK
    alpha: np.ndarray | None  # [H, W], of the same type
    kind: Format
    profile: bytes | None = None  # ICC
    metadata: Metadata = Metadata()
    lost: tuple[str, ...] = ()  # a line for each thing in the file that the result lacks

    @property
    def full(self) -> float:
        """The value of white, and of opaque."""
        return float(np.iinfo(self.colour.dtype).max)

    def encode(self, colours: np.ndarray, place: Place) -> np.ndarray:
        """Convert colours to the values that this photo's file has for them at a place.

        The model saw the photo over white. Where the photo is half transparent, the values show the colours over white. Where
        it is fully transparent, its values stay.

        Args:
            colours: float [h, w, 3] in 0..255, sRGB.

        Returns:
            Float [h, w, C] in the range of the photo.
        """
        convert = _from_srgb(self.colour.shape[2], self.profile)
        scale = self.full / 255
        if self.alpha is None:
            return convert(colours) * scale
        opacity = self.alpha[place][..., None] / np.float32(self.full)
        bare = (colours - 255 * (1 - opacity)) / np.maximum(opacity, 1 / self.full)
        return np.where(opacity > 0, convert(bare.clip(0, 255)) * scale, self.colour[place])

    def hidden(self, alignment: faces.Alignment, region: np.ndarray) -> list[str]:
        """Lines about what of an edit does not show, because the photo is transparent or grey there.

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

    def write(self, stream: BinaryIO, colour: np.ndarray, quality: int | None = None) -> None:
        """Write the photo with other colours, in the shape of ``colour``.

        Args:
            quality: of a JPEG, 1 to 100; None: that of its format.

        Raises:
            OSError: the disk is full, or the image too large for its kind of file.
        """
        options = self.kind.options | self.metadata.options()
        if quality is not None:
            options["quality"] = quality
        if self.profile is not None:
            options["icc_profile"] = self.profile
        if self.kind is PNG:
            options["pnginfo"] = self.metadata.png_info()
        if colour.dtype == np.uint16:
            stream.write(_deep_png(colour, self.alpha, options))
        else:
            _image(colour, self.alpha).save(stream, **options)


def read(
    source: bytes | Path | np.ndarray, suffix: str, name: str | None = None, max_pixels: int = decoding.MAX_PIXELS
) -> Original:
    """Read a photo that is to be written again, as a file of the same or another kind.

    Args:
        source: a file, its contents, or pixels uint8 [H, W, 3] in sRGB.
        suffix: of the file to be written, in `output_formats.FORMATS`.

    The other arguments and the errors are those of `decoding.decode`.
    """
    kind = FORMATS[suffix.lower()]
    if isinstance(source, np.ndarray):
        return Original(source, None, kind, lost=(RECODED,) if kind is JPEG else ())
    with decoding.open_image(source, name, max_pixels) as picture:
        stored = channels.of(source, picture)
        if stored.colour.dtype not in (np.uint8, np.uint16):
            colours.split_alpha(picture)  # its error says why such values are not read
        width, height = stored.colour.shape[1::-1]
        if max(width, height) > kind.side:
            size = f"{width} x {height} pixels"
            raise InputError(
                f"{name or source} has {size}, and {kind.name} holds at most {kind.side} a side: name a .png"
            )
        profile = picture.info.get("icc_profile") or None
    lost = ["the photo has 16 bits a channel; only 8 of them can be read"] if stored.reduced else []
    about, lost_metadata = metadata.read(source, stored, kind)
    lost += lost_metadata
    photo = _in_colours(Original(stored.colour, stored.alpha, kind, profile, about), lost)
    if photo.alpha is not None and not kind.alpha:
        lost.append(f"{kind.name} has no transparency: what is transparent becomes white")
        photo = _over_white(photo)
    if photo.colour.dtype == np.uint16 and kind.bits < 16:
        lost.append(f"the photo has 16 bits a channel; {kind.name} holds 8")
        photo = replace(photo, colour=_eight_bit(photo.colour), alpha=_eight_bit(photo.alpha))
    if kind is JPEG:
        lost.append(RECODED)
    return replace(photo, lost=tuple(lost))


def _over_white(photo: Original) -> Original:
    opacity = photo.alpha[..., None] / np.float32(photo.full)
    white = 0 if photo.colour.shape[2] == 4 else photo.full
    laid = np.rint(white + opacity * (photo.colour - np.float32(white))).astype(photo.colour.dtype)
    return replace(photo, colour=laid, alpha=None)


# ---- colours


def _in_colours(photo: Original, lost: list[str]) -> Original:
    """In colours that the file can hold, and that an edit can be converted to; if need be in sRGB."""
    count, kind = photo.colour.shape[2], photo.kind
    if count == 1 and count not in kind.channels and _to_srgb(1, photo.profile) is None:
        return replace(photo, colour=photo.colour.repeat(3, axis=2), profile=None)
    if count not in kind.channels:
        if count == 4:
            lost.append(f"{kind.name} has no CMYK: the result is in sRGB")
        return _in_srgb(photo)
    try:
        _from_srgb(count, photo.profile)
    except ImageCms.PyCMSError:
        lost.append("the photo's colour profile converts in one direction only: the result is in sRGB")
        return _in_srgb(photo)
    return photo


def _in_srgb(photo: Original) -> Original:
    """As 8-bit RGB."""
    colour = np.array(colours.srgb(_image(_eight_bit(photo.colour), None), photo.profile))
    return replace(photo, colour=colour, alpha=_eight_bit(photo.alpha), profile=None, metadata=photo.metadata.in_srgb())


def _to_srgb(count: int, profile: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """What `decoding` converts a photo of so many channels by; None where its values are read as they stand."""
    return colours.profile_transform(profile, MODES[count])


def _from_srgb(count: int, profile: bytes | None) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse of how `decoding` reads such a file: sRGB float [h, w, 3] in 0..255 -> float [h, w, C] in 0..255.

    Raises:
        ImageCms.PyCMSError: the profile has no inverse.
    """
    if _to_srgb(count, profile) is None:
        return {1: _grey, 3: lambda srgb: srgb, 4: _cmyk}[count]
    transform = colours.between(None, profile, "RGB", MODES[count])

    def convert(srgb: np.ndarray) -> np.ndarray:
        converted = np.array(transform.apply(Image.fromarray(np.rint(srgb).astype(np.uint8))), np.float32)
        return converted.reshape(*srgb.shape[:2], count)

    return convert


def _grey(srgb: np.ndarray) -> np.ndarray:
    return (srgb @ colours.LUMINANCE)[..., None]


def _cmyk(srgb: np.ndarray) -> np.ndarray:
    return np.concatenate([255 - srgb, np.zeros_like(srgb[..., :1])], axis=2)


def _eight_bit(values: np.ndarray | None) -> np.ndarray | None:
    return values if values is None or values.dtype == np.uint8 else colours.to_8_bits(values)


# ---- to bytes


def _image(colour: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    """uint8 [H, W, C] and [H, W] -> L, LA, RGB, RGBA or CMYK."""
    height, width, channels = colour.shape
    if channels == 4:
        return Image.frombytes("CMYK", (width, height), np.ascontiguousarray(colour).tobytes())
    if alpha is not None:
        return Image.fromarray(np.dstack([colour, alpha]))
    return Image.fromarray(np.ascontiguousarray(colour[..., 0] if channels == 1 else colour))


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
    first, data, last = (png.chunk(*c) for c in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND",)))
    return b"".join([png.START, first, chunks, data, last])
