"""What the page begins with: pictures of the kind that the weights know."""

import numpy as np
import pytest
from PIL import Image

from stylemap import checkpoint
from stylemap.datasets import Avatars, open_split, unseen
from stylemap.editor import gallery
from stylemap.errors import Note
from tests.editor.conftest import SIDE, make_studio, photo, pixels


@pytest.fixture(scope="module")
def model():
    return make_studio().model


@pytest.fixture
def trained(model, tmp_path):
    """A folder of pictures, and weights that were trained on it."""
    data = tmp_path / "data"
    for part, count in (("train", 4), ("val", 3)):
        (data / part).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(photo(SIDE, SIDE, seed=count * i)).save(data / part / f"{i}.png")
    training, heldout = open_split(data, SIDE, 3)
    checkpoint.save(
        tmp_path / "w.safetensors", model, info=unseen.to_header([unseen.Seen.of(str(data), 3, training, heldout)])
    )
    return data, tmp_path / "w.safetensors", heldout


def test_those_that_the_training_held_out(trained, model):
    _, weights, heldout = trained
    found = gallery.open_gallery(weights, model)
    assert len(found) == len(heldout) == 3
    assert "held out" in found.about
    for i in range(3):
        assert np.array_equal(found.photo(i).pixels, heldout[i])
        assert np.array_equal(pixels(found.thumbnail(i)), heldout[i])
        assert found.photo(i).labels is None


def test_samples_where_the_data_has_gone(trained, model):
    data, weights, _ = trained
    data.rename(data.with_name("elsewhere"))
    with pytest.warns(Note, match="begins with samples"):
        found = gallery.open_gallery(weights, model)
    assert "generated" in found.about and len(found) == gallery.MOST_SAMPLES
    first, second = found.photo(0).pixels, found.photo(1).pixels
    assert first.shape == (SIDE, SIDE, 3)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, found.photo(0).pixels)


def test_samples_of_weights_of_other_programs(model, tmp_path):
    checkpoint.save(tmp_path / "w.safetensors", model)
    assert "generated" in gallery.open_gallery(tmp_path / "w.safetensors", model).about


def test_drawn_faces_for_weights_of_those(model):
    found = gallery.open_gallery("avatars32", model)
    faces = Avatars(SIDE, 48, "heldout")
    assert np.array_equal(found.photo(7).pixels, faces[7])
    assert np.array_equal(found.photo(7).labels, faces.parts(7))
    assert "Drawn" in found.about
