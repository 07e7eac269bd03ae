"""Reading LMDB files: the same entries as the library gives, and no damage that does worse than raise."""

import random
from pathlib import Path

import pytest

from stylemap.datasets.sources.lmdb_file import Damaged, Database

lmdb = pytest.importorskip("lmdb")


def store(path: Path, entries: dict[bytes, bytes]) -> Path:
    """A database of these entries, written in several transactions and in no order."""
    keys = sorted(entries, key=lambda key: hash((len(key), key[-3:])))
    with lmdb.open(str(path), map_size=1 << 25, subdir=False, lock=False) as database:
        for k in range(0, len(keys), 100):
            with database.begin(write=True) as transaction:
                for key in keys[k : k + 100]:
                    transaction.put(key, entries[key])
    return path


def some(count: int) -> dict[bytes, bytes]:
    """Short and long values, empty ones, and those at the limit of what a page takes; short and long keys."""
    random_bytes = random.Random(0).randbytes
    sizes = (0, 1, 100, 1900, 2030, 2040, 4080, 4081, 9000)
    made = {b"%d-%05d" % (64 << i % 3, i): random_bytes(sizes[i % len(sizes)]) for i in range(count)}
    return made | {bytes([i]) * 400: random_bytes(5) for i in range(1, 60)} | {b"length": b"%d" % count}


@pytest.mark.parametrize("count", [0, 1, 50, 1500])
def test_every_entry_is_found(tmp_path, count):
    entries = some(count)
    database = Database(store(tmp_path / "x.mdb", entries))
    assert database.entries == len(entries)
    for key, value in entries.items():
        place = database.find(key)
        assert place.size == len(value) and database.read(place) == value
        with database.stream(place) as stream:
            assert stream.read() == value
            stream.seek(len(value) // 2)
            assert stream.read(7) == value[len(value) // 2 :][:7]


def test_first_from_agrees_with_a_sorted_list(tmp_path):
    entries = some(1500)
    database = Database(store(tmp_path / "x.mdb", entries))
    keys = sorted(entries)
    for i, key in enumerate(keys):
        assert database.first_from(key) == key
        after = keys[i + 1] if i + 1 < len(keys) else None
        assert database.first_from(key + b"\0") == after
        assert database.find(key + b"\0") is None
    assert database.first_from(b"") == keys[0]


def test_an_empty_one(tmp_path):
    database = Database(store(tmp_path / "x.mdb", {}))
    assert database.entries == 0 and database.find(b"a") is None and database.first_from(b"") is None


def test_of_several_transactions_the_last_counts(tmp_path):
    path = store(tmp_path / "x.mdb", {b"a": b"1"})
    for value in (b"2", b"3", b"4"):
        store(path, {b"a": value})
        database = Database(path)
        assert database.read(database.find(b"a")) == value


def test_finding_reads_no_values(tmp_path, monkeypatch):
    """The names of a megabyte of images are in the few pages of keys."""
    path = store(tmp_path / "x.mdb", {b"%05d" % i: bytes(9000) for i in range(120)})
    read = []
    real = Database._bytes
    monkeypatch.setattr(Database, "_bytes", lambda self, at, size: read.append(size) or real(self, at, size))
    database = Database(path)
    assert all(database.find(b"%05d" % i) for i in range(120))
    assert sum(read) < path.stat().st_size / 20


def use(path: Path, keys: list[bytes]) -> int:
    """Read everything -> how many times there was damage."""
    damaged = 0
    try:
        database = Database(path)
    except Damaged:
        return 1
    for key in keys:
        for way in (lambda key: database.read(place) if (place := database.find(key)) else None, database.first_from):
            try:
                way(key)
            except Damaged:
                damaged += 1
    return damaged


def test_damage_is_an_error(tmp_path):
    """Zeroed pages, bytes changed within the first bytes of pages, and any bytes anywhere: what the library dies of."""
    entries = some(150)
    whole = store(tmp_path / "x.mdb", entries).read_bytes()
    keys, path, rng = sorted(entries), tmp_path / "damaged.mdb", random.Random(1)
    pages = range(0, len(whole), 4096)
    zeroed = 0
    for page in pages:
        path.write_bytes(whole[:page] + bytes(4096) + whole[page + 4096 :])
        zeroed += use(path, keys) > 0
    assert zeroed > 5  # the rest is not in use, or inside of a value
    for i in range(90):
        broken = bytearray(whole)
        for _ in range(1 + i % 5):
            at = rng.randrange(len(whole)) if i % 3 == 0 else rng.choice(pages) + rng.randrange(200)
            broken[min(at, len(whole) - 1)] = rng.choice((0, 255, rng.randrange(256)))
        path.write_bytes(broken[: rng.randrange(len(whole))] if i % 10 == 9 else broken)
        use(path, keys[:: 1 + i % 7])


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(1 << 14), b"no database at all" * 1000])
def test_another_file(tmp_path, content):
    (tmp_path / "x.mdb").write_bytes(content)
    with pytest.raises(Damaged):
        Database(tmp_path / "x.mdb")
