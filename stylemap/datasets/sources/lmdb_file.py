"""Reads LMDB files page by page. Every page is checked before it is used, so that damage is an error.

The lmdb package maps the file into memory and follows what is stored there; a damaged page ends the process.

The layout is that of LMDB 0.9 ("data version 1"), as 64-bit little-endian machines write it. A page begins with its number
(8 bytes), padding (2), flags (2), and the end of its list of nodes (2 of the next 4); a page of a long value has the number
of pages there instead. The list follows: offsets of nodes in the page, ordered by key. A node has 4 bytes of size, flags (2),
the length of the key (2), the key and the value. In a branch, size and flags together are the number of the page below.
"""

import io
import itertools
import os
import struct
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEADER = 16  # bytes of a page
BRANCH, LEAF, LONG, META = 1, 2, 4, 8  # flags of pages
KINDS = BRANCH | LEAF | LONG | META | 0x60  # those that say what a page is
IN_PAGES_OF_ITS_OWN = 1  # flag of a node: a long value
MAGIC, VERSION = 0xBEEFC0DE, 1
EMPTY = (1 << 64) - 1  # the root where there are no entries
DEEPEST = 32  # levels that LMDB itself can follow
NODE = 8  # bytes before the key
SMALLEST_ENTRY = NODE + 2 + 1  # bytes: with its offset, and a key
KEPT = 256  # pages


class Damaged(Exception):
    """The file is not what LMDB writes, or not whole."""


class Place(NamedTuple):
    """Where a value lies in the file."""

    offset: int
    size: int


class Database:
    """The entries of the main database of a file. Only values that are asked for are read.

    Attributes:
        entries: their number, as the file states it.

    Raises:
        Damaged: here and in every method.
    """

    def __init__(self, path: Path):
        """Raises OSError where the file cannot be opened."""
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        if hasattr(os, "posix_fadvise"):  # otherwise the system reads ahead, and so reads the values
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_RANDOM)
        self._size = os.fstat(self._file).st_size
        self._pages: dict[int, bytes] = {}
        first = self._meta(0)
        self._page_size = first[1]
        second = self._meta(self._page_size)
        _, size, flags, depth, self.entries, self._root, last = max(first, second)  # written in turns: the later counts
        if size != self._page_size:
            raise Damaged("its size of pages is nonsense")
        if flags:
            raise Damaged("its keys are of a special kind")
        if (last + 1) * self._page_size > self._size:
            raise Damaged("it is cut short")
        if depth > DEEPEST or self.entries > self._size // SMALLEST_ENTRY:
            raise Damaged("its size is nonsense")
        self._depth = depth

    def find(self, key: bytes) -> Place | None:
        """Where the value of a key lies; None if there is no such key."""
        page, at = self._seek(key)
        return self._place(page, at) if page and page.key(at) == key else None

    def first_from(self, key: bytes) -> bytes | None:
        """The first key that is not before this one; None if there is none."""
        page, at = self._seek(key)
        return page.key(at) if page else None

    def read(self, place: Place) -> bytes:
        """A value."""
        return self._bytes(place.offset, place.size)

    @contextmanager
    def stream(self, place: Place) -> Iterator[BinaryIO]:
        """A value as a file; only the bytes that are asked for are read."""
        with io.BufferedReader(_Stream(self, place), 1024) as stream:
            yield stream

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset + size > self._size:
            raise Damaged("something lies past the end of the file")
        if hasattr(os, "pread"):  # forked processes share the position
            data = os.pread(self._file, size, offset)
        else:
            os.lseek(self._file, offset, os.SEEK_SET)
            data = os.read(self._file, size)
        if len(data) != size:
            raise Damaged("it is cut short")
        return data

    def _meta(self, offset: int) -> tuple[int, int, int, int, int, int, int]:
        """-> (transaction, page size, flags, depth, entries, root, last page) as one of the first two pages states them."""
        data = self._bytes(offset, HEADER + 136)
        kind, magic, version = struct.unpack_from("<10xH4xII", data)
        if magic != MAGIC or not kind & META:
            raise Damaged("it does not begin like one")
        if version != VERSION:
            raise Damaged(f"version {version} of the format is not known")
        size, _, *main = struct.unpack_from("<IH42x4xHH24xQQ", data, HEADER + 24)
        if size not in (1 << n for n in range(9, 17)):
            raise Damaged("its size of pages is nonsense")
        last, transaction = struct.unpack_from("<QQ", data, HEADER + 120)
        return transaction, size, *main, last

    def _seek(self, key: bytes) -> "tuple[_Page, int] | tuple[None, None]":
        """The first entry that is not before this key: its leaf, and its place there; (None, None) if there is none."""
        if self._root != EMPTY and self._depth:
            for page in itertools.islice(
                self._leaves(self._root, key, level=1), 2
            ):  # in a whole file the second has it
                at = bisect_left(range(len(page)), key, key=page.key)
                if at < len(page):
                    return page, at
        return None, None

    def _leaves(self, number: int, key: bytes, level: int) -> "Iterator[_Page]":
        """The leaf where a key belongs, then those to the right of it, all below the page ``number``."""
        page = self._page(number, LEAF if level == self._depth else BRANCH)
        if level == self._depth:
            yield page
            return
        first = bisect_right(range(len(page)), key, lo=1, key=page.key) - 1  # the first of all has no key
        for at in range(first, len(page)):
            yield from self._leaves(page.child(at), key, level + 1)

    def _page(self, number: int, kind: int) -> "_Page":
        if number not in self._pages:
            data = self._bytes(number * self._page_size, self._page_size)
            if len(self._pages) >= KEPT:
                self._pages.clear()
            self._pages[number] = data
        return _Page(self._pages[number], number, kind)

    def _place(self, leaf: "_Page", at: int) -> Place:
        """Where the value of an entry lies; a long value has pages of its own."""
        offset, size, flags = leaf.value(at)
        if flags & ~IN_PAGES_OF_ITS_OWN:
            raise Damaged("a key has several values")
        if not flags:
            return Place(leaf.number * self._page_size + offset, size)
        (number,) = struct.unpack_from("<Q", leaf.data, offset)
        start = number * self._page_size
        stored, kind, count = struct.unpack("<Q2xHI", self._bytes(start, HEADER))
        if stored != number or kind & KINDS != LONG or HEADER + size > count * self._page_size:
            raise Damaged(f"page {number} is not the value it should be")
        if start + HEADER + size > self._size:
            raise Damaged("something lies past the end of the file")
        return Place(start + HEADER, size)


