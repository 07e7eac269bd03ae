"""An edit put back into the file of its photo."""

from typing import BinaryIO

from stylemap import decoding
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.photos import originals
from stylemap.photos.photo import Photo


def put_back(
    stream: BinaryIO,
    photo: Photo,
    edited: Edited,
    how: pasting.How,
    suffix: str,
    max_pixels: int = decoding.MAX_PIXELS,
) -> list[str]:
    """Write the photo at its full size with the edit in it. What is outside of the region stays what it was, bit for bit.

    Args:
        photo: the one that was edited.
        edited: made with the same ``how``.
        suffix: of the kind of file to write.

    Returns:
        A line for everything that this kind of file cannot hold.

    Raises:
        InputError: the file of the photo cannot be read any more.
    """
    source = photo.pixels if photo.source is None else photo.source
    original = originals.read(source, suffix, photo.name, max_pixels)
    where = photo.alignment, edited.region, how, edited.sources
    original.write(stream, pasting.paste(original.colour, photo.pixels, edited.pixels, *where, original.encode))
    return [*original.lost, *original.hidden(photo.alignment, edited.region)]
