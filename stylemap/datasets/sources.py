"""Where the bytes of a data set lie: a folder, a zip or an LMDB, read by name. Knows no torch.

A source serves loading processes however they start: it pickles as a path, and each process opens the file for itself,
since processes that share one handle would move each other's position.
"""

import contextlib
import errno
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stylemap import decoding, naming
from stylemap.datasets import lmdb_file, zipped
from stylemap.decoding import LARGEST_FILE
from stylemap.errors import InputError, brief

MANIFEST = "dataset.json"  # in a zip: who made it and from what
FORMAT = "stylemap-dataset-1"
BELIEVED = 10_000  # images that the "length" of an LMDB may promise before some are looked for
PROBES = 64  # so many
LONGEST_LENGTH = 500  # bytes of an LMDB's entry "length"
SMALL_MANIFEST = 16 << 20  # bytes; a larger one must not be larger than its zip


class Source:
    """Files by name, see `naming`.

    Attributes:
        path: as given.
        verified: names of pictures known to be whole, because `stylemap data prepare` decoded them.
    """

    verified: frozenset[str] = frozenset()

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """All files but hidden ones, sorted."""
        raise NotImplementedError

    def listing(self) -> tuple[list[str], list[str]]:
        """-> those that are pictures, by their extension, and the others but for ``dataset.json``."""
        found: tuple[list[str], list[str]] = [], []
        for name in self.names():
            if name != MANIFEST:
                found[naming.extension(name) not in decoding.EXTENSIONS].append(name)
        return found

    def pictures(self) -> list[str]:
        """Those that are pictures, by their extension."""
        return self.listing()[0]

    def check(self, name: str) -> tuple[int, int]:
        """Read only the header of a picture -> its stored (width, height).

        Raises:
            InputError: it is none, or damaged.
        """
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: this file is damaged.
            OSError: the folder, zip or disk is gone.
        """
        raise NotImplementedError

    def fetch(self, name: str) -> bytes:
        """`read`, but what only this file suffers from (no permission, a link to nowhere, a bad sector) is its InputError."""
        try:
            return self.read(name)
        except OSError as err:
            if not self.path.exists():
                raise
            raise InputError(f"{name} cannot be read: {err.strerror or err}; restore it or make it readable") from err

    def stamp(self, name: str) -> str:
        """Changes when the file does, as far as can be told without reading it."""
        raise NotImplementedError

    def manifest(self) -> dict:
        """The ``dataset.json`` of a zip, ours or NVIDIA's; {} if there is none."""
        return {}


def open_source(path: str | Path, side: int | None = None) -> Source:
    """Open a folder, a zip, an LMDB, or a folder of LMDBs: ``LMDB_train``, ``LMDB_val``, ``LMDB_test``, or another of
    `naming.SPLIT_FOLDERS`.

    Args:
        side: of an LMDB that holds several sizes, take the smallest of at least this side; None = the largest.

    Raises:
        InputError: no such path, none of these, or broken.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder, zip or LMDB; check the path")
    if path.is_dir():
        if (path / "data.mdb").is_file():
            return Lmdb(path, {"": path}, side)
        parts = _lmdb_splits(path)
        return Lmdb(path, parts, side) if parts else Folder(path)
    if path.suffix.lower() in (".mdb", ".lmdb"):
        return Lmdb(path, {"": path}, side)
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor a zip nor an LMDB; name one that holds pictures")
    return Archive(path)


def _lmdb_splits(folder: Path) -> dict[str, Path]:
    """LMDBs by split: ``LMDB_train`` and so on."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("[Ll][Mm][Dd][Bb]_*")):
        split = naming.split_of(path.name[len("LMDB_") :])
        if split and (path / "data.mdb").is_file():
            if split in found:
                raise InputError(f"{found[split]} and {path} are both the split {split}; move one away")
            found[split] = path
    return found


