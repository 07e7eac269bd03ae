"""Stand-ins for VGG-16 work on small images and say what they are."""

import pytest
import torch

from stylemap import perceptual
from stylemap.errors import InputError
from stylemap.inversion.losses import FOUR_LAYERS, Comparison, Target, Weights
from stylemap.perceptual import registry, vgg
from stylemap.perceptual.network import shrink
from stylemap.perceptual.registry import DiscriminatorFeatures, Pixels
from tests.inversion.tiny import randn


@pytest.mark.parametrize("side", [8, 16, 32])
def test_random_network_works_on_small_images(side):
    network = vgg.random()
    images = randn(2, 3, side, side).requires_grad_()
    found = network.maps(images)
    assert [x.shape[1] for x in found] == list(vgg.NARROW)
    sum(x.sum() for x in found).backward()
    assert images.grad.isfinite().all()
    assert [x.shape[-1] for x in network.activations(images, FOUR_LAYERS)] == [side, side, side // 4, side // 8]
    assert network.origin["stand_in"] == "random weights"


def test_activations_come_in_the_order_of_the_layers_asked_for():
    network, images = vgg.random(), randn(1, 3, 16, 16)
    a, b = network.activations(images, ("conv3_2", "conv1_1"))
    assert (a.shape[1], b.shape[1]) == (32, 16)


def test_large_images_are_averaged_and_small_ones_are_not():
    images = randn(1, 3, 32, 32)
    assert shrink(images, 32) is images
    torch.testing.assert_close(shrink(images, 8)[0, 0, 0, 0], images[0, 0, :4, :4].mean())


def test_normalised_features_of_stand_ins_lie_between_0_and_4():
    network, a = vgg.random(), randn(3, 3, 16, 16)
    found = Comparison([Target(a)], network, Weights(distance=1))(randn(3, 3, 16, 16, seed=1))
    assert ((found > 0) & (found < 4)).all()
    assert Comparison([Target(a)], network, Weights(distance=1))(a).max() == 0


def test_distance_is_what_inversion_compares():
    network, a, b = vgg.random(), randn(2, 3, 16, 16), randn(2, 3, 16, 16, seed=1)
    torch.testing.assert_close(network.distance(a, b), Comparison([Target(b)], network, Weights(distance=1))(a))


def test_nothing_compares_pixels():
    a, b = randn(2, 3, 8, 8), randn(2, 3, 8, 8, seed=1)
    found = Comparison([Target(a)], perceptual.load("none"), Weights(distance=1))(b)
    torch.testing.assert_close(found, (a - b).square().mean(dim=(1, 2, 3)))


def test_discriminator_of_shipped_weights():
    network = perceptual.load("discriminator", weights="avatars32")
    assert len(network.maps(randn(1, 3, 32, 32))) == 4
    assert "discriminator" in network.origin["stand_in"]


@pytest.mark.parametrize("network", [vgg.random(), perceptual.load("discriminator", weights="avatars32")])
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
    assert isinstance(perceptual.load("auto", weights="avatars32"), DiscriminatorFeatures)
    assert perceptual.load("auto").origin["stand_in"] == "random weights"
    with pytest.raises(InputError, match="missing.pth"):
        perceptual.load("auto", vgg=str(tmp_path / "missing.pth"))
    with pytest.raises(InputError, match="VGG-16"):
        perceptual.load("lpips")
    with pytest.raises(InputError, match="discriminator"):
        perceptual.load("discriminator")


def test_a_network_is_one_line_of_the_table(monkeypatch):
    with pytest.raises(InputError, match="unknown perceptual network 'half'; known are auto, lpips"):
        perceptual.load("half")

    class Half(Pixels):
        origin = {"network": "every other pixel"}

        def maps(self, images):
            return super().maps(images[..., ::2, ::2])

    monkeypatch.setitem(registry.NETWORKS, "half", lambda *_: Half())
    a, b = randn(2, 3, 8, 8), randn(2, 3, 8, 8, seed=1)
    expected = (a - b)[..., ::2, ::2].square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(perceptual.load("half").distance(a, b), expected)
