"""Colours and orientation: Pillow's images of any mode -> 8-bit sRGB over white, upright."""

import functools
import io
import itertools

import cv2
import numpy as np
from PIL import Image, ImageCms

from stylemap.decoding import png, tiff
from stylemap.decoding.opening import DAMAGED

LUMINANCE = np.float32([0.299, 0.587, 0.114])  # of red, green and blue (Rec. 601), as Pillow has it
STRIP = 1 << 20  # pixels that are converted at once: a large image is in memory once and a half, not three times


# ---- orientation: 1 to 8, as in EXIF. 1 is upright


def orientation(picture: Image.Image) -> int:
    """How the pixels that Pillow gives are turned. Pillow itself turns TIFF and HEIC upright while it decodes them."""
    return 1 if picture.format == "TIFF" else tiff.orientation(picture.info.get("exif"))


def stored_orientation(picture: Image.Image) -> int:
    """How the pixels are turned in the file, also where Pillow has turned them upright."""
    turned = picture.info.get("original_orientation")
    return max(orientation(picture), turned if turned in range(1, 9) else 1)


def sideways(orientation: int) -> bool:
    """Whether width and height are exchanged."""
    return orientation > 4


def flips(orientation: int) -> tuple[bool, bool]:
    """Whether upright rows run the other way, and columns, once they are exchanged where the image lies sideways."""
    return orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn [H, W] or [H, W, C] upright."""
    turned = cv2.transpose(pixels) if sideways(orientation) else pixels
    down, right = flips(orientation)
    if down or right:
        turned = cv2.flip(turned, {(True, False): 0, (False, True): 1, (True, True): -1}[down, right])
    return turned.reshape(*turned.shape[:2], *pixels.shape[2:])  # OpenCV drops a last dimension of 1


# ---- colours


def rgb(picture: Image.Image) -> np.ndarray:
    """Any mode -> uint8 [H, W, 3] in sRGB over white, not turned."""
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
    if colour.mode == "I;16":
        colour = Image.fromarray(to_8_bits(np.asarray(colour)))
    colour = srgb(colour, profile)
    if alpha is None:
        return colour
    over = Image.new("RGB", colour.size, "white")
    over.paste(colour, mask=alpha)
    return over


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Split an image into colours, of mode L, I;16, RGB, CMYK or LAB, and alpha, of mode L or None.

    Raises:
        NotImplementedError: values with 32 bits or a sign.
    """
    if picture.mode in ("I", "F"):
        raise NotImplementedError("its numbers have 32 bits or a sign, and nothing says which of them is white")
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
    """Whether `split_alpha` gives an alpha channel; reads only the header."""
    return picture.mode in ("La", "LA", "PA", "RGBa", "RGBA") or picture.info.get("transparency") is not None


def _plain(picture: Image.Image) -> Image.Image:
    mode = {"1": "L", "P": "RGB", "YCbCr": "RGB"}.get(picture.mode, picture.mode)
    if mode == "I;16B":
        return Image.fromarray(np.asarray(picture).astype(np.uint16))
    return picture if mode == picture.mode else picture.convert(mode)


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """uint16 -> the nearest uint8, where 65535 = 255 * 257 is 255."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode L, RGB, CMYK or LAB -> RGB, through the embedded profile if it can be used."""
    transform = _lab_transform() if colour.mode == "LAB" else profile_transform(profile, colour.mode)
    return colour.convert("RGB") if transform is None else transform.apply(colour)


@functools.cache
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def changes_colours(picture: Image.Image) -> bool:
    """Whether the image has a profile that can be used and is not that of sRGB."""
    mode = {"1": "L", "LA": "L", "La": "L", "I;16": "L", "I;16B": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    return profile_transform(picture.info.get("icc_profile"), mode) is not None


def profile_transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB, built once; None if the profile cannot be used or changes nothing."""
    return _built(profile, mode) if profile and len(profile) <= png.MAX_PROFILE else None


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
    return transform if abs(change).max() > 2 else None  # sRGB profiles of several makers differ by 1 or 2


def between(
    source: bytes | None, target: bytes | None, source_mode: str, target_mode: str
) -> ImageCms.ImageCmsTransform:
    """The transform from one profile to another; None is sRGB.

    Raises:
        ImageCms.PyCMSError: a broken profile, one for other modes, or one that converts in the other direction only.
    """
    ends = (
        ImageCms.createProfile("sRGB") if p is None else ImageCms.ImageCmsProfile(io.BytesIO(p))
        for p in (source, target)
    )
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(*ends, source_mode, target_mode, intent, flags)
