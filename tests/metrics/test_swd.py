import numpy as np
import pytest
import torch

from stylemap.metrics import swd
from tests.metrics import toys


class TestWasserstein:
    def test_shift(self):
        a = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 500), np.float32))
        shift = torch.tensor([0.0, 1.5, -2.0])
        torch.testing.assert_close(swd.wasserstein(a, a.flip(1) + shift[:, None]), shift.abs(), rtol=0, atol=1e-5)

    def test_known_gaussians(self):
        """N(0, 1) and N(0, s^2): |s - 1| E|x| = |s - 1| sqrt(2 / pi). 10^6 draws are off by 10^-3 times a small factor."""
        rng = np.random.default_rng(0)
        a, b = (torch.from_numpy(rng.standard_normal((1, 10**6), np.float32)) for _ in range(2))
        assert float(swd.wasserstein(a, 3 * b)) == pytest.approx(2 * (2 / np.pi) ** 0.5, rel=5e-3)

    def test_agrees_with_scipy(self):
        from scipy.stats import wasserstein_distance

        a, b = (torch.from_numpy(np.random.default_rng(s).exponential(size=(1, 200))) for s in (0, 1))
        assert float(swd.wasserstein(a, b)) == pytest.approx(wasserstein_distance(a[0], b[0]), rel=1e-9)


def test_sliced_shift():
    """A shift d is seen along unit directions u as |u . d|, on average |d| E|u_1|; E|u_1| = 1/2 in three dimensions."""
    a = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    # The mean of 512 numbers uniform in [0, 5] is off by 5 / sqrt(12 512) = 0.064.
    assert swd.sliced(a, a + torch.tensor([3.0, 0.0, 4.0])) == pytest.approx(2.5, abs=0.2)


@pytest.mark.parametrize(("side", "sides"), [(64, [64, 32, 16]), (16, [16]), (8, [8]), (31, [31])])
def test_pyramid(side, sides):
    """Levels from the image down to 16 pixels, from which it can be built again."""
    x = toys.images(2, side=side)
    levels = swd.pyramid(x)
    assert [level.shape[-1] for level in levels] == sides
    built = levels[-1]
    for level in reversed(levels[:-1]):
        built = level + swd.grow(built)
    torch.testing.assert_close(built, x, rtol=0, atol=1e-6)


def test_filters_keep_flat_pictures():
    flat = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(swd.shrink(flat), flat[:, :, :8, :8])
    torch.testing.assert_close(
        swd.grow(flat)[..., :-2, :-2], flat.expand(1, 3, 16, 16).repeat(1, 1, 2, 2)[..., :-2, :-2]
    )


def test_patches_are_cut_from_the_picture():
    """Of a ramp, every patch is a ramp of the same steep."""
    ramp = torch.arange(16.0).expand(1, 3, 16, 16) + 100 * torch.arange(16.0).view(1, 1, 16, 1)
    patches = swd._patches(ramp, np.random.default_rng(0)).unflatten(1, (3, 7, 7))
    assert patches.shape == (128, 3, 7, 7)
    assert (patches.diff(dim=3) == 1).all() and (patches.diff(dim=2) == 100).all()
    corners = patches[:, 0, 0, 0]
    assert {int(c % 100) for c in corners} == {int(c // 100) for c in corners} == set(range(10))


class TestSets:
    def test_a_set_and_itself(self):
        pictures = toys.noise(6)
        found = swd.swd(swd.patches([pictures]), swd.patches([pictures]))
        assert found == {32: 0.0, 16: 0.0}

    def test_batches_do_not_matter(self):
        pictures = toys.noise(7)
        whole, parts = swd.patches([pictures], seed=1), swd.patches(pictures.split(3), seed=1)
        for side in whole:
            torch.testing.assert_close(whole[side], parts[side], rtol=0, atol=1e-5)

    def test_normalised(self):
        patches = swd.patches([toys.noise(6)])[32].unflatten(1, (3, 49))
        torch.testing.assert_close(patches.mean(dim=(0, 2)), torch.zeros(3), rtol=0, atol=1e-4)
        torch.testing.assert_close(patches.std(dim=(0, 2)), torch.ones(3), rtol=0, atol=1e-3)

    def test_normalised_for_each_channel_and_not_for_each_place_in_a_patch(self):
        """Of ramps along x, every patch stays a ramp; contrast and brightness of a channel go.

        A value is the place x0 + j: x0 of 10 places has variance 99 / 12, j of 7 has 4, so that the slope is
        1 / sqrt(12.25). The variance of 512 draws of x0 is off by 99 / 12 sqrt(0.8 / 512) = 0.33, five times which is
        7 % of the slope.
        """
        x = torch.arange(16)
        ramps = torch.stack([2 * x, 5 * x + 40, 200 - 10 * x], dim=1).byte().expand(4, 16, 16, 3)
        red, green, blue = swd.patches([ramps])[16].unflatten(1, (3, 7, 7)).unbind(dim=1)
        torch.testing.assert_close(red, green, rtol=0, atol=1e-5)
        torch.testing.assert_close(red, -blue, rtol=0, atol=1e-5)
        slope = red.diff(dim=2)
        torch.testing.assert_close(slope, slope[0, 0, 0].expand_as(slope), rtol=0, atol=1e-5)
        assert float(slope[0, 0, 0]) == pytest.approx(12.25**-0.5, rel=0.07)

    def test_thousandths(self):
        a, b = (swd.patches([toys.noise(3, seed=s)]) for s in (0, 1))
        assert swd.swd(a, b) == {side: pytest.approx(1000 * swd.sliced(a[side], b[side])) for side in (32, 16)}

    def test_flat_pictures_are_no_division_by_zero(self):
        flat = torch.full((2, 16, 16, 3), 7, dtype=torch.uint8)
        assert swd.swd(swd.patches([flat]), swd.patches([flat + 1])) == {16: 0.0}

    def test_texture_is_seen_and_order_is_not(self):
        """Blocks of 4 pixels differ from noise more than noise from noise."""
        a, b, c = (swd.patches([x]) for x in (toys.noise(64), toys.noise(64, seed=1), blocks(64)))
        assert swd.swd(a, c)[32] > 2 * swd.swd(a, b)[32] > 0
        assert swd.swd(a, c) == pytest.approx(swd.swd(c, a))

    def test_sets_of_different_sizes(self):
        with pytest.raises(ValueError, match="as many"):
            swd.swd(swd.patches([toys.noise(2)]), swd.patches([toys.noise(3)]))

    def test_nothing_to_describe(self):
        with pytest.raises(ValueError, match="without images"):
            swd.patches([])
        with pytest.raises(ValueError, match="7 pixels or more"):
            swd.patches([toys.noise(1, side=6)])


def blocks(count: int) -> torch.Tensor:
    return toys.noise(count, side=8, seed=2).repeat_interleave(4, 1).repeat_interleave(4, 2)
