"""The public names: what they are, how they answer what they cannot use, and that the script of a user runs."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylemap
from stylemap.datasets.avatars import Avatars
from stylemap.editing.directions import Origin
from tests import user

ROOT = Path(__file__).parents[1]


def listed() -> list[str]:
    """The names in the table of docs/python.md."""
    return re.findall(r"^\| `(\w+)`", (ROOT / "docs/python.md").read_text(), re.MULTILINE)


def test_the_docs_list_every_public_name_and_no_other():
    assert sorted(listed()) == sorted(dir(stylemap))


def test_type_checkers_see_the_same_names():
    stub: dict = {}
    code = Path(stylemap.__file__).with_suffix(".pyi").read_text()
    exec(code[code.index("__all__") :], stub)
    assert stub["__all__"] == stylemap.__all__


@pytest.mark.parametrize("name", stylemap.__all__)
def test_every_public_name_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(stylemap, name))) > 40


def test_importing_does_not_wait_for_torch():
    subprocess.run([sys.executable, "-c", "import stylemap, sys; assert 'torch' not in sys.modules"], check=True)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="module 'stylemap' has no attribute 'lode'"):
        stylemap.lode  # noqa: B018


def test_the_script_of_a_user_runs(tmp_path, capsys):
    for i, name in enumerate(("a.png", "b.png")):
        Image.fromarray(Avatars(32, 2)[i]).save(tmp_path / name)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:50] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    user.main(tmp_path)
    results = {"blend.png", "moved.png", "smile.png", "film.webp", "sample.png"}
    assert results < {path.name for path in tmp_path.iterdir()}
    assert "no weights" in capsys.readouterr().out


class TestLoad:
    def test_weights_whose_latents_are_vectors(self):
        with pytest.raises(
            stylemap.InputError, match="avatars32_stylegan2 holds a stylegan2 generator.*load_any loads it"
        ):
            stylemap.load("avatars32_stylegan2")
        assert stylemap.load_any("avatars32_stylegan2").config.architecture == "stylegan2"


class TestWrongImages:
    """The error says what to do."""

    SIDE, HOW = 32, r"; stylemap\.read_image reads files, stylemap\.from_uint8 takes pixels \[N, H, W, 3\] of 0\.\.255$"

    @pytest.fixture(params=["avatars32", "avatars32_stylegan2"])
    def model(self, request):
        return stylemap.load_any(request.param)

    @pytest.fixture
    def pixels(self) -> np.ndarray:
        return np.stack([Avatars(self.SIDE, 2)[i] for i in range(2)])

    def test_an_array(self, model, pixels):
        with pytest.raises(TypeError, match=r"^images must be a tensor, not numpy\.ndarray" + self.HOW):
            model.encode(pixels)

    def test_integers(self, model, pixels):
        with pytest.raises(TypeError, match=r"^images must be floats in \[-1, 1\], not torch\.uint8" + self.HOW):
            model.encode(torch.from_numpy(pixels).permute(0, 3, 1, 2))

    def test_floats_of_0_to_255(self, model, pixels):
        with pytest.raises(ValueError, match=r"^images must lie in \[-1, 1\], and these reach up to \d+" + self.HOW):
            model.encode(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())

    def test_another_shape(self, model, pixels):
        with pytest.raises(ValueError, match=r"^images must be \[N, 3, 32, 32\], not \[2, 32, 32, 3\]" + self.HOW):
            model.encode(torch.from_numpy(pixels).float())

    def test_pixels_as_the_error_advises(self, model, pixels):
        images = stylemap.from_uint8(pixels)
        assert torch.equal(images, stylemap.from_uint8(torch.from_numpy(pixels)))
        assert model.encode(images).isfinite().all()

    def test_written(self, pixels, tmp_path):
        with pytest.raises(ValueError, match=r"images must be a tensor of float \[N, 3, H, W\], got ndarray of uint8"):
            stylemap.write_image(tmp_path / "a.png", pixels[:1])
        assert not (tmp_path / "a.png").exists()


class TestArraysInPlaceOfTensors:
    MODEL = stylemap.load("avatars32")
    SMILE = stylemap.Direction("smile", torch.ones(MODEL.config.stylemap_shape), 1.0, Origin("means"))

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda model, w, smile: stylemap.blend(model, w, w, torch.ones(1, 1, 32, 32)), "original"),
            (lambda model, w, smile: stylemap.mix(model, w, w), "must be a tensor"),
            (lambda model, w, smile: stylemap.morph(model, w, frames=3), "stylemaps"),
            (lambda model, w, smile: stylemap.interpolate(w, w, frames=3), "start and end"),
            (lambda model, w, smile: stylemap.push(model, w, smile, 1.0), "stylemap"),
            (lambda model, w, smile: model.synthesize(w), "stylemap"),
            (lambda model, w, smile: model.map(w), "z"),
        ],
    )
    def test_are_refused(self, edit, message):
        with pytest.raises(TypeError, match=f"{message}.* not numpy.ndarray"):
            edit(self.MODEL, np.zeros((1, *self.MODEL.config.stylemap_shape), np.float32), self.SMILE)
