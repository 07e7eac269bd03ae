"""Where an edit happens: parts by label maps, halves, feathered edges, layers; several parts moved, mirrored and scaled."""

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import Box, blend, images, transplant
from stylemap.datasets import Avatars, parts
from stylemap.editing import composing, masks
from stylemap.editing.edit import Placement
from tests.cli.conftest import PHOTOS, SIDE, pixels
from tests.editing import tiny

WEIGHTS = "--weights IN/w.safetensors"
BLEND = f"local-edit blend {WEIGHTS} --original IN/ada.png --out out.png"
BOB = f"{BLEND} --reference IN/bob.png"
BOTH = f"{BOB} --reference IN/cyd.png"
TRANSPLANT = f"local-edit transplant {WEIGHTS} --original IN/ada.png --out out.png --reference IN/bob.png"
LABELS_SIDE = 64  # twice the images'


@pytest.fixture
def encoded(model, inputs):
    return [model.encode(images.read(inputs / f"{name}.png", SIDE)) for name in PHOTOS]


@pytest.fixture(autouse=True)
def labels(tmp_path) -> list[np.ndarray]:
    """Label maps of the three photos, in a folder, and one of nothing at all."""
    made = [Avatars(LABELS_SIDE).parts(i) for i in range(len(PHOTOS))]
    (tmp_path / "labels").mkdir()
    for name, label in zip(PHOTOS, made, strict=True):
        Image.fromarray(label).save(tmp_path / "labels" / f"{name}.png")
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "bare.png")
    return made


def part(label: np.ndarray, *names: str) -> torch.Tensor:
    return masks.from_parts(label, [i for name in names for i in parts.GROUPS[name]], SIDE)


def assert_written(path, expected: torch.Tensor) -> None:
    np.testing.assert_array_equal(pixels(path), images.to_uint8(expected)[0].numpy())


