"""Files in a zip."""

import contextlib
import errno
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stylemap import decoding, naming
from stylemap.datasets.sources import zip_entries
from stylemap.datasets.sources.source import MANIFEST, Source, refuse_huge
from stylemap.errors import InputError, brief

FORMAT = "stylemap-dataset-1"
SMALL_MANIFEST = 16 << 20  # bytes; a larger one must not be larger than its zip


class Archive(Source):
    """A zip of images: any zip, one of NVIDIA's with its ``dataset.json``, or one that `stylemap data prepare` made."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._owner = None  # the process whose handle it is
        try:
            manifest = self.manifest()
        except InputError as err:
            raise InputError(f"{path}: {err}") from err
        except OSError as err:
            raise InputError(f"{path} is a broken zip ({err.strerror or err}); copy or pack it again") from err
        if manifest.get("format") == FORMAT:
            self.verified = frozenset(image["name"] for image in manifest["images"])

    def __getstate__(self) -> dict:
        return {"path": self.path, "_owner": None}  # loading processes need not know what is verified

    def names(self) -> list[str]:
        self._zip()
        return sorted(self._index)

    def read_size(self, name: str) -> tuple[int, int]:
        with self._entry(name) as stream:
            return decoding.read_size(stream, name)

    def read(self, name: str) -> bytes:
        with self._entry(name) as stream:
            # at most the stated size: reading to the end would unpack whatever hides behind a small number
            return stream.read(max(1, self._index[name].file_size))

    def stamp(self, name: str) -> str:
        self._zip()
        info = self._index[name]
        return f"{info.file_size} {info.CRC}"

    def manifest(self) -> dict:
        self._zip()
        if MANIFEST not in self._index:
            return {}
        size = self._index[MANIFEST].file_size
        refuse_huge(MANIFEST, size)
        if SMALL_MANIFEST < size > self.path.stat().st_size:  # as text it takes a multiple of its size in memory
            raise InputError(f"{MANIFEST} would unpack to {size / 2**20:.0f} MiB, more than the zip has; pack it again")
        data = self.read(MANIFEST)
        try:
            return _manifest(json.loads(data))
        except (ValueError, RecursionError):
            return {}

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[BinaryIO]:
        """A file in the zip; where it is damaged, the block raises an InputError."""
        archive = self._zip()  # if the zip is gone or replaced, its error is not one of this entry
        if naming.outside(naming.canonical(name)):
            raise InputError(f"{name} would unpack outside of its folder; pack it again with plain names")
        if name not in self._index:
            raise FileNotFoundError(errno.ENOENT, f"the zip was replaced by one without {name}")
        info = self._index[name]
        refuse_huge(name, info.file_size)
        if info.header_offset in self._overlapping:
            raise InputError(f"{name} cannot be unpacked (it overlaps with another file in the zip); pack it again")
        with zip_entries.open_entry(archive, info, name) as stream:
            yield stream

    def _zip(self) -> zipfile.ZipFile:
        if self._owner != os.getpid():
            try:
                self._handle = zipfile.ZipFile(self.path)
            except zip_entries.BROKEN as err:
                raise OSError(errno.EIO, brief(err)) from err
            entries = self._handle.infolist()
            stored = {zip_entries.stored_name(entry): entry for entry in entries}  # the last of equal names counts
            files = [name for name in stored if not name.endswith(("/", "\\"))]
            self._index = {name: stored[file] for name, file in naming.by_name(files).items()}
            self._overlapping = zip_entries.overlapping(entries, self._handle.start_dir)
            self._owner = os.getpid()
        return self._handle


def _manifest(content: object) -> dict:
    """The parts of a ``dataset.json`` that have the known shape; the others count as absent."""
    if not isinstance(content, dict):
        return {}
    images, labels = content.get("images"), content.get("labels")
    if not (isinstance(images, list) and all(isinstance(i, dict) and isinstance(i.get("name"), str) for i in images)):
        content = {k: v for k, v in content.items() if k not in ("format", "images")}
    if not (
        isinstance(labels, list) and all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in labels)
    ):
        return {k: v for k, v in content.items() if k != "labels"}
    return {**content, "labels": [[naming.canonical(name), label] for name, label in labels]}
