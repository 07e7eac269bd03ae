"""Where bytes come from: LMDB in the published layout, zips of others, and folders with awkward names and files."""

import json
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from stylemap import decoding, naming
from stylemap.datasets import ImageFolder, open_split
from stylemap.datasets.sources import Folder, Lmdb, OneFile, open_source
from stylemap.datasets.sources.lmdb_file import Database
from stylemap.decoding import LARGEST_FILE, READABLE
from stylemap.errors import InputError
from tests.archives import fill, pack, picture

SIDE = 8


def store(path: Path, entries: dict[str, bytes], subdir: bool = True) -> Path:
    """An LMDB of these entries."""
    lmdb = pytest.importorskip("lmdb")
    path.parent.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(path), map_size=1 << 24, subdir=subdir) as database, database.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    return path


def published(count: int, *sides: int, seed: int = 0) -> dict[str, bytes]:
    """The entries that the published preparation writes: JPEGs of every side, and their number."""
    pictures = {f"{s}-{i:05d}": picture(seed + i, "JPEG", s) for s in sides or (16,) for i in range(count)}
    return {**pictures, "length": str(count).encode()}


def names(data: ImageFolder) -> list[str]:
    return [data.name(i) for i in range(len(data))]


class TestLmdb:
    def test_single_folder(self, tmp_path):
        entries = published(3)
        source = open_source(store(tmp_path / "set", entries))
        assert source.pictures() == source.names() == ["16-00000", "16-00001", "16-00002"]
        assert source.read("16-00001") == entries["16-00001"]
        assert source.read_size("16-00001") == (16, 16)
        assert source.verified == frozenset()
        data = ImageFolder(tmp_path / "set", SIDE)
        assert np.array_equal(data[2], decoding.decode_square(entries["16-00002"], SIDE))

    @pytest.mark.parametrize("name", ["set.lmdb", "set.mdb"])
    def test_single_file(self, tmp_path, name):
        entries = published(2)
        source = open_source(store(tmp_path / name, entries, subdir=False))
        assert source.read("16-00001") == entries["16-00001"]

    def test_folder_of_splits(self, tmp_path):
        for seed, (part, count) in enumerate({"train": 5, "val": 2, "test": 3}.items()):
            store(tmp_path / "celeba" / f"LMDB_{part}", published(count, seed=100 * seed))
        data = ImageFolder(tmp_path / "celeba", SIDE)
        assert len(data) == 10
        assert names(data)[:4] == ["test/16-00000", "test/16-00001", "test/16-00002", "train/16-00000"]
        training, held_out = open_split(tmp_path / "celeba", SIDE, 100)
        assert names(training) == [f"train/16-{i:05d}" for i in range(5)]
        assert names(held_out) == ["val/16-00000", "val/16-00001"]
        assert np.array_equal(held_out[1], decoding.decode_square(picture(101, "JPEG"), SIDE))

    def test_other_spellings_of_splits(self, tmp_path):
        for part in ("lmdb_Train", "LMDB_valid"):
            store(tmp_path / "set" / part, published(2))
        assert open_source(tmp_path / "set").names() == [
            f"{part}/16-0000{i}" for part in ("train", "val") for i in (0, 1)
        ]
        store(tmp_path / "set" / "LMDB_val", published(2))
        with pytest.raises(InputError, match="LMDB_val and .*LMDB_valid are both the split val; move one away"):
            open_source(tmp_path / "set")

    def test_a_folder_of_one_split(self, tmp_path):
        store(tmp_path / "set" / "LMDB_train", published(2))
        assert open_source(tmp_path / "set").names() == ["train/16-00000", "train/16-00001"]

    def test_more_than_five_digits(self, tmp_path):
        small = picture(0, "JPEG", 4)
        entries = {f"4-{i:05d}": small for i in (0, 99999, 100000)}
        lots = {**entries, **{f"4-{i:05d}": b"" for i in range(1, 99999, 997)}, "length": b"4"}
        source = open_source(store(tmp_path / "set", lots))
        assert source.read("4-100000") == small  # a key is found whatever its width

    @pytest.mark.parametrize(("wanted", "chosen"), [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (99, 32), (None, 32)])
    def test_of_several_sides_the_smallest_that_suffices(self, tmp_path, wanted, chosen):
        store(tmp_path / "set", published(2, 8, 16, 32))
        assert open_source(tmp_path / "set", wanted).names() == [f"{chosen}-00000", f"{chosen}-00001"]

    def test_training_asks_for_the_side_it_needs(self, tmp_path):
        store(tmp_path / "set", published(2, 8, 16, 32))
        assert names(ImageFolder(tmp_path / "set", 16)) == ["16-00000", "16-00001"]

    def test_without_length(self, tmp_path):
        store(tmp_path / "set", {"16-00000": picture(0)})
        with pytest.raises(InputError, match=r"set is not a data set: it has no entry 'length'; prepare it again"):
            open_source(tmp_path / "set")

    @pytest.mark.parametrize("length", [b"many", b"", b"-3", b"1.5"])
    def test_length_is_no_number(self, tmp_path, length):
        store(tmp_path / "set", {"16-00000": picture(0), "length": length})
        with pytest.raises(InputError, match="it has no entry 'length'"):
            open_source(tmp_path / "set")

    @pytest.mark.parametrize("length", [b"4", b"99999999999", b"9" * 480])
    def test_length_is_beyond_all_bounds(self, tmp_path, length):
        store(tmp_path / "set", {"16-00000": picture(0), "16-00001": picture(1), "length": length})
        with pytest.raises(InputError, match=r"set holds fewer entries \(3\) than its 'length'; prepare it again"):
            open_source(tmp_path / "set")

    def test_a_length_that_promises_much_more_than_there_is(self, tmp_path):
        """With a number of entries that agrees, as only the pages tell how many there are."""
        file = store(tmp_path / "set", {**published(2), "length": b"20000"}) / "data.mdb"
        raw = bytearray(file.read_bytes())
        for meta in (0, 4096):
            raw[meta + 120 : meta + 128] = (20_000).to_bytes(8, "little")
        file.write_bytes(raw.ljust(300_000, b"\0"))
        with pytest.raises(InputError, match=r"set lacks most of the 20000 images of its 'length'; prepare it again"):
            open_source(tmp_path / "set")

    def test_without_images(self, tmp_path):
        store(tmp_path / "set", {"length": b"0", "a": b"b"})
        with pytest.raises(InputError, match="holds no images named <side>-<index>"):
            open_source(tmp_path / "set")

    def test_opening_reads_headers_and_keys_only(self, tmp_path, monkeypatch):
        path = store(tmp_path / "set", {**published(12), **{f"256-{i:05d}": picture(i, "PNG", 256) for i in range(12)}})
        read = []
        real = Database._bytes
        monkeypatch.setattr(Database, "_bytes", lambda self, at, size: read.append(size) or real(self, at, size))
        source = open_source(path)
        assert len(source.names()) == 12
        assert sum(read) < 20_000  # a few pages
        read.clear()
        assert len(ImageFolder(path, 256)) == 12
        assert sum(read) < (path / "data.mdb").stat().st_size / 5

    def test_a_missing_entry_is_skipped(self, tmp_path):
        entries = published(4)
        del entries["16-00002"]
        store(tmp_path / "set", entries)
        with pytest.warns(UserWarning, match=r"skipped 1 of 4 images: 16-00002 is not in .*set; make the LMDB again"):
            assert names(ImageFolder(tmp_path / "set", SIDE)) == ["16-00000", "16-00001", "16-00003"]

    def test_a_damaged_entry_is_skipped(self, tmp_path):
        store(tmp_path / "set", {**published(3), "16-00001": b"\xff\xd8\xff"})
        with pytest.warns(UserWarning, match="skipped 1 of 3 images: 16-00001 is damaged or cut short"):
            assert len(ImageFolder(tmp_path / "set", SIDE)) == 2

    # in a process of its own: what is tested would kill it
    @pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.99])
    def test_cut_short_is_an_error_and_kills_nobody(self, tmp_path, left):
        store(tmp_path / "set", published(60, 32))
        file = tmp_path / "set" / "data.mdb"
        whole = file.read_bytes()
        file.write_bytes(whole[: int(left * len(whole))])
        script = (
            "import sys\nfrom stylemap.datasets.sources import open_source\nfrom stylemap.errors import InputError\n"
            "try:\n    source = open_source(sys.argv[1])\n    [source.read(name) for name in source.names()]\n"
            "except InputError as err:\n    print(err)\n"
        )
        ran = subprocess.run([sys.executable, "-c", script, tmp_path / "set"], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert "set is an LMDB cut short; copy or make it again" in ran.stdout or "is a broken LMDB" in ran.stdout
        assert len(ran.stdout.splitlines()) == 1

    def test_garbage(self, tmp_path):
        pytest.importorskip("lmdb")
        fill(tmp_path, {"set/data.mdb": b"no database at all" * 1000, "set.lmdb": b"nor this" * 1000})
        for path in ("set", "set.lmdb"):
            with pytest.raises(InputError, match=r"is a broken LMDB \(.*\); copy or make it again"):
                open_source(tmp_path / path)

    def test_damaged_pages_are_errors_of_their_pictures(self, tmp_path):
        store(tmp_path / "set", published(200))
        file = tmp_path / "set" / "data.mdb"
        whole = file.read_bytes()
        damaged = []
        for page in range(2, len(whole) // 4096):
            # another place each time: a process keeps what it has mapped
            folder = fill(
                tmp_path / f"{page}", {"data.mdb": whole[: page * 4096] + bytes(4096) + whole[page * 4096 + 4096 :]}
            )
            try:
                source = open_source(folder)
            except InputError as err:
                assert "is a damaged LMDB (" in str(err) or "is not a data set" in str(err)
                continue
            for name in source.names():
                try:
                    source.read_size(name)
                except InputError as err:
                    damaged.append(str(err))
                    assert str(err).startswith(name)
        assert any("lies in a damaged part of the LMDB" in reason for reason in damaged)

    def test_opened_twice_in_one_process(self, tmp_path):
        entries = published(3)
        path = store(tmp_path / "set", entries)
        (tmp_path / "link").symlink_to("set")
        sources = [open_source(path), open_source(str(path)), open_source(tmp_path / "link")]
        assert all(source.read("16-00002") == entries["16-00002"] for source in sources)
        sources.pop(0)
        assert sources[0].read("16-00000") == entries["16-00000"]  # closing one leaves the others open

    def test_pickles_small(self, tmp_path):
        entries = published(50)
        source = open_source(store(tmp_path / "set", entries))
        source.read("16-00000")
        state = pickle.dumps(source)
        assert len(state) < 1000
        assert pickle.loads(state).read("16-00049") == entries["16-00049"]

    @pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
    def test_loading_processes(self, tmp_path, start):
        store(tmp_path / "set", published(20))
        data = ImageFolder(tmp_path / "set", SIDE)
        expected = np.stack(list(data))  # the database is open here before the workers start
        loader = DataLoader(data, batch_size=3, num_workers=1, multiprocessing_context=start)
        assert np.array_equal(np.concatenate([batch.numpy() for batch in loader]), expected)
        assert np.array_equal(np.stack(list(data)), expected)

    def test_nothing_is_written_beside_it(self, tmp_path):
        store(tmp_path / "set", published(2))
        (tmp_path / "set" / "lock.mdb").unlink()
        before = (tmp_path / "set" / "data.mdb").read_bytes()
        list(ImageFolder(tmp_path / "set", SIDE))
        assert os.listdir(tmp_path / "set") == ["data.mdb"]
        assert (tmp_path / "set" / "data.mdb").read_bytes() == before

    def test_stamp_changes_with_the_file(self, tmp_path):
        source = open_source(store(tmp_path / "set", published(2)))
        before = source.stamp("16-00000")
        os.utime(tmp_path / "set" / "data.mdb", (1, 1))
        assert source.stamp("16-00000") != before
        assert isinstance(source, Lmdb)


class TestZipOfOthers:
    FILES = {f"0000{i // 2}/img0000000{i}.png": picture(i) for i in range(4)}
    LABELS = [[name, i % 2] for i, name in enumerate(FILES)]

    def test_nvidia(self, tmp_path):
        manifest = json.dumps({"labels": self.LABELS}).encode()
        source = open_source(pack(tmp_path / "n.zip", {**self.FILES, "dataset.json": manifest}, zipfile.ZIP_STORED))
        assert source.pictures() == sorted(self.FILES)
        assert source.manifest() == {"labels": self.LABELS}
        assert source.verified == frozenset()  # theirs says nothing on whether the images are whole
        assert source.read("00001/img00000003.png") == self.FILES["00001/img00000003.png"]

    def test_nvidia_without_labels(self, tmp_path):
        pack(tmp_path / "n.zip", {**self.FILES, "dataset.json": b'{"labels": null}'})
        assert open_source(tmp_path / "n.zip").manifest() == {}

    @pytest.mark.parametrize(
        "manifest",
        [
            b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"3", b'"labels"', b"[" * 100_000,
            b'{"labels": 5}', b'{"labels": [1, 2]}', b'{"labels": {"a": 1}}', b'{"labels": [["a.png"]]}',
            b'{"format": "stylemap-dataset-1"}', b'{"format": "stylemap-dataset-1", "images": 3}',
            b'{"format": "stylemap-dataset-1", "images": [{"name": ["a"]}]}', b'{"format": ["x"], "images": ["y"]}',
        ],
        ids=lambda manifest: manifest[:40].decode(errors="replace"),
    )  # fmt: skip
    def test_a_manifest_of_another_shape_counts_as_none(self, tmp_path, manifest):
        path = pack(tmp_path / "odd.zip", {**self.FILES, "dataset.json": manifest})
        source = open_source(path)
        assert source.verified == frozenset()
        assert not source.manifest().keys() & {"labels", "images"}
        assert len(ImageFolder(path, SIDE)) == 4

    def test_a_damaged_manifest_is_told(self, tmp_path):
        manifest = json.dumps({"labels": self.LABELS}).encode()
        path = pack(tmp_path / "n.zip", {**self.FILES, "dataset.json": manifest}, zipfile.ZIP_STORED)
        raw = bytearray(path.read_bytes())
        raw[raw.index(b'"labels"') + 3] ^= 1
        path.write_bytes(raw)
        with pytest.raises(InputError, match=r"n\.zip: dataset\.json cannot be unpacked \(Bad CRC.*\); pack it again"):
            open_source(path)

    def test_verified_names_are_those_of_our_manifest(self, tmp_path, monkeypatch):
        ours = {"format": "stylemap-dataset-1", "images": [{"name": "a.png"}, {"name": "train/b.png"}]}
        files = {"a.png": picture(0), "train/b.png": picture(1), "added.png": picture(2)}
        path = pack(tmp_path / "ours.zip", {**files, "dataset.json": json.dumps(ours).encode()})
        assert open_source(path).verified == {"a.png", "train/b.png"}
        checked = []
        monkeypatch.setattr(decoding, "read_size", lambda stream, name: checked.append(name))
        ImageFolder(path, SIDE)
        assert checked == ["added.png"]


class TestZipNames:
    OUTSIDE = [
        "../up.png",
        "a/../../up.png",
        "/root.png",
        "a\\..\\..\\up.png",
        "\\root.png",
        "C:\\root.png",
        "c:root.png",
    ]

    @pytest.mark.parametrize("name", OUTSIDE)
    def test_that_lead_outside_are_refused(self, tmp_path, name):
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for entry in (name, "fine.png"):
                info = zipfile.ZipInfo("x")
                info.filename = entry  # as it is: the constructor would tidy it up on Windows
                archive.writestr(info, picture(0))
        with pytest.warns(
            UserWarning, match="skipped 1 of 2 images: .* would unpack outside of its folder; pack it again"
        ):
            assert names(ImageFolder(path, SIDE)) == ["fine.png"]
        with pytest.raises(InputError, match="would unpack outside"):
            open_source(path).read(name)
        assert os.listdir(tmp_path) == ["set.zip"]

    def test_that_leads_outside_of_a_folder(self, tmp_path):
        """A file whose name a careless unpacker took from a zip."""
        source = open_source(fill(tmp_path / "set", {"..\\up.png": picture(0)}))
        assert source.names() == ["../up.png"]
        for use in (source.read, source.read_size, source.stamp):
            with pytest.raises(InputError, match=r"^\.\./up\.png would lead outside of its folder; rename the file$"):
                use("../up.png")

    @pytest.mark.parametrize(
        "name",
        [
            "ü/日本 語.png",
            "a" * 251 + ".png",
            "/".join(["d" * 200] * 20) + "/a.png",
            "12:30.png",
            "a..b.png",
        ],
        ids=["unicode", "255 bytes", "deep", "colon", "dots"],
    )
    def test_that_are_merely_odd(self, tmp_path, name):
        data = ImageFolder(pack(tmp_path / "set.zip", {name: picture(0)}), SIDE)
        assert names(data) == [name]
        assert np.array_equal(data[0], decoding.decode_square(picture(0), SIDE))

    @pytest.mark.parametrize("separator", ["/", "\\"])
    def test_of_other_systems(self, tmp_path, separator):
        """Windows' separators; Macs' decomposed UTF-8 that does not say what it is; an empty name; one behind a NUL."""
        stored = ["set/zoe\u0301.png", "set/b.png", "set/", "", "__MACOSX/set/._b.png", "set/c.png\0.txt"]
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for i, name in enumerate(stored):
                info = zipfile.ZipInfo("x")
                info.filename = name.replace("/", separator)
                archive.writestr(info, picture(i))
        raw = (tmp_path / "set.zip").read_bytes()
        for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # no flag that says UTF-8
            raw = re.sub(re.escape(header) + b"(.{%d}).." % (at - 4), header + rb"\1\0\0", raw, flags=re.DOTALL)
        (tmp_path / "set.zip").write_bytes(raw)
        source = open_source(tmp_path / "set.zip")
        assert source.listing() == (["set/b.png", "set/zo\u00e9.png"], ["set/c.png%00.txt"])
        assert source.read("set/zo\u00e9.png") == picture(0) and source.read("set/c.png%00.txt") == picture(5)
        assert pickle.loads(pickle.dumps(source)).read("set/zo\u00e9.png") == picture(0)

    def test_that_become_one_lose_no_picture(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"a/1.png": picture(0), "a\\1.png": picture(1)})
        data = ImageFolder(path, SIDE)
        assert names(data) == ["a/1.png", "a/1~2.png"]
        assert [np.array_equal(data[i], decoding.decode_square(picture(i), SIDE)) for i in range(2)] == [True, True]

    def test_labels_follow_them(self, tmp_path):
        labels = {"labels": [["a\\1.png", 3], ["zoe\u0301.png", 4]]}
        path = pack(tmp_path / "set.zip", {"a\\1.png": picture(0), "dataset.json": json.dumps(labels).encode()})
        assert open_source(path).manifest() == {"labels": [["a/1.png", 3], ["zo\u00e9.png", 4]]}

    def test_in_no_encoding(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"ü.png": picture(0), "b.png": picture(1)})
        path.write_bytes(path.read_bytes().replace("ü".encode(), b"\xff\xff"))
        with pytest.raises(
            InputError, match=r"set\.zip is a broken zip \(.*codec can't decode.*\); copy or pack it again"
        ):
            open_source(path)


