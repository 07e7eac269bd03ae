"""``--paste-back``: the edit in the photo at its full size, which is the photo beyond the region's rim; with faces too."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import faces, images, resampling
from stylemap.datasets import Avatars
from stylemap.editing import applying, directions, pasting
from stylemap.editing.incremental import Known
from tests.cli.conftest import SIDE, pixels
from tests.editing import tiny

HEIGHT, WIDTH = 128, 176
BLEND = "local-edit blend --weights IN/w.safetensors --original wide.png --reference IN/bob.png --out out.png"


@pytest.fixture(autouse=True)
def photo(tmp_path) -> np.ndarray:
    """A wide photo with a drawn face in the middle, and masks: over a part of its square, and over everything."""
    made = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    made[:, 24:152] = Avatars(128)[0]
    Image.fromarray(made).save(tmp_path / "wide.png")
    part = np.zeros((HEIGHT, HEIGHT), np.uint8)
    part[48:80, 40:72] = 255
    for name, mask in (("part", part), ("all", np.full_like(part, 255))):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    return made


@pytest.mark.parametrize("how", pasting.WAYS)
def test_is_the_library_s(stylemap, model, inputs, tmp_path, photo, how):
    ran = stylemap(BLEND, "--frame centre --mask part.png --paste-back", how)
    assert (ran.code, ran.out) == (0, "out.png\n")
    assert ran.err == (
        "note: the mask part.png is 128 x 128 and the photo 176 x 128; it is laid over the photo's central square\n"
    )
    picture = resampling.fit(photo, SIDE)
    original = model.resize(model.encode(images.from_uint8(torch.from_numpy(picture)[None])))
    mask = images.read_mask(tmp_path / "part.png", SIDE)
    reference = model.resize(model.encode(images.read(inputs / "bob.png", SIDE)))
    edited = applying.apply_changes(model, Known(original), [tiny.patch(reference, mask)], "w+", how)
    np.testing.assert_array_equal(edited.region, mask[0, 0])
    alignment = faces.Alignment.central(HEIGHT, WIDTH, SIDE)
    expected = pasting.paste(photo, picture, edited.pixels, alignment, edited.region, how, edited.sources)
    written = pixels(tmp_path / "out.png")
    np.testing.assert_array_equal(written, expected)
    changed = (written != photo).any(-1)
    assert changed[52:76, 24 + 44 : 24 + 68].mean() > 0.9
    changed[48 - 20 : 80 + 20, 24 + 40 - 20 : 24 + 72 + 20] = False  # 5 pixels of the model: the rim and interpolation
    assert not changed.any()


@pytest.mark.parametrize("how", pasting.WAYS)
def test_a_full_mask_stays_in_the_square(stylemap, tmp_path, photo, how):
    assert stylemap(BLEND, "--mask all.png --paste-back", how).code == 0
    written = pixels(tmp_path / "out.png")
    for columns in (slice(0, 24), slice(152, None)):
        np.testing.assert_array_equal(written[:, columns], photo[:, columns])
    assert (written[:, 40:136] != photo[:, 40:136]).any(-1).mean() > 0.9


def test_none_is_the_default_and_the_model_s_picture(stylemap, tmp_path):
    assert stylemap(BLEND, "--mask part.png").code == 0
    first = pixels(tmp_path / "out.png")
    assert stylemap(BLEND, "--mask part.png --paste-back none").code == 0
    assert first.shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), first)


@pytest.mark.parametrize("where", ["--mask part.png --shift 4,4", "--cells 1,1,2,2 --to-cell 4,4"])
def test_of_a_transplant(stylemap, tmp_path, photo, where):
    line = BLEND.replace("blend", "transplant")
    assert stylemap(line, where, "--paste-back poisson").code == 0
    written = pixels(tmp_path / "out.png")
    assert 0.01 < (written != photo).any(-1).mean() < 0.4


class TestFaces:
    LINE = f"{BLEND.replace('IN/bob', 'wide')} --frame face --landmarks l.json --mask part.png --mask-on face"

    @pytest.fixture(autouse=True)
    def landmarks(self, tmp_path):
        points = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)]) * 128 - 0.5
        (tmp_path / "l.json").write_text(json.dumps({"wide.png": (points + (24, 0)).tolist()}))

    def test_feather_is_the_default(self, stylemap, tmp_path, photo):
        written = []
        for flags in ("", "--paste-back feather"):
            assert stylemap(self.LINE, flags).code == 0
            written.append(pixels(tmp_path / "out.png"))
            assert written[-1].shape == photo.shape
        np.testing.assert_array_equal(written[0], written[1])

    def test_poisson_has_nothing_to_bring_from_the_photo_itself(self, stylemap, tmp_path):
        """The reference is the original, so the part shows none of another image."""
        written = []
        for how in pasting.WAYS:
            assert stylemap(self.LINE, "--paste-back", how).code == 0
            written.append(pixels(tmp_path / "out.png"))
        np.testing.assert_array_equal(*written)

    def test_none_is_the_face_alone(self, stylemap, tmp_path):
        assert stylemap(self.LINE, "--paste-back none").code == 0
        assert pixels(tmp_path / "out.png").shape == (SIDE, SIDE, 3)

    def test_part_labels_are_turned_with_their_photos(self, stylemap, tmp_path, photo):
        """Labels of the whole photo, of another size: only the eyes and their rim change."""
        labels = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
        labels[:, 48:304] = Avatars(256).parts(0)
        (tmp_path / "labels").mkdir()
        Image.fromarray(labels).save(tmp_path / "labels" / "wide.png")
        line = self.LINE.replace("--mask part.png --mask-on face", "--part eye --part-labels labels")
        assert stylemap(line.replace("--reference wide.png", "--reference wide.png --strength 1")).code == 0
        changed = (pixels(tmp_path / "out.png") != photo).any(-1)
        eyes = np.isin(labels, (4, 5))[::2, ::2]
        y, x = np.nonzero(eyes)
        assert changed[eyes].mean() > 0.9
        changed[y.min() - 25 : y.max() + 25, x.min() - 25 : x.max() + 25] = False
        assert not changed.any()


class TestOtherPhotos:
    """What is no 8-bit RGB comes back as it was, in every verb that puts back."""

    BLEND = BLEND.replace("wide.png", "deep.png") + " --mask part.png --paste-back feather"
    FACE = TestFaces.LINE.replace("--original wide.png", "--original deep.png")
    VERBS = {
        "blend": BLEND,
        "transplant": BLEND.replace("blend", "transplant") + " --shift 2,2",
        "align": FACE,
        "apply": "directions apply --weights IN/w.safetensors --original deep.png --directions d.safetensors --direction one "
        "--mask part.png --paste-back feather --out out.png",
    }

    @pytest.fixture(autouse=True)
    def deep(self, tmp_path, photo, model) -> np.ndarray:
        """The photo in 16 bits, transparent at the left."""
        values = np.random.default_rng(1).integers(0, 257, (HEIGHT, WIDTH, 4), np.uint16)
        values[..., :3] += photo[..., ::-1].astype(np.uint16) * 256
        values[..., 3] = np.where(np.arange(WIDTH) < 30, 7, 65535)
        (tmp_path / "deep.png").write_bytes(cv2.imencode(".png", values)[1])
        points = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)]) * 128 - 0.5
        listed = {name: (points + (24, 0)).tolist() for name in ("wide.png", "deep.png")}
        (tmp_path / "l.json").write_text(json.dumps(listed))
        vector = torch.randn(model.config.stylemap_shape, generator=torch.Generator().manual_seed(0))
        directions.save(
            tmp_path / "d.safetensors", [directions.normalised("one", vector, 5.0, directions.Origin("npy"))]
        )
        return values

    @pytest.mark.parametrize("verb", VERBS)
    def test_come_back_whole(self, stylemap, tmp_path, deep, verb):
        assert stylemap(self.VERBS[verb]).code == 0
        written = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
        assert (written.dtype, written.shape) == (deep.dtype, deep.shape)
        np.testing.assert_array_equal(written[..., 3], deep[..., 3])
        changed = (written != deep).any(2)
        assert changed[56:72, 24 + 48 : 24 + 64].any()
        assert not changed[:20].any() and not changed[-20:].any() and not changed[:, :30].any()

    def test_what_a_file_cannot_hold_is_said(self, stylemap, tmp_path):
        ran = stylemap(self.BLEND.replace("out.png", "out.jpg"))
        assert ran.code == 0 and pixels(tmp_path / "out.jpg").shape == (HEIGHT, WIDTH, 3)
        said = [line for line in ran.err.splitlines() if "out.jpg: " in line]
        assert [line.partition("note: out.jpg: ")[2].split(":")[0] for line in said] == [
            "JPEG has no transparency",
            "the photo has 16 bits a channel; JPEG holds 8",
            "JPEG changes every pixel a little",
        ]


def test_unknown_way(refused):
    assert "'naive'" in refused(BLEND, "--mask part.png --paste-back naive")
