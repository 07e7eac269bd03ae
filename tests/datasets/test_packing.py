"""Zips made in parallel: the same bytes whatever made them, and nothing lost to a kill, a full disk or a second process."""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest

from stylemap import files
from stylemap.datasets import packing
from stylemap.datasets.packing import Entry, pack
from stylemap.errors import InputError
from tests import archives

ITEMS = list(range(30))
HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def content(i: int) -> bytes:
    return hashlib.sha256(str(i).encode()).digest() * (1 + i % 5)


def make(i: int) -> Entry:
    if i % 7 == 3:
        return Entry(f"{i:02}", None, {"why": "unlucky"})
    return Entry(f"{i:02}.bin", content(i), {"i": i})


def make_noting(log: Path, i: int) -> Entry:
    with log.open("a") as f:
        f.write(f"{i}\n")
    return make(i)


def make_until(last: int, i: int) -> Entry:
    if i > last:
        raise InputError(f"item {i} came too early")
    return make(i)


def manifest(records: list[dict]) -> dict:
    return {"images": [r for r in records if "why" not in r], "count": len(records)}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(packing, "CHUNK", 4)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "new" / "set.zip"


@pytest.fixture
def whole(tmp_path) -> bytes:
    """What an undisturbed call writes."""
    path = tmp_path / "whole.zip"
    pack(ITEMS, make, path, "a", manifest, workers=0)
    return path.read_bytes()


class TestContent:
    def test_chosen_entries_in_the_order_of_the_items_then_the_manifest(self, out):
        returned = pack(ITEMS, make, out, "a", manifest, workers=0)
        with zipfile.ZipFile(out) as archive:
            names = [f"{i:02}.bin" for i in ITEMS if i % 7 != 3]
            assert archive.namelist() == [*names, "dataset.json"]
            assert all(archive.read(f"{i:02}.bin") == content(i) for i in ITEMS if i % 7 != 3)
            assert archive.testzip() is None
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert returned["count"] == len(ITEMS)
        assert returned["images"][3] == {"name": "04.bin", "i": 4}

    def test_what_the_manifest_leaves_out_is_not_in_the_zip(self, out):
        pack(ITEMS, make, out, "a", lambda records: {"images": manifest(records)["images"][:2]}, workers=0)
        assert zipfile.ZipFile(out).namelist() == ["00.bin", "01.bin", "dataset.json"]

    def test_only_the_zip_is_left(self, out):
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert os.listdir(out.parent) == ["set.zip"]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_same_bytes_for_any_number_of_workers(self, out, whole, workers):
        pack(ITEMS, make, out, "a", manifest, workers)
        assert out.read_bytes() == whole

    def test_same_bytes_at_another_time(self, out, whole, monkeypatch):
        now = time.time() + 1e8
        monkeypatch.setattr(time, "time", lambda: now)
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    @pytest.mark.parametrize("count", [1, 4, 5])
    def test_sizes_around_a_chunk(self, out, count):
        pack(range(count), make, out, "a", manifest, workers=0)
        assert len(zipfile.ZipFile(out).namelist()) == min(count, 3) + (count == 5) + 1

    def test_progress_counts_items_and_ends_at_all(self, out):
        seen = []
        pack(ITEMS, make, out, "a", manifest, 0, lambda done, total: seen.append((done, total)))
        assert seen == [(i, len(ITEMS)) for i in range(len(ITEMS) + 1)]


