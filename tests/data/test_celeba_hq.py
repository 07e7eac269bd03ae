"""data/celeba_hq/prepare.py on small archives of CelebAMask-HQ's layout."""

import csv
import os
import zipfile

import numpy as np
import pytest

from stylemap.datasets import open_split, packing
from stylemap.datasets.parts import Part, PartLabels
from stylemap.datasets.published_sets import Counts
from tests.archives import fill, pack_shuffled
from tests.data import colour, encoded, mean_colour, of, picture, refused, script, stored

celeba = script("celeba_hq")
COUNTS = Counts(train=9, val=2, test=3)
FLAGS = ["--resolution", "8", "--workers", "0"]
ROOT = "CelebAMask-HQ"
ATTRIBUTES = ["5_o_Clock_Shadow", "Smiling", "Young"]
SIDE = 6  # of label files


def labels(i: int) -> np.ndarray:
    """The labels of image i: hair at its own place, skin around it, background to the right."""
    values = np.full((SIDE, SIDE), Part.SKIN, np.uint8)
    values[:, -1] = Part.BACKGROUND
    values[i // 4, i % 4] = Part.HAIR
    return values


def content() -> dict[str, bytes]:
    files = {f"{ROOT}/README.txt": b"", f"{ROOT}/CelebAMask-HQ-pose-anno.txt": b"14\n", f"{ROOT}/Thumbs.db": b""}
    mapping = ["idx orig_idx        orig_file"]
    attributes = [str(COUNTS.total), " ".join(ATTRIBUTES) + " "]
    for i in range(COUNTS.total):
        files[f"{ROOT}/CelebA-HQ-img/{i}.jpg"] = picture(i, "JPEG")
        for part, name in ((Part.SKIN, "skin"), (Part.HAIR, "hair")):
            white = (labels(i) == part) | ((labels(i) == Part.HAIR) & (part == Part.SKIN))  # skin goes on below hair
            mask = np.repeat(np.where(white, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2)
            files[f"{ROOT}/CelebAMask-HQ-mask-anno/{i // 4}/{i:05d}_{name}.png"] = encoded(mask)
        mapping.append(f"{i}       {1000 - i}          {1001 - i:06d}.jpg")
        attributes.append(f"{i}.jpg  " + " ".join(str(1 if i >> a & 1 else -1) for a in range(3)) + " ")
    files[f"{ROOT}/CelebA-HQ-to-CelebA-mapping.txt"] = "\n".join(mapping).encode()
    files[f"{ROOT}/CelebAMask-HQ-attribute-anno.txt"] = ("\n".join(attributes) + "\n").encode()
    return files


def run(source, out, *flags, common=FLAGS) -> int:
    return celeba.main([str(source), "--out", str(out), *common, *flags], COUNTS)


def table(path) -> list[dict]:
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


@pytest.fixture
def archive(tmp_path):
    return pack_shuffled(tmp_path / "in.zip", content())


def test_the_published_numbers():
    assert Counts(29_000, 500, 500) == celeba.COUNTS


@pytest.mark.parametrize("make", [pack_shuffled, fill])
def test_pictures_labels_and_table(tmp_path, make):
    assert run(make(tmp_path / "in", content()), tmp_path / "out.zip") == 0
    pictures, maps = stored(tmp_path / "out.zip"), stored(tmp_path / "out-labels.zip")
    assert sorted(os.listdir(tmp_path)) == ["in", "out-labels.zip", "out.csv", "out.zip"]
    assert of("train", pictures) == {f"{i:05d}" for i in range(9)}
    assert of("val", pictures) == {f"{i:05d}" for i in range(9, 11)}
    assert of("test", pictures) == {f"{i:05d}" for i in range(11, 14)}
    assert {name.replace(".jpg", ".png") for name in pictures} == set(maps)
    rows = {row["name"]: row for row in table(tmp_path / "out.csv")}
    assert rows.keys() == pictures.keys()
    found = PartLabels(tmp_path / "out-labels.zip")
    for name, data in pictures.items():
        i = int(name.split("/")[1][:5])
        assert np.allclose(mean_colour(data), colour(i), atol=3)  # JPEG twice
        assert np.array_equal(found.read(name), labels(i))
        row = rows[name]
        assert row["split"] == name.split("/")[0]
        assert (row["celeba_index"], row["celeba_file"]) == (str(1000 - i), f"{1001 - i:06d}.jpg")
        assert [int(row[a]) for a in ATTRIBUTES] == [1 if i >> a & 1 else -1 for a in range(3)]


def test_training_finds_the_splits(tmp_path, archive):
    run(archive, tmp_path / "out.zip")
    training, heldout = open_split(tmp_path / "out.zip", 8, 100)
    assert (len(training), len(heldout)) == (9, 2)


def test_workers_do_not_change_a_byte(tmp_path, archive):
    run(archive, tmp_path / "a.zip")
    run(archive, tmp_path / "b.zip", common=["--resolution", "8", "--workers", "2"])
    for name in ("{}.zip", "{}-labels.zip", "{}.csv"):
        assert (tmp_path / name.format("a")).read_bytes() == (tmp_path / name.format("b")).read_bytes()


def test_names_in_the_table_are_those_in_the_zip(tmp_path, archive):
    run(archive, tmp_path / "out.zip", "--format", "png")
    assert {row["name"] for row in table(tmp_path / "out.csv")} == set(stored(tmp_path / "out.zip"))
    assert all(row["name"].endswith(".png") for row in table(tmp_path / "out.csv"))


@pytest.mark.parametrize("stop", [0, 1, 2], ids=["in the images", "in the labels", "before the table"])
def test_an_unfinished_start_is_continued(tmp_path, archive, monkeypatch, capsys, stop):
    monkeypatch.setattr(packing, "CHUNK", 4)
    run(archive, tmp_path / "whole.zip")
    assemble, left = packing._assemble, iter(range(stop))

    def interrupted(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        assemble(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(packing, "_assemble", interrupted)
        patch.setattr(celeba, "tabulate", interrupted)
        assert run(archive, tmp_path / "out.zip") == 130
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out*.zip")}
    assert len(before) == stop
    assert not (tmp_path / "out.csv").exists()
    assert run(archive, tmp_path / "out.zip") == 0
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    for name in ("{}.zip", "{}-labels.zip", "{}.csv"):
        assert (tmp_path / name.format("out")).read_bytes() == (tmp_path / name.format("whole")).read_bytes()


def test_what_another_command_wrote_is_kept(tmp_path, archive, capsys):
    argv = [archive, "--out", tmp_path / "out.zip", *FLAGS]
    assert run(archive, tmp_path / "out.zip") == 0
    assert "out.csv exists; remove it or choose another --out" in refused(celeba.main, argv, COUNTS, capsys)
    (tmp_path / "out.csv").unlink()
    error = refused(celeba.main, [*argv, "--quality", "50"], COUNTS, capsys)
    assert "out.zip exists; remove it" in error
    (tmp_path / "out.zip").unlink()
    assert "out-labels.zip exists; remove it" in refused(celeba.main, argv, COUNTS, capsys)


class TestWrong:
    def wrong(self, tmp_path, capsys, files: dict[str, bytes], *flags) -> str:
        source = pack_shuffled(tmp_path / "in.zip", files)
        error = refused(celeba.main, [source, "--out", tmp_path / "out.zip", *FLAGS, *flags], COUNTS, capsys)
        assert os.listdir(tmp_path) == ["in.zip"]
        return error

    @pytest.mark.parametrize(
        ("lost", "told"),
        [
            ("CelebA-HQ-img/3.jpg", "missing images: 1 (00003); download it again"),
            ("mask-anno/0/00003", "images without labels in CelebAMask-HQ-mask-anno: 1 (00003)"),
            ("mask-anno", "images without labels in CelebAMask-HQ-mask-anno: 14 (00000, 00001, 00002, ...)"),
            ("mapping.txt", "images not in CelebA-HQ-to-CelebA-mapping.txt: 14 (00000, "),
        ],
    )
    def test_missing(self, tmp_path, capsys, lost, told):
        files = {name: data for name, data in content().items() if lost not in name}
        error = self.wrong(tmp_path, capsys, files)
        assert "in.zip is not CelebAMask-HQ as published: " in error
        assert told in error

    def test_too_many(self, tmp_path, capsys):
        files = content() | {f"{ROOT}/CelebA-HQ-img/14.jpg": picture(0), f"{ROOT}/CelebA-HQ-img/me.jpg": picture(0)}
        told = f"images too many: 2 ({ROOT}/CelebA-HQ-img/14.jpg, {ROOT}/CelebA-HQ-img/me.jpg)"
        assert told in self.wrong(tmp_path, capsys, files)

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("CelebA-HQ-to-CelebA-mapping.txt", "idx orig_idx orig_file\n0 1\n"),
            ("CelebA-HQ-to-CelebA-mapping.txt", "idx orig_idx orig_file\nx 1 000001.jpg\n"),
            ("CelebAMask-HQ-attribute-anno.txt", "14"),
            ("CelebAMask-HQ-attribute-anno.txt", "14\nSmiling\nx.jpg 1\n"),
        ],
    )
    def test_damaged_tables(self, tmp_path, capsys, file, text):
        error = self.wrong(tmp_path, capsys, content() | {f"{ROOT}/{file}": text.encode()})
        assert "in.zip is damaged; unpack or download it again" in error

    def test_a_short_line_of_attributes(self, tmp_path, capsys):
        files = content()
        name = f"{ROOT}/CelebAMask-HQ-attribute-anno.txt"
        files[name] = files[name].replace(b"3.jpg  1 1 -1", b"3.jpg  1 1")
        error = self.wrong(tmp_path, capsys, files)
        assert "images not in CelebAMask-HQ-attribute-anno.txt: 1 (00003)" in error

    def test_two_labels_for_one(self, tmp_path, capsys):
        files = content() | {f"{ROOT}/CelebAMask-HQ-mask-anno/9/00003_skin.png": picture(0)}
        assert "could both be part labels of" in self.wrong(tmp_path, capsys, files)

    def test_another_set(self, tmp_path, capsys):
        error = self.wrong(tmp_path, capsys, {"0.jpg": picture(0)}, "--partial")
        assert "in.zip holds no folder CelebA-HQ-img; name CelebAMask-HQ.zip or what it was unpacked into" in error


class TestPartial:
    def made(self, tmp_path, *lost: str):
        files = {name: data for name, data in content().items() if not any(word in name for word in lost)}
        assert run(pack_shuffled(tmp_path / "in.zip", files), tmp_path / "out.zip", "--partial") == 0
        return table(tmp_path / "out.csv")

    def test_pictures_and_labels(self, tmp_path, capsys):
        rows = self.made(tmp_path, "img/3.jpg", "00004_")
        assert "missing images: 1 (00003); images without labels in" in capsys.readouterr().err
        assert [row["name"] for row in rows] == sorted(stored(tmp_path / "out.zip"), key=lambda name: name[-9:])
        assert len(rows) == 13
        maps = stored(tmp_path / "out-labels.zip")
        assert len(maps) == 12
        assert "train/00004.png" not in maps

    def test_no_labels_at_all(self, tmp_path):
        assert len(self.made(tmp_path, "mask-anno")) == 14
        assert not (tmp_path / "out-labels.zip").exists()

    def test_no_attributes(self, tmp_path):
        rows = self.made(tmp_path, "attribute-anno")
        assert list(rows[0]) == ["name", "split", "celeba_index", "celeba_file"]

    def test_no_mapping(self, tmp_path):
        rows = self.made(tmp_path, "mapping")
        assert {row["celeba_index"] for row in rows} == {""}
        assert [row["Smiling"] for row in rows] == [str(1 if i >> 1 & 1 else -1) for i in range(14)]

    def test_damaged_files_are_told_and_left_out(self, tmp_path, capsys):
        files = content()
        for name in ("CelebA-HQ-img/3.jpg", "CelebAMask-HQ-mask-anno/1/00004_hair.png"):
            files[f"{ROOT}/{name}"] = files[f"{ROOT}/{name}"][:40]
        assert run(pack_shuffled(tmp_path / "in.zip", files), tmp_path / "out.zip") == 0
        told = capsys.readouterr().out
        assert "1 left out:" in told
        assert "1 left out, the first: CelebAMask-HQ/CelebAMask-HQ-mask-anno/1/00004_hair.png is" in told
        assert "train/00003.jpg" not in {row["name"] for row in table(tmp_path / "out.csv")}
        assert "train/00004.png" not in zipfile.ZipFile(tmp_path / "out-labels.zip").namelist()
