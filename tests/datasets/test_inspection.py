"""The report on a set of images: every count against a set made to have it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from stylemap import decoding
from stylemap.datasets import inspection, preparing
from stylemap.datasets.inspection import inspect_source, spread
from stylemap.datasets.sources import open_source
from stylemap.errors import InputError
from tests.archives import fill
from tests.decoding import files

R = 16
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = SRGB.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")  # red is green
EXIF_TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def encoded(kind: str = "PNG", w: int = R, h: int = R, seed: int = 0, mode: str = "RGB", **options) -> bytes:
    y, x = np.mgrid[:h, :w][..., None]
    pixels = (127 + 100 * np.sin(x / 9 + seed + np.arange(3)) * np.cos(y / 7 + seed)).astype(np.uint8)
    return files.encoded(Image.fromarray(pixels).convert(mode), kind, **options)


def checked(tmp_path: Path, content: dict[str, bytes], **options) -> inspection.Report:
    return inspect_source(open_source(fill(tmp_path / "set", content), R), **{"resolution": R, **options})


def untimed(report: inspection.Report) -> inspection.Report:
    return replace(report, images_per_second=1.0, workers_for_gpu=1)


MIXED = {
    "a.jpg": encoded("JPEG", 40, 30, mode="L"),
    "b.jpg": encoded("JPEG", 40, 20, exif=EXIF_TURNED),
    "c.png": encoded("PNG", 20, 20, mode="RGBA"),
    "d.webp": encoded("WEBP", 10, 50),
    "e.png": encoded("PNG", 16, 16),
    "f.png": encoded("PNG", 99, 99, icc_profile=SWAPPED),
    "g.png": encoded("PNG", 99, 99, icc_profile=SRGB),
    "h.png": encoded("PNG", 8, 8, mode="P"),
}


class TestCounts:
    def test_of_a_mixed_set(self, tmp_path):
        report = checked(tmp_path, MIXED)
        assert (report.kind, report.resolution, report.source) == ("folder", R, str(tmp_path / "set"))
        assert (report.pictures, report.readable) == (8, 8)
        assert report.bytes == sum(map(len, MIXED.values()))
        assert report.formats == {"PNG": 5, "JPEG": 2, "WEBP": 1}
        assert list(report.formats) == ["PNG", "JPEG", "WEBP"]
        assert report.modes == {"RGB": 5, "L": 1, "P": 1, "RGBA": 1}
        # short sides: 30 20 20 10 16 99 99 8
        assert (report.smallest_side, report.median_side, report.largest_side) == (8, 20, 99)
        assert report.not_square == 3
        assert report.small == {"h.png": (8, 8), "d.webp": (10, 50)}
        assert (report.turned, report.transparent, report.profiles) == (1, 1, 1)
        assert report.ready == 1
        assert (report.unreadable, report.others, report.splits, report.duplicates, report.leaks) == (
            {},
            {},
            {},
            [],
            [],
        )
        assert report.usable

    def test_the_size_is_that_of_the_upright_picture(self, tmp_path):
        report = checked(tmp_path, {"a.jpg": encoded("JPEG", 40, 12, exif=EXIF_TURNED), "b.png": encoded()})
        assert report.small == {"a.jpg": (12, 40)}

    def test_other_files_by_extension(self, tmp_path):
        others = ["a.PSD", "b.psd", "c.mov", "sub/d.mov", "README", "sub/x.tar.gz"]
        hidden = [".DS_Store", ".thumbnails/a.gif", "__MACOSX/._a.jpg"]
        report = checked(tmp_path, {**MIXED, **dict.fromkeys([*others, *hidden], b"")})
        assert report.others == {".psd": 2, ".mov": 2, "": 1, ".gz": 1}
        assert report.pictures == 8

    @pytest.mark.parametrize("kind", ["zip", "LMDB"])
    def test_other_sources(self, tmp_path, kind):
        if kind == "zip":
            with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
                for name, data in {**MIXED, "dataset.json": b'{"labels": null}', "x.txt": b""}.items():
                    archive.writestr(name, data)
            report = inspect_source(open_source(tmp_path / "set.zip"), R)
            assert report.others == {".txt": 1}
        else:
            lmdb = pytest.importorskip("lmdb")
            with (
                lmdb.open(str(tmp_path / "set"), map_size=1 << 22) as database,
                database.begin(write=True) as transaction,
            ):
                for i, data in enumerate(MIXED.values()):
                    transaction.put(f"16-{i:05d}".encode(), data)
                transaction.put(b"length", b"8")
            report = inspect_source(open_source(tmp_path / "set"), R)
        (tmp_path / "other").mkdir()
        expected = checked(tmp_path / "other", MIXED)
        assert report.kind == kind
        for field in ("pictures", "readable", "bytes", "formats", "modes", "not_square", "turned", "profiles"):
            assert getattr(report, field) == getattr(expected, field)

    def test_nothing(self, tmp_path):
        report = checked(tmp_path, {})
        assert not report.usable
        assert (report.pictures, report.sampled, report.images_per_second, report.prepared_bytes) == (0, 0, 0, 0)

    @pytest.mark.parametrize(("count", "usable"), [(1, False), (2, True)])
    def test_two_are_needed(self, tmp_path, count, usable):
        content = {f"{i}.png": encoded(seed=i) for i in range(count)}
        assert checked(tmp_path, {**content, "bad.png": b""}).usable is usable

    @pytest.mark.parametrize("resolution", [0, -1, 4097])
    def test_resolution_out_of_range(self, tmp_path, resolution):
        with pytest.raises(InputError, match=f"--resolution must be 1 to 4096 pixels, got {resolution}"):
            checked(tmp_path, MIXED, resolution=resolution)


class TestUnreadable:
    def test_each_by_name_with_reason_and_repair(self, tmp_path):
        whole = encoded("JPEG", 90, 90)
        content = {
            "cut.jpg": whole[:-200],  # the header is whole: only decoding finds it
            "empty.jpg": b"",
            "jp2.png": encoded("JPEG2000"),
            "text.jpg": b"just some words",
            "page.jpg": b"<!DOCTYPE html>",
        }
        report = checked(tmp_path, {**MIXED, **content})
        assert (report.pictures, report.readable) == (13, 8)
        assert list(report.unreadable) == sorted(content)
        assert all(reason.startswith(f"{name} ") for name, reason in report.unreadable.items())
        assert all("\n" not in reason for reason in report.unreadable.values())
        assert "damaged or cut short (" in report.unreadable["cut.jpg"]
        assert (
            report.unreadable["jp2.png"] == "jp2.png is really a JPEG 2000: it holds another format; convert it first"
        )
        assert report.bytes == sum(map(len, MIXED.values()))

    def test_lost_links_and_pipes_are_listed(self, tmp_path):
        fill(tmp_path / "set", MIXED)
        (tmp_path / "set" / "link.png").symlink_to("nowhere.png")
        (tmp_path / "set" / "self.png").symlink_to("self.png")
        os.mkfifo(tmp_path / "set" / "pipe.png")
        report = checked(tmp_path, {})
        assert report.readable == 8
        assert "link.png cannot be read: No such file or directory; " in report.unreadable["link.png"]
        assert "self.png cannot be read: Too many levels of symbolic links" in report.unreadable["self.png"]
        assert report.unreadable["pipe.png"] == "pipe.png is not a file; remove it"

    def test_closed_files_are_listed(self, tmp_path, monkeypatch):
        real = Path.read_bytes

        def refuse(path):  # the owner of this test may be root, who may read anything
            if path.name == "a.jpg":
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        source = open_source(fill(tmp_path / "set", MIXED))
        monkeypatch.setattr(Path, "read_bytes", refuse)
        report = inspect_source(source, R)
        assert report.unreadable == {"a.jpg": "a.jpg cannot be read: Permission denied; restore it or make it readable"}

    def test_a_source_that_goes_away_is_no_unreadable_file(self, tmp_path):
        source = open_source(fill(tmp_path / "set", MIXED))
        source.pictures = lambda: ["a.jpg"]
        source.names = source.pictures
        shutil.rmtree(tmp_path / "set")
        with pytest.raises(FileNotFoundError):
            inspect_source(source, R)

    def test_too_large_for_the_memory(self, tmp_path, monkeypatch):
        def fail(data, name):
            raise MemoryError

        source = open_source(fill(tmp_path / "set", {"a.png": encoded()}))
        monkeypatch.setattr(decoding, "inspect", fail)
        assert inspect_source(source, R).unreadable == {
            "a.png": "a.png needs more memory than there is; make it smaller first"
        }

    @pytest.mark.filterwarnings("error")
    def test_remarks_of_the_decoder_are_not_passed_on(self, tmp_path):
        odd = encoded("PNG", mode="P", transparency=b"\0\xff" * 3)  # Pillow warns: should be converted to RGBA
        assert checked(tmp_path, {"a.png": odd, "b.png": encoded()}).transparent == 1


class TestCopies:
    def test_groups_by_content(self, tmp_path):
        one, two = encoded(seed=1), encoded(seed=2)
        content = {"a.png": one, "b.png": two, "c/d.jpg": one, "e.png": one, "f.png": two, "g.png": encoded(seed=3)}
        report = checked(tmp_path, content)
        assert report.duplicates == [["a.png", "c/d.jpg", "e.png"], ["b.png", "f.png"]]
        assert report.leaks == []

    def test_across_splits_is_a_leak(self, tmp_path):
        one, two, three = (encoded(seed=i) for i in range(3))
        content = {"train/a.png": one, "train/b.png": one, "train/c.png": two, "val/d.png": two, "test/e.png": three}
        report = checked(tmp_path, content)
        assert report.duplicates == [["train/a.png", "train/b.png"]]
        assert report.leaks == [["train/c.png", "val/d.png"]]
        assert report.splits == {"train": 3, "val": 1, "test": 1}

    def test_a_leak_counts_only_where_the_folders_do(self, tmp_path):
        one = encoded()
        report = checked(tmp_path, {"train/a.png": one, "val/b.png": one, "stray.png": encoded(seed=1)})
        assert report.splits == {}
        assert report.outside_splits == ["stray.png"]
        assert (report.duplicates, report.leaks) == ([["train/a.png", "val/b.png"]], [])

    def test_unreadable_copies_are_not_told(self, tmp_path):
        assert checked(tmp_path, {"a.png": b"x", "b.png": b"x"}).duplicates == []


class TestSplits:
    @pytest.mark.parametrize("name", ["val/cut.jpg", "stray/cut.jpg"])
    def test_agree_with_training(self, tmp_path, name):
        """Training looks at headers when it starts: an image cut short still decides on what the folders mean."""
        cut = encoded("JPEG", 90, 90)[:-200]
        content = {"train/a.png": encoded(), "train/b.png": encoded(seed=1), "val/c.png": encoded(seed=2), name: cut}
        report = checked(tmp_path, content)
        assert report.splits == ({"train": 2, "val": 1} if name.startswith("val") else {})

    def test_no_hint_where_nothing_looks_like_splits(self, tmp_path):
        assert checked(tmp_path, {"train/a.png": encoded(), "other/b.png": encoded(seed=1)}).outside_splits == []

    def test_splits_of_each_class_do_not_count(self, tmp_path):
        report = checked(tmp_path, {f"{kind}/{part}/a.png": encoded(seed=i) for i, (kind, part) in enumerate(
            (kind, part) for kind in ("cat", "dog") for part in ("Train", "valid"))})  # fmt: skip
        assert report.splits == {}
        assert report.uncounted_splits.startswith(
            "2 images may be trained on though their folders are named like splits, as that of cat/valid/a.png is"
        )


class TestMeasures:
    CONTENT = {f"{i:03}.jpg": encoded("JPEG", 40 + i % 7, 40, seed=i) for i in range(100)}

    def test_size_is_close_to_what_preparing_writes(self, tmp_path):
        report = checked(tmp_path, self.CONTENT, resolution=32)
        preparing.prepare(open_source(tmp_path / "set"), tmp_path / "out.zip", preparing.Options(32))
        # the sample is of the same kind as the rest, so only what differs between images is a guess
        assert report.prepared_bytes == pytest.approx((tmp_path / "out.zip").stat().st_size, rel=0.03)

    def test_size_of_what_is_kept_is_its_own(self, tmp_path):
        content = {f"{i}.png": encoded(seed=i) for i in range(5)}
        report = checked(tmp_path, content)
        assert report.ready == 5
        assert report.prepared_bytes == sum(map(len, content.values())) + 5 * (inspection.OVERHEAD + 4 * len("0.png"))

    def test_speed_is_of_one_process_at_the_resolution(self, tmp_path, monkeypatch):
        clock = [0.0]
        calls = []
        load = decoding.decode_square

        def slow(data, side, name):
            assert cv2.getNumThreads() == 1
            calls.append((name, side))
            clock[0] += 0.004
            return load(data, side, name)

        monkeypatch.setattr(decoding, "decode_square", slow)
        monkeypatch.setattr(inspection.time, "process_time", lambda: clock[0])
        threads = cv2.getNumThreads()
        report = checked(tmp_path, self.CONTENT, resolution=32)
        assert (report.images_per_second, report.workers_for_gpu, report.sampled) == (250.0, 2, 64)
        assert {side for _, side in calls} == {32}
        assert len(calls) == 64 + 1  # the first is not counted
        assert cv2.getNumThreads() == threads

    def test_a_clock_that_stands_still(self, tmp_path, monkeypatch):
        monkeypatch.setattr(inspection.time, "process_time", lambda: 0.0)
        assert checked(tmp_path, MIXED).workers_for_gpu == 1

    def test_a_file_that_goes_away_between_is_passed_over(self, tmp_path):
        source = open_source(fill(tmp_path / "set", MIXED))
        assert inspection.measure(source, ["a.jpg", "gone.jpg", "c.png"], R, lambda n: None)[0] == 2

    def test_sample_is_spread_evenly(self):
        assert spread([str(i) for i in range(100)], 4) == ["0", "25", "50", "75"]
        assert spread(["a", "b"], 64) == ["a", "b"]
        assert spread([], 64) == []


class TestRunning:
    def test_workers_do_not_matter(self, tmp_path):
        content = {**MIXED, "bad.png": b"", "copy.png": MIXED["e.png"], "cut.jpg": encoded("JPEG", 90, 90)[:-200]}
        assert untimed(checked(tmp_path, content)) == untimed(checked(tmp_path, content, workers=2))

    def test_progress_reaches_its_end(self, tmp_path):
        told = []
        checked(tmp_path, {**MIXED, "bad.png": b""}, progress=lambda *now: told.append(now))
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1]
        assert len({total for _, total in told}) == 1

    def test_dictionary_is_json(self, tmp_path):
        report = checked(tmp_path, {**MIXED, os.fsdecode(b"caf\xe9.png"): b"", "tiny.png": encoded(w=3, h=4)})
        again = json.loads(json.dumps(report.as_dict()))
        assert again["small"]["tiny.png"] == [3, 4]
        assert again["usable"] is True
        assert again["unreadable"] == report.unreadable
        assert again.keys() == {*inspection.Report.__dataclass_fields__, "usable"}

    def test_knows_no_torch(self):
        script = "import sys, stylemap.cli.check; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", script]).returncode == 0
