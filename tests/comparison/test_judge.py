"""The classifier in place of VGG-16."""

import pytest
import torch

from stylemap import checkpoint, images
from stylemap.comparison import judge, subjects
from stylemap.datasets import Avatars
from stylemap.errors import InputError
from stylemap.metrics import classifier
from stylemap.published import VGG
from tests.inversion import tiny

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 3)
    monkeypatch.setattr(judge, "LABELLED", 8)


def test_the_distance_is_that_of_features_at_every_side(quick):
    network = judge.of_drawn_faces(Avatars(16, 8), 0, CPU)
    x = images.from_arrays([Avatars(16, 4, "heldout")[i] for i in range(4)]).requires_grad_()
    assert [map_.shape[-1] for map_ in network.maps(x)] == [16, 8, 4]
    assert [a.shape[-1] for a in network.activations(x, ["conv1_2", "conv3_1", "conv5_3"])] == [16, 4, 4]
    assert torch.equal(network.distance(x, x), torch.zeros(4))
    distance = network.distance(x, x.detach().roll(1, 0))
    assert (distance > 0).all()
    distance.sum().backward()
    assert x.grad.isfinite().all()


def test_the_same_seed_gives_the_same_network(quick):
    first, again, other = (judge.of_drawn_faces(Avatars(16, 8), seed, CPU) for seed in (0, 0, 1))
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    for a, b, c in zip(first.maps(x), again.maps(x), other.maps(x), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_auto_takes_it_for_drawn_faces_alone(quick, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert not VGG.path().is_file()
    weights = tmp_path / "w.safetensors"
    checkpoint.save(weights, tiny.stylemaps())
    drawn, others = Avatars(16, 8), [torch.zeros(16, 16, 3)]
    assert subjects.load_perceptual("auto", [str(weights)], None, CPU, drawn)[1]["network"] == judge.NAME
    assert subjects.load_perceptual("auto", [str(weights)], None, CPU, others)[1]["network"] != judge.NAME
    assert subjects.load_perceptual("none", [str(weights)], None, CPU, drawn)[1]["network"] == "none"
    with pytest.raises(InputError, match="it learns from drawn faces"):
        subjects.load_perceptual(judge.NAME, [str(weights)], None, CPU, others)