class TestZipBombs:
    def test_refused_by_the_declared_size_before_inflating(self, tmp_path, monkeypatch):
        path = pack(tmp_path / "set.zip", {"bomb.png": picture(0), "fine.png": picture(1)})
        declare(path, "bomb.png", 3 << 30)
        monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda *_: pytest.fail("it was unpacked"))
        source = open_source(path)
        for use in (source.read, source.read_size):
            with pytest.raises(InputError, match=r"^bomb\.png is 3\.0 GiB, more than any image should be; remove it$"):
                use("bomb.png")

    def test_the_rest_of_the_zip_is_read(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"bomb.png": picture(0), "fine.png": picture(1)})
        declare(path, "bomb.png", LARGEST_FILE + 1)
        with pytest.warns(UserWarning, match=r"skipped 1 of 2 images: bomb\.png is 1\.0 GiB"):
            assert names(ImageFolder(path, SIDE)) == ["fine.png"]

    def test_a_small_promise_is_not_exceeded(self, tmp_path, monkeypatch):
        path = pack(tmp_path / "set.zip", {"bomb.png": bytes(1 << 24), "fine.png": picture(1)})
        declare(path, "bomb.png", 100)
        sizes = []
        real = zlib.decompressobj

        class Watched:
            def __init__(self, *args):
                self.inner = real(*args)

            def __getattr__(self, name):
                return getattr(self.inner, name)

            def decompress(self, data, *limit):
                out = self.inner.decompress(data, *limit)
                sizes.append(len(out))
                return out

        monkeypatch.setattr(zlib, "decompressobj", Watched)
        with pytest.raises(InputError, match=r"bomb\.png cannot be unpacked \(Bad CRC"):
            open_source(path).read("bomb.png")
        assert sizes and max(sizes) <= 4096  # zipfile's smallest piece

    @pytest.mark.parametrize("name", ["bomb.png", "dataset.json"])
    def test_that_keep_their_promise(self, tmp_path, name):
        """An image with zeros behind it; a list of lists, which takes twenty times as much when it is parsed."""
        content = {
            "bomb.png": picture(0) + bytes(8 << 20),
            "dataset.json": b'{"labels":[' + b"[]," * (1 << 21) + b"0]}",
        }[name]
        path = pack(tmp_path / "set.zip", {name: content, "fine.png": picture(1)})
        expected = rf"{name} would unpack to [68] MiB from \d+ KiB, which no image does; remove it"
        if name == "dataset.json":
            with pytest.raises(InputError, match=expected):
                open_source(path)
            return
        with pytest.warns(UserWarning, match=expected):
            assert names(ImageFolder(path, SIDE)) == ["fine.png"]

    def test_of_a_manifest_that_compresses_like_text(self, tmp_path):
        text = json.dumps({"labels": [[f"{i * 7919 % 65536:x}.png", i] for i in range(65_536)]}) * 13
        path = pack(tmp_path / "set.zip", {"fine.png": picture(1), "dataset.json": text.encode()})
        with pytest.raises(InputError, match=r"dataset.json would unpack to \d+ MiB, more than the zip has"):
            open_source(path)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_small_promise_is_not_exceeded_by_other_methods(self, tmp_path, method):
        path = pack(tmp_path / "set.zip", {"bomb.png": bytes(64 << 20), "fine.png": picture(1)}, method)
        declare(path, "bomb.png", 1000)
        tracemalloc.start()
        with pytest.raises(InputError, match=r"bomb\.png cannot be unpacked \(Bad CRC"):
            open_source(path).read("bomb.png")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 24 << 20  # LZMA's dictionary has 8 MiB

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_methods_are_read(self, tmp_path, method):
        source = open_source(pack(tmp_path / "set.zip", {"a.png": picture(0), "empty.png": b""}, method))
        assert source.read("a.png") == picture(0) and source.read("empty.png") == b""
        assert source.read_size("a.png") == (16, 16)

    @pytest.mark.parametrize("method", [9, 93])  # Deflate64, Zstandard
    def test_unknown_methods_are_refused(self, tmp_path, method):
        path = pack(tmp_path / "set.zip", {"a.png": picture(0), "b.png": picture(1)})
        raw = bytearray(path.read_bytes())
        for at in (raw.index(b"a.png") - 22, raw.index(b"a.png", raw.index(b"PK\x01\x02")) - 36):
            raw[at] = method
        path.write_bytes(raw)
        with pytest.raises(
            InputError, match=rf"^a\.png cannot be unpacked \(compression {method} is not read\); pack it"
        ):
            open_source(path).read("a.png")
        assert open_source(path).read("b.png") == picture(1)

    def test_that_overlap(self, tmp_path):
        """Entries whose bytes are other entries, so that a few bytes count many times."""
        path = pack(tmp_path / "set.zip", {f"{i}.png": picture(i) for i in range(4)}, zipfile.ZIP_STORED)
        raw = bytearray(path.read_bytes())
        at = raw.index(b"PK\x01\x02")
        whole = at - raw.index(b"1.png")  # from the second to the directory
        at = raw.index(b"1.png", at) - 46
        raw[at + 20 : at + 28] = whole.to_bytes(4, "little") * 2
        path.write_bytes(raw)
        with pytest.warns(UserWarning, match=r"skipped 1 of 4 images: 1\.png cannot be unpacked \(it overlaps"):
            assert names(ImageFolder(path, SIDE)) == ["0.png", "2.png", "3.png"]

    def test_of_the_manifest(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"a.png": picture(0), "dataset.json": b"{}"})
        declare(path, "dataset.json", 2 << 30)
        with pytest.raises(InputError, match=r"set\.zip: dataset\.json is 2\.0 GiB"):
            open_source(path)


