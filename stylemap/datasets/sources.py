"""Where the bytes of a data set lie: a folder, a zip or an LMDB, read by name. Knows no torch.

A source serves loading processes however they start: it pickles as a path, and each process opens the file for itself,
since processes that share one handle would move each other's position.
"""

import contextlib
import errno
import json
import lzma
import os
import stat
import struct
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from stylemap import decoding
from stylemap.errors import InputError

MANIFEST = "dataset.json"  # in a zip: who made it and from what
FORMAT = "stylemap-dataset-1"
LARGEST_FILE = 1 << 30  # bytes; a picture or manifest that claims more is refused before it is read or unpacked
BROKEN = (  # what a damaged zip raises; RuntimeError: encrypted, unknown compression; ValueError: names in no encoding
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
SPLITS = ("train", "val", "test")


class Source:
    """Files by relative posix path.

    Attributes:
        path: as given.
        verified: names of pictures known to be whole, because `stylemap data prepare` decoded them.
    """

    verified: frozenset[str] = frozenset()

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """All files but hidden ones, sorted."""
        return sorted(name for name in self._files() if not _hidden(name))

    def pictures(self) -> list[str]:
        """Those that are pictures, by their extension."""
        return [name for name in self.names() if PurePosixPath(name).suffix.lower() in decoding.EXTENSIONS]

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

    def _files(self) -> Iterator[str] | set[str]:
        raise NotImplementedError


def open_source(path: str | Path, side: int | None = None) -> Source:
    """Open a folder, a zip, an LMDB, or a folder of LMDBs (``LMDB_train``, ``LMDB_val``, ``LMDB_test``).

    Args:
        side: of an LMDB that holds several sizes, take the smallest of at least this side; None = the largest.

    Raises:
        InputError: no such path, none of these, broken, or an LMDB without the package to read it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder, zip or LMDB; check the path")
    if path.is_dir():
        parts = {split: path / f"LMDB_{split}" for split in SPLITS if (path / f"LMDB_{split}" / "data.mdb").is_file()}
        if (path / "data.mdb").is_file():
            return Lmdb(path, {"": path}, side)
        return Lmdb(path, parts, side) if parts else Folder(path)
    if path.suffix.lower() in (".mdb", ".lmdb"):
        return Lmdb(path, {"": path}, side)
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor a zip nor an LMDB; name one that holds pictures")
    return Archive(path)


def without_extension(name: str) -> str:
    """A path without its extension, if that is one of a picture: the names of an LMDB have none."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in decoding.EXTENSIONS else name


def _hidden(name: str) -> bool:
    return any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in PurePosixPath(name).parts)


class Folder(Source):
    """A folder and all below it; links are followed, and a folder that can be reached twice is entered once."""

    def check(self, name: str) -> tuple[int, int]:
        return decoding.check(self.path / name, name)

    def read(self, name: str) -> bytes:
        path = self.path / name
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block
            raise InputError(f"{name} is not a file; remove it")
        _refuse_huge(name, status.st_size)
        return path.read_bytes()

    def stamp(self, name: str) -> str:
        return _file_stamp(self.path / name)

    def _files(self) -> Iterator[str]:
        entered = set()  # so that loops of links end
        for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_refuse):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in entered:
                subfolders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            # sorted: which of two ways to a folder comes first must not depend on the disk
            subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
            yield from (Path(folder, file).relative_to(self.path).as_posix() for file in files)


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
        return {"path": self.path, "_handle": None, "_owner": None}  # loading processes do not check anything again

    def check(self, name: str) -> tuple[int, int]:
        with self._entry(name) as stream:
            return decoding.check(stream, name)

    def read(self, name: str) -> bytes:
        with self._entry(name) as stream:
            # no more than promised: to read to the end would inflate whatever hides behind a small promise
            return stream.read(max(1, self._zip().getinfo(name).file_size))

    def stamp(self, name: str) -> str:
        info = self._zip().getinfo(name)
        return f"{info.file_size} {info.CRC}"

    def manifest(self) -> dict:
        if MANIFEST not in self._zip().namelist():
            return {}
        data = self.read(MANIFEST)
        try:
            return _manifest(json.loads(data))
        except (ValueError, RecursionError):
            return {}

    def _files(self) -> set[str]:
        return {entry.filename for entry in self._zip().infolist() if not entry.is_dir()}  # a name may be there twice

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[BinaryIO]:
        """A file in the zip, whose damages become InputErrors."""
        archive = self._zip()  # a zip that is gone or replaced is no damaged entry: let that error through
        path = PureWindowsPath(name)  # knows both kinds of slashes
        if path.root or ".." in path.parts:
            raise InputError(f"{name} would unpack outside of its folder; pack it again with plain names")
        try:
            info = archive.getinfo(name)
        except KeyError as err:
            raise FileNotFoundError(errno.ENOENT, f"the zip was replaced by one without {name}") from err
        _refuse_huge(name, info.file_size)
        try:
            with archive.open(info) as stream:
                yield stream
        except InputError:
            raise
        except BROKEN as err:
            raise InputError(f"{name} cannot be unpacked ({err}); pack it again") from err
        except OSError as err:
            if err.errno not in (None, errno.EINVAL):  # bz2 has no error class of its own; a seek to nowhere
                raise
            raise InputError(f"{name} cannot be unpacked ({err}); pack it again") from err

    def _zip(self) -> zipfile.ZipFile:
        if self._owner != os.getpid():
            try:
                self._handle = zipfile.ZipFile(self.path)
            except BROKEN as err:
                raise OSError(errno.EIO, str(err)) from err
            self._owner = os.getpid()
        return self._handle


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
        content = {k: v for k, v in content.items() if k != "labels"}
    return content


