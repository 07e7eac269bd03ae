"""Faces by chance: all different, every kind occurs, none dominates."""

import collections

import numpy as np
import pytest

from stylemap.datasets.avatars import draw, palette, sample, sampling


def test_no_two_faces_are_alike():
    images = [draw(sample(0, i), 32) for i in range(500)]
    assert len({image.tobytes() for image in images}) == 500
    small = np.stack(images).astype(np.float32).reshape(500, -1)
    squares = (small**2).sum(1)
    distance = (squares[:, None] + squares[None] - 2 * small @ small.T) / small.shape[1]  # mean square per value
    np.fill_diagonal(distance, np.inf)
    assert np.sqrt(distance.min()) > 8  # grey levels: even the two most alike differ visibly


def test_every_category_occurs():
    faces = [sample(0, i).attributes() for i in range(2000)]
    kinds = {
        "hair_style": {style for table in sampling.HAIR_STYLES.values() for style in table} | {"covered"},
        "hair_colour": set(palette.HAIR),
        "hat_style": {*sampling.HATS, "none"},
        "beard": set(sampling.BEARDS),
        "nose": set(sampling.NOSES),
        "eye_shape": set(sampling.EYE_SHAPES),
        "eye_colour": set(palette.IRIS),
        "glasses_style": set(sampling.GLASSES),
        "expression": set(sampling.EXPRESSIONS),
        "lip_colour": {*palette.LIPSTICK, "natural"},
        "clothes": set(sampling.CLOTHES),
        "clothes_colour": set(palette.FABRICS),
        "background": set(palette.BACKDROPS),
    }
    for key, values in kinds.items():
        counts = collections.Counter(a[key] for a in faces)
        assert set(counts) == values, key
        assert min(counts.values()) >= 10, (key, counts)  # 0.5 %
        assert max(counts.values()) < 2000 * (0.95 if key == "hat_style" else 0.85), (key, counts)


@pytest.mark.parametrize(
    ("key", "low", "high"), [("glasses", 0.14, 0.19), ("hat", 0.07, 0.11), ("earrings", 0.08, 0.2)]
)
def test_accessories_do_not_dominate(key, low, high):
    assert low < np.mean([sample(0, i).attributes()[key] for i in range(3000)]) < high


def test_numbers_spread_over_their_range():
    faces = [sample(0, i).attributes() for i in range(2000)]
    for key in ("skin_tone", "age", "hair_volume", "jaw"):
        values = [a[key] for a in faces]
        assert 0 <= min(values) < 0.02 and 0.98 < max(values) <= 1, key
    assert all(0 <= a["smile"] <= 1 and 0 <= a["mouth_open"] <= 1 for a in faces)