def declare(path: Path, name: str, size: int) -> None:
    """Write another unpacked size for an entry into the directory of a zip."""
    raw = bytearray(path.read_bytes())
    at = raw.index(name.encode(), raw.index(b"PK\x01\x02")) - 46  # the name follows the 46 bytes of the record
    raw[at + 24 : at + 28] = size.to_bytes(4, "little")
    path.write_bytes(raw)


class TestDamagedZip:
    @pytest.mark.filterwarnings("ignore:.*skipped", "ignore:.*replaces a damaged one", "ignore:Duplicate name")
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_damage_anywhere_is_an_input_error_or_pictures(self, tmp_path, method):
        files = {f"ü{i}.png": picture(i) for i in range(3)} | {"dataset.json": b'{"labels": []}'}
        whole = np.frombuffer(pack(tmp_path / "set.zip", files, method).read_bytes(), np.uint8)
        directory = whole.tobytes().index(b"PK\x01\x02")
        rng = np.random.default_rng(0)
        for i in range(100):
            broken = whole.copy()
            broken[rng.integers(directory if i % 2 else 0, len(whole), 4)] = rng.integers(0, 256, 4)
            (tmp_path / "set.zip").write_bytes(broken.tobytes())
            try:
                assert all(p.shape == (SIDE, SIDE, 3) for p in ImageFolder(tmp_path / "set.zip", SIDE))
            except InputError as err:
                assert "\n" not in str(err)

    def test_replaced_by_another_while_in_use(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"a.png": picture(0), "b.png": picture(1)})
        data = pickle.loads(pickle.dumps(ImageFolder(path, SIDE)))  # as a loading process gets it
        pack(path, {"b.png": picture(1)})
        with pytest.raises(
            InputError, match=r"a\.png can no longer be read \(the zip was replaced by one without a\.png\)"
        ):
            data[0]

    def test_replaced_by_garbage_while_in_use(self, tmp_path):
        path = pack(tmp_path / "set.zip", {"a.png": picture(0)})
        data = pickle.loads(pickle.dumps(ImageFolder(path, SIDE)))
        path.write_bytes(b"garbage")
        with pytest.raises(InputError, match=r"a\.png can no longer be read \(File is not a zip file\); restore it"):
            data[0]


