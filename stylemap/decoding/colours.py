"""Pillow's pictures of any mode to 8-bit sRGB over white."""

import functools
import io
import itertools

import cv2
import numpy as np
from PIL import Image, ImageCms

from stylemap.decoding import containers
from stylemap.decoding.opening import DAMAGED

LUMINANCE = np.float32([0.299, 0.587, 0.114])  # of red, green and blue (Rec. 601), as Pillow has it
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
STRIP = (
    1 << 20
)  # pixels that are converted at once, so that a large picture is in memory once and a half, not three times


def turn(picture: Image.Image) -> Image.Transpose | None:
    """What turns a picture upright; EXIF that cannot be read does not spoil it. TIFF and HEIC turn while they decode."""
    return None if picture.format == "TIFF" else UPRIGHT.get(containers.orientation(picture.info.get("exif")))


def turned_by(picture: Image.Image) -> Image.Transpose | None:
    """As `turn`, also where the reader has turned the picture already."""
    return turn(picture) or UPRIGHT.get(picture.info.get("original_orientation"))


def turned(pixels: np.ndarray, by: Image.Transpose | None) -> np.ndarray:
    """[H, W] or [H, W, C] turned upright."""
    if by is None:
        return pixels
    down, right = flips(by)
    pixels = cv2.transpose(pixels) if by in SIDEWAYS else pixels
    return cv2.flip(pixels, {(1, 0): 0, (0, 1): 1, (1, 1): -1}[down, right]) if down or right else pixels


def flips(by: Image.Transpose | None) -> tuple[bool, bool]:
    """Whether a turn, once rows and columns are exchanged if it goes sideways, reverses the rows, and the columns."""
    T = Image.Transpose
    return (
        by in (T.FLIP_TOP_BOTTOM, T.ROTATE_180, T.ROTATE_90, T.TRANSVERSE),
        by in (T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.ROTATE_270, T.TRANSVERSE),
    )


def rgb(picture: Image.Image) -> np.ndarray:
    """Any mode -> uint8 [H, W, 3] RGB, sRGB, over white, as it is stored."""
    picture.load()
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = picture if rows >= height else picture.crop((0, top, width, bottom))
        pixels[top:bottom] = _strip(strip, picture.info.get("icc_profile"))
    return pixels


def _strip(picture: Image.Image, profile: bytes | None) -> Image.Image:
    colour, alpha = split_alpha(picture)
    colour = srgb(_eight_bit(colour), profile)
    if alpha is None:
        return colour
    over = Image.new("RGB", colour.size, "white")
    over.paste(colour, mask=alpha)
    return over


def luminance(picture: Image.Image) -> np.ndarray:
    """Any mode -> float32 [H, W] in [0, 1], over black, as it is stored. Profiles are ignored."""
    picture.load()
    colour, alpha = split_alpha(picture)
    if colour.mode == "I;16":
        grey = np.asarray(colour, np.float32) / 65535
    else:
        grey = np.asarray(colour.convert("L"), np.float32) / 255
    if alpha is not None:
        grey = grey * (np.asarray(alpha, np.float32) / 255)
    return grey


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """-> colours of mode L, I;16, RGB, CMYK or LAB, and the alpha channel (mode L) or None.

    Raises:
        NotImplementedError: values of 32 bits, or with a sign.
    """
    if picture.mode in ("I", "F"):
        raise NotImplementedError("its numbers have 32 bits or a sign, and nobody knows which of them is white")
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    if picture.mode == "LA":
        return picture.getchannel("L"), picture.getchannel("A")
    key = picture.info.get("transparency")
    if isinstance(key, int | tuple) and picture.mode in ("1", "L", "I;16", "RGB"):
        other = np.asarray(picture) != np.array(key)
        alpha = Image.fromarray(np.where(other.any(-1) if other.ndim == 3 else other, 255, 0).astype(np.uint8))
        return _plain(picture), alpha
    if picture.mode in ("RGBA", "PA") or (picture.mode == "P" and key is not None):
        picture = picture.convert("RGBA")
        return picture.convert("RGB"), picture.getchannel("A")
    return _plain(picture), None


def transparent(picture: Image.Image) -> bool:
    """Whether `split_alpha` finds an alpha channel; looks at the header only."""
    return picture.mode in ("La", "LA", "PA", "RGBa", "RGBA") or picture.info.get("transparency") is not None


def _plain(picture: Image.Image) -> Image.Image:
    mode = {"1": "L", "P": "RGB", "YCbCr": "RGB"}.get(picture.mode, picture.mode)
    if mode == "I;16B":
        return Image.fromarray(np.asarray(picture).astype(np.uint16))
    return picture if mode == picture.mode else picture.convert(mode)


def _eight_bit(colour: Image.Image) -> Image.Image:
    return Image.fromarray(to_8_bits(np.asarray(colour))) if colour.mode == "I;16" else colour


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """uint16 -> the nearest uint8, where 65535 = 255 * 257 is 255."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode L, RGB, CMYK or LAB -> RGB, through the embedded profile where there is one of use."""
    transform = _lab_transform() if colour.mode == "LAB" else profile_transform(profile, colour.mode)
    return colour.convert("RGB") if transform is None else transform.apply(colour)


@functools.cache
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def changes_colours(picture: Image.Image) -> bool:
    """Whether the picture's profile is of use and is not sRGB's."""
    mode = {"1": "L", "LA": "L", "La": "L", "I;16": "L", "I;16B": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    return profile_transform(picture.info.get("icc_profile"), mode) is not None


def profile_transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB, built once per profile; None where it cannot be used or would change nothing."""
    return _built(profile, mode) if profile and len(profile) <= containers.MAX_PROFILE else None


@functools.lru_cache(maxsize=16)
def _built(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        transform = between(profile, None, mode, "RGB")
    except (ImageCms.PyCMSError, *DAMAGED):
        return None
    if mode == "CMYK":
        return transform
    cube = np.array(list(itertools.product(range(0, 256, 17), repeat=3)), np.uint8)  # [4096, 3]
    sample = Image.fromarray(cube.reshape(64, 64, 3)).convert(mode)
    change = np.asarray(transform.apply(sample), int) - np.asarray(sample.convert("RGB"), int)
    return transform if abs(change).max() > 2 else None  # makers' sRGB profiles differ from one another by 1 or 2


def between(
    source: bytes | None, target: bytes | None, source_mode: str, target_mode: str
) -> ImageCms.ImageCmsTransform:
    """From one profile to another; None is sRGB.

    Raises:
        ImageCms.PyCMSError: a broken profile, one for other modes, or one that leads the other way only.
    """
    ends = (
        ImageCms.createProfile("sRGB") if p is None else ImageCms.ImageCmsProfile(io.BytesIO(p))
        for p in (source, target)
    )
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(*ends, source_mode, target_mode, intent, flags)
