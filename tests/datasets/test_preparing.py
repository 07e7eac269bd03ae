"""Preparing images: what is kept, what is changed, what is told."""

import io
import json
import os
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylemap import decoding, resampling
from stylemap.datasets import ImageFolder, open_split, preparing
from stylemap.datasets.preparing import Options, assign_names, choose_splits, prepare
from stylemap.datasets.sources import open_source
from stylemap.errors import InputError
from tests.archives import fill
from tests.decoding import files

SIDE = 16


def pixels(h: int, w: int, seed: int = 0) -> np.ndarray:
    """uint8 [h, w, 3], smooth enough for JPEG."""
    y, x = np.mgrid[:h, :w][..., None]
    return (127 + 100 * np.sin(x / 9 + seed + np.arange(3)) * np.cos(y / 7 + seed)).astype(np.uint8)


def encoded(kind: str, h: int = SIDE, w: int = SIDE, seed: int = 0, mode: str = "RGB", **options) -> bytes:
    return files.encoded(Image.fromarray(pixels(h, w, seed)).convert(mode), kind, **options)


def made(tmp_path: Path, content: dict[str, bytes], places=None, **options):
    """-> (content of its dataset.json, zip path) of preparing a folder."""
    out = tmp_path / "out.zip"
    source = open_source(fill(tmp_path / "set", content))
    return prepare(source, out, Options(**{"resolution": SIDE, **options}), places), out


def counted(content: dict, what: str) -> int:
    return sum(image.get(what, False) for image in content["images"])


def left_out(content: dict) -> dict[str, str]:
    """Name -> why."""
    return {image["source"]: image["why"] for image in content["left_out"]}


def manifest(path: Path) -> dict:
    return json.loads(zipfile.ZipFile(path).read("dataset.json"))


