"""Part labels: which file belongs to which image, what the files mean, and zips of label maps."""

import io
import json
import multiprocessing
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylemap.datasets import Avatars
from stylemap.datasets.parts import FILE_PARTS, GROUPS, Part, PartLabels, part_ids
from stylemap.datasets.parts.preparing import prepare_parts
from stylemap.errors import InputError
from tests.archives import pack_shuffled
from tests.decoding.files import encoded
from tests.decoding.files import png as stored_png

SIDE = 8


def png(values: np.ndarray, mode: str | None = None, **options) -> bytes:
    picture = Image.fromarray(values)
    return encoded(picture if mode is None else picture.convert(mode), **options)


def uniform(part: int) -> bytes:
    return png(np.full((SIDE, SIDE), part, np.uint8))


def white(rows: slice) -> bytes:
    """As CelebAMask-HQ stores a part: RGB, black and white."""
    mask = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask[rows] = 255
    return png(mask)


def opened(tmp_path: Path, content: dict[str, bytes], folder: str = "") -> PartLabels:
    return PartLabels(pack_shuffled(tmp_path / "labels.zip", content), folder)


def found(labels: PartLabels, name: str) -> list[str]:
    return list(labels.files(name).values())


class TestGroups:
    def test_published(self):
        assert {name: tuple(map(int, ids)) for name, ids in GROUPS.items()} == {
            "background": (0,), "skin": (1,), "nose": (2,), "eye": (3, 4, 5), "eyebrow": (6, 7), "ear": (8, 9, 15),
            "lip": (10, 11, 12), "hair": (13, 14), "neck": (16, 17), "cloth": (18,),
        }  # fmt: skip

    def test_every_part_is_in_one_group_and_but_for_the_background_has_files(self):
        assert sorted(part for group in GROUPS.values() for part in group) == list(Part)
        assert sorted([Part.BACKGROUND, *FILE_PARTS.values()]) == list(Part)

    def test_file_names_of_the_data_set(self):
        assert {name: int(part) for name, part in FILE_PARTS.items()} == {
            "skin": 1, "nose": 2, "eye_g": 3, "l_eye": 4, "r_eye": 5, "l_brow": 6, "r_brow": 7, "l_ear": 8, "r_ear": 9,
            "mouth": 10, "u_lip": 11, "l_lip": 12, "hair": 13, "hat": 14, "ear_r": 15, "neck_l": 16, "neck": 17, "cloth": 18,
        }  # fmt: skip

    def test_members(self):
        assert part_ids("ear") == (8, 9, 15)
        assert part_ids([13, Part.NOSE]) == (13, 2)

    @pytest.mark.parametrize(
        ("parts", "told"), [("eyes", "unknown part 'eyes'; known are background,"), ([19], "0 to 18")]
    )
    def test_unknown(self, parts, told):
        with pytest.raises(InputError, match=told):
            part_ids(parts)