class TestParts:
    @pytest.mark.parametrize(
        "where",
        ["--part-labels labels", "--original-part-labels labels/ada.png --reference-part-labels labels/bob.png"],
    )
    @pytest.mark.parametrize("names", ["nose", "nose,eye", "hair"])
    def test_are_the_union_of_both_pictures(self, stylemap, model, encoded, labels, tmp_path, where, names):
        assert stylemap(BOB, where, "--part", names).code == 0
        mask = masks.union(*(part(label, *names.split(",")) for label in labels[:2]))
        assert_written(tmp_path / "out.png", blend(model, encoded[0], encoded[1], mask))

    def test_one_for_each_reference_and_one_for_all(self, stylemap, model, encoded, labels, tmp_path):
        for names in (("hair", "lip"), ("hair",)):
            assert stylemap(BOTH, "--part-labels labels", *(f"--part {name}" for name in names)).code == 0
            first, second = names[0], names[-1]
            chosen = [
                masks.union(part(labels[0], name), part(label, name))
                for name, label in ((first, labels[1]), (second, labels[2]))
            ]
            assert_written(tmp_path / "out.png", blend(model, encoded[0], encoded[1:], chosen))

    def test_transplant_takes_the_reference_s(self, stylemap, model, encoded, labels, tmp_path):
        assert stylemap(TRANSPLANT, "--part eye --reference-part-labels labels/bob.png --shift 5,-2").code == 0
        expected = transplant(model, encoded[0], encoded[1], mask=part(labels[1], "eye"), shift=(5, -2))
        assert_written(tmp_path / "out.png", expected)

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (
                "--part nose",
                "--part needs label maps: give either --part-labels or --original-part-labels",
            ),
            ("--part nose --original-part-labels labels/ada.png", "--part needs label maps"),
            ("--part nose --reference-part-labels labels/ada.png", "--part needs label maps"),
            (
                "--part nose --part-labels labels --reference-part-labels labels/ada.png --original-part-labels bare.png",
                "give either",
            ),
            ("--part tail --part-labels labels", "unknown part 'tail'; known are all, background, skin"),
            ("--part nose, --part-labels labels", "unknown part ''"),
            ("--part nose --part-labels IN/photos", "bob.png is coloured"),
            ("--part nose --part-labels IN/nothing", "holds no part labels"),
            ("--part nose --part-labels no", "no: no such"),
            (
                "--part nose --part eye --part-labels labels",
                "2 --part and 1 --reference; give one --part for all or one for each",
            ),
            (
                "--part nose --original-part-labels bare.png --reference-part-labels bare.png",
                "none of the parts that",
            ),
            ("--part nose --original-part-labels no.png --reference-part-labels bare.png", "no.png: no such file"),
            ("--part nose --original-part-labels IN/ada.png --reference-part-labels bare.png", "ada.png is coloured"),
            (
                "--part nose --original-part-labels IN/text.png --reference-part-labels bare.png",
                "text.png is not an image",
            ),
            ("--part nose --half left --part-labels labels", "--part and --half given; give one of"),
            ("--mask IN/mask.png --half left", "--mask and --half given; give one of"),
            ("--mask IN/mask.png --part-labels labels", "go with --part; add --part, or leave them out"),
            ("--half top", "'top'"),
            ("--half left --half right", "2 --half and 1 --reference"),
            ("--half left --feather -1", "--feather: '-1' is not a number from 0 to 4096"),
            ("--half left --feather nan", "--feather: 'nan'"),
            ("--half left --feather 2 --hard", "--feather has no effect"),
            ("--half left --layers 3..1", "--layers: '3..1' is not a range like 2..5 or 2"),
            ("--half left --layers a", "--layers: 'a'"),
            ("--half left --layers 0..8", "--layers must lie in 0..5 for these weights"),
            ("--half left --layers 0 --space w", "--layers chooses among the resized stylemaps of w+"),
        ],
    )
    def test_mistakes(self, refused, flags, reason):
        assert reason in refused(BOB, flags)

    @pytest.mark.parametrize("name", ["ada", "bob"])
    def test_a_picture_without_labels(self, refused, tmp_path, name):
        (tmp_path / "labels" / f"{name}.png").unlink()
        line = refused(BOB, "--part nose --part-labels labels")
        assert line.startswith("labels holds no part labels of ") and f"{name}.png" in line

    def test_label_maps_are_not_written_over(self, refused):
        line = BOB.replace("--out out.png", "--out labels/ada.png")
        flags = "--part nose --original-part-labels labels/ada.png --reference-part-labels labels/bob.png"
        assert "would be overwritten" in refused(line, flags)


class TestHalf:
    @pytest.mark.parametrize("half", masks.HALVES)
    def test_is_the_library_s(self, stylemap, model, encoded, tmp_path, half):
        assert stylemap(BOB, "--half", half).code == 0
        assert_written(tmp_path / "out.png", blend(model, encoded[0], encoded[1], masks.half(half, SIDE)))

    def test_one_for_each(self, stylemap, model, encoded, tmp_path):
        assert stylemap(BOTH, "--half left --half lower").code == 0
        chosen = [masks.half(half, SIDE) for half in ("left", "lower")]
        assert_written(tmp_path / "out.png", blend(model, encoded[0], encoded[1:], chosen))


class TestSettings:
    def test_feather(self, stylemap, model, encoded, tmp_path):
        assert stylemap(BOB, "--half right --feather 6").code == 0
        mask = masks.feather(masks.half("right", SIDE), 6)
        assert_written(tmp_path / "out.png", blend(model, encoded[0], encoded[1], mask))

    @pytest.mark.parametrize(("text", "layers"), [("0..1", (0, 2)), ("3", (3, 4)), ("2..5", (2, 6))])
    def test_layers(self, stylemap, model, encoded, tmp_path, text, layers):
        assert stylemap(BOB, "--half right --layers", text).code == 0
        expected = blend(model, encoded[0], encoded[1], masks.half("right", SIDE), layers=layers)
        assert_written(tmp_path / "out.png", expected)


