"""Reads the entries of zips within bounds, whatever the zip states about them."""

import bz2
import contextlib
import copy
import errno
import io
import itertools
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from stylemap.decoding import LARGEST_FILE
from stylemap.errors import InputError, brief

BROKEN = (  # what a damaged zip raises; RuntimeError: encrypted, unknown compression; ValueError: names in no encoding
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OverflowError,
    IndexError,
)  # fmt: skip
LARGEST_RATIO = 200  # size of a file / its size in the zip; images stay far below, bombs lie above
UNSUSPECTED = 1 << 17  # bytes; the ratio of smaller files does not matter
UTF8 = 0x800  # flag of a name in a zip


def stored_name(entry: zipfile.ZipInfo) -> str:
    """The name of an entry. Macs write UTF-8 without the flag for it, and Python then decodes the bytes as code page 437."""
    name = entry.orig_filename  # `filename` ends at a NUL
    if entry.flag_bits & UTF8 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def overlapping(entries: Iterable[zipfile.ZipInfo], end: int) -> set[int]:
    """Offsets of entries that reach into the next one or into the directory: their bytes would be unpacked many times."""
    spans = sorted((entry.header_offset, entry.compress_size) for entry in entries)
    spans.append((end, 0))
    return {at for (at, size), (after, _) in itertools.pairwise(spans) if at + zipfile.sizeFileHeader + size > after}


@contextlib.contextmanager
def open_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Iterator[BinaryIO]:
    """The content of an entry as a file; messages call it ``name``.

    Raises:
        InputError: here or in the block; the entry is damaged, or unpacks to too much.
        OSError: the zip or the disk is gone.
    """
    if info.file_size > max(UNSUSPECTED, LARGEST_RATIO * info.compress_size):
        what = f"{info.file_size / 2**20:.0f} MiB from {info.compress_size / 2**10:.0f} KiB"
        raise InputError(f"{name} would unpack to {what}, which no image does; remove it")
    try:
        with _unpacked(archive, info) as stream:
            yield stream
    except InputError:
        raise
    except (*BROKEN, OSError) as err:
        # of the disk; bz2 raises a plain OSError, and EINVAL is a seek to nowhere
        if isinstance(err, OSError) and err.errno not in (None, errno.EINVAL):
            raise
        raise InputError(f"{name} cannot be unpacked ({brief(err)}); pack it again") from err


@contextlib.contextmanager
def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """The content of an entry. At most the stated size is unpacked."""
    if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with archive.open(info) as stream:
            yield stream
        return
    if info.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        raise zipfile.BadZipFile(f"compression {info.compress_type} is not read")
    # zipfile does not bound the other methods: it unpacks a piece whole, however large that becomes
    packed = copy.copy(info)
    packed.compress_type, packed.file_size, packed.CRC = zipfile.ZIP_STORED, info.compress_size, None
    with archive.open(packed) as stream:
        data = stream.read()
    if info.compress_type == zipfile.ZIP_BZIP2:
        unpacker = bz2.BZ2Decompressor()
    else:  # two bytes of version, two of the length of the properties, these, the data
        start = 4 + int.from_bytes(data[2:4], "little")
        data = data[4:start] + b"\xff" * 8 + data[start:]  # -1: of unknown length
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LARGEST_FILE // 4)
    data = unpacker.decompress(data, info.file_size)
    if zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("Bad CRC-32")
    yield io.BytesIO(data)