class TestPairing:
    """`files` gives what belongs to an image."""

    @pytest.mark.parametrize(
        ("picture", "label"),
        [
            ("a.jpg", "a.png"),
            ("train/a.jpg", "train/a.png"),
            ("images/a.webp", "labels/a.PNG"),
            ("7.jpg", "00007.png"),
            ("train/00007.jpg", "3/7.png"),
            ("CelebA-HQ-img/7.jpg", "CelebAMask-HQ-mask-anno/0/00007_skin.png"),
            ("train/256-00007", "train/256-00007.png"),  # LMDB
            ("b.c.jpg", "b.c.png"),
            ("a_hat.jpg", "a_hat.png"),  # a label map, though it ends like a part
            ("x/a_hat.jpg", "y/a_hat.png"),
            ("ü/日本 語.jpg", "日本 語_neck_l.png"),
            ("1.5.jpg", "1.5.png"),
            ("zoe\u0301.jpg", "zo\u00e9.png"),  # as the command line of a Mac names it
            ("x\\a.jpg", "x/a.png"),
            ("7" * 5000 + ".jpg", "0" + "7" * 5000 + "_skin.png"),
            ("Training/a.jpg", "train/a.png"),
        ],
    )
    def test_pairs(self, tmp_path, picture, label):
        labels = opened(
            tmp_path, {label: uniform(1), "other.png": uniform(2), "8.png": uniform(2), "9_skin.png": uniform(2)}
        )
        assert found(labels, picture) == [label]
        assert picture in labels

    @pytest.mark.parametrize("picture", ["b.jpg", "10.jpg", "A.jpg", "a.b.jpg", "a_skin.jpg", "a1.jpg", "Valid/a.jpg"])
    def test_does_not_pair(self, tmp_path, picture):
        labels = opened(tmp_path, {"train/a.png": uniform(1), "0100.png": uniform(1), "1.png": uniform(1)})
        assert picture not in labels
        with pytest.raises(
            InputError, match=r"labels\.zip holds no part labels of .*: no .*\.png or .*_skin\.png and so on"
        ):
            labels.files(picture)

    def test_the_nearer_name_goes_first(self, tmp_path):
        labels = opened(tmp_path, {"x/7.png": uniform(1), "00007.png": uniform(3)})
        assert found(labels, "x/7.jpg") == ["x/7.png"]
        assert found(labels, "y/7.jpg") == ["x/7.png"]
        assert found(labels, "y/00007.jpg") == ["00007.png"]
        with pytest.raises(InputError, match="could both be part labels of 007.jpg"):
            labels.files("007.jpg")

    @pytest.mark.parametrize(
        ("picture", "candidates"),
        [
            ("a.jpg", ["x/a.png", "y/a.png"]),
            ("7.jpg", ["007.png", "00007_skin.png"]),
            ("7.jpg", ["x/00007_skin.png", "y/00007_hair.png"]),
            ("a.jpg", ["a.png", "a_hair.png"]),
        ],
    )
    def test_ambiguous(self, tmp_path, picture, candidates):
        labels = opened(tmp_path, {name: uniform(1) for name in candidates})
        with pytest.raises(InputError, match="could both be part labels of .*; keep one or name its folder") as caught:
            labels.files(picture)
        assert all(name in str(caught.value) for name in candidates)
        assert "\n" not in str(caught.value)

    def test_one_split_never_answers_for_another(self, tmp_path):
        labels = opened(
            tmp_path, {"labels/train/7.png": uniform(1), "labels/val/7.png": uniform(2), "test/8.png": uniform(3)}
        )
        assert found(labels, "train/7.jpg") == ["labels/train/7.png"]
        assert found(labels, "val/00007.jpg") == ["labels/val/7.png"]
        assert "train/8.jpg" not in labels
        assert "8.jpg" in labels

    def test_a_folder_is_chosen(self, tmp_path):
        content = {"d/mask/0/7_skin.png": uniform(1), "d/colour/7.png": uniform(1), "d/mask.png": uniform(1)}
        assert found(opened(tmp_path, content, "mask"), "7.jpg") == ["d/mask/0/7_skin.png"]

    @settings(max_examples=25, deadline=None)
    @given(st.randoms(use_true_random=False), st.integers(0, 4), st.booleans())
    def test_any_listing_and_padding(self, tmp_path_factory, rng, digits, parted):
        """Every number finds its own labels, however the archive is listed and names are padded."""
        numbers = rng.sample(range(2000), 30)
        names = {n: f"{rng.randrange(3)}/{n:0{digits}d}{'_nose' if parted else ''}.png" for n in numbers}
        entries = list(names.items())
        rng.shuffle(entries)
        path = tmp_path_factory.mktemp("any") / "labels.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for n, name in entries:
                archive.writestr(name, str(n))
        labels = PartLabels(path)
        for n in numbers:
            [file] = found(labels, f"train/{n:0{rng.randrange(6)}d}.jpg")
            assert labels.source.read(file) == str(n).encode()


