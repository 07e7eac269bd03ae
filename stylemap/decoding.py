"""Picture files to uint8 pixels, and nothing of tensors: what loading processes import must not cost them torch."""

import contextlib
import functools
import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from stylemap.errors import InputError

try:
    import simplejpeg
except ImportError:  # an extra
    simplejpeg = None

EXTENSIONS = frozenset(  # lower case; what data sets look for
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif"}
)
MAX_PIXELS = 200_000_000  # a header that promises more is refused before anything is allocated

# What Pillow raises on damaged data: its plugins let the errors of their parsing through
DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, AttributeError, AssertionError,
    OverflowError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
PLAIN_MODES = {"1": "L", "P": "RGB", "I": "I;16"}  # "I" is what older Pillows make of 16-bit grey
UPRIGHT = {  # EXIF orientation -> what turns the stored picture upright; 1 is upright already
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset(
    {Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE}
)
ORIENTATION = 0x0112  # EXIF tag
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
FOREIGN = (  # what is found under the names of pictures: where its mark stands, the mark, what to call it
    (0, b"GIF8", "a GIF"),
    (0, b"BM", "a BMP"),
    (0, b"II*\0", "a TIFF or a camera's raw file"),
    (0, b"MM\0*", "a TIFF or a camera's raw file"),
    (4, b"ftypavi", "an AVIF"),
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
LOST = (  # what stands where a picture was to be
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"version http", "a Git LFS pointer"),
    (bytes(12), "nothing but zeros"),
)


def decode(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a JPEG, PNG or WebP of any mode to uint8 [H, W, 3] RGB, upright and in sRGB.

    Alpha is laid over white, as a browser's page or a printer would. 16-bit values keep their upper 8 bits' worth. The
    EXIF orientation is applied. An embedded colour profile that differs from sRGB is converted; one that cannot be used
    is ignored. Of an animation the first frame is taken.

    Args:
        data: the file's bytes, or its path.
        name: what errors call it; None = the path, or "the image".
        max_pixels: refuse pictures of more pixels than this, before decoding.

    Raises:
        InputError: no such file, not a JPEG, PNG or WebP, damaged or cut short, or too large.
    """
    with _opened(data, name, max_pixels) as picture:
        return _pixels(data, picture)


def load(
    data: bytes | Path, side: int, name: str | None = None, max_pixels: int = MAX_PIXELS, pad: bool = False
) -> np.ndarray:
    """``fit(decode(data), side, pad)`` -> uint8 [side, side, 3], faster for a JPEG much larger than ``side``.

    Such a JPEG is decoded at a half, quarter or eighth, never below twice ``side``, so that the final area resize still
    averages at least 2 x 2 pixels. Arguments and errors are those of ``decode``.
    """
    with _opened(data, name, max_pixels) as picture:
        size = picture.size
        picture.draft(None, (2 * side, 2 * side))  # acts on JPEG only
        pixels = _pixels(data, picture) if picture.size == size else _rgb(picture)
    return fit(pixels, side, pad)


def check(data: bytes | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Read only the header -> (width, height) as stored. Raises the InputError that ``decode`` would raise for it."""
    with _opened(data, name, max_pixels) as picture:
        return picture.size


@dataclass(frozen=True)
class Description:
    """What a picture file holds; ``width`` and ``height`` are those of the upright picture."""

    kind: str  # JPEG, PNG, WEBP, HEIF
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


def describe(data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Description:
    """Decode every pixel and tell what the file holds. Raises the InputError that ``decode`` would raise for it."""
    with _opened(data, name, max_pixels) as picture:
        turn = _turn(picture)  # decodes, which must come before the rest: PNG may have chunks after the pixels
        turned = turn is not None or picture.info.get("original_orientation") in UPRIGHT  # HEIC turns while decoding
        width, height = picture.size if turn not in SIDEWAYS else picture.size[::-1]
        colour, alpha = _split_alpha(picture)
        profile = picture.info.get("icc_profile")
        return Description(
            kind=picture.format,
            mode=picture.mode,
            width=width,
            height=height,
            turned=turned,
            transparent=alpha is not None,
            profile=bool(profile) and _profile_transform(profile, _eight_bit(colour).mode) is not None,
        )


def luminance(path: Path) -> np.ndarray:
    """Any picture -> float32 [H, W] in [0, 1], upright, over black; Rec. 601 weights, 16-bit grey at full precision.

    Colour profiles are ignored: a mask is data, not colour. Raises the InputErrors of ``decode``.
    """
    with _opened(path) as picture:
        return _luminance(picture)


def fit(picture: np.ndarray, side: int, pad: bool = False) -> np.ndarray:
    """Make uint8 [H, W, 3] square and resize it -> uint8 [side, side, 3].

    The central square is cut out, an odd remainder at the bottom or right; with ``pad`` the whole picture is kept, centred
    on white. Shrinking averages by exact pixel area, enlarging is Lanczos-3.
    """
    square = _padded_square(picture) if pad else _central_square(picture)
    if len(square) > side:
        return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)  # Pillow's BOX rounds the area's border
    if len(square) < side:
        # Pillow's kernel is renormalised at the border; cv2's Lanczos is the wider one, with more ringing
        return np.array(Image.fromarray(square).resize((side, side), Image.Resampling.LANCZOS))
    return np.ascontiguousarray(square)


def fit_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """The central square of float32 [H, W] in [0, 1], resized by area, which keeps the mean -> float32 [side, side]."""
    mask = cv2.resize(_central_square(mask), (side, side), interpolation=cv2.INTER_AREA)
    return mask.clip(0, 1)  # the sums may round beyond the range


def _padded_square(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> [max(H, W), max(H, W), 3], white around."""
    h, w = picture.shape[:2]
    side = max(h, w)
    top, left = (side - h) // 2, (side - w) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + h, left : left + w] = picture
    return square


def _central_square(picture: np.ndarray) -> np.ndarray:
    """[H, W, ...] -> a view of [min(H, W), min(H, W), ...]."""
    h, w = picture.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return picture[top : top + side, left : left + side]


@contextlib.contextmanager
def _opened(
    data: bytes | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """The picture with its header read; whatever fails in here or in the block becomes an InputError with its name."""
    name = name or (str(data) if isinstance(data, Path) else "the image")
    with _stream(data, name) as stream:
        try:
            picture = _plugin(stream, name)(stream)
            width, height = picture.size
            if width * height > max_pixels:
                limit = f"more than {max_pixels / 1e6:g} million pixels"
                raise InputError(f"{name} is {width} x {height}, {limit}; make it smaller first")
            yield picture
        except InputError:
            raise
        except DAMAGED as err:
            reason = " ".join(str(err).split()) or type(err).__name__
            raise InputError(f"{name} is damaged or cut short ({reason}); copy or export it again") from err


@contextlib.contextmanager
def _stream(data: bytes | Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if isinstance(data, bytes):
        yield io.BytesIO(data)
        return
    if not isinstance(data, Path):
        yield data
        return
    if data.exists() and not data.is_file():  # a pipe would block
        raise InputError(f"{name} is not a file; name a JPEG, PNG or WebP picture")
    try:
        stream = data.open("rb")
    except FileNotFoundError as err:
        raise InputError(f"{name}: no such file") from err
    except OSError as err:
        raise InputError(f"{name} cannot be opened: {err.strerror}") from err
    with stream:
        yield stream


def _plugin(stream: BinaryIO, name: str) -> type[Image.Image]:
    """Pillow's class for the stream's format, by its first bytes.

    The classes are called directly and not through ``Image.open``, whose pixel limit is a global and below ours.
    """
    start = stream.read(12)
    stream.seek(0)
    if start.startswith(b"\xff\xd8\xff"):
        return JpegImageFile  # of a phone's several pictures in one JPEG (MPO, gain map), the first
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
        return WebPImageFile
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
        return _heic_plugin(name)
    raise InputError(f"{name} {_no_picture(start)}")


def _no_picture(start: bytes) -> str:
    """What the first 12 bytes of a file say about why it cannot be read, and the repair."""
    for mark, what in LOST:
        if start.lower().startswith(mark):
            return f"is really {what}: the picture was lost on the way; download or copy it again"
    for at, mark, what in FOREIGN:
        if start.startswith(mark, at):
            return f"is really {what}: it holds another format; convert it first"
    reason = "it holds another format; convert it first" if start else "it is empty; copy or export it again"
    return f"is not an image (JPEG, PNG or WebP): {reason}"


def _heic_plugin(name: str) -> type[Image.Image]:
    try:
        from pi_heif import HeifImageFile  # an extra: what iPhones write
    except ImportError as err:
        raise InputError(f"{name} is a HEIC photo; pip install pi-heif, or export it as JPEG") from err
    return HeifImageFile


# ---- colours


def _pixels(data: bytes | Path, picture: Image.Image) -> np.ndarray:
    """`_rgb`, by a faster library for the ordinary JPEG, whose pixels are the same; Pillow decides on what is damaged."""
    if simplejpeg is not None and isinstance(data, bytes) and _ordinary(picture):
        with contextlib.suppress(ValueError):
            return simplejpeg.decode_jpeg(data)
    return _rgb(picture)


def _ordinary(picture: Image.Image) -> bool:
    """Whether the pixels are stored as they are to be shown; looks at the header only."""
    if picture.format != "JPEG" or picture.mode not in ("RGB", "L") or "exif" in picture.info:
        return False
    profile = picture.info.get("icc_profile")
    return not profile or _profile_transform(profile, picture.mode) is None


def _rgb(picture: Image.Image) -> np.ndarray:
    """Any mode -> uint8 [H, W, 3] RGB, sRGB, upright, over white."""
    picture = _upright(picture)
    colour, alpha = _split_alpha(picture)
    colour = _srgb(_eight_bit(colour), picture.info.get("icc_profile"))
    if alpha is None:
        return np.array(colour)
    over = Image.new("RGB", colour.size, "white")
    over.paste(colour, mask=alpha)
    return np.array(over)


def _luminance(picture: Image.Image) -> np.ndarray:
    """Any mode -> float32 [H, W] in [0, 1], upright, over black. Profiles are ignored: a mask is data, not colour."""
    colour, alpha = _split_alpha(_upright(picture))
    if colour.mode == "I;16":
        grey = np.asarray(colour, np.float32) / 65535
    else:
        grey = np.asarray(colour.convert("L"), np.float32) / 255
    if alpha is not None:
        grey = grey * (np.asarray(alpha, np.float32) / 255)
    return grey


def _upright(picture: Image.Image) -> Image.Image:
    turn = _turn(picture)
    return picture if turn is None else picture.transpose(turn)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """Decode, then say what turns the picture upright; EXIF that cannot be read does not spoil it."""
    picture.load()
    try:
        return UPRIGHT.get(picture.getexif().get(ORIENTATION, 1))
    except DAMAGED:
        return None


def _split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """-> colours of mode L, I;16, RGB or CMYK, and the alpha channel (mode L) or None."""
    key = picture.info.get("transparency")
    if picture.mode == "I;16" and isinstance(key, int):  # Pillow drops the transparent value of 16-bit grey
        return picture, Image.fromarray(np.where(np.asarray(picture) == key, 0, 255).astype(np.uint8))
    if picture.mode == "LA":
        return picture.getchannel("L"), picture.getchannel("A")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return picture.convert("RGB"), picture.getchannel("A")
    mode = PLAIN_MODES.get(picture.mode, picture.mode)
    return (picture if mode == picture.mode else picture.convert(mode)), None


def _eight_bit(colour: Image.Image) -> Image.Image:
    if colour.mode != "I;16":
        return colour
    values = np.asarray(colour).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # nearest: 65535 = 255 * 257


def _srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode L, RGB or CMYK -> RGB, through the embedded profile where there is one of use."""
    transform = _profile_transform(profile, colour.mode) if profile else None
    return colour.convert("RGB") if transform is None else transform.apply(colour)


@functools.lru_cache(maxsize=32)
def _profile_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB, built once per profile; None where it cannot be used or would change nothing."""
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except (ImageCms.PyCMSError, *DAMAGED):
        return None
    if mode == "CMYK":
        return transform
    cube = np.array(list(itertools.product(range(0, 256, 17), repeat=3)), np.uint8)  # [4096, 3]
    sample = Image.fromarray(cube.reshape(64, 64, 3)).convert(mode)
    change = np.asarray(transform.apply(sample), int) - np.asarray(sample.convert("RGB"), int)
    return transform if abs(change).max() > 2 else None  # makers' sRGB profiles differ from one another by 1 or 2