class _Page:
    """The nodes of a branch or leaf, ordered by key."""

    def __init__(self, data: bytes, number: int, kind: int):
        stored, flags, end = struct.unpack_from("<Q2xHH", data)
        if stored != number or flags & KINDS != kind or not HEADER < end <= len(data) or end % 2:
            raise Damaged(f"page {number} is not what it should be")
        self.data, self.number, self._end = data, number, end

    def __len__(self) -> int:
        return (self._end - HEADER) // 2

    def _node(self, at: int) -> tuple[int, int, int, int, int]:
        """-> (offset, size, flags, offset of the key, of its end)."""
        (offset,) = struct.unpack_from("<H", self.data, HEADER + 2 * at)
        if not self._end <= offset <= len(self.data) - NODE:
            raise Damaged(f"page {self.number} has an entry outside of it")
        size, flags, length = struct.unpack_from("<IHH", self.data, offset)
        end = offset + NODE + length
        if end > len(self.data):
            raise Damaged(f"page {self.number} has a key outside of it")
        return offset, size, flags, offset + NODE, end

    def key(self, at: int) -> bytes:
        _, _, _, start, end = self._node(at)
        return self.data[start:end]

    def child(self, at: int) -> int:
        _, low, high, _, _ = self._node(at)
        return low | high << 32

    def value(self, at: int) -> tuple[int, int, int]:
        """-> (offset in the page, size, flags). At the offset of a long value lies the number of its page."""
        _, size, flags, _, end = self._node(at)
        if end + (8 if flags & IN_PAGES_OF_ITS_OWN else size) > len(self.data):
            raise Damaged(f"page {self.number} has a value outside of it")
        return end, size, flags


class _Stream(io.RawIOBase):
    """A value as a file."""

    def __init__(self, database: Database, place: Place):
        self._database, self._place, self._at = database, place, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._place.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer) -> int:
        count = max(0, min(len(buffer), self._place.size - self._at))
        buffer[:count] = self._database.read(Place(self._place.offset + self._at, count))
        self._at += count
        return count
