"""Images with their part labels: mirrored, cut and replaced together."""

import pickle
import warnings

import numpy as np
import pytest
from PIL import Image

from stylemap import resampling
from stylemap.datasets import ImageFolder, labelled, read_batch
from stylemap.datasets.parts import Part

SIDE = 4


@pytest.fixture
def folders(tmp_path):
    """Image i is grey of level 10 i, and its label map is all i; of 8 x 12 pixels."""
    for i in range(3):
        for folder, value in (("photos", 10 * i), ("labels", i)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(np.full((8, 12), value, np.uint8)).save(tmp_path / folder / f"{i}.png")
    return tmp_path


def test_labels_go_with_their_image(folders):
    pictures = labelled(ImageFolder(folders / "photos", SIDE), folders / "labels")
    pictures = pickle.loads(pickle.dumps(pictures))  # as for a loading process
    for i in range(3):
        assert pictures[i].shape == (SIDE, SIDE, 4)
        assert (pictures[i][..., :3] == 10 * i).all() and (pictures[i][..., 3] == i).all()


def test_a_damaged_image_takes_its_labels_away(folders):
    pictures = labelled(ImageFolder(folders / "photos", SIDE), folders / "labels")
    file = folders / "photos" / "1.png"
    file.write_bytes(file.read_bytes()[:60])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            assert (pictures[1][..., :3] == 20).all() and (pictures[1][..., 3] == 2).all()


def test_mirroring_exchanges_left_and_right():
    picture = np.zeros((1, SIDE, SIDE, 4), np.uint8)
    picture[0, :, 0] = 9
    picture[0, :, 0, 3] = Part.LEFT_EYE
    picture[0, :, 2, 3] = Part.NOSE
    (mirrored,) = read_batch(picture, [(0, True)])
    assert mirrored[0, :, 3].tolist() == [Part.BACKGROUND, Part.NOSE, Part.BACKGROUND, Part.RIGHT_EYE]
    assert (mirrored[:, 3, :3] == 9).all() and (mirrored[:, :3, :3] == 0).all()


def test_labels_are_never_mixed():
    """Of the central square, at the centre of each pixel."""
    labels = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
    assert resampling.fit_labels(labels, 2).tolist() == [[10, 13], [34, 37]]
    assert np.array_equal(resampling.fit_labels(labels, 6), labels[:, 1:7])
