"""Where the bytes of a data set lie: a folder, a zip or an LMDB, read by name. Knows no torch.

A source serves loading processes however they start: it pickles as a path, and each process opens the file for itself,
since processes that share one handle would move each other's position.
"""

import contextlib
import json
import os
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stylemap import decoding
from stylemap.errors import InputError

MANIFEST = "dataset.json"  # in a zip: who made it and from what
FORMAT = "stylemap-dataset-1"
BROKEN_ENTRY = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # RuntimeError: encrypted, unknown compression
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


def _hidden(name: str) -> bool:
    return any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in PurePosixPath(name).parts)


class Folder(Source):
    """A folder and all below it; links are followed, and a folder that can be reached twice is entered once."""

    def check(self, name: str) -> tuple[int, int]:
        return decoding.check(self.path / name, name)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

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
            subfolders.sort()  # which of two ways to a folder comes first must not depend on the disk
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
        except (OSError, *BROKEN_ENTRY) as err:
            raise InputError(f"{path} is a broken zip ({err}); copy or pack it again") from err
        if manifest.get("format") == FORMAT:
            self.verified = frozenset(entry["name"] for entry in manifest["images"])

    def __getstate__(self) -> dict:
        return {"path": self.path, "_handle": None, "_owner": None}  # loading processes do not check anything again

    def check(self, name: str) -> tuple[int, int]:
        with _entry_errors(name), self._zip().open(name) as stream:
            return decoding.check(stream, name)

    def read(self, name: str) -> bytes:
        handle = self._zip()  # a zip that is gone or replaced is no damaged entry: let that error through
        with _entry_errors(name):
            return handle.read(name)

    def stamp(self, name: str) -> str:
        info = self._zip().getinfo(name)
        return f"{info.file_size} {info.CRC}"

    def manifest(self) -> dict:
        try:
            content = json.loads(self._zip().read(MANIFEST))
        except (KeyError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _files(self) -> set[str]:
        return {entry.filename for entry in self._zip().infolist() if not entry.is_dir()}  # a name may be there twice

    def _zip(self) -> zipfile.ZipFile:
        if self._owner != os.getpid():
            self._handle = zipfile.ZipFile(self.path)
            self._owner = os.getpid()
        return self._handle


@contextlib.contextmanager
def _entry_errors(name: str) -> Iterator[None]:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise InputError(f"{name} would unpack outside of its folder; pack it again with plain names")
    try:
        yield
    except BROKEN_ENTRY as err:
        raise InputError(f"{name} cannot be unpacked ({err}); pack it again") from err


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
        data = self._get(split, key.encode())
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
        return int(length)

    def _side(self, split: str, wanted: int | None) -> int:
        sides = []
        with self._database(split).begin() as transaction, transaction.cursor() as cursor:
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

    def _get(self, split: str, key: bytes) -> bytes | None:
        with self._database(split).begin() as transaction:
            return transaction.get(key)

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
