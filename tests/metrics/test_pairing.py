"""Pairs by overlap and by chance, and the published measure, against closed forms and by hand."""

import numpy as np
import pytest

from stylemap.metrics import pairing


def box(y: int, x: int, height: int, width: int, side: int = 12) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[y : y + height, x : x + width] = True
    return mask


class TestIou:
    def test_closed_forms(self):
        masks = np.stack(
            [box(0, 0, 4, 6), box(0, 3, 4, 6), box(2, 0, 4, 6), box(6, 6, 4, 4), box(0, 0, 12, 12), box(0, 0, 0, 0)]
        )
        expected = [[1, 1 / 3, 1 / 3, 0, 24 / 144, 0], [0] * 6]
        np.testing.assert_allclose(pairing.iou(masks)[[0, -1]], expected, rtol=1e-12)

    def test_many_as_one_by_one(self, monkeypatch):
        masks = np.random.default_rng(0).random((9, 7, 5)) < 0.3
        expected = [[(a & b).sum() / (a | b).sum() for b in masks] for a in masks]
        for rows in (1, 4, 100):
            monkeypatch.setattr(pairing, "ROWS", rows)
            scores = pairing.iou(masks)
            np.testing.assert_allclose(scores, expected, rtol=1e-12)
            np.testing.assert_array_equal(scores, scores.T)


class TestPair:
    def test_planted(self):
        """Boxes of four places, two images each: those of one place meet, whatever the order."""
        places = [(0, 0), (6, 6), (0, 6), (6, 0)]
        order = [2, 0, 3, 1, 0, 2, 1, 3]
        masks = np.stack([box(*places[k], 4, 4) for k in order])
        pairs = pairing.pair(pairing.iou(masks), 4)
        assert all(order[a] == order[b] for a, b in pairs) and len({i for p in pairs for i in p}) == 8
        assert pairs == [(0, 5), (1, 4), (2, 7), (3, 6)]  # equals in the order of the images

    def test_the_best_pair_goes_first_and_takes_its_pictures_away(self):
        scores = np.array([[1, 0.8, 0.9, 0.1], [0.8, 1, 0.2, 0], [0.9, 0.2, 1, 0.7], [0.1, 0, 0.7, 1]])
        assert pairing.pair(scores, 2) == [(0, 2), (1, 3)]  # 0.9, and 0 is what is left
        assert pairing.pair(scores, 1) == [(0, 2)]

    def test_the_scores_fall(self):
        masks = np.random.default_rng(1).random((20, 6, 6)) < 0.5
        scores = pairing.iou(masks)
        taken = [scores[p] for p in pairing.pair(scores, 10)]
        assert taken == sorted(taken, reverse=True)

    def test_more_than_there_are(self):
        """Five images make two pairs."""
        assert len(pairing.pair(np.zeros((5, 5)), 3)) == len(pairing.pair_by_chance(5, 3)) == 2

    def test_by_chance(self):
        pairs = pairing.pair_by_chance(101, 50)
        assert len({i for p in pairs for i in p}) == 100 and max(map(max, pairs)) <= 100
        assert pairs == pairing.pair_by_chance(101, 50) != pairing.pair_by_chance(101, 50, seed=1)


class TestErrors:
    def test_in_minus_one_to_one(self):
        """Black against white is 2 apart: 4 for each of three channels."""
        black, white = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 255, np.uint8)
        assert pairing.squared_errors(black, white, box(1, 2, 3, 4)) == pytest.approx((4 * 36, 36))
        assert pairing.squared_errors(black, white, box(0, 0, 0, 0)) == (0, 0)

    def test_only_inside(self):
        edit = np.where(box(1, 2, 3, 4)[..., None], 255, 0).astype(np.uint8).repeat(3, -1)
        assert pairing.squared_errors(edit, np.zeros_like(edit), ~box(1, 2, 3, 4))[0] == 0

    def test_pooled(self):
        """Six edits are a group of four and one of two: by values within, groups count alike."""
        errors = [(1, 10), (2, 10), (3, 30), (0, 0), (8, 2), (0, 2)]
        assert pairing.pooled(errors) == pytest.approx((6 / 50 + 8 / 4) / 2)

    def test_groups_of_nothing_are_passed_over(self):
        assert pairing.pooled([(0, 0)] * 4 + [(6, 3)]) == 2
        assert pairing.pooled([(0, 0)]) is None and pairing.pooled([]) is None
