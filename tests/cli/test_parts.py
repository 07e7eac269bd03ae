"""``stylemap parts`` and ``--part`` without label maps."""

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import blend, checkpoint, images, segmentation
from stylemap.datasets import Avatars
from stylemap.editing import masks
from stylemap.segmentation import learning
from tests.cli.conftest import KNOWING, PHOTOS, SIDE, pixels

TRAIN = "parts train --weights w.safetensors --seed 3"
PREDICT = "parts predict --weights w.safetensors --photos IN/ada.png IN/photos --out maps"
BLEND = (
    "local-edit blend --weights w.safetensors --original IN/ada.png --reference IN/bob.png --part hair --out out.png"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(learning, "STEPS", (12, 12))


@pytest.fixture
def weights(model, tmp_path):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, model, info=KNOWING)
    return path


@pytest.fixture
def taught(weights, model):
    """The weights with a segmenter that knows background and hair: the upper half."""
    segmenter = segmentation.Segmenter(model.config, segmentation.Origin(model.fingerprint(), "mine", 3))
    place = segmentation.place_of(weights)
    place.parent.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        segmentation.save(place, segmenter)
    return segmentation.load(place, model)


def found(model, segmenter, inputs, name: str) -> np.ndarray:
    return segmenter.labels(model, images.read(inputs / f"{name}.png", SIDE))[0]


def test_train_on_drawn_faces(stylemap, weights, model):
    ran = stylemap(TRAIN, "--data avatars --count 3 --heldout 2")
    assert ran.code == 0, ran.err
    place = segmentation.place_of(weights)
    lines = ran.out.splitlines()
    assert lines[0] == "learning from 3 labelled images" and lines[-1] == str(place.relative_to(weights.parent))
    assert "mIoU" in lines[-2]
    origin = segmentation.load(place, model).origin
    assert (origin.data, origin.count, origin.measured) == ("avatars", 3, 2)
    assert 0 < origin.miou < 1 and set(origin.ious) >= {"background", "skin", "hair"}


def test_train_on_the_labelled_among_many_images(stylemap, weights, model, tmp_path):
    faces = Avatars(SIDE)
    for folder in ("faces", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        Image.fromarray(faces[i]).save(tmp_path / "faces" / f"{i}.png")
    for i in (1, 2, 4):
        Image.fromarray(faces.parts(i)).save(tmp_path / "labels" / f"{i}.png")
    ran = stylemap(TRAIN, "--data faces --part-labels labels --count 2 --out s.safetensors")
    assert ran.code == 0, ran.err
    origin = segmentation.load("s.safetensors", model).origin
    assert (origin.data, origin.count, origin.measured) == ("faces", 2, 1)


def test_predict_writes_label_maps_and_a_sheet(stylemap, taught, model, inputs, tmp_path):
    ran = stylemap(PREDICT, "--sheet sheet.png")
    assert ran.code == 0, ran.err
    for name in PHOTOS:
        with Image.open(tmp_path / "maps" / f"{name}.png") as written:
            assert np.array_equal(np.asarray(written), found(model, taught, inputs, name))
    assert pixels(tmp_path / "sheet.png").shape[1] > 3 * 128


def test_blend_without_label_maps_takes_what_the_segmenter_finds(stylemap, taught, model, inputs, tmp_path):
    first, second = (found(model, taught, inputs, name) for name in ("ada", "bob"))
    part = next(name for name in ("hair", "skin", "cloth", "ear") if len(masks_of(name, first, second).unique()) > 1)
    ran = stylemap(BLEND.replace("hair", part))
    assert ran.code == 0, ran.err
    assert "note: without label maps the weights name the parts: learned from 3 labelled images of mine" in ran.err
    w, other = (model.encode(images.read(inputs / f"{name}.png", SIDE)) for name in ("ada", "bob"))
    expected = blend(model, w, other, masks_of(part, first, second))
    assert np.array_equal(pixels(tmp_path / "out.png"), images.to_uint8(expected)[0].numpy())


def masks_of(name: str, first: np.ndarray, second: np.ndarray) -> torch.Tensor:
    from stylemap.datasets.parts import GROUPS

    return masks.union(*(masks.from_parts(labels, GROUPS[name], SIDE) for labels in (first, second)))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (BLEND, "or let the weights name the parts, after `stylemap parts train`"),
        (PREDICT, "cannot name the parts of an image"),
        (f"{TRAIN} --data IN/photos", "need --part-labels"),
        (f"{TRAIN} --data avatars --part-labels IN/photos", "avatars know their parts"),
        (f"{TRAIN} --data avatars --out IN/w.safetensors", "holds no segmenter"),
        (f"{TRAIN} --data avatars --out w.safetensors", "would be overwritten"),
        ("parts train --weights avatars32 --data avatars", "come with a segmenter; give --out"),
        (f"{TRAIN} --data IN/photos --part-labels IN/nothing", "holds no part labels"),
    ],
)
@pytest.mark.usefixtures("weights")
def test_mistakes(refused, line, reason):
    assert reason in refused(line)
