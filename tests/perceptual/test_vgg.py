"""VGG-16 and LPIPS: the published numbers from a file of the published form, and clear lines where it is missing."""

import dataclasses
import hashlib
import warnings

import pytest
import torch

from stylemap import perceptual
from stylemap.architectures.stylemap.config import StylemapLoss
from stylemap.errors import InputError
from stylemap.perceptual import vgg
from stylemap.published import VGG
from tests.metrics import toys


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Random weights in the layout of torchvision's file (its convolutions; the classifier is not needed)."""
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = torchvision.models.vgg16(weights=None).features.state_dict()
    return {f"features.{name}": value for name, value in layers.items()}


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / VGG.file
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def published(weights):
    """The network of the lpips package with the same weights."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks torchvision for its network in a way that is deprecated
        network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval().requires_grad_(False)
    names = network.net.state_dict()  # torchvision's numbers, in five slices
    network.net.load_state_dict({name: weights["features." + name.split(".", 1)[1]] for name in names})
    return network


def test_distance_is_that_of_the_lpips_package(file, published):
    a, b = toys.images(3, seed=1), toys.images(3, seed=2)
    distance = perceptual.load("lpips", vgg=str(file), largest=None).distance(a, b)
    torch.testing.assert_close(distance, published(a, b).flatten(), rtol=1e-5, atol=0)


def test_gradients_are_those_of_the_lpips_package(file, published):
    a, b = toys.images(2, seed=1).requires_grad_(), toys.images(2, seed=2)
    network = perceptual.load("lpips", vgg=str(file), largest=None)
    ours, theirs = (torch.autograd.grad(f(a, b).sum(), a)[0] for f in (network.distance, published))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


def test_distance_of_the_file(file):
    network = perceptual.load("lpips", vgg=str(file), largest=None)
    a = toys.images(2, seed=1)
    b = a.roll(3, dims=2).requires_grad_()
    assert torch.equal(network.distance(a, a), torch.zeros(2))
    distance = network.distance(b, a)
    assert distance.shape == (2,) and (distance > 0).all()
    torch.testing.assert_close(network.distance(a, b), distance)
    distance.sum().backward()
    assert b.grad.isfinite().all() and b.grad.abs().sum() > 0
    with torch.autocast("cpu", torch.bfloat16):  # float32 all the same
        torch.testing.assert_close(network.distance(b, a), distance, rtol=0, atol=0)
    assert network.origin["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert network.origin["comparable"] is False  # the weights are not the published ones
    assert network.origin["library"].startswith("lpips 0")


def test_term_of_training_is_the_metric(file, monkeypatch):
    """LPIPS at the images' own side: nothing is averaged down first."""
    config = StylemapLoss(perceptual_network="lpips", vgg=str(file))
    a, b = toys.images(1, seed=1), toys.images(1, seed=2)
    metric = perceptual.load("lpips", vgg=str(file), largest=None)
    assert torch.equal(perceptual.for_training(config, torch.device("cpu"))(a, b), metric.distance(a, b))
    sides = []
    monkeypatch.setattr(vgg, "load", lambda path, device, largest: sides.append(largest) or metric)
    perceptual.for_training(config, torch.device("cpu"))
    assert sides == [None]


def test_published_weights_are_known_by_their_hash(file):
    published = dataclasses.replace(VGG, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert published.origin(file, "lpips")["comparable"] is True


def test_missing_vgg_says_where_to_put_it(tmp_path):
    config = StylemapLoss(perceptual_network="lpips", vgg=str(tmp_path / "nowhere.pth"))
    with pytest.raises(InputError, match="nowhere.pth is missing: `stylemap weights pull vgg16` gets them") as info:
        perceptual.for_training(config, torch.device("cpu"))
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "other weights"])
def test_wrong_vgg(tmp_path, content):
    file = tmp_path / "vgg.pth"
    torch.save({"weight": torch.zeros(1)}, file) if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match="does not hold torchvision's VGG-16.*`stylemap weights pull vgg16`"):
        vgg.read_weights(str(file))
