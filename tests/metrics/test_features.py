"""FID, KID, precision and recall: closed forms, and which argument is which."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stylemap.errors import InputError
from stylemap.metrics import features
from stylemap.metrics.features import fid, kid, precision_recall


def gaussian(count: int, width: int = 4, seed: int = 0) -> Tensor:
    """Samples whose mean is 0 and whose covariance is 1, to rounding."""
    x = np.random.default_rng(seed).standard_normal((count, width))
    x -= x.mean(axis=0)
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)))
    return torch.from_numpy(x @ whiten.T)


class TestFid:
    def test_equal_sets(self):
        assert fid(gaussian(50), gaussian(50)) == pytest.approx(0, abs=1e-9)

    def test_known_gaussians(self):
        """|m|^2 + sum (s - 1)^2 for a covariance of diagonal s^2."""
        mean, deviation = torch.tensor([3.0, 0, -1, 0.5]), torch.tensor([2.0, 1, 0.5, 3])
        a, b = gaussian(80), gaussian(60, seed=1) * deviation + mean
        expected = float(mean.square().sum() + (deviation - 1).square().sum())
        assert fid(a, b) == pytest.approx(expected, rel=1e-9)
        assert fid(b, a) == pytest.approx(expected, rel=1e-9)

    def test_fewer_pictures_than_features(self):
        """The covariance is singular, and the distance still that of a shift."""
        a = torch.randn(5, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        # The square roots of eigenvalues that rounding makes 1e-16 are 1e-8, and there are 20.
        assert fid(a, a + 1) == pytest.approx(20, abs=1e-5)

    def test_one_picture(self):
        with pytest.raises(InputError, match="two images"):
            fid(gaussian(50), gaussian(50)[:1])


class TestKid:
    def test_by_hand(self):
        """As many images as a subset: the only subset is the whole set."""
        a, b = gaussian(12), gaussian(12, seed=1) + 1

        def kernel(x, y):
            return (x @ y.T / x.shape[1] + 1) ** 3

        n = len(a)
        within = sum((kernel(x, x).sum() - kernel(x, x).trace()) / (n * (n - 1)) for x in (a, b))
        expected = float(within - 2 * kernel(a, b).mean())
        assert kid(a, b).mean == pytest.approx(expected, rel=1e-9)
        assert kid(b, a).mean == pytest.approx(expected, rel=1e-9)

    def test_the_deviation_is_that_of_new_sets(self):
        """The mean varies from sets to sets of one distribution by as much as one call says that it does.

        The standard deviation of 40 draws is known to 1 / sqrt(80), 11 %; with as many for what a call says, a third is three
        standard errors.
        """
        found = []
        for s in range(40):
            rng = torch.Generator().manual_seed(s)
            a, b = torch.randn(2, 200, 8, generator=rng, dtype=torch.float64)
            found.append(kid(a + 0.7, b))
        actual = np.std([x.mean for x in found], ddof=1)
        assert np.mean([x.deviation for x in found]) == pytest.approx(actual, rel=1 / 3)

    @pytest.mark.parametrize(("generated", "real", "size"), [(31, 12, 6), (39, 41, 19), (41, 40, 20), (90, 80, 20)])
    def test_subsets_are_of_half_of_the_pictures_at_most(self, generated, real, size, monkeypatch):
        monkeypatch.setattr(features, "SUBSET_SIZE", 20)
        assert kid(gaussian(generated), gaussian(real, seed=1)).spread_over == size

    def test_the_seed_decides(self):
        a, b = gaussian(30), gaussian(20, seed=1)
        assert kid(a, b, seed=3) == kid(a, b, seed=3) != kid(a, b, seed=4)

    def test_unbiased(self):
        """Of one distribution it is 0 on average, unlike FID."""
        values = [
            kid(*torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(s)).double())[0] for s in range(20)
        ]
        assert abs(np.mean(values)) < 3 * np.std(values) / 20**0.5

    def test_too_few(self):
        with pytest.raises(InputError, match="four images"):
            kid(gaussian(50), gaussian(50)[:3])


class TestPrecisionRecall:
    def test_equal_sets(self):
        assert precision_recall(gaussian(20), gaussian(20)) == (1, 1)

    def test_apart(self):
        assert precision_recall(gaussian(20), gaussian(20) + 100) == (0, 0)

    def test_which_is_which(self):
        """What is generated is one corner of the real: all of it is real, and a part of the real is reached."""
        real = torch.cat([gaussian(30), gaussian(30, seed=1) + 100])
        generated = gaussian(30)
        assert precision_recall(generated, real) == (1, 0.5)
        assert precision_recall(real, generated) == (0.5, 1)

    def test_too_few(self):
        with pytest.raises(InputError, match="more than 3"):
            precision_recall(gaussian(20)[:3], gaussian(20))
