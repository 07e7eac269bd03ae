"""What surrounds the pixels in JPEG, PNG and TIFF files, read with bounds before Pillow reads it.

Libraries read all that a file holds: texts, previews, hundreds of thousands of empty segments. Here only what makes the pixels
is passed on, and whatever a file can claim has a limit.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_PROFILE = 8 << 20  # bytes of a colour profile; those of printers have up to 4 MB
MAX_CHUNKS = 10_000  # of pixels of a PNG, which Pillow reads slowly one by one
MAX_PIECES = 500_000  # strips or tiles of a TIFF
MAX_TILE = 1 << 26  # pixels of one tile
EXIF_MARK = b"Exif\0\0"

# ---- JPEG (ITU-T T.81, annex B)

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
ALONE = frozenset({0x00, 0x01, *range(0xD0, SOI + 1)})  # markers without a segment
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # what ends the coded pixels of a scan: no stuffed zero, no restart
METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})


def jpeg_head(data: bytes) -> tuple[bytes, int | None, bytes | None]:
    """What stands before the pixels of a JPEG -> what they need of it, where the first scan begins, and the EXIF.

    The last two are None where there is none.
    """
    kept, at, exif = [data[:2]], 2, None
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        code = data[at + 1]
        if code in (SOS, EOI):
            return b"".join(kept), at if code == SOS else None, exif
        if code == 0xFF or code in ALONE:
            at += 1 if code == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        content = data[at + 4 : at + 18]
        if code == 0xE1 and content.startswith(EXIF_MARK):
            exif = exif or data[at + 4 : end]
        elif code not in METADATA or content.startswith((b"JFIF\0", b"ICC_PROFILE\0", b"Adobe")):
            kept.append(data[at:end])
        at = end
    return b"".join(kept), None, exif


def jpeg_scans(data: bytes, at: int) -> int:
    """How many scans a JPEG has from ``at`` on, where one begins."""
    scans = 0
    while at + 3 < len(data) and data[at + 1] != EOI:
        scans += data[at + 1] == SOS
        at += 2 if data[at + 1] in ALONE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found = MARKER.search(data, at)
        at = found.start() if found else len(data)
    return scans


# ---- PNG (W3C, third edition)

PNG_START = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2  # colour types
SAMPLES = {GREY: 1, RGB: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # of Adam7
DEFLATED = 1032  # bytes that one can become, at most


@dataclass
class Png:
    """A PNG's header and what else of it matters."""

    contents: bytes  # a PNG of the chunks that pixels need
    profile: bytes | None
    exif: bytes | None
    transparent: bytes | None  # the content of tRNS

    @property
    def depth(self) -> int:
        """Bits per sample."""
        return self.contents[24]

    @property
    def colour_type(self) -> int:
        return self.contents[25]

    def key(self) -> int | tuple[int, ...] | None:
        """The transparent grey value or RGB colour, in the file's depth; None where there is none."""
        count = {GREY: 1, RGB: 3}.get(self.colour_type)
        if count is None or self.transparent is None:
            return None
        values = struct.unpack(f">{count}H", self.transparent[: 2 * count])
        values = tuple(value & ((1 << self.depth) - 1) for value in values)  # the bits above are to be left out
        return values if count == 3 else values[0]


