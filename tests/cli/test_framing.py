"""`--frame` and `--crop` in the verbs that read photos: which square the model sees, what is said of it, where masks lie."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import faces, images
from stylemap.editing import mixing
from tests.cli.conftest import SIDE, pixels

WEIGHTS = "--weights IN/w.safetensors"
FACE = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)])
SQUARE = (40.0, 15.0, 60.0, 15.0)


@pytest.fixture(autouse=True)
def photos(tmp_path) -> dict[str, np.ndarray]:
    """Two photos with a face at the same place, one without, and a mask over all of them."""
    place = faces.Alignment.crop(*SQUARE, 100)
    points = np.c_[FACE * 100 - 0.5, np.ones(5)] @ place.to_photo.T
    y, x = np.mgrid[:90, :130]
    made = {}
    for i, name in enumerate(("a", "b", "c")):
        photo = np.stack([128 + 100 * np.sin(x / (7 + i) + c) * np.cos(y / (9 + i) - c) for c in range(3)], 2)
        made[name] = photo.astype(np.uint8)
        Image.fromarray(made[name]).save(tmp_path / f"{name}.png")
    (tmp_path / "l.json").write_text(json.dumps({"a.png": points.tolist(), "b.png": points.tolist(), "c.png": []}))
    mask = np.zeros((90, 130), np.uint8)
    mask[35:55, 60:80] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    return made | {"m": mask}


def seen(photo: np.ndarray, square=None) -> torch.Tensor:
    """What the model sees of a photo: along a face, or in a square (left, top, length, degrees)."""
    place = faces.Alignment.crop(*SQUARE, 100)
    points = np.c_[FACE * 100 - 0.5, np.ones(5)] @ place.to_photo.T
    at = faces.Alignment.crop(*square, SIDE) if square else faces.Alignment.of(faces.quad(points), SIDE)
    return images.from_uint8(torch.from_numpy(faces.crop(photo, at))[None])


def test_reconstructions(stylemap, model, tmp_path, photos):
    line = f"generate reconstruct {WEIGHTS} --out out --enlarge 1 --photos a.png b.png c.png"
    ran = stylemap(line, "--landmarks l.json")
    assert ran.code == 0, ran.err
    assert "took the faces of 2 photos, straightened: a.png, b.png; --frame centre" in ran.err
    assert "took the central square of c.png, as no face was found; --crop takes any other" in ran.err
    for name, image in (("a", seen(photos["a"])), ("c", images.read(tmp_path / "c.png", SIDE))):
        expected = images.to_uint8(model.synthesize(model.encode(image)))[0].numpy().astype(int)
        # reconstructed alone or in a batch: sums have other orders
        assert np.abs(pixels(tmp_path / f"out/{name}.png") - expected).max() <= 1


def test_a_crop_is_of_one_photo(stylemap, refused, model, tmp_path, photos):
    line = f"generate reconstruct {WEIGHTS} --out out --enlarge 1 --crop 50,20,60,-30 --photos"
    assert "there are 2" in refused(line, "a.png b.png")
    assert stylemap(line, "a.png").code == 0
    expected = images.to_uint8(model.synthesize(model.encode(seen(photos["a"], (50, 20, 60, -30)))))[0].numpy()
    assert np.abs(pixels(tmp_path / "out/a.png") - expected.astype(int)).max() <= 1


def test_a_mask_lies_over_the_whole_photo(stylemap, model, tmp_path, photos):
    line = f"morph transfer {WEIGHTS} --original a.png --neutral b.png --expressive b.png --out out.png --enlarge 1"
    assert stylemap(line, "--amount 1 --mask m.png --frame face --landmarks l.json").code == 0
    same, other = seen(photos["a"]), seen(photos["b"])
    place = faces.Alignment.crop(*SQUARE, 100)
    points = np.c_[FACE * 100 - 0.5, np.ones(5)] @ place.to_photo.T
    at = faces.Alignment.of(faces.quad(points), SIDE)
    mask = torch.from_numpy(faces.align_mask(photos["m"] / 255, at))[None, None].float()
    original, face = model.encode(same), model.encode(other)
    expected = mixing.transfer(model, original, face, face, 1.0, mask, "w+", False)
    assert np.abs(pixels(tmp_path / "out.png") - images.to_uint8(expected)[0].numpy().astype(int)).max() <= 1


def test_inversions_know_their_square(stylemap, refused, tmp_path):
    """Another square of the same photo is another inversion; the same one goes on."""
    line = f"project {WEIGHTS} --method encoder --out out --perceptual-network none --photos a.png"
    assert stylemap(line, "--landmarks l.json").code == 0
    face = pixels(tmp_path / "out/a.png")
    assert stylemap(line, "--frame face --landmarks l.json").code == 0
    assert "out" in refused(line, "--frame centre")
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), face)


def test_without_a_detector_it_says_how_to_get_one(stylemap, refused):
    ran = stylemap(f"generate reconstruct {WEIGHTS} --out out --photos a.png")
    assert "took the central square of a.png, as there is no face detector (`stylemap weights pull yunet`)" in ran.err
