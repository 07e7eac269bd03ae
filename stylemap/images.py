"""The one pixel convention, and the only place that reads and writes picture files.

Inside the project a picture is float32 RGB in [-1, 1], sRGB-coded, shaped [N, 3, H, W]; outside it is uint8 in 0..255,
shaped [N, H, W, 3]. Value v of a file is v / 127.5 - 1 here, and nowhere else is that formula written.
"""

import contextlib
import functools
import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

from stylemap.errors import InputError
from stylemap.files import atomic

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"})  # lower case; what data sets look for
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
ORIENTATION = 0x0112  # EXIF tag
STILL_FORMATS = {  # suffix -> Pillow's save options; PNG and WebP keep every pixel
    "": {"format": "PNG"},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "lossless": True},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
MOVING_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
GIF_TICK = 10  # ms; GIF counts time in hundredths of a second


# ---- tensors


def from_uint8(x: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] in 0..255 -> float32 [N, 3, H, W] in [-1, 1], in channels_last memory (no copy is permuted).

    Raises:
        ValueError: not uint8, or not [N, H, W, 3].
    """
    if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[3] != 3:
        raise ValueError(f"pixels must be uint8 [N, H, W, 3], got {x.dtype} {list(x.shape)}")
    return x.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)  # [N, 3, H, W]


def to_uint8(x: Tensor) -> Tensor:
    """float [N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3], clamped and rounded to nearest; inverts from_uint8.

    Infinities clamp like any other value out of range. NaN has no colour and is refused, as it means diverged weights.

    Raises:
        ValueError: not floating point, or not [N, 3, H, W].
        InputError: a value is NaN.
    """
    if not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"images must be float [N, 3, H, W], got {x.dtype} {list(x.shape)}")
    if x.isnan().any():
        raise InputError("an image holds NaN: these weights have diverged; use an earlier checkpoint")
    x = x.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return x.to(torch.uint8).permute(0, 2, 3, 1).contiguous()  # [N, H, W, 3]


def grid(images: Tensor, columns: int, pad: int = 2) -> Tensor:
    """Lay images [N, 3, h, w] out row by row as one contact sheet [3, H, W].

    There are min(columns, N) columns; H = rows * (h + pad) + pad and W likewise. White (1.0) lines of ``pad`` pixels
    run between and around the images, and free cells are white.

    Raises:
        ValueError: no image, a bad shape, or columns < 1 or pad < 0.
    """
    if images.ndim != 4 or len(images) == 0 or columns < 1 or pad < 0:
        raise ValueError(f"cannot lay out {list(images.shape)} in {columns} columns with pad {pad}")
    n, c, h, w = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    cells = images.new_ones(rows * columns, c, h + pad, w + pad)  # each cell carries the gap below and to its right
    cells[:n, :, :h, :w] = images
    sheet = cells.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)  # [3, rows, h + pad, columns, w + pad]
    sheet = sheet.reshape(c, rows * (h + pad), columns * (w + pad))
    return F.pad(sheet, (pad, 0, pad, 0), value=1.0)  # [3, H, W]


# ---- reading


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
        return _rgb(picture)


def load(data: bytes | Path, side: int, name: str | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """``fit(decode(data), side)`` -> uint8 [side, side, 3], faster for a JPEG much larger than ``side``.

    Such a JPEG is decoded at a half, quarter or eighth, never below twice ``side``, so that the final area resize still
    averages at least 2 x 2 pixels. Arguments and errors are those of ``decode``.
    """
    with _opened(data, name, max_pixels) as picture:
        picture.draft(None, (2 * side, 2 * side))  # acts on JPEG only
        pixels = _rgb(picture)
    return fit(pixels, side)


def check(data: bytes | Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS) -> None:
    """Read only the header and raise the InputError that ``decode`` would raise for it; pixels are not looked at."""
    with _opened(data, name, max_pixels):
        pass


def read(path: str | Path, side: int) -> Tensor:
    """Read a picture file as float32 [1, 3, side, side] in [-1, 1]: ``load``, then ``from_uint8``.

    Raises:
        InputError: one line that names the file: it is missing, no picture, damaged or too large.
    """
    return from_uint8(torch.from_numpy(load(Path(path), side))[None])


def read_mask(path: str | Path, side: int) -> Tensor:
    """Read a mask of any size as float32 [1, 1, side, side] in [0, 1], 1 = white = take the reference.

    Colours count by their luminance (Rec. 601 weights), transparent pixels as black, 16-bit grey at full precision. The
    mask is turned upright and cut to its central square like a photo, so a mask painted on a photo stays aligned with
    it; then it is resized by area, which keeps the mean, whether it shrinks or grows.

    Raises:
        InputError: one line that names the file: it is missing, no picture, damaged or too large.
    """
    with _opened(Path(path)) as picture:
        mask = _luminance(picture)
    mask = cv2.resize(_central_square(mask), (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(mask).clamp_(0, 1)[None, None]  # the sums may round beyond the range


def fit(picture: np.ndarray, side: int) -> np.ndarray:
    """Cut the central square out of uint8 [H, W, 3] and resize it -> uint8 [side, side, 3].

    An odd remainder is cut at the bottom or right. Shrinking averages by exact pixel area, enlarging is Lanczos-3.
    """
    square = _central_square(picture)
    if len(square) > side:
        return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)  # Pillow's BOX rounds the area's border
    if len(square) < side:
        # Pillow's kernel is renormalised at the border; cv2's Lanczos is the wider one, with more ringing
        return np.array(Image.fromarray(square).resize((side, side), Image.Resampling.LANCZOS))
    return np.ascontiguousarray(square)


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
    reason = "it holds another format; convert it first" if start else "it is empty; copy or export it again"
    raise InputError(f"{name} is not an image (JPEG, PNG or WebP): {reason}")


# ---- colours


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
    """Decode, then apply the EXIF orientation; EXIF that cannot be read does not spoil the picture."""
    picture.load()
    try:
        turn = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1))
    except DAMAGED:
        turn = None
    return picture if turn is None else picture.transpose(turn)


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


# ---- writing


def write(path: str | Path, images: Tensor) -> None:
    """Write one image [3, H, W] or [1, 3, H, W] in [-1, 1] as PNG, or by suffix as .jpg (quality 95) or lossless .webp.

    The file appears whole or not at all; a missing folder is made.

    Raises:
        InputError: a suffix that is not written, a folder that cannot be written, a full disk, or NaN in the image.
        ValueError: more than one image or a bad shape.
    """
    options = _by_suffix(STILL_FORMATS, path)
    images = images[None] if images.ndim == 3 else images
    if len(images) != 1:
        raise ValueError(f"one image at a time, got {list(images.shape)}")
    picture = _to_pillow(images)
    with atomic(path) as temporary:
        picture.save(temporary, **options)


def write_gif(path: str | Path, frames: Tensor, fps: float = 12.5, loop: bool = True) -> None:
    """Write frames [N, 3, H, W] in [-1, 1] as an animation: .gif, lossless .webp or .png (APNG), by suffix.

    GIF has 256 colours a frame and counts in 10 ms, so single frames last up to 10 ms more or less while the whole
    keeps its length. Equal neighbours may be stored as one longer frame. Atomic, like ``write``.

    Args:
        fps: frames per second; for GIF at most 50, as viewers slow faster ones down to 10.
        loop: repeat for ever, or play once.

    Raises:
        InputError: a suffix that is not written, a folder that cannot be written, a full disk, or NaN in a frame.
        ValueError: no frame, a bad shape, or fps out of range.
    """
    kind = _by_suffix(MOVING_FORMATS, path)
    fastest = 50 if kind == "GIF" else 1000
    if not 0 < fps <= fastest:
        raise ValueError(f"fps must be above 0 and at most {fastest} for {kind}, got {fps}")
    if len(frames) == 0:
        raise ValueError("an animation needs at least one frame")
    tick = GIF_TICK if kind == "GIF" else 1
    ends = np.round(np.arange(len(frames) + 1) * 1000 / fps / tick).astype(int) * tick  # ms
    options = {"format": kind, "save_all": True, "duration": np.diff(ends).tolist()}
    if loop or kind != "GIF":  # a GIF that plays once has no loop count at all
        options["loop"] = 0 if loop else 1
    if kind == "WEBP":
        options["lossless"] = True
    first, *others = [_to_pillow(frame) for frame in frames.split(1)]  # the APNG writer goes through them twice
    with atomic(path) as temporary:
        first.save(temporary, append_images=others, **options)


def _by_suffix(table: dict, path: str | Path):
    suffix = Path(path).suffix.lower()
    if suffix not in table:
        known = ", ".join(sorted(key for key in table if key))
        raise InputError(f"cannot write {path}: the name must end in one of {known}")
    return table[suffix]


def _to_pillow(images: Tensor) -> Image.Image:
    """[1, 3, H, W] -> mode RGB."""
    return Image.fromarray(to_uint8(images)[0].cpu().numpy())