class TestGoingOn:
    def interrupted(self, out: Path) -> None:
        with pytest.raises(InputError, match=r"item 14 came too early .*run the same command again"):
            pack(ITEMS, partial(make_until, 13), out, "a", manifest, workers=0)
        assert not out.exists()

    def test_only_what_is_missing_is_made(self, out, whole, tmp_path):
        self.interrupted(out)
        log = tmp_path / "log"
        pack(ITEMS, partial(make_noting, log), out, "a", manifest, workers=0)
        assert [int(line) for line in log.read_text().split()] == ITEMS[12:]  # three chunks of 4 were done
        assert out.read_bytes() == whole

    def test_progress_starts_from_what_is_done(self, out):
        self.interrupted(out)
        seen = []
        pack(ITEMS, make, out, "a", manifest, 0, lambda done, total: seen.append(done))
        assert seen[0] == 12

    def test_another_identity_starts_anew(self, out, whole, tmp_path):
        self.interrupted(out)
        log = tmp_path / "log"
        pack(ITEMS, partial(make_noting, log), out, "b", manifest, workers=0)
        assert len(log.read_text().split()) == len(ITEMS)
        assert out.read_bytes() == whole

    def test_a_chunk_with_damage_inside_of_a_file_is_made_again(self, out, whole):
        """Which shows when the file is read."""
        self.interrupted(out)
        chunk = packing.unfinished(out) / "000001.zip"
        chunk.write_bytes(chunk.read_bytes().replace(content(5), content(5)[:-1] + b"!"))
        with pytest.raises(InputError, match=r"000001\.zip was damaged and is removed .*run the same command again"):
            pack(ITEMS, make, out, "a", manifest, workers=0)
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    @pytest.mark.parametrize(
        "files",
        [
            {"000001.zip": None},  # the end is missing
            {"000001.zip": b""},
            {"000001.zip": {"0": b"x"}},
            {"000001.zip": {"records.json": b"[]"}},
            {"000001.zip": {"records.json": b"[" * 100_000}},
            {"000001.zip": {"records.json": b"\xff"}},
            {"000001.zip": {"records.json": json.dumps([{"name": "x"}] * 4).encode()}},
            {"000001.zip": {"records.json": json.dumps([["x"]] * 4).encode(), "0": b"x", "1": b"y"}},
            {"000001.zip/a/b": b"a folder"},
            {"whole.zip.part/a": b"a folder"},
            {"identity": b"\xff\xfe"},
            {"identity": b""},
            {"identity/a": b"a folder", "x/y": b"another"},
        ],
        ids=lambda files: str(files)[:60],
    )
    def test_damage_heals(self, out, whole, files):
        self.interrupted(out)
        for name, data in files.items():
            path = packing.unfinished(out) / name
            top = packing.unfinished(out) / name.split("/")[0]
            before = top.read_bytes() if top.exists() else b""
            top.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, dict):
                archives.pack(path, data)
            else:
                path.write_bytes(before[:-40] if data is None else data)
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole
        assert not packing.unfinished(out).exists()

    def test_another_chunk_s_records_are_not_believed(self, out, whole):
        self.interrupted(out)
        work = packing.unfinished(out)
        with zipfile.ZipFile(work / "000002.zip") as archive:
            comment, records = archive.comment, archive.read("records.json")
        with zipfile.ZipFile(work / "000001.zip", "w") as archive:
            archive.writestr("records.json", records)
            archive.comment = comment
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    SCRIPT = """
import sys
from pathlib import Path
from stylemap.datasets import packing
from tests.datasets.test_packing import ITEMS, make, manifest
def make_when_told(i):
    sys.stdin.read(1)
    print(i, flush=True)
    return make(i)
if __name__ == "__main__":
    packing.CHUNK = 4
    packing.pack(ITEMS, make_when_told, Path(sys.argv[1]), "a", manifest, workers=0)
"""

    def test_kills_at_any_time(self, out, whole, tmp_path):
        """SIGKILL while an item is made, put into its chunk, or the chunk is written: whatever comes after the item's line."""
        script = tmp_path / "script.py"
        script.write_text(self.SCRIPT)
        rng = random.Random(0)
        for _ in range(6):  # of which each gets one chunk of eight done, at most
            process = subprocess.Popen([sys.executable, script, out], stdin=PIPE, stdout=PIPE, env=HERE)
            with process.stdin, process.stdout:
                items = rng.randint(1, 5)
                process.stdin.write(b"." * items)
                process.stdin.flush()
                assert all(process.stdout.readline() for _ in range(items))
                process.kill()
                assert process.wait() == -signal.SIGKILL
            assert not out.exists()
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole
        assert set(os.listdir(out.parent)) == {"set.zip"}


class TestErrors:
    def test_a_zip_is_never_written_over(self, out):
        files.write_bytes(out, b"precious")
        with pytest.raises(InputError, match=r"set\.zip exists; remove it or choose another --out"):
            pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == b"precious"

    def test_two_processes_at_once(self, out):
        with (
            files.owned(packing.unfinished(out)),
            pytest.raises(InputError, match=r"set\.zip\.unfinished is in use by another process"),
        ):
            pack(ITEMS, make, out, "a", manifest, workers=0)

    def test_full_disk_while_working(self, out, whole, monkeypatch):
        fsync, left = os.fsync, iter(range(4))

        def full(handle):
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(InputError, match=r"No space left on device.*run the same command again"):
                pack(ITEMS, make, out, "a", manifest, workers=0)
        assert not out.exists()
        assert len(list(packing.unfinished(out).glob("*.zip"))) == 3  # and the identity
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    def test_no_room_for_the_whole(self, out, whole, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 0))
            with pytest.raises(InputError, match=r"has 0 MB free, 6[78] MB are needed; free some space"):
                pack(ITEMS, make, out, "a", manifest, workers=0)
        assert not out.exists()
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    @pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on file sizes here")
    def test_disk_that_takes_no_more_while_the_whole_is_written(self, out, whole, tmp_path):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, limit[1]))  # chunks are smaller
        try:
            with pytest.raises(InputError, match=r"cannot write .*: File too large; .*run the same command again"):
                pack(ITEMS, make, out, "a", manifest, workers=0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert not out.exists()
        pack(ITEMS, make, out, "a", manifest, workers=0)
        assert out.read_bytes() == whole

    def test_what_cannot_be_made_at_all_leaves_nothing(self, out):
        def refuse(records):
            raise InputError("no image can be used")

        with pytest.raises(InputError, match="^no image can be used$"):
            pack(ITEMS, make, out, "a", refuse, workers=0)
        assert os.listdir(out.parent) == []
