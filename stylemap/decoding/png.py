"""PNG (W3C, third edition): Pillow gets only the chunks that the pixels need, and all that a file can claim has a limit."""

import io
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

MAX_PROFILE = 8 << 20  # bytes of a colour profile; those of printers have up to 4 MB
MAX_CHUNKS = 10_000  # of pixels, which Pillow reads slowly one by one
START = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2  # colour types
SAMPLES = {GREY: 1, RGB: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # of Adam7
DEFLATED = 1032  # bytes that one can become, at most


class Png(PngImageFile):
    """A PNG that has all of its rows. Pillow leaves rows black that are missing at the end of the deflated pixels."""

    def load_end(self) -> None:
        contents = self.fp.getvalue()
        super().load_end()
        last = self.crop((0, self.height - 1, self.width, self.height)).tobytes()
        if not last.strip(b"\0") and not _is_whole(contents):
            raise ValueError("it ends before its last row")


def open_picture(data: bytes, header: bool = False) -> Png | None:
    """Open a PNG; None if the data end before the pixels. Its ``info`` has the depth as ``bits``.

    Args:
        header: read the chunks before the pixels only; the image cannot be decoded then.

    Raises:
        ValueError: a chunk that the pixels need is cut short, or its checksum is wrong.
    """
    needed = dict.fromkeys((b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf"), b"")
    pixels = []
    for length, kind, whole in chunks(data):
        if kind == b"IDAT" and header:
            pixels = [chunk(b"IDAT")]
        if kind == b"IEND" or pixels and header:
            break
        ancillary = bool(kind[0] & 0x20)  # pixels can be shown without it
        if kind not in needed and ancillary:
            continue
        if len(whole) < 12 + length:
            break
        if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
            if kind in (b"iCCP", b"eXIf") or (kind == b"PLTE" and needed[b"IHDR"][9:10] != b"\x03"):
                continue  # as other programs do: the pixels are whole, and only those of a palette need one
            raise ValueError(f"the checksum of its part {_printed(kind)} is wrong")
        if kind == b"IDAT":
            pixels.append(whole)
        elif kind in needed:
            needed[kind] = needed[kind] or bytes(whole[8:-4])
        else:
            raise ValueError(f"it has an unknown part {_printed(kind)}")
    if not pixels:
        return None
    if len(pixels) > MAX_CHUNKS:
        pixels = [chunk(b"IDAT", b"".join(part[8:-4] for part in pixels))]
    if len(needed[b"IHDR"]) != 13:
        raise ValueError("it has no header")
    first = (chunk(kind, needed[kind]) for kind in (b"IHDR", b"PLTE") if needed[kind])
    picture = Png(io.BytesIO(b"".join([START, *first, *pixels, chunk(b"IEND")])))
    depth, colour_type = needed[b"IHDR"][8:10]
    picture.info.update(icc_profile=_profile(needed[b"iCCP"]), exif=needed[b"eXIf"] or None, bits=depth)
    picture.info["transparency"] = _transparency(needed[b"tRNS"], colour_type, depth, picture.mode)
    return picture


def _transparency(chunk: bytes, colour_type: int, depth: int, mode: str) -> int | tuple[int, ...] | bytes | None:
    """What is transparent, in the values of Pillow's mode; for RGB with 16 bits in those of the file."""
    if not chunk or mode == "P":
        return chunk[:256] or None  # alpha of each colour of the palette
    count = {GREY: 1, RGB: 3}.get(colour_type)
    if count is None:
        return None
    white = (1 << depth) - 1
    # the bits above those of white mean nothing
    key = tuple(value & white for value in struct.unpack(f">{count}H", chunk[: 2 * count]))
    if count == 3:
        return key
    return key[0] * 255 // white if mode == "L" else key[0]  # Pillow spreads 2 and 4 bits so


def has_16_bit_key(picture: Image.Image) -> bool:
    """Whether an image has 16 bits a channel and a transparent colour."""
    return (picture.mode, picture.info.get("bits")) == ("RGB", 16) and picture.info["transparency"] is not None


def with_16_bit_key(picture: Png) -> Png:
    """Set alpha by the transparent colour in 16 bits. Pillow keeps the upper 8, in which other colours may look like it."""
    key = picture.info["transparency"]
    values = cv2.imdecode(np.frombuffer(picture.fp.getbuffer(), np.uint8), cv2.IMREAD_UNCHANGED)  # uint16 BGR
    if values is None:
        raise ValueError("its pixels cannot be unpacked")
    picture.putalpha(Image.fromarray(255 - cv2.inRange(values, key[::-1], key[::-1])))
    return picture


def inflated_size(contents: bytes) -> int:
    """The bytes of the pixels once they are inflated, with the byte before each row."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", contents, 16)
    bits = depth * SAMPLES.get(colour_type, 0)
    total = 0
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def _is_whole(contents: bytes) -> bool:
    """Whether the pixels are as many as the header says. This inflates them once more."""
    missing, unpacker = inflated_size(contents), zlib.decompressobj()
    for piece in (whole[8:-4] for _, kind, whole in chunks(contents) if kind == b"IDAT"):
        while piece and missing > 0 and not unpacker.eof:
            missing -= len(unpacker.decompress(piece, 1 << 20))
            piece = unpacker.unconsumed_tail
    return missing <= 0 or len(unpacker.flush()) >= missing


def chunks(data: bytes) -> Iterator[tuple[int, bytes, memoryview]]:
    """Length, name and all bytes of each chunk; the last may be cut short, so that it has fewer than 12 + length."""
    view, at = memoryview(data), len(START)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield length, kind, view[at : at + 12 + length]
        at += 12 + length


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """All bytes of a chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _profile(chunk: bytes) -> bytes | None:
    """The colour profile in an iCCP chunk (name, 0, method 0, deflated profile); None if it is of no use."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], MAX_PROFILE) or None
    except zlib.error:
        return None


def _printed(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace") if kind.isalnum() else kind.hex()
