"""The projector's schedules at the places where their formulas have simple values."""

import math

import pytest

from stylemap.inversion import schedules


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
    assert schedules.rate(t) == pytest.approx(share, abs=1e-12)


def test_rate_without_ramps_is_constant():
    assert [schedules.rate(t, 0, 0) for t in (0, 0.5, 1)] == [1, 1, 1]


@pytest.mark.parametrize(("t", "deviation"), [(0, 0.05), (0.375, 0.0125), (0.75, 0), (1, 0)])
def test_latent_noise(t, deviation):
    assert schedules.latent_noise(t) == pytest.approx(deviation, abs=1e-12)


def test_latent_noise_at_the_other_corner():
    assert schedules.latent_noise(0.05) == pytest.approx(0.05 * (1 - 1 / 15) ** 2)
    assert schedules.latent_noise(0.5, ramp=0.0) == 0