class Folder(Source):
    """A folder and all below it; links are followed, and a folder that can be reached twice is entered once."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._renamed: dict[str, str] = {}  # names of files that the system calls otherwise, as last listed

    def names(self) -> list[str]:
        listed = naming.listed(self._files())
        self._renamed = {name: file for name, file in listed.items() if name != file}
        return sorted(listed)

    def check(self, name: str) -> tuple[int, int]:
        return decoding.read_size(self._file(name), name)

    def read(self, name: str) -> bytes:
        path = self._file(name)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block
            raise InputError(f"{name} is not a file; remove it")
        _refuse_huge(name, status.st_size)
        return path.read_bytes()

    def stamp(self, name: str) -> str:
        return _file_stamp(self._file(name))

    def _file(self, name: str) -> Path:
        file = self._renamed.get(name)
        if file not in (None, name) and naming.outside(name):  # a backslash may have hidden that
            raise InputError(f"{name} would lead outside of its folder; rename the file")
        return self.path / (file or name)

    def _files(self) -> Iterator[str]:
        entered = set()  # so that loops of links end
        for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_refuse):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in entered:
                subfolders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            # sorted: which of two ways to a folder comes first must not depend on the disk
            subfolders[:] = sorted(name for name in subfolders if not naming.hidden(name))
            yield from (Path(folder, file).relative_to(self.path).as_posix() for file in files)


class OneFile(Folder):
    """A folder in which there is this file alone."""

    def __init__(self, file: Path):
        super().__init__(file.parent)
        self._renamed = {naming.canonical(file.name): file.name}

    def names(self) -> list[str]:
        return list(self._renamed)


def _file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as err:  # a link to nowhere, say: reading it will tell
        return str(err.errno)
    return f"{status.st_size} {status.st_mtime_ns}"


def _refuse(err: OSError) -> None:
    raise InputError(f"cannot list {err.filename}: {err.strerror}; make it readable or move it away") from err


class Archive(Source):
    """A zip: anybody's, NVIDIA's with its ``dataset.json``, or one that `stylemap data prepare` made."""

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
        return {"path": self.path, "_owner": None}  # loading processes do not check anything again

    def names(self) -> list[str]:
        self._zip()
        return sorted(self._index)

    def check(self, name: str) -> tuple[int, int]:
        with self._entry(name) as stream:
            return decoding.read_size(stream, name)

    def read(self, name: str) -> bytes:
        with self._entry(name) as stream:
            # no more than promised: to read to the end would inflate whatever hides behind a small promise
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
        _refuse_huge(MANIFEST, size)
        if SMALL_MANIFEST < size > self.path.stat().st_size:  # as text it takes a multiple of its size in memory
            raise InputError(f"{MANIFEST} would unpack to {size / 2**20:.0f} MiB, more than the zip has; pack it again")
        data = self.read(MANIFEST)
        try:
            return _manifest(json.loads(data))
        except (ValueError, RecursionError):
            return {}

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[BinaryIO]:
        """A file in the zip, whose damages become InputErrors."""
        archive = self._zip()  # a zip that is gone or replaced is no damaged entry: let that error through
        if naming.outside(naming.canonical(name)):
            raise InputError(f"{name} would unpack outside of its folder; pack it again with plain names")
        if name not in self._index:
            raise FileNotFoundError(errno.ENOENT, f"the zip was replaced by one without {name}")
        info = self._index[name]
        _refuse_huge(name, info.file_size)
        overlaps = info.header_offset in self._overlapping
        with zipped.entry(archive, info, name, overlaps) as stream:
            yield stream

    def _zip(self) -> zipfile.ZipFile:
        if self._owner != os.getpid():
            try:
                self._handle = zipfile.ZipFile(self.path)
            except zipped.BROKEN as err:
                raise OSError(errno.EIO, brief(err)) from err
            entries = self._handle.infolist()
            files = {zipped.stored_name(entry): entry for entry in entries}  # of several with one name the last counts
            self._index = {name: files[file] for name, file in naming.listed(filter(_is_file, files)).items()}
            self._overlapping = zipped.overlapping(entries, self._handle.start_dir)
            self._owner = os.getpid()
        return self._handle


def _is_file(stored: str) -> bool:
    return not stored.endswith(("/", "\\"))


def _refuse_huge(name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise InputError(f"{name} is {size / 2**30:.1f} GiB, more than any picture should be; remove it")


def _manifest(content: object) -> dict:
    """What can be relied on in a ``dataset.json``: what is not of the known shape counts as absent."""
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


class Lmdb(Source):
    """The published preparation: under ``<side>-<index>``, five digits, the bytes of a picture; under ``length`` their number.

    Names are the keys, with ``train/``, ``val/`` or ``test/`` before them where the splits are an LMDB each.
    """

    def __init__(self, path: Path, parts: dict[str, Path], side: int | None):
        super().__init__(path)
        self._parts = parts
        self._open: dict[str, lmdb_file.Database] = {}
        self._counts = {split: self._count(split) for split in parts}
        self._sides = {split: self._side(split, side) for split in parts}
        for split in parts:
            self._check_length(split)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": {}}

    def names(self) -> list[str]:
        return sorted(
            f"{split}/{side}-{i:05d}".lstrip("/")
            for split, side in self._sides.items()
            for i in range(self._counts[split])
        )

    def listing(self) -> tuple[list[str], list[str]]:
        return self.names(), []

    def check(self, name: str) -> tuple[int, int]:
        with self._value(name) as (database, place), database.stream(place) as stream:
            return decoding.read_size(stream, name)

    def read(self, name: str) -> bytes:
        with self._value(name) as (database, place):
            _refuse_huge(name, place.size)
            return database.read(place)

    def stamp(self, name: str) -> str:
        return _file_stamp(self._file(name.rpartition("/")[0]))

    def _count(self, split: str) -> int:
        with self._database(split) as database:
            place = database.find(b"length")
            length = database.read(place) if place is not None and place.size < LONGEST_LENGTH else b""
            entries = database.entries
        if not length.isdigit():
            raise InputError(f"{self._parts[split]} is not a data set: it has no entry 'length'; prepare it again")
        if len(length) > 18 or int(length) > entries:
            raise InputError(
                f"{self._parts[split]} holds fewer entries ({entries}) than its 'length'; prepare it again"
            )
        return int(length)

    def _side(self, split: str, wanted: int | None) -> int:
        sides = []
        with self._database(split) as database:
            found = database.first_from(b"0")
            while found is not None:
                side, dash, _ = found.partition(b"-")
                if not (dash and side.isdigit() and len(side) <= 9):
                    break
                sides.append(int(side))
                found = database.first_from(side + b".")  # "." follows "-": past all of this side
        if not sides:
            raise InputError(f"{self._parts[split]} holds no images named <side>-<index>; prepare it again")
        return min((s for s in sides if wanted is not None and s >= wanted), default=max(sides))

    def _check_length(self, split: str) -> None:
        """Raises InputError where there is little of what ``length`` promises: names alone may take minutes and memory."""
        count, lacking = self._counts[split], 0
        if count <= BELIEVED:
            return
        for i in range(PROBES):
            with contextlib.suppress(InputError), self._database(split) as database:  # damage is told of each picture
                lacking += database.find(f"{self._sides[split]}-{i * count // PROBES:05d}".encode()) is None
        if lacking > PROBES // 2:
            raise InputError(f"{self._parts[split]} lacks most of the {count} images of its 'length'; prepare it again")

    @contextlib.contextmanager
    def _value(self, name: str) -> Iterator[tuple[lmdb_file.Database, lmdb_file.Place]]:
        split, _, key = name.rpartition("/")
        with self._database(split, name) as database:
            place = database.find(key.encode())
            if place is None:
                raise InputError(f"{name} is not in {self._parts[split]}; make the LMDB again")
            yield database, place

    @contextlib.contextmanager
    def _database(self, split: str, name: str | None = None) -> Iterator[lmdb_file.Database]:
        """A database, whose damages become InputErrors that call it by ``name``; None = the path."""
        path = self._parts[split]
        if split not in self._open:
            try:
                self._open[split] = lmdb_file.Database(self._file(split))
            except lmdb_file.Damaged as err:
                raise InputError(f"{path} is a broken LMDB ({err}); copy or make it again") from err
            except OSError as err:
                raise InputError(f"{path} cannot be read: {err.strerror}; make it readable") from err
        try:
            yield self._open[split]
        except lmdb_file.Damaged as err:
            what = f"{name} lies in a damaged part of the" if name else f"{path} is a damaged"
            raise InputError(f"{what} LMDB ({err}); copy or make it again") from err

    def _file(self, split: str) -> Path:
        part = self._parts[split]
        return part / "data.mdb" if part.is_dir() else part
