"""Image files written by hand, for what Pillow cannot write or would write otherwise."""

import importlib.util
import io
import struct
import zlib

import numpy as np
from PIL import Image

HAS_AVIF = importlib.util.find_spec("PIL._avif") is not None  # not every Pillow has it


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(h: int, w: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (h, w, channels), dtype=np.uint8)


def chunk(kind: bytes, body: bytes, damage: int = 0) -> bytes:
    """Of a PNG; ``damage`` falsifies the checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ damage)


def png(
    size: tuple[int, int], depth: int, colour_type: int, rows: list[bytes], *extra: bytes, after: bytes = b""
) -> bytes:
    """A PNG of (width, height). ``rows`` are raw big-endian samples; ``extra`` chunks stand before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + after + chunk(b"IEND", b"")


def jpeg_of_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size. A smaller one in the last block makes padding of what was encoded there."""
    at = next(at for mark in (b"\xff\xc0", b"\xff\xc2") if (at := data.find(mark)) >= 0)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def tiff(tags: dict[int, int | tuple[int, ...]], pixels: bytes = b"", order: str = "<") -> bytes:
    """A TIFF of one strip: tag -> value or values, all SHORT or LONG. The place and length of the strip are added."""
    tags = {**tags, 273: 8, 279: len(pixels)}
    start = 8 + len(pixels)
    entries, further = b"", b""
    end = start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        form = "H" if max(values) < 65536 and tag not in (273, 279) else "I"
        body = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(body) > 4:
            body, further = struct.pack(f"{order}I", end + len(further)), further + body
        entries += struct.pack(f"{order}HHI", tag, 3 if form == "H" else 4, len(values)) + body.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + further
    return mark + struct.pack(f"{order}I", start) + pixels + directory


def grey_tiff(values: np.ndarray, order: str = "<", **changes) -> bytes:
    """A grey TIFF of [H, W] in the depth of the values; ``changes`` are further tags, as t262=0."""
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    height, width = values.shape
    tags = {256: width, 257: height, 258: 8 * values.dtype.itemsize, 259: 1, 262: 1, 277: 1, 278: height, 339: kind}
    tags |= {int(name[1:]): value for name, value in changes.items()}
    return tiff(tags, values.astype(values.dtype.newbyteorder(order)).tobytes(), order)


def bmp(pixels: bytes, width: int, height: int, bits: int, masks: tuple[int, ...] = (), compression: int = 0) -> bytes:
    """A BMP with the header of version 4; rows from the bottom up."""
    masks = (*masks, 0, 0, 0, 0)[:4]
    info = struct.pack("<IiiHHIIiiII4I", 108, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0, *masks)
    info = info.ljust(108, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(pixels), 0, 0, 14 + len(info)) + info + pixels