class TestLabels:
    @pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "I;16"])
    def test_maps(self, tmp_path, mode):
        values = np.random.default_rng(0).integers(0, len(Part), (5, 9), dtype=np.uint8)
        if mode == "P":  # indices are ids, whatever the colours
            picture = Image.fromarray(values).convert("P")
            picture.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
            data = encoded(picture)
        else:
            data = png(values.astype(np.uint16)) if mode == "I;16" else png(values, mode)
        found = opened(tmp_path, {"a.png": data}).read("a.jpg")
        assert found.dtype == np.uint8
        assert np.array_equal(found, values)

    def test_parts_are_laid_over_one_another_by_id(self, tmp_path):
        content = {
            "a_skin.png": white(slice(0, 6)),
            "a_hair.png": white(slice(0, 3)),
            "a_nose.png": white(slice(2, 5)),
            "a_neck.png": white(slice(7, 8)),
        }
        found = opened(tmp_path, content).read("a.jpg")
        assert found.dtype == np.uint8
        assert (found == found[:, :1]).all()
        assert found[:, 0].tolist() == [13, 13, 13, 2, 2, 1, 0, 17]  # hair over the nose, both over the skin

    @pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P"])
    def test_a_part_is_white_in_any_mode(self, tmp_path, mode):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[2:5] = 255
        found = opened(tmp_path, {"a_l_eye.png": png(mask, mode)}).read("a.jpg")
        assert np.array_equal(found, np.where(mask, Part.LEFT_EYE, 0))

    @pytest.mark.parametrize(
        ("low", "high", "kind"),
        [(0, 1, np.uint8), (1, 2, np.uint8), (0, 38, np.uint8), (0, 1, np.uint16), (0, 255, np.uint16)],
    )
    def test_a_part_is_the_lighter_of_two_values(self, tmp_path, low, high, kind):
        inside = np.zeros((SIDE, SIDE), bool)
        inside[2:5] = True
        found = opened(tmp_path, {"a_nose.png": png(np.where(inside, high, low).astype(kind))}).read("a.jpg")
        assert np.array_equal(found, np.where(inside, Part.NOSE, 0))

    @pytest.mark.parametrize(("value", "part"), [(0, Part.BACKGROUND), (1, Part.NOSE), (255, Part.NOSE)])
    def test_a_part_that_is_nowhere_or_everywhere(self, tmp_path, value, part):
        assert (opened(tmp_path, {"a_nose.png": uniform(value)}).read("a.jpg") == part).all()

    def test_a_file_of_a_part_of_several_dark_values(self, tmp_path):
        grey = np.uint8(np.arange(SIDE * SIDE).reshape(SIDE, SIDE))
        with pytest.raises(InputError, match="a_nose.png holds values from 0 to 63; the file of a part is black and"):
            opened(tmp_path, {"a_nose.png": png(grey)}).read("a.jpg")

    @pytest.mark.parametrize("bits", [2, 4])
    def test_a_map_of_few_bits(self, tmp_path, bits):
        """Programs that make PNGs small store few ids in few bits."""
        ids = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % (1 << bits)
        spread = np.unpackbits(ids.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :].reshape(SIDE, -1)
        content = {"a.png": stored_png((SIDE, SIDE), bits, 0, [row.tobytes() for row in np.packbits(spread, axis=-1)])}
        assert np.array_equal(opened(tmp_path, content).read("a.jpg"), ids)

    def test_every_part(self, tmp_path):
        labels = opened(tmp_path, {f"{part}/x_{name}.png": white(slice(0, 8)) for name, part in FILE_PARTS.items()})
        with pytest.raises(InputError, match="could both be part labels"):  # of one image they lie in one folder
            labels.read("x.jpg")
        labels = opened(tmp_path, {f"{part:03}_{name}.png": white(slice(0, 8)) for name, part in FILE_PARTS.items()})
        for part in FILE_PARTS.values():
            assert (labels.read(f"{part}.jpg") == part).all()

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (
                {"a.png": uniform(255)},
                r"a\.png holds the value 255, and ids of parts are 0 to 18; name a file of one part",
            ),
            ({"a.png": png(Avatars(16)[0])}, r"a\.png is coloured; the grey values of a label map are ids"),
            ({"a.png": uniform(1)[:50]}, r"a\.png is damaged or cut short"),
            ({"a.png": b""}, r"a\.png is not an image"),
            (
                {"a.png": encoded(Image.new("L", (SIDE, SIDE)), "BMP")},
                r"a\.png is not a PNG, and ids of parts must be exact",
            ),
            ({"a_skin.png": uniform(1)[:50]}, r"a_skin\.png is damaged or cut short"),
            (
                {"a_nose.png": uniform(1), "a_skin.png": png(np.zeros((9, 9), np.uint8))},
                "a_skin.png and a_nose.png differ in",
            ),
        ],
        ids=["mask", "photo", "cut map", "empty", "bmp", "cut part", "sizes"],
    )
    def test_other_files(self, tmp_path, content, told):
        with pytest.raises(InputError, match=told):
            opened(tmp_path, content).read("a.jpg")

    @pytest.mark.parametrize("content", [{}, {"a.jpg": b""}])
    def test_none_at_all(self, tmp_path, content):
        with pytest.raises(InputError, match=r"labels\.zip holds no part labels, which are PNG files; check the path"):
            opened(tmp_path, content)

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputError, match="which are PNG files in a folder mask; check the path"):
            opened(tmp_path, {"a.png": uniform(1)}, "mask")

    def test_reads_what_the_avatars_script_writes(self, tmp_path):
        values = Avatars(48).parts(5)
        assert np.array_equal(opened(tmp_path, {"000005.png": png(values)}).read("5.jpg"), values)