class Lmdb(Source):
    """The published preparation: under ``<side>-<index>``, five digits, the bytes of a picture; under ``length`` their number.

    Names are the keys, with ``train/``, ``val/`` or ``test/`` before them where the splits are an LMDB each.
    """

    def __init__(self, path: Path, parts: dict[str, Path], side: int | None):
        super().__init__(path)
        self._parts = parts
        self._open = {}
        self._counts = {split: self._count(split) for split in parts}
        self._sides = {split: self._side(split, side) for split in parts}

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": {}}

    def names(self) -> list[str]:
        return sorted(self._files())

    def pictures(self) -> list[str]:
        return self.names()

    def check(self, name: str) -> tuple[int, int]:
        return decoding.check(self.read(name), name)

    def read(self, name: str) -> bytes:
        split, _, key = name.rpartition("/")
        data = self._get(split, key.encode(), name)
        if data is None:
            raise InputError(f"{name} is not in {self._parts[split]}; make the LMDB again")
        return data

    def stamp(self, name: str) -> str:
        part = self._parts[name.rpartition("/")[0]]
        return _file_stamp(part / "data.mdb" if part.is_dir() else part)

    def _files(self) -> set[str]:
        return {
            f"{split}/{side}-{i:05d}".lstrip("/")
            for split, side in self._sides.items()
            for i in range(self._counts[split])
        }

    def _count(self, split: str) -> int:
        length = self._get(split, b"length")
        if length is None or not length.isdigit():
            raise InputError(f"{self._parts[split]} is not a data set: it has no entry 'length'; prepare it again")
        entries = self._database(split).stat()["entries"]
        if len(length) > 18 or int(length) > entries:
            raise InputError(
                f"{self._parts[split]} holds fewer entries ({entries}) than its 'length'; prepare it again"
            )
        return int(length)

    def _side(self, split: str, wanted: int | None) -> int:
        sides = []
        with self._transaction(split) as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(b"0")
            while found:
                side, dash, _ = cursor.key().partition(b"-")
                if not (dash and side.isdigit()):
                    break
                sides.append(int(side))
                found = cursor.set_range(side + b".")  # "." follows "-": past all of this side
        if not sides:
            raise InputError(f"{self._parts[split]} holds no images named <side>-<index>; prepare it again")
        return min((s for s in sides if wanted is not None and s >= wanted), default=max(sides))

    def _get(self, split: str, key: bytes, name: str | None = None) -> bytes | None:
        with self._transaction(split, name) as transaction:
            return transaction.get(key)

    @contextlib.contextmanager
    def _transaction(self, split: str, name: str | None = None) -> Iterator:
        """A transaction, whose damages become InputErrors that call it by ``name``; None = the path."""
        database = self._database(split)
        import lmdb  # it is there: a database is open

        try:
            with database.begin() as transaction:
                yield transaction
        except lmdb.Error as err:
            what = f"{name} lies in a damaged part of the" if name else f"{self._parts[split]} is a damaged"
            raise InputError(f"{what} LMDB ({err}); copy or make it again") from err

    def _database(self, split: str):
        if split not in self._open:
            self._open[split] = _database(self._parts[split])
        return self._open[split]


_DATABASES = weakref.WeakValueDictionary()  # LMDB forbids a process to open the same file twice


def _database(path: Path):
    """The environment of an LMDB, opened for reading without locks: a forked process may go on using it."""
    try:
        import lmdb
    except ImportError as err:
        raise InputError(f"{path} is an LMDB; pip install lmdb to read it, then prepare a zip of it") from err
    key = os.path.realpath(path)
    if key in _DATABASES:
        return _DATABASES[key]
    try:
        database = lmdb.open(
            key, subdir=path.is_dir(), readonly=True, lock=False, readahead=False, meminit=False, create=False
        )
    except lmdb.Error as err:
        raise InputError(f"{path} is a broken LMDB ({err}); copy or make it again") from err
    file = path / "data.mdb" if path.is_dir() else path
    if file.stat().st_size < (database.info()["last_pgno"] + 1) * database.stat()["psize"]:
        # it is read by mapping it into memory: to touch what is missing would kill the process
        raise InputError(f"{path} is an LMDB cut short; copy or make it again")
    _DATABASES[key] = database
    return database
