"""Pictures as they come in and go out: uploads, PNG, and edits put back into the photo."""

import base64
import binascii
import io
import math

import cv2
import numpy as np

from stylemap import decoding, faces
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.errors import InputError
from stylemap.photos import originals
from stylemap.project.recipe import Photo

PNG_START = b"\x89PNG\r\n\x1a\n"


class Reader:
    """Makes photos of the model's side out of uploads.

    Args:
        resolution: R, pixels.
        most_pixels: of an upload.
        finder: finds faces; None = photos are cut to their central square only.
    """

    def __init__(self, resolution: int, most_pixels: int, finder: faces.Finder | None = None):
        self.resolution, self.most_pixels, self.finder = resolution, most_pixels, finder

    def square(self, data: bytes, name: str = "the picture") -> Photo:
        """The central square of a picture file; errors call it by its name.

        Raises:
            InputError: no picture, damaged or too large.
        """
        about = decoding.inspect(data, name, self.most_pixels)
        pixels = decoding.decode_square(data, self.resolution, name, self.most_pixels)
        alignment = faces.Alignment.central(about.height, about.width, self.resolution)
        return Photo(pixels, data, (about.width, about.height), alignment)

    def face(self, data: bytes, name: str = "the picture") -> Photo:
        """The largest face of a picture file, aligned like FFHQ's; errors call it by its name.

        Raises:
            InputError: as `square`; no face, or nothing that finds one.
        """
        if self.finder is None:
            raise InputError("this server finds no faces: start it with --detector, or leave the face where it is")
        photo = decoding.decode(data, name, self.most_pixels)
        found = self.finder.faces(name, photo)
        if not found:
            raise InputError(f"no face was found in {name}; choose another, or take its central square")
        aligned = faces.cut(photo, found[0], self.resolution)
        return Photo(aligned.picture, data, photo.shape[1::-1], aligned.alignment, aligned=True)


def whole(pixels: np.ndarray, labels: np.ndarray | None = None) -> Photo:
    """A picture uint8 [R, R, 3] that is its own photo."""
    side = len(pixels)
    return Photo(pixels, None, (side, side), faces.Alignment.central(side, side, side), labels=labels)


def put_back(photo: Photo, edited: Edited, how: pasting.How, most_pixels: int) -> tuple[bytes, list[str]]:
    """The upload at its full size with the edit in it, as a PNG, and a line for all of it that a PNG cannot hold.

    What is outside the region stays what it was in every bit.
    """
    source = photo.pixels if photo.upload is None else photo.upload
    whole = originals.read(source, ".png", "the picture", most_pixels)
    where = photo.alignment, edited.region, how, edited.sources
    buffer = io.BytesIO()
    whole.write(buffer, pasting.paste(whole.colour, photo.pixels, edited.pixels, *where, whole.encode))
    return buffer.getvalue(), [*whole.lost, *whole.hidden(photo.alignment, edited.region)]


def png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W, 3] RGB or [H, W] grey, quickly rather than small."""
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def mask_from_text(text: str, side: int) -> np.ndarray:
    """A base64 PNG of side x side pixels -> uint8 [side, side], 255 = white. Colours count by luminance and alpha.

    Raises:
        InputError: anything else.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise InputError("a mask is no base64") from err
    if not data.startswith(PNG_START):
        raise InputError("a mask is no PNG")
    width, height = decoding.read_size(data, "the mask", side * side)
    if (width, height) != (side, side):
        raise InputError(f"a mask is {width} x {height} pixels; it must be {side} x {side} like the picture")
    try:
        return np.rint(decoding.luminance(data) * 255).astype(np.uint8)
    except InputError as err:
        raise InputError("a mask is damaged or cut short") from err


def mask_to_text(mask: np.ndarray) -> str:
    """The inverse of `mask_from_text`."""
    return base64.b64encode(png(mask)).decode()


def decibels(mse: float) -> float:
    """PSNR of pixels in [-1, 1]; at most 99, as JSON knows no infinity."""
    return min(99.0, 10 * math.log10(4 / mse)) if mse > 0 else 99.0
