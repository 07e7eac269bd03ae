"""The files that the page saves: the photo with the edit in it or the model's square, alone or with what was before."""

import io

from stylemap import images
from stylemap.editing.applying import Edited
from stylemap.editor.requests import SaveRequest
from stylemap.errors import InputError
from stylemap.photos import before_after, originals
from stylemap.photos.output_formats import FORMATS, JPEG
from stylemap.photos.photo import Photo

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


def to_file(photo: Photo, edited: Edited, request: SaveRequest, max_pixels: int) -> tuple[bytes, list[str]]:
    """The bytes of the file, and lines on what it cannot hold of the photo.

    Args:
        photo: the one that was edited, in the way that the request names.
        max_pixels: of the photo's file.

    Raises:
        InputError: a quality for a format without one, a picture that is too large for its format, or a photo whose file cannot
            be read any more.
    """
    suffix = f".{request.format}"
    kind = FORMATS[suffix]
    if request.quality is not None and kind is not JPEG:
        raise InputError(f"{kind.name} keeps every pixel and has no quality")
    if request.paste_back == "none":
        times = request.enlarge or images.times(len(edited.pixels))
        before, after = (pixels.repeat(times, 0).repeat(times, 1) for pixels in (photo.pixels, edited.pixels))
        original, notes = originals.read(before, suffix), []
    else:
        original, after, notes = edited.in_photo(photo, request.paste_back, suffix, max_pixels)
    if request.before_after != "none":
        original, after = before_after.compose(original, after, request.before_after, request.labels)
    height, width = after.shape[:2]
    if max(height, width) > kind.side:
        raise InputError(
            f"the picture would have {width} x {height} pixels, and {kind.name} holds at most {kind.side} a side: "
            "choose PNG"
        )
    stream = io.BytesIO()
    original.write(stream, after, request.quality)
    return stream.getvalue(), [note for note in notes if note != originals.RECODED]  # the page says so before
