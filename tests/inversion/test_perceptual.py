"""Networks of features: VGG-16 is LPIPS's own, the others work on small images and say what they are."""

import warnings

import pytest
import torch

from stylemap.errors import InputError
from stylemap.inversion import perceptual
from stylemap.inversion.losses import FOUR_LAYERS, Comparison, Target, Weights
from stylemap.training import perceptual as training
from tests.inversion.tiny import randn


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Random, in torchvision's form: convolutions are numbered among ReLUs and pools."""
    state, inputs, number = {}, 3, 0
    for block, (count, width) in enumerate(zip(perceptual.CONVOLUTIONS, (64, 128, 256, 512, 512), strict=True)):
        for _ in range(count):
            state[f"features.{number}.weight"] = randn(width, inputs, 3, 3, seed=number) * (2 / (9 * inputs)) ** 0.5
            state[f"features.{number}.bias"] = 0.1 * randn(width, seed=100 + number)
            inputs, number = width, number + 2
        number += block >= 0  # the pool
    return state


def test_vgg_distance_is_that_of_the_lpips_package(weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = training.lpips_vgg(weights, torch.device("cpu"))
    ours = perceptual.from_torchvision(weights, perceptual.lpips_weights(), {})
    a, b = randn(2, 3, 32, 32).tanh(), randn(2, 3, 32, 32, seed=1).tanh()
    found = Comparison([Target(b)], ours, Weights(distance=1))(a)
    torch.testing.assert_close(found, theirs(b, a, [], list), rtol=1e-4, atol=0)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_random_network_works_on_small_images(side):
    network = perceptual.random()
    images = randn(2, 3, side, side).requires_grad_()
    found = network.normalised(images)
    assert [x.shape[1] for x in found] == list(perceptual.STAND_IN_WIDTHS)
    sum(x.sum() for x in found).backward()
    assert images.grad.isfinite().all()
    assert [x.shape[-1] for x in network.activations(images, FOUR_LAYERS)] == [side, side, side // 4, side // 8]
    assert network.origin["stand_in"] == "random weights"


def test_activations_come_in_the_order_of_the_layers_asked_for():
    network, images = perceptual.random(), randn(1, 3, 16, 16)
    a, b = network.activations(images, ("conv3_2", "conv1_1"))
    assert (a.shape[1], b.shape[1]) == (32, 16)


def test_large_images_are_averaged_and_small_ones_are_not():
    images = randn(1, 3, 32, 32)
    assert perceptual.shrink(images, 32) is images
    torch.testing.assert_close(perceptual.shrink(images, 8)[0, 0, 0, 0], images[0, 0, :4, :4].mean())


def test_normalised_features_of_stand_ins_lie_between_0_and_4():
    network, a = perceptual.random(), randn(3, 3, 16, 16)
    found = Comparison([Target(a)], network, Weights(distance=1))(randn(3, 3, 16, 16, seed=1))
    assert ((found > 0) & (found < 4)).all()
    assert Comparison([Target(a)], network, Weights(distance=1))(a).max() == 0


def test_nothing_compares_pixels():
    a, b = randn(2, 3, 8, 8), randn(2, 3, 8, 8, seed=1)
    found = Comparison([Target(a)], perceptual.load("none"), Weights(distance=1))(b)
    torch.testing.assert_close(found, (a - b).square().mean(dim=(1, 2, 3)))


def test_discriminator_of_shipped_weights():
    network = perceptual.load("discriminator", weights="avatars32")
    assert len(network.normalised(randn(1, 3, 32, 32))) == 4
    assert "discriminator" in network.origin["stand_in"]


@pytest.mark.parametrize("network", [perceptual.random(), perceptual.load("discriminator", weights="avatars32")])
def test_stand_ins_see_what_vgg_sees_at_the_same_side(network):
    """A pixel that changes is seen in a few places of the first block, and all over the fourth and fifth."""
    images = randn(1, 3, 32, 32)
    layers = (*FOUR_LAYERS, "conv4_3", "conv5_3")
    found = network.activations(images, layers)
    assert [x.shape[-1] for x in found[:5]] == [32, 32, 8, 4, 4]
    assert found[5].shape[-1] <= 4
    changed = images.clone()
    changed[..., 16, 16] += 1
    for layer, before, after in zip(layers, found, network.activations(changed, layers), strict=True):
        share = ((before - after).abs().amax(dim=1) > 0).float().mean()
        if layer.startswith("conv1"):
            assert 0 < share < 0.03
        elif not layer.startswith("conv3"):
            assert share == 1


def test_auto_takes_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert isinstance(perceptual.load("auto", weights="avatars32"), perceptual.ByDiscriminator)
    assert perceptual.load("auto").origin["stand_in"] == "random weights"
    with pytest.raises(InputError, match="missing.pth"):
        perceptual.load("auto", vgg=str(tmp_path / "missing.pth"))
    with pytest.raises(InputError, match="VGG-16"):
        perceptual.load("lpips")
    with pytest.raises(InputError, match="discriminator"):
        perceptual.load("discriminator")
