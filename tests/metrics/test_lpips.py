import hashlib

import pytest
import torch

from stylemap.errors import InputError
from stylemap.metrics import lpips
from stylemap.training import perceptual
from tests.metrics import toys


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """Random weights in the layout of torchvision's file."""
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = torchvision.models.vgg16(weights=None).features.state_dict()
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save({f"features.{name}": value for name, value in layers.items()}, path)
    return path


@pytest.mark.slow
def test_distance_of_the_file(vgg):
    function, origin = lpips.load(str(vgg), torch.device("cpu"))
    a, b = toys.images(2, seed=1), toys.images(2, seed=2)
    assert torch.equal(function(a, a), torch.zeros(2))
    found = function(a, b)
    assert found.shape == (2,) and (found > 0).all()
    torch.testing.assert_close(function(b, a), found)
    assert origin["weights_sha256"] == hashlib.sha256(vgg.read_bytes()).hexdigest()
    assert origin["library"].startswith("lpips 0")


def test_weights_and_order_are_passed_on(tmp_path, monkeypatch):
    file = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.ones(64, 3, 3, 3)}, file)

    def build(weights, device):
        assert weights["features.0.weight"].sum() == 64 * 27
        return lambda real, reconstruction, features, of_real: (reconstruction - 2 * real).flatten(1).mean(dim=1)

    monkeypatch.setattr(perceptual, "lpips_vgg", build)
    function, origin = lpips.load(str(file), torch.device("cpu"))
    one = torch.ones(2, 3, 4, 4)
    assert function(one, 5 * one).tolist() == [3, 3]
    assert origin["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_missing_weights(tmp_path):
    with pytest.raises(InputError, match="nowhere.pth"):
        lpips.load(str(tmp_path / "nowhere.pth"), torch.device("cpu"))
