"""Files in LMDBs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from stylemap import decoding
from stylemap.datasets.sources import lmdb_file
from stylemap.datasets.sources.source import Source, file_stamp, refuse_huge
from stylemap.errors import InputError

SMALLEST_IMAGE = (
    43  # bytes, with its key; an LMDB that states more images is forged, and their names would fill the memory
)
LONGEST_LENGTH = 500  # bytes of an LMDB's entry "length"


class Lmdb(Source):
    """The published format: the key ``<side>-<index>`` (five digits) holds the bytes of an image, ``length`` their number.

    Names are the keys. Where each split is an LMDB of its own, ``train/``, ``val/`` or ``test/`` stands before them.
    """

    def __init__(self, path: Path, splits: dict[str, Path], side: int | None):
        super().__init__(path)
        self._splits = splits
        self._open: dict[str, lmdb_file.Database] = {}
        self._counts = {split: self._read_count(split) for split in splits}
        self._sides = {split: self._choose_side(split, side) for split in splits}

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

    def read_size(self, name: str) -> tuple[int, int]:
        with self._value(name) as (database, place), database.stream(place) as stream:
            return decoding.read_size(stream, name)

    def read(self, name: str) -> bytes:
        with self._value(name) as (database, place):
            refuse_huge(name, place.size)
            return database.read(place)

    def stamp(self, name: str) -> str:
        return file_stamp(self._file(name.rpartition("/")[0]))

    def _read_count(self, split: str) -> int:
        with self._database(split) as database:
            place = database.find(b"length")
            length = database.read(place) if place is not None and place.size < LONGEST_LENGTH else b""
            entries = database.entries
        if not length.isdigit():
            wrong = "is not a data set: it has no entry 'length'"
        elif len(length) > 18 or int(length) > entries:
            wrong = f"holds fewer entries ({entries}) than its 'length'"
        elif int(length) * SMALLEST_IMAGE > self._file(split).stat().st_size:
            wrong = f"lacks most of the {int(length)} images of its 'length'"
        else:
            return int(length)
        raise InputError(f"{self._splits[split]} {wrong}; prepare it again")

    def _choose_side(self, split: str, least: int | None) -> int:
        sides = []
        with self._database(split) as database:
            key = database.first_from(b"0")
            while key is not None:
                side, dash, _ = key.partition(b"-")
                if not (dash and side.isdigit() and len(side) <= 9):
                    break
                sides.append(int(side))
                key = database.first_from(side + b".")  # "." follows "-": past all of this side
        if not sides:
            raise InputError(f"{self._splits[split]} holds no images named <side>-<index>; prepare it again")
        return min((s for s in sides if least is not None and s >= least), default=max(sides))

    @contextlib.contextmanager
    def _value(self, name: str) -> Iterator[tuple[lmdb_file.Database, lmdb_file.Place]]:
        split, _, key = name.rpartition("/")
        with self._database(split, name) as database:
            place = database.find(key.encode())
            if place is None:
                raise InputError(f"{name} is not in {self._splits[split]}; make the LMDB again")
            yield database, place

    @contextlib.contextmanager
    def _database(self, split: str, name: str | None = None) -> Iterator[lmdb_file.Database]:
        """A database. Damage becomes an InputError that names the image ``name``, or the path if that is None."""
        path = self._splits[split]
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
        path = self._splits[split]
        return path / "data.mdb" if path.is_dir() else path