class TestFolder:
    @pytest.mark.parametrize("name", ["a.png", "c:a.png", "zoe\u0301\n.png", ".hidden.png"])
    def test_one_file_alone(self, tmp_path, name, monkeypatch):
        fill(tmp_path, {name: picture(0), "other.png": picture(1)})
        monkeypatch.setattr(os, "walk", lambda *_, **__: pytest.fail("others were looked at"))
        source = OneFile(tmp_path / name)
        [found] = source.names()
        assert found == naming.canonical(name)
        assert source.read(found) == picture(0)

    def test_loop_of_links(self, tmp_path):
        fill(tmp_path / "set", {"a/b/1.png": picture(0)})
        (tmp_path / "set" / "a" / "b" / "up").symlink_to(tmp_path / "set")
        (tmp_path / "set" / "a" / "b" / "here").symlink_to(".")
        assert open_source(tmp_path / "set").names() == ["a/b/1.png"]

    @pytest.mark.parametrize("name", ["ü/日本 語.png", "a" * 251 + ".png", "12:30.png", " .png"])
    def test_odd_names(self, tmp_path, name):
        source = open_source(fill(tmp_path / "set", {name: picture(0)}))
        assert source.pictures() == [name]
        assert source.read(name) == picture(0)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not store such names")
    def test_a_name_in_no_encoding(self, tmp_path):
        name = os.fsdecode(b"caf\xe9.png")
        fill(tmp_path / "set", {name: picture(0), "b.png": b""})
        with pytest.warns(UserWarning, match="skipped 1 of 2"):
            data = ImageFolder(tmp_path / "set", SIDE)
        data = pickle.loads(pickle.dumps(data))
        assert names(data) == ["caf%E9.png"]
        assert np.array_equal(data[0], decoding.decode_square(picture(0), SIDE))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
    def test_a_pipe_does_not_block(self, tmp_path):
        fill(tmp_path, {"a.png": picture(0)})
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(InputError, match=r"^pipe\.png is not a file; remove it$"):
            open_source(tmp_path).read("pipe.png")
        with pytest.warns(UserWarning, match=r"skipped 1 of 2 images: pipe\.png is not a file"):
            assert len(ImageFolder(tmp_path, SIDE)) == 1

    def test_a_huge_file_is_not_read_into_memory(self, tmp_path):
        with open(tmp_path / "huge.png", "wb") as file:
            file.write(picture(0))
            file.truncate(LARGEST_FILE + 1)  # sparse: takes no space
        with pytest.raises(InputError, match=r"^huge\.png is 1\.0 GiB, more than any image should be; remove it$"):
            open_source(tmp_path).read("huge.png")

    def test_a_lost_file_is_an_error_of_the_system(self, tmp_path):
        source = open_source(fill(tmp_path, {"a.png": picture(0)}))
        (tmp_path / "a.png").unlink()
        with pytest.raises(FileNotFoundError):
            source.read("a.png")
        assert isinstance(source, Folder)