class TestMask:
    def test_the_groups_share_out_every_pixel(self, tmp_path):
        labels = opened(tmp_path, {"0.png": png(Avatars(64).parts(3))})
        for side in (64, 16, 24, 100):
            masks = np.stack([labels.mask("0.jpg", group, side) for group in GROUPS])
            assert masks.dtype == np.float32
            assert masks.shape == (len(GROUPS), side, side)
            assert masks.min() >= 0 and masks.max() <= 1
            assert np.allclose(masks.sum(0), 1, atol=1e-5)  # ten float32 of up to 1, each rounded at 6e-8

    def test_averaged_by_area(self, tmp_path):
        values = Avatars(64).parts(3)
        mask = opened(tmp_path, {"0.png": png(values)}).mask("0.jpg", "hair", 8)
        hair = np.isin(values, (13, 14)).astype(np.float32)
        assert np.allclose(mask, hair.reshape(8, 8, 8, 8).mean((1, 3)), atol=1e-6)

    def test_the_central_square(self, tmp_path):
        values = np.zeros((4, 10), np.uint8)
        values[:, 3:5] = Part.NOSE
        mask = opened(tmp_path, {"a.png": png(values)}).mask("a.jpg", [Part.NOSE], 4)
        assert np.array_equal(mask, np.tile(np.float32([1, 1, 0, 0]), (4, 1)))

    def test_of_a_part_that_is_not_there(self, tmp_path):
        assert not opened(tmp_path, {"a.png": uniform(1)}).mask("a.jpg", "hair", 4).any()


def labels_in_another_process(labels: PartLabels, name: str) -> np.ndarray:
    return labels.read(name)


