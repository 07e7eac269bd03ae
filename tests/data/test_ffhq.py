"""data/ffhq/prepare.py on small archives of FFHQ's layouts."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from stylemap.datasets import open_split, packing
from stylemap.datasets.published_sets import Counts
from tests.archives import fill, pack_shuffled
from tests.data import ROOT, colour, mean_colour, of, picture, refused, script, stored

COUNTS = Counts(train=20, val=3, test=4)
PICTURES = {i: picture(i) for i in range(27)}
FLAGS = ["--resolution", "8", "--workers", "0"]
PARALLEL = ["--resolution", "8", "--workers", "2"]
LAYOUTS = {
    "flat": "{:05d}.png",
    "folders": "images1024x1024/{0:02d}000/{0:05d}.png",
    "nvidia": "00000/img{:08d}.png",
}
ffhq = script("ffhq")


def content(layout: str = "flat") -> dict[str, bytes]:
    return {LAYOUTS[layout].format(i): data for i, data in PICTURES.items()}


def metadata(path, records):
    path.write_text(json.dumps(records))
    return path


def records() -> dict:
    def record(i: int) -> dict:
        path = f"images1024x1024/00000/{i:05d}.png"
        return {"image": {"file_path": path, "file_md5": hashlib.md5(PICTURES[i]).hexdigest()}}

    return {str(i): record(i) for i in PICTURES}


def run(source, out, *flags, common=FLAGS) -> int:
    return ffhq.main([str(source), "--out", str(out), *common, *map(str, flags)], COUNTS)


def test_the_published_numbers():
    assert Counts(69_000, 500, 500) == ffhq.COUNTS
    assert ffhq.COUNTS.total == 70_000
    assert [ffhq.COUNTS.split(i) for i in (0, 68_999, 69_000, 69_499, 69_500, 69_999)] == [
        "train", "train", "val", "val", "test", "test"
    ]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("make", [pack_shuffled, fill])
def test_layouts(tmp_path, layout, make):
    source = make(tmp_path / "ffhq.zip", content(layout))
    if make is fill:  # with what else a whole download holds
        fill(source, {"LICENSE.txt": b"", "ffhq-dataset-v2.json": b"{}"})
    assert run(source, tmp_path / "out.zip") == 0
    found = stored(tmp_path / "out.zip")
    assert of("train", found) == {f"{i:05d}" for i in range(20)}
    assert of("val", found) == {f"{i:05d}" for i in range(20, 23)}
    assert of("test", found) == {f"{i:05d}" for i in range(23, 27)}
    assert len(found) == 27
    for name, data in found.items():  # JPEG of one colour: rounding of YCbCr and back, 1 or 2 levels
        assert np.allclose(mean_colour(data), colour(int(name.split("/")[1][:5])), atol=2)


def test_of_a_whole_download_the_aligned_pictures_are_taken(tmp_path):
    others = {f"thumbnails128x128/00000/{i:05d}.png": picture(400) for i in range(27)}
    others |= {f"in-the-wild-images/00000/{i:05d}.png": picture(401) for i in range(27)}
    assert run(pack_shuffled(tmp_path / "in.zip", content("folders") | others), tmp_path / "out.zip") == 0
    for name, data in stored(tmp_path / "out.zip").items():
        assert np.allclose(mean_colour(data), colour(int(name.split("/")[1][:5])), atol=2)


def test_training_finds_the_splits(tmp_path):
    run(pack_shuffled(tmp_path / "in.zip", content()), tmp_path / "out.zip")
    training, heldout = open_split(tmp_path / "out.zip", 8, 100)
    assert (len(training), len(heldout)) == (20, 3)


def test_an_unfinished_start_is_continued(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packing, "CHUNK", 4)
    source = pack_shuffled(tmp_path / "in.zip", content())
    assert run(source, tmp_path / "whole.zip") == 0
    with monkeypatch.context() as patch:
        patch.setattr(packing, "_assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(source, tmp_path / "out.zip") == 130
    assert "run the same command again" in capsys.readouterr().err
    assert not (tmp_path / "out.zip").exists()
    kept = {p.name: p.stat().st_mtime_ns for p in packing.unfinished(tmp_path / "out.zip").glob("0*.zip")}
    assert len(kept) == 7
    monkeypatch.setattr(packing, "_write_chunk", lambda *_: pytest.fail("a finished chunk was made again"))
    assert run(source, tmp_path / "out.zip") == 0
    assert (tmp_path / "out.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()


class TestIncomplete:
    def wrong(self, tmp_path, capsys, files: dict[str, bytes], *flags) -> str:
        source = pack_shuffled(tmp_path / "in.zip", files)
        error = refused(ffhq.main, [source, "--out", tmp_path / "out.zip", *FLAGS, *flags], COUNTS, capsys)
        assert os.listdir(tmp_path) == ["in.zip"]
        return error

    def test_missing(self, tmp_path, capsys):
        files = content()
        for i in (3, 7, 11, 26):
            del files[f"{i:05d}.png"]
        error = self.wrong(tmp_path, capsys, files)
        assert "in.zip is not FFHQ as published: missing images: 4 (00003, 00007, 00011, ...); " in error
        assert error.endswith("download it again, or take what is there with --partial")

    def test_too_many(self, tmp_path, capsys):
        error = self.wrong(tmp_path, capsys, content() | {"teaser.png": picture(0), "00027.png": picture(0)})
        assert "images too many: 2 (00027.png, teaser.png)" in error

    def test_twice(self, tmp_path, capsys):
        error = self.wrong(tmp_path, capsys, content() | {"small/00004.png": picture(0)})
        assert "00004.png and small/00004.png are both image 4; name the folder with one of them" in error

    def test_another_set(self, tmp_path, capsys):
        error = self.wrong(tmp_path, capsys, {"cat.png": picture(0), "notes.txt": b""}, "--partial")
        assert "in.zip holds no image named 00000.png or the like; name the folder with them" in error

    def test_partial(self, tmp_path, capsys):
        files = content() | {"teaser.png": picture(0)}
        del files["00003.png"]
        assert run(pack_shuffled(tmp_path / "in.zip", files), tmp_path / "out.zip", "--partial") == 0
        assert "note: " in (told := capsys.readouterr().err)
        assert "missing images: 1 (00003); images too many: 1 (teaser.png); taken as it is" in told
        found = stored(tmp_path / "out.zip")
        assert len(found) == 26
        assert of("val", found) == {"00020", "00021", "00022"}  # the others stay where they are

    @pytest.mark.parametrize("source", ["none.zip", "text.zip"])
    def test_no_archive(self, tmp_path, capsys, source):
        (tmp_path / "text.zip").write_text("no zip")
        error = refused(ffhq.main, [tmp_path / source, "--out", tmp_path / "out.zip"], COUNTS, capsys)
        assert source in error
        assert os.listdir(tmp_path) == ["text.zip"]

    def test_an_existing_zip_is_kept(self, tmp_path, capsys):
        (tmp_path / "out.zip").write_text("precious")
        source = pack_shuffled(tmp_path / "in.zip", content())
        assert "out.zip exists" in refused(ffhq.main, [source, "--out", tmp_path / "out.zip", *FLAGS], COUNTS, capsys)
        assert (tmp_path / "out.zip").read_text() == "precious"


class TestMetadata:
    @pytest.mark.parametrize("common", [FLAGS, PARALLEL], ids=["here", "two workers"])
    def test_all_whole(self, tmp_path, capsys, common):
        source = fill(tmp_path / "in", content("folders"))
        json_file = metadata(tmp_path / "v2.json", records())
        assert run(source, tmp_path / "out.zip", "--metadata", json_file, common=common) == 0
        assert "27 of 27 images have the MD5" in capsys.readouterr().out

    def test_damaged_files_are_named_and_nothing_is_written(self, tmp_path, capsys):
        source = fill(tmp_path / "in", content("folders") | {"images1024x1024/05000/00005.png": picture(6)})
        argv = [source, "--out", tmp_path / "out.zip", *FLAGS, "--metadata", metadata(tmp_path / "v2.json", records())]
        assert ffhq.main([str(a) for a in argv], COUNTS) == 2
        assert "images with another MD5: 1 (images1024x1024/05000/00005.png)" in capsys.readouterr().err
        assert sorted(os.listdir(tmp_path)) == ["in", "v2.json"]

    def test_partial_leaves_damaged_ones_out(self, tmp_path):
        source = pack_shuffled(tmp_path / "in.zip", content() | {"00005.png": picture(6)})
        json_file = metadata(tmp_path / "v2.json", records())
        assert run(source, tmp_path / "out.zip", "--metadata", json_file, "--partial") == 0
        assert of("train", stored(tmp_path / "out.zip")) == {f"{i:05d}" for i in range(20) if i != 5}

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"0": {}}', '{"0": {"image": {"file_path": "x.png"}}}'])
    def test_another_file(self, tmp_path, capsys, text):
        (tmp_path / "v2.json").write_text(text)
        source = pack_shuffled(tmp_path / "in.zip", content())
        argv = [source, "--out", tmp_path / "out.zip", *FLAGS, "--metadata", tmp_path / "v2.json"]
        assert "v2.json is not FFHQ's ffhq-dataset-v2.json" in refused(ffhq.main, argv, COUNTS, capsys)

    def test_missing_file(self, tmp_path, capsys):
        argv = [
            pack_shuffled(tmp_path / "in.zip", content()),
            "--out",
            tmp_path / "out.zip",
            "--metadata",
            tmp_path / "none",
        ]
        assert "none cannot be read: No such file" in refused(ffhq.main, argv, COUNTS, capsys)


@pytest.mark.parametrize("name", ["ffhq", "afhq", "celeba_hq"])
def test_scripts_run_from_a_checkout_that_is_not_installed(tmp_path, name):
    """Another folder, no site-packages of ours: only the script's own path leads to the library."""
    command = [sys.executable, str(ROOT / "data" / name / "prepare.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--partial" in done.stdout
    assert os.listdir(tmp_path) == []