def png_size(contents: bytes) -> int:
    """How many bytes a PNG's pixels are once they are inflated, with the byte before each row."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", contents, 16)
    bits = depth * SAMPLES.get(colour_type, 0)
    total = 0
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def png_is_whole(contents: bytes) -> bool:
    """Whether the pixels of a PNG are as many as its header says. It inflates them once more."""
    wanted, at, unpacker = png_size(contents), len(PNG_START), zlib.decompressobj()
    while wanted > 0 and at + 8 <= len(contents) and not unpacker.eof:
        length, kind = struct.unpack_from(">I4s", contents, at)
        piece = contents[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        while piece and wanted > 0 and not unpacker.eof:
            wanted -= len(unpacker.decompress(piece, 1 << 20))
            piece = unpacker.unconsumed_tail
        at += 12 + length
    return wanted <= 0 or len(unpacker.flush()) >= wanted


def png(data: bytes, header: bool = False) -> Png | None:
    """Read the chunks of a PNG; with ``header`` those before the pixels, and None if ``data`` ends before these begin.

    Raises:
        ValueError: a chunk that pixels need is cut short, or damaged by its checksum.
    """
    needed = {b"IHDR": b"", b"PLTE": b"", b"tRNS": b"", b"iCCP": b"", b"eXIf": b""}
    pixels = []
    for length, kind, whole in png_chunks(data):
        if kind == b"IEND":
            break
        if kind == b"IDAT" and header:
            return _png(needed, png_chunk(b"IDAT"))
        extra = bool(kind[0] & 0x20)  # ancillary: pixels can be shown without it
        if kind not in needed and extra:
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
    if header:
        return None
    if not pixels:
        raise ValueError("it ends before its pixels")
    if len(pixels) > MAX_CHUNKS:
        pixels = [png_chunk(b"IDAT", b"".join(chunk[8:-4] for chunk in pixels))]
    return _png(needed, *pixels)


def _png(needed: dict[bytes, bytes], *pixels: bytes | memoryview) -> Png:
    if len(needed[b"IHDR"]) != 13:
        raise ValueError("it has no header")
    header = (png_chunk(kind, needed[kind]) for kind in (b"IHDR", b"PLTE") if needed[kind])
    contents = b"".join([PNG_START, *header, *pixels, png_chunk(b"IEND")])
    return Png(contents, _profile(needed[b"iCCP"]), needed[b"eXIf"] or None, needed[b"tRNS"] or None)


def png_chunks(data: bytes) -> Iterator[tuple[int, bytes, memoryview]]:
    """Length, name and all bytes of each chunk of a PNG; the last may be cut short, so that it has fewer than 12 + length."""
    view, at = memoryview(data), len(PNG_START)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield length, kind, view[at : at + 12 + length]
        at += 12 + length


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    """All bytes of a chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _profile(chunk: bytes) -> bytes | None:
    """The colour profile in an iCCP chunk (name, 0, method 0, deflated profile); None if there is none of use."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], MAX_PROFILE) or None
    except zlib.error:
        return None


def _printed(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace") if kind.isalnum() else kind.hex()


# ---- TIFF 6.0, and EXIF, which has its form

ORIENTATION = 0x0112
NEW_SUBFILE_TYPE, TILE_WIDTH, TILE_LENGTH, STRIP_OFFSETS, TILE_OFFSETS, DNG_VERSION = 254, 322, 323, 273, 324, 50706
SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # types of whole numbers -> bytes


def directory(stream: BinaryIO) -> dict[int, tuple[int, int | None]]:
    """The first directory of a TIFF: tag -> (how many values, the first one where it is a whole number in place).

    What is broken counts as absent.
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


def check_tiff(stream: BinaryIO) -> None:
    """Look at the first directory of a TIFF, before anybody allocates what it claims.

    Raises:
        ValueError: tiles that are larger than any picture, or too many pieces.
        NotImplementedError: the first picture is not the one that is meant: a camera's raw file begins with a preview.
    """
    tags = directory(stream)
    value = {tag: value or 0 for tag, (_, value) in tags.items()}
    if DNG_VERSION in tags or value.get(NEW_SUBFILE_TYPE, 0) & 1:
        raise NotImplementedError("it begins with a preview, as raw files of cameras do")
    if value.get(TILE_WIDTH, 0) * value.get(TILE_LENGTH, 0) > MAX_TILE:
        raise ValueError("its tiles are larger than any picture")
    if max(tags.get(tag, (0, 0))[0] for tag in (STRIP_OFFSETS, TILE_OFFSETS)) > MAX_PIECES:
        raise ValueError("it is cut into too many pieces")


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    if not exif:
        return 1
    _, value = directory(io.BytesIO(exif.removeprefix(EXIF_MARK))).get(ORIENTATION, (0, None))
    return value if value in range(1, 9) else 1
