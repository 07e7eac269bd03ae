"""Distances to targets: closed forms, and that nothing outside a mask matters."""

import pytest
import torch

from stylemap.inversion import losses
from stylemap.inversion.losses import Comparison, Target, Weights
from stylemap.perceptual import vgg
from stylemap.perceptual.registry import Pixels
from tests.inversion.tiny import SIDE, randn

EVERYTHING = Weights(distance=1.0, pixels=1.0, features=1.0, style=1.0)


@pytest.fixture(scope="module")
def network():
    return vgg.random()


def box() -> torch.Tensor:
    """[1, 1, R, R], neither centred nor on the cells of features."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 3:10, 5:16] = 1
    return mask


def test_squared_error_is_the_mean_over_the_mask():
    a, b = randn(2, 3, SIDE, SIDE), randn(2, 3, SIDE, SIDE, seed=1)
    expected = (a - b)[..., 3:10, 5:16].square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(losses.squared_error(a, b, box()), expected)
    torch.testing.assert_close(losses.squared_error(a, b, torch.ones(1, 1, SIDE, SIDE)), losses.squared_error(a, b))
    assert losses.squared_error(a, b, torch.zeros(1, 1, SIDE, SIDE)).tolist() == [0, 0]


def test_nothing_outside_the_mask_matters(network):
    target, image = randn(1, 3, SIDE, SIDE), randn(1, 3, SIDE, SIDE, seed=1)
    other = randn(1, 3, SIDE, SIDE, seed=2)
    inside = box()
    value = Comparison([Target(target, inside)], network, EVERYTHING)(image)
    changed = torch.where(inside > 0, target, other), torch.where(inside > 0, image, -other)
    again = Comparison([Target(changed[0], inside)], network, EVERYTHING)(changed[1])
    assert torch.equal(value, again)
    image.requires_grad_()
    Comparison([Target(target, inside)], network, EVERYTHING)(image).sum().backward()
    assert (image.grad * (1 - inside)).abs().max() == 0
    assert ((image.grad * inside).abs() > 0).float().mean() > 0.2


def test_targets_are_added(network):
    a, b, image = (randn(2, 3, SIDE, SIDE, seed=k) for k in range(3))
    both = Comparison([Target(a, box()), Target(b, 1 - box())], network, EVERYTHING)(image)
    one = [Comparison([t], network, EVERYTHING)(image) for t in (Target(a, box()), Target(b, 1 - box()))]
    torch.testing.assert_close(both, sum(one))


def test_gram_does_not_know_places():
    features = randn(2, 4, 6, 6)
    shuffled = features.flatten(2)[:, :, torch.randperm(36, generator=torch.Generator().manual_seed(0))].view_as(
        features
    )
    torch.testing.assert_close(losses.gram(features), losses.gram(shuffled))
    torch.testing.assert_close(losses.gram(torch.ones(1, 4, 6, 6)), torch.full((1, 4, 4), 1 / 4))


def test_terms_that_weigh_nothing_cost_nothing():
    class Untouched(Pixels):
        def maps(self, images):
            raise AssertionError

        activations = maps

    image = randn(1, 3, SIDE, SIDE)
    assert Comparison([Target(image)], Untouched(), Weights(pixels=2))(image + 1).item() == pytest.approx(2)
