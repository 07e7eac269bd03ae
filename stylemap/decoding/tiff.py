"""TIFF 6.0, and EXIF, which has its form: what its first directory says, and what Pillow misreads."""

import io
import struct
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from stylemap.decoding.jpeg import EXIF_MARK

MAX_PIECES = 500_000  # strips or tiles
MAX_TILE = 1 << 26  # pixels of one tile
NEW_SUBFILE_TYPE, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, ORIENTATION = 254, 258, 259, 262, 274
STRIP_OFFSETS, SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION, TILE_WIDTH, TILE_LENGTH = 273, 277, 284, 322, 323
TILE_OFFSETS, YCBCR_SUBSAMPLING, DNG_VERSION = 324, 530, 50706
UNCOMPRESSED, WHITE_IS_ZERO, YCBCR, SEPARATE = 1, 0, 6, 2  # their values
SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # types of whole numbers -> bytes


def open_picture(stream: BinaryIO) -> TiffImageFile:
    """Open a TIFF once its first directory is checked: readers allocate what it claims.

    Raises:
        ValueError: tiles that are larger than any image, or too many pieces.
        NotImplementedError: the first image is a preview, as in raw files of cameras.
    """
    tags = directory(stream)
    value = {tag: value or 0 for tag, (_, value) in tags.items()}
    if DNG_VERSION in tags or value.get(NEW_SUBFILE_TYPE, 0) & 1:
        raise NotImplementedError("it begins with a preview, as raw files of cameras do")
    if value.get(TILE_WIDTH, 0) * value.get(TILE_LENGTH, 0) > MAX_TILE:
        raise ValueError("its tiles are larger than any image")
    if max(tags.get(tag, (0, 0))[0] for tag in (STRIP_OFFSETS, TILE_OFFSETS)) > MAX_PIECES:
        raise ValueError("it is cut into too many pieces")
    stream.seek(0)
    picture = TiffImageFile(stream)
    picture.info["original_orientation"] = picture.tag_v2.get(ORIENTATION)  # gone once it is decoded
    return picture


def directory(stream: BinaryIO) -> dict[int, tuple[int, int | None]]:
    """The first directory of a TIFF: tag -> (how many values, the first one where it is a whole number in place).

    Broken entries are left out.
    """
    start = stream.read(8)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        return {}
    big = struct.unpack_from(order + "H", start, 2)[0] == 43
    count_form, form, place = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    at = stream.read(8) if big else start[4:]
    tags = {}
    try:
        stream.seek(struct.unpack(order + ("Q" if big else "I"), at)[0])
        (count,) = struct.unpack(order + count_form, stream.read(struct.calcsize(order + count_form)))
        size = struct.calcsize(order + form)
        entries = stream.read(min(count, 65535) * (size + place))
        for start in range(0, len(entries) - size - place + 1, size + place):
            tag, kind, values = struct.unpack_from(order + form, entries, start)
            value = entries[start + size : start + size + SIZES.get(kind, 0)]
            whole = values * SIZES.get(kind, 9) <= place and values > 0
            tags.setdefault(
                tag, (values, int.from_bytes(value, "little" if order == "<" else "big") if whole else None)
            )
    except (struct.error, OSError, OverflowError, ValueError):
        pass
    return tags


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    if not exif:
        return 1
    _, value = directory(io.BytesIO(exif.removeprefix(EXIF_MARK))).get(ORIENTATION, (0, None))
    return value if value in range(1, 9) else 1


def as_tagged(picture: TiffImageFile) -> Image.Image:
    """Correct a TIFF's grey by its tags. Two ways of storing colours, uncompressed, are refused: Pillow reads them as noise."""
    tags = picture.tag_v2
    kind, bits = tags.get(PHOTOMETRIC), max(tags.get(BITS_PER_SAMPLE, (1,)))
    if tags.get(COMPRESSION, 1) == UNCOMPRESSED:
        if kind == YCBCR and tags.get(YCBCR_SUBSAMPLING, (2, 2)) != (1, 1):
            raise NotImplementedError("colours of half the size, uncompressed")
        if tags.get(PLANAR_CONFIGURATION) == SEPARATE and bits == 16 and tags.get(SAMPLES_PER_PIXEL, 1) > 1:
            raise NotImplementedError("16 bits a colour in separate planes, uncompressed")
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.uint16)  # in this machine's order
        if bits == 12:
            values = values * 16 + values // 256  # 4095 becomes 65535
        if kind == WHITE_IS_ZERO:  # Pillow inverts 1 to 8 bits only
            values = 65535 - values
    elif picture.mode in ("1", "L") and kind is None:  # without the tag Pillow takes zero for white, libtiff for black
        values = 255 - np.asarray(picture.convert("L"))
    else:
        return picture
    corrected = Image.fromarray(values)
    corrected.format, corrected.info = picture.format, picture.info
    return corrected