class TestPictures:
    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("a.jpg", encoded("JPEG")),
            ("a.jpeg", encoded("JPEG", mode="L")),
            ("a.png", encoded("PNG")),
            ("a.webp", encoded("WEBP")),
        ],
    )
    def test_what_fits_is_kept_byte_for_byte(self, tmp_path, name, data):
        content, out = made(tmp_path, {name: data})
        assert counted(content, "kept") == 1
        [stored, _] = zipfile.ZipFile(out).namelist()
        assert zipfile.ZipFile(out).read(stored) == data

    @pytest.mark.parametrize(
        "data",
        [
            encoded("PNG", mode="RGBA"),
            encoded("PNG", mode="P"),
            encoded("JPEG", mode="CMYK"),
            encoded(
                "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
            ),  # lies on its side
            encoded("PNG", SIDE + 1, SIDE + 1),
            encoded("PNG", SIDE, SIDE + 1),
        ],
        ids=["alpha", "palette", "cmyk", "turned", "larger", "not square"],
    )
    def test_what_does_not_fit_is_converted_as_training_would_see_it(self, tmp_path, data):
        content, out = made(tmp_path, {"a.png": data}, kind="png")
        assert counted(content, "kept") == 0
        stored = Image.open(io.BytesIO(zipfile.ZipFile(out).read("a.png")))
        assert (stored.format, stored.mode, stored.size) == ("PNG", "RGB", (SIDE, SIDE))
        assert np.array_equal(np.asarray(stored), decoding.decode_square(data, SIDE))

    def test_jpeg_is_close_and_keeps_colour_resolution(self, tmp_path):
        _, out = made(tmp_path, {"a.png": encoded("PNG", 64, 64)})
        stored = Image.open(io.BytesIO(zipfile.ZipFile(out).read("a.jpg")))
        assert stored.layer == [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]  # sampling 1x1 for all three: 4:4:4
        # the largest quantisation step at quality 95 is 12 and a smooth image uses few coefficients
        assert abs(np.asarray(stored).astype(int) - resampling.fit(pixels(64, 64), SIDE)).max() <= 12

    def test_quality_changes_the_size(self, tmp_path):
        sizes = [len(preparing.encode(pixels(64, 64), Options(64, quality=q))[1]) for q in (50, 95)]
        assert sizes[0] < sizes[1]

    def test_pad_keeps_everything_on_white(self, tmp_path):
        _, out = made(tmp_path, {"a.png": encoded("PNG", SIDE, SIDE // 2)}, pad=True, kind="png")
        stored = np.asarray(Image.open(io.BytesIO(zipfile.ZipFile(out).read("a.png"))))
        assert np.array_equal(stored[:, SIDE // 4 : -SIDE // 4], pixels(SIDE, SIDE // 2))
        assert (stored[:, : SIDE // 4] == 255).all()
        assert (stored[:, -SIDE // 4 :] == 255).all()

    @pytest.mark.parametrize(("pad", "enlarged"), [(False, 2), (True, 1)])
    def test_enlarging_is_told_and_can_be_refused(self, tmp_path, pad, enlarged):
        pictures = {
            "large.png": encoded("PNG", 20, 20),
            "flat.png": encoded("PNG", 10, 20),
            "tiny.png": encoded("PNG", 3, 3),
        }
        content, _ = made(tmp_path, pictures, pad=pad)
        assert (len(content["images"]), counted(content, "enlarged")) == (3, enlarged)
        (tmp_path / "out.zip").unlink()
        content, _ = made(tmp_path, pictures, pad=pad, skip_small=True)
        assert (len(content["images"]), counted(content, "enlarged")) == (3 - enlarged, 0)
        assert left_out(content)["tiny.png"] == "tiny.png is 3 x 3, smaller than 16 px"

    def test_damaged_pictures_are_told(self, tmp_path):
        cut = encoded("PNG", 99, 99)[:-300]
        kept_but_cut = encoded("JPEG")[:-90]  # its header alone would fit
        content, out = made(tmp_path, {"a.png": encoded("PNG"), "b.png": cut, "c.png": b"", "d.jpg": kept_but_cut})
        assert len(content["images"]) == 1
        assert list(left_out(content)) == ["b.png", "c.png", "d.jpg"]
        assert all(why.startswith(name) for name, why in left_out(content).items())
        assert [entry["source"] for entry in manifest(out)["left_out"]] == ["b.png", "c.png", "d.jpg"]

    def test_dangling_link_is_told(self, tmp_path):
        fill(tmp_path / "set", {"a.png": encoded("PNG")})
        (tmp_path / "set" / "b.png").symlink_to("nowhere.png")
        content, _ = made(tmp_path, {})
        assert left_out(content) == {
            "b.png": "b.png cannot be read: No such file or directory; restore it or make it readable"
        }

    def test_a_disk_that_goes_away_is_no_damaged_picture(self, tmp_path, monkeypatch):
        source = open_source(fill(tmp_path / "set", {"a.png": encoded("PNG")}))
        places = {"a.png": "a.png"}
        (tmp_path / "set" / "a.png").unlink()
        (tmp_path / "set").rmdir()
        with pytest.raises(OSError, match="No such file"):
            prepare(source, tmp_path / "out.zip", Options(SIDE), places)

    def test_a_link_to_itself_is_told(self, tmp_path):
        fill(tmp_path / "set", {"a.png": encoded("PNG")})
        (tmp_path / "set" / "b.png").symlink_to("b.png")
        assert "b.png cannot be read" in left_out(made(tmp_path, {})[0])["b.png"]

    def test_copies(self, tmp_path):
        pictures = {"a.png": encoded("PNG"), "b.png": encoded("PNG"), "c.png": encoded("PNG", seed=1)}
        assert len(made(tmp_path, pictures)[0]["images"]) == 3
        (tmp_path / "out.zip").unlink()
        content, out = made(tmp_path, pictures, drop_duplicates=True)
        assert (len(content["images"]), len(content["duplicates"])) == (2, 1)
        assert zipfile.ZipFile(out).namelist() == ["a.png", "c.png", "dataset.json"]


class TestNames:
    def test_the_extension_says_what_is_stored(self, tmp_path):
        _, out = made(tmp_path, {"x/a.JPG": encoded("PNG"), "y/b.png": encoded("JPEG", 20, 20)})
        assert zipfile.ZipFile(out).namelist() == ["x/a.png", "y/b.jpg", "dataset.json"]

    def test_equal_stems_keep_their_extension(self, tmp_path):
        _, out = made(tmp_path, {"a.jpg": encoded("PNG"), "a.png": encoded("PNG", seed=1), "b.png": encoded("PNG")})
        assert zipfile.ZipFile(out).namelist() == ["a.jpg.png", "a.png.png", "b.png", "dataset.json"]

    def test_equal_stems_in_turn(self):
        names = ("a.jpg", "a.png", "a.png.jpg", "b.png")
        assert dict(assign_names({name: name for name in names})) == {n: n if n != "b.png" else "b" for n in names}

    def test_names_that_cannot_be_told_apart(self):
        with pytest.raises(InputError, match=r"x\.jpg and y\.jpg would both be stored as a\.jpg; rename one"):
            assign_names({"x.jpg": "a.jpg", "y.jpg": "a.jpg"})

    @pytest.mark.parametrize("name", ["ü/日本 語.png", "a" * 251 + ".png"], ids=["unicode", "255 bytes"])
    def test_odd_names(self, tmp_path, name):
        _, out = made(tmp_path, {name: encoded("PNG")})
        assert zipfile.ZipFile(out).namelist()[0] == name
        assert ImageFolder(out, SIDE).name(0) == name

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not store such names")
    def test_a_name_in_no_encoding(self, tmp_path):
        fill(tmp_path / "set", {os.fsdecode(b"caf\xe9.png"): encoded("PNG")})
        content, out = made(tmp_path, {})
        assert len(content["images"]) == 1
        assert zipfile.ZipFile(out).namelist()[0] == "caf%E9.png"

    def test_names_that_lead_out_of_the_zip(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
            for name in ("../up.png", "/root.png", "fine.png"):
                archive.writestr(name, encoded("PNG"))
        content = prepare(open_source(tmp_path / "odd.zip"), tmp_path / "out.zip", Options(SIDE))
        assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["fine.png", "dataset.json"]
        assert set(left_out(content)) == {"../up.png", "/root.png"}


class TestSplits:
    NAMES = [f"{i}.png" for i in range(20)]

    @staticmethod
    def images(names, copies=()):
        """Records with a hash of their own, but for groups of copies."""
        shared = {name: group[0] for group in copies for name in group}
        return [{"name": name, "sha256": shared.get(name, name)} for name in names]

    def test_held_out(self):
        split = choose_splits(self.images(self.NAMES), 3, 2)
        assert sorted(split) == sorted(self.NAMES)
        counted = list(split.values())
        assert (counted.count("val"), counted.count("test"), counted.count("train")) == (3, 2, 15)

    def test_copies_stay_together(self):
        copies = [self.NAMES[i : i + 2] for i in range(0, 20, 2)]
        split = choose_splits(self.images(self.NAMES, copies), 4, 2)
        assert all(split[a] == split[b] for a, b in copies)
        assert list(split.values()).count("val") == 4

    def test_more_pictures_do_not_move_one_from_training_to_held_out(self):
        before = choose_splits(self.images(self.NAMES), 3, 0)
        after = choose_splits(self.images([*self.NAMES, "x.png", "y.png", "z.png"]), 3, 0)
        assert not any(before[n] == "train" and after[n] == "val" for n in self.NAMES)

    @pytest.mark.parametrize(("val", "test"), [(20, 0), (0, 20), (10, 10), (-1, 1)])
    def test_too_many(self, tmp_path, val, test):
        with pytest.raises(InputError, match="cannot hold out .* of 20 images; lower --heldout or --test"):
            preparing.validate_holdout(self.NAMES, val, test)

    def test_nothing_left_but_copies(self):
        with pytest.raises(InputError, match="copies together, leaves none to train on"):
            choose_splits(self.images(["a", "b"], [["a", "b"]]), 1, 0)

    def test_split_already(self):
        with pytest.raises(InputError, match="already; remove --heldout and --test"):
            preparing.validate_holdout(["train/a.png", "val/b.png"], 1, 0)

    def test_training_finds_them(self, tmp_path):
        pictures = {name: encoded("PNG", seed=i) for i, name in enumerate(self.NAMES)}
        pictures["bad.png"] = b""  # takes no place
        out = tmp_path / "out.zip"
        content = prepare(open_source(fill(tmp_path / "set", pictures)), out, Options(SIDE), holdout=(3, 2))
        assert Counter(image["name"].split("/")[0] for image in content["images"]) == {"train": 15, "val": 3, "test": 2}
        training, heldout = open_split(out, SIDE, 100)
        assert (len(training), len(heldout)) == (15, 3)
        assert all(heldout.name(i).startswith("val/") for i in range(3))

    @pytest.mark.parametrize("drop", [False, True])
    def test_no_held_out_picture_is_trained_on(self, tmp_path, drop):
        pictures = {f"{i}{copy}.png": encoded("PNG", seed=i) for i in range(12) for copy in ("", " (1)")}
        out = tmp_path / "out.zip"
        options = Options(SIDE, drop_duplicates=drop)
        content = prepare(open_source(fill(tmp_path / "set", pictures)), out, options, holdout=(4, 0))
        assert sum(image["name"].startswith("val/") for image in content["images"]) == 4
        archive = zipfile.ZipFile(out)
        sides = {part: {archive.read(n) for n in archive.namelist() if n.startswith(part)} for part in ("train", "val")}
        assert not sides["train"] & sides["val"]


class TestWhole:
    CONTENT = {f"{i:02}.png": encoded("PNG", 12 + i, 20, seed=i) for i in range(12)} | {"bad.png": b"no"}

    def test_training_reads_the_same_pixels_without_checking_again(self, tmp_path, monkeypatch):
        _, out = made(tmp_path, self.CONTENT, kind="png")
        monkeypatch.setattr(decoding, "read_size", lambda *_: pytest.fail("a header was read again"))
        data = ImageFolder(out, SIDE)
        assert len(data) == 12
        for i in range(12):
            assert np.array_equal(data[i], decoding.decode_square(self.CONTENT[data.name(i)], SIDE))

    def test_same_bytes_from_another_place_later_and_with_workers(self, tmp_path):
        _, out = made(tmp_path / "a", self.CONTENT)
        again = tmp_path / "again.zip"
        fill(tmp_path / "b" / "set", dict(reversed(self.CONTENT.items())))
        prepare(open_source(tmp_path / "b" / "set"), again, Options(SIDE), workers=2)
        assert again.read_bytes() == out.read_bytes()

    def test_prepared_again_it_is_kept(self, tmp_path):
        _, out = made(tmp_path, self.CONTENT)
        content = prepare(open_source(out), tmp_path / "again.zip", Options(SIDE))
        assert (len(content["images"]), counted(content, "kept")) == (12, 12)

    def test_manifest(self, tmp_path):
        _, out = made(tmp_path, self.CONTENT)
        content = manifest(out)
        assert content["counts"] == {"pictures": 13, "images": 12, "left_out": 1}
        assert content["options"]["resolution"] == SIDE
        assert content["source"]["name"] == "set"
        first = content["images"][0]
        assert (first["name"], first["source"], first["size"]) == ("00.jpg", "00.png", [20, 12])
        assert len(first["sha256"]) == 64

    def test_a_changed_source_changes_its_hash(self, tmp_path):
        hashes = []
        for i, seed in enumerate((0, 1)):
            _, out = made(tmp_path / str(i), {"a.png": encoded("PNG", seed=seed)})
            hashes.append(manifest(out)["source"]["sha256"])
        assert hashes[0] != hashes[1]

    def test_labels_of_a_nvidia_zip_are_carried_over(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "n.zip", "w") as archive:
            for i in range(3):
                archive.writestr(f"00000/img0000000{i}.png", encoded("PNG", 20, 20, seed=i))
            labels = [[f"00000/img0000000{i}.png", i % 2] for i in range(3)]
            archive.writestr("dataset.json", json.dumps({"labels": labels}))
        prepare(open_source(tmp_path / "n.zip"), tmp_path / "out.zip", Options(SIDE))
        assert manifest(tmp_path / "out.zip")["labels"] == [[f"00000/img0000000{i}.jpg", i % 2] for i in range(3)]

    @pytest.mark.parametrize("content", [{}, {"notes.txt": b""}], ids=["empty", "other files"])
    def test_no_picture(self, tmp_path, content):
        (tmp_path / "set").mkdir()
        with pytest.raises(InputError, match="set holds no image .JPEG, .* or HEIC.; add some or convert them"):
            made(tmp_path, content)

    def test_no_usable_picture(self, tmp_path):
        with pytest.raises(
            InputError, match=r"no image that can be used: all 2 fail, the first: a\.png is not an image"
        ):
            made(tmp_path, {"a.png": b"", "b.png": b"x"})
        assert os.listdir(tmp_path) == ["set"]

    def test_one_picture(self, tmp_path):
        assert len(made(tmp_path, {"a.png": encoded("PNG")})[0]["images"]) == 1

    @pytest.mark.parametrize(
        ("field", "value"), [("resolution", 0), ("resolution", 5000), ("quality", 0), ("quality", 101)]
    )
    def test_options_out_of_range(self, field, value):
        with pytest.raises(InputError, match=f"{field} must be a whole number from 1 to .*, not {value}"):
            Options(**{field: value})