class TestMoved:
    @pytest.fixture
    def made(self, model, inputs):
        """What the library makes of ada with parts (name of the reference, mask, placement), [1, 3, R, R]."""

        def compose(*moved) -> torch.Tensor:
            patches = []
            for name, mask, where in moved:
                picture = images.read(inputs / f"{name}.png", SIDE)
                maps = [m.flip(3) for m in model.resize(model.encode(picture.flip(3)))] if where.flip else None
                patches.append(tiny.patch(maps or model.resize(model.encode(picture)), mask, where))
            original = model.resize(model.encode(images.read(inputs / "ada.png", SIDE)))
            return model.render(composing.compose(original, patches, SIDE))

        return compose

    @pytest.mark.parametrize(
        ("flags", "placement"),
        [
            ("--scale 1.5", Placement(scale=1.5)),
            ("--flip", Placement(flip=True)),
            ("--flip yes --scale 0.5 --shift -3,2", Placement((-3, 2), 0.5, True)),
        ],
    )
    def test_scale_and_flip(self, stylemap, made, labels, tmp_path, flags, placement):
        assert stylemap(TRANSPLANT, "--part eye --part-labels labels", flags).code == 0
        assert_written(tmp_path / "out.png", made(("bob", part(labels[1], "eye"), placement)))

    def test_several_at_once(self, stylemap, made, labels, tmp_path):
        flags = "--reference IN/cyd.png --part eye --part lip --part-labels labels"
        assert stylemap(TRANSPLANT, flags, "--shift 4,0 --shift=-4,0 --flip no --flip --scale 1.2").code == 0
        first = ("bob", part(labels[1], "eye"), Placement((4, 0), 1.2, False))
        second = ("cyd", part(labels[2], "lip"), Placement((-4, 0), 1.2, True))
        assert_written(tmp_path / "out.png", made(first, second))

    def test_one_part_to_several_places(self, stylemap, model, encoded, inputs, tmp_path):
        assert stylemap(TRANSPLANT, "--mask IN/mask.png --shift 4,0 --shift -9,0").code == 0
        mask = images.read_mask(inputs / "mask.png", SIDE)
        places = [Placement((4, 0)), Placement((-9, 0))]
        assert_written(
            tmp_path / "out.png", transplant(model, encoded[0], encoded[1], mask=[mask] * 2, placement=places)
        )

    def test_several_boxes(self, stylemap, model, encoded, tmp_path):
        flags = "--reference IN/cyd.png --cells 0,0,3,2 --cells 2,2,3,2 --to-cell 4,4 --to-cell 1,3"
        assert stylemap(TRANSPLANT, flags).code == 0
        boxes = [Box((0, 0), (4, 4), (3, 2)), Box((2, 2), (1, 3), (3, 2))]
        assert_written(tmp_path / "out.png", transplant(model, encoded[0], encoded[1:], boxes=boxes))

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (
                "--mask IN/mask.png --shift 1,1 --shift 2,2 --scale 1 --scale 2 --scale 3",
                "2 --shift and 3 parts to move",
            ),
            (
                "--mask IN/mask.png --mask IN/mask2.png --mask IN/mask.png --shift 1,1 --shift 2,2",
                "2 --shift and 3 parts",
            ),
            ("--reference IN/cyd.png --mask IN/mask.png --shift 1,1", "2 --reference and 1 parts to move; give one"),
            ("--mask IN/mask.png --scale 5", "--scale: '5' is not a number from 0.25 to 4"),
            ("--mask IN/mask.png --scale nan", "--scale: 'nan'"),
            ("--mask IN/mask.png --flip maybe", "--flip: 'maybe' is not yes or no"),
            (
                "--mask IN/mask.png --part eye --part-labels labels --shift 1,1",
                "--mask and --part given; give one of --mask or --part",
            ),
            ("--part eye --shift 1,1", "--part needs label maps: give either --part-labels or --reference-part-labels"),
            ("--part eye --part-labels labels", "give either --cells"),
            ("--flip --cells 0,0,1,1 --to-cell 0,0", "give either --cells"),
            ("--cells 0,0,1,1 --to-cell 0,0 --feather 2", "go with --mask"),
            ("--cells 0,0,1,1 --to-cell 0,0 --layers 2", "go with --mask"),
        ],
    )
    def test_mistakes(self, refused, flags, reason):
        assert reason in refused(TRANSPLANT, flags)
