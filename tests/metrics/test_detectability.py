import math

import numpy as np
import pytest
import torch

from stylemap.errors import InputError
from stylemap.metrics import classifier, detectability
from stylemap.metrics.detectability import average_precision
from tests.metrics import toys


class TestAveragePrecision:
    @pytest.mark.parametrize(
        ("scores", "positive", "expected"),
        [
            ([4, 3, 2, 1], [1, 1, 0, 0], 1),
            ([1, 2, 3, 4], [1, 1, 0, 0], (1 / 3 + 2 / 4) / 2),
            ([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
            ([7, 7, 7, 7], [1, 0, 0, 0], 1 / 4),
            ([7, 7, 1, 1], [1, 0, 1, 0], (1 / 2 + 2 / 4) / 2),
        ],
        ids=["sorted", "reversed", "mixed", "constant", "ties"],
    )
    def test_closed_forms(self, scores, positive, expected):
        for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
            found = average_precision(np.array(scores)[order], np.array(positive, bool)[order])
            assert found == pytest.approx(expected)

    def test_agrees_with_scikit_learn(self):
        from sklearn.metrics import average_precision_score

        rng = np.random.default_rng(0)
        for _ in range(20):
            scores, positive = rng.integers(0, 9, 50).astype(float), rng.random(50) < 0.3
            assert average_precision(scores, positive) == pytest.approx(average_precision_score(positive, scores))

    def test_resampled_error(self):
        """None where every draw ranks alike; else the deviation in closed form."""
        positive = np.array([1, 1, 0, 0], bool)
        assert detectability.resampled_error(np.array([4.0, 3, 2, 1]), positive) == 0
        # 5 above and 5 below 10 negatives: with K of the drawn above, K binomial, AP is K / 10 at precision 1, the rest at 1/2
        scores, positive = np.repeat([3.0, 2.0, 1.0], [5, 10, 5]), np.repeat([True, False, True], [5, 10, 5])
        chances = [math.comb(10, k) / 2**10 for k in range(11)]
        values = [k / 10 + (10 - k) / 10 * 10 / 20 for k in range(11)]
        mean = sum(c * v for c, v in zip(chances, values, strict=True))
        deviation = sum(c * (v - mean) ** 2 for c, v in zip(chances, values, strict=True)) ** 0.5
        # a deviation of 200 draws has a relative error of 5 %; 4 of them
        assert detectability.resampled_error(scores, positive) == pytest.approx(deviation, rel=0.2)

    def test_no_answer(self):
        with pytest.raises(ValueError, match="needs a positive"):
            average_precision(np.zeros(3), np.zeros(3, bool))
        with pytest.raises(ValueError, match="scores that are numbers"):
            average_precision(np.array([0, np.nan]), np.ones(2, bool))


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 60)


def pairs(count: int, seed: int, edit) -> tuple[torch.Tensor, torch.Tensor]:
    real = toys.noise(count, side=16, seed=seed, low=80, high=176)
    return real, edit(real)


def grid(x):
    x = x.clone()
    x[:, ::2] += 40
    return x


def test_edits_that_show(short):
    found = detectability.detectability(pairs(60, 0, grid), pairs(40, 1, grid))
    assert found.judged > 0.95 and found.fitted > 0.95


def test_judged_on_the_other_pictures(short):
    """Where the answers are exchanged, what was learned is as wrong as it is right at home."""
    found = detectability.detectability(pairs(60, 0, grid), pairs(40, 1, grid)[::-1])
    assert found.judged < 0.5 < 0.95 < found.fitted


def test_edits_that_do_not_show(short):
    """The images themselves: whatever is learned, each score comes once as real and once as edited."""
    found = detectability.detectability(pairs(60, 0, torch.clone), pairs(40, 1, torch.clone))
    assert found[:2] == (pytest.approx(0.5), pytest.approx(0.5))


def test_too_few():
    with pytest.raises(InputError, match="8 edits or more"):
        detectability.detectability(pairs(8, 0, torch.clone), pairs(3, 1, torch.clone))