BOMB = b"\x89PNG\r\n\x1a\n" + b"".join(
    len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    for kind, body in (
        (b"IHDR", (60000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
)


class TestBadFiles:
    """Each is one clear line; the other images are read."""

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", f"is not an image ({READABLE}): it is empty; copy or export it again"),
            (b"some words of text", f"is not an image ({READABLE}): it holds another format; convert it first"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0", "is really a video: it holds another format; convert it first"),
            (
                b"<!DOCTYPE html><title>404</title>",
                "is really a web page: the image was lost on the way; download or copy it again",
            ),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "is really a Git LFS pointer: the image was lost on the way; download or copy it again",
            ),
            (bytes(500), "is really nothing but zeros: the image was lost on the way; download or copy it again"),
            (BOMB, "is 60000 x 60000, more than 200 million pixels; make it smaller first"),
        ],
        ids=["empty", "text", "video", "web page", "lfs", "zeros", "bomb"],
    )
    @pytest.mark.parametrize("kind", ["folder", "zip", "lmdb"])
    def test_one_line_with_name_reason_and_repair(self, tmp_path, kind, content, reason):
        bad = "16-00000" if kind == "lmdb" else "bad.png"
        if kind == "folder":
            path = fill(tmp_path / "set", {bad: content, "good.png": picture(1)})
        elif kind == "zip":
            path = pack(tmp_path / "set.zip", {bad: content, "good.png": picture(1)})
        else:
            path = store(tmp_path / "set", {**published(2), bad: content})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = ImageFolder(path, SIDE)
        assert data.skipped == {bad: f"{bad} {reason}"}
        assert len(data) == 1
        [told] = [str(w.message) for w in caught]
        assert told == f"{path}: skipped 1 of 2 images: {bad} {reason}"

    def test_a_file_that_may_not_be_read(self, tmp_path, monkeypatch):
        fill(tmp_path, {"a.png": picture(0), "closed.png": picture(1)})
        real = Path.open

        def refuse(path, *args, **kwargs):  # the owner of this test may be root, who may read anything
            if path.name == "closed.png":
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.warns(UserWarning, match=r"skipped 1 of 2 images: closed\.png cannot be read: Permission denied"):
            assert names(ImageFolder(tmp_path, SIDE)) == ["a.png"]
