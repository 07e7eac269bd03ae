"""The regulariser of noise maps in closed form."""

import math

import pytest
import torch

from stylemap.inversion import Subject, projector
from tests.inversion.tiny import randn, vectors


@pytest.mark.parametrize(("side", "levels"), [(4, 1), (8, 1), (16, 2), (64, 4)])
def test_constant_map_counts_two_on_every_level(side, levels):
    # the mean product with itself is 1, in x and in y
    torch.testing.assert_close(projector.correlation([torch.ones(1, 1, side, side)]), torch.tensor([2.0 * levels]))


def test_stripes():
    # columns 1, -1, 1, ...: shifted in x the product is -1, in y 1; averaged over 2 x 2 nothing is left
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    torch.testing.assert_close(projector.correlation([stripes]), torch.tensor([2.0]))


def test_white_noise_is_small():
    # A mean of s^2 products of independent normals has variance 1 / s^2. Averaging over 2 x 2 divides the variance by 4, products
    # by 4 and their squared mean by 16. Sides 64, 32, 16, 8: 2 sum_k 16^-k 4^k / 64^2 = 2 / 64^2 (1 + 1/4 + 1/16 + 1/64).
    expected = 2 / 64**2 * (1 + 1 / 4 + 1 / 16 + 1 / 64)
    found = projector.correlation([randn(400, 1, 64, 64)]).mean()
    # squares of normals spread by sqrt(2) of their mean: 400 of them by 7 %, of which four are allowed
    assert abs(found / expected - 1) < 4 * 2**0.5 / 400**0.5


def test_sums_over_maps_and_not_over_images():
    a, b = randn(2, 1, 8, 8), randn(2, 1, 16, 16, seed=1)
    both = projector.correlation([a, b])
    torch.testing.assert_close(both, projector.correlation([a]) + projector.correlation([b]))
    torch.testing.assert_close(both[1:], projector.correlation([a[1:], b[1:]]))


def test_standardise():
    found = projector.standardise(3 * randn(2, 1, 8, 8) + torch.tensor([5.0, -2.0]).view(2, 1, 1, 1))
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.square().mean(dim=(1, 2, 3)), torch.ones(2))
    assert projector.standardise(torch.full((1, 1, 4, 4), 2.0)).abs().max() == 0


def test_drawn_maps_are_the_same_for_every_image():
    subject = Subject(vectors())
    maps = subject.noise_drawn(3, 5)["noise.1"]
    assert maps.shape == (3, 1, 8, 8)
    assert torch.equal(maps[0], maps[2])
    assert not torch.equal(maps, subject.noise_drawn(3, 6)["noise.1"])


@pytest.mark.parametrize(
    ("t", "share"),
    [
        (0.0, 0.0),
        (0.025, 0.5),
        (0.05, 1.0),
        (0.5, 1.0),
        (0.75, 1.0),
        (0.875, 0.5),  # 1/2 - 1/2 cos(pi / 2)
        (0.9375, 0.5 - 0.5 * math.cos(math.pi / 4)),
        (1.0, 0.0),
    ],
)
def test_rate(t, share):
    assert projector.rate(t) == pytest.approx(share, abs=1e-12)


def test_rate_without_ramps_is_constant():
    assert [projector.rate(t, 0, 0) for t in (0, 0.5, 1)] == [1, 1, 1]


@pytest.mark.parametrize(("t", "deviation"), [(0, 0.05), (0.375, 0.0125), (0.75, 0), (1, 0)])
def test_latent_noise(t, deviation):
    assert projector.latent_noise(t) == pytest.approx(deviation, abs=1e-12)


def test_latent_noise_at_the_other_corner():
    assert projector.latent_noise(0.05) == pytest.approx(0.05 * (1 - 1 / 15) ** 2)
    assert projector.latent_noise(0.5, ramp=0.0) == 0