class TestProcesses:
    def test_pickles_small(self, tmp_path):
        labels = opened(tmp_path, {f"{i // 9}/{i:05d}_skin.png": white(slice(0, i % 8)) for i in range(300)})
        labels.read("7.jpg")
        state = pickle.dumps(labels)
        assert len(state) < 500  # paths, no list of files
        assert np.array_equal(pickle.loads(state).read("100.jpg"), labels.read("100.jpg"))

    def test_in_spawned_processes(self, tmp_path):
        labels = opened(tmp_path, {f"{i}.png": uniform(i) for i in range(19)})
        labels.read("0.jpg")  # the zip is open here
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            for i in (3, 18):
                assert (pool.apply(labels_in_another_process, (labels, f"{i}.jpg")) == i).all()


class TestZip:
    CONTENT = {f"0/{i:05d}_skin.png": white(slice(0, i)) for i in range(1, 8)} | {
        "0/00003_hair.png": white(slice(0, 2))
    }
    PLACES = {f"{i}.jpg": f"{'val' if i > 5 else 'train'}/{i:05d}" for i in range(1, 8)}

    def test_maps(self, tmp_path):
        labels, out = opened(tmp_path, self.CONTENT), tmp_path / "maps.zip"
        content = prepare_parts(labels, self.PLACES, out)
        assert [image["source"] for image in content["images"]] == list(self.PLACES)
        again = PartLabels(out)
        for name, place in self.PLACES.items():
            assert found(again, f"{place}.jpg") == [f"{place}.png"]
            assert np.array_equal(again.read(f"{place}.jpg"), labels.read(name))
        with zipfile.ZipFile(out) as archive:
            assert Image.open(io.BytesIO(archive.read("train/00003.png"))).mode == "L"
            manifest = json.loads(archive.read("dataset.json"))
        assert manifest["parts"]["hair"] == 13
        assert manifest["format"] == "stylemap-parts-1"

    def test_same_bytes_with_workers(self, tmp_path):
        labels = opened(tmp_path, self.CONTENT)
        prepare_parts(labels, self.PLACES, tmp_path / "a.zip")
        prepare_parts(labels, dict(reversed(self.PLACES.items())), tmp_path / "b.zip", workers=2)
        assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()

    def test_what_is_there_is_kept(self, tmp_path):
        labels, out = opened(tmp_path, self.CONTENT), tmp_path / "maps.zip"
        first = prepare_parts(labels, self.PLACES, out)
        before = out.stat().st_mtime_ns
        assert prepare_parts(labels, self.PLACES, out) == first
        assert out.stat().st_mtime_ns == before
        with pytest.raises(InputError, match=r"maps\.zip exists; remove it"):
            prepare_parts(labels, {"1.jpg": "1"}, out)
        with pytest.raises(InputError, match=r"maps\.zip exists; remove it"):
            prepare_parts(opened(tmp_path, self.CONTENT | {"0/00003_hair.png": white(slice(0, 3))}), self.PLACES, out)

    def test_damaged_files_are_told(self, tmp_path):
        labels = opened(tmp_path, self.CONTENT | {"0/00002_hair.png": b"no"})
        content = prepare_parts(labels, self.PLACES, tmp_path / "maps.zip")
        [left_out] = content["left_out"]
        assert left_out["source"] == "2.jpg"
        assert left_out["why"].startswith("0/00002_hair.png is not an image")
        assert "2.jpg" not in [image["source"] for image in content["images"]]

    def test_a_picture_without_labels(self, tmp_path):
        with pytest.raises(InputError, match="holds no part labels of 99.jpg"):
            prepare_parts(opened(tmp_path, self.CONTENT), {"99.jpg": "99"}, tmp_path / "maps.zip")

    def test_nothing_can_be_used(self, tmp_path):
        with pytest.raises(
            InputError, match=r"holds no part labels that can be used, the first: 0/00001_skin\.png is not"
        ):
            prepare_parts(opened(tmp_path, {"0/00001_skin.png": b"no"}), {"1.jpg": "1"}, tmp_path / "maps.zip")
        assert os.listdir(tmp_path) == ["labels.zip"]
