import math

import numpy as np
import pytest
import torch

from stylemap.errors import InputError
from stylemap.metrics.separability import conditional_entropy, separability
from tests.tiny import randn


def bools(text: str) -> np.ndarray:
    return np.array([c == "1" for c in text])


@pytest.mark.parametrize(
    ("labels", "given", "bits"),
    [
        ("1100", "1100", 0),
        ("1100", "0011", 0),  # what is always wrong tells as much
        ("1010", "1100", 1),
        ("1111", "1100", 0),
        ("11001111", "11110000", 0.5),  # half of the time a coin
        ("1000", "0000", -0.25 * math.log2(0.25) - 0.75 * math.log2(0.75)),
    ],
)
def test_entropy(labels, given, bits):
    assert conditional_entropy(bools(labels), bools(given)) == pytest.approx(bits)


def test_planes():
    """Labels by the sign of a coordinate, with confidence that grows with it, have a plane; by that of a product, none."""
    latents = randn(2000, 2, 3)
    flat = latents.flatten(1)
    value, bits = separability(latents, torch.stack([flat[:, 0] + flat[:, 5], flat[:, 1] * flat[:, 2]], dim=1))
    assert bits[0] < 0.05
    assert bits[1] > 0.95
    assert value == pytest.approx(2 ** sum(bits))


def test_more_coordinates_than_samples():
    """Random labels have a plane among the samples it is fitted to, and none among others."""
    _, bits = separability(randn(300, 1000), randn(300, 1, seed=1))
    assert bits[0] > 0.9


def test_one_label_alone():
    latents, logits = randn(100, 3), randn(100, 1, seed=1).abs()
    assert separability(latents, logits) == (1, [0])


def test_the_least_confident_half_is_dropped():
    """Labels that are wrong are harmless if they are not sure."""
    latents = randn(2000, 3)
    logits = torch.where(latents[:, :1] > 0, 1.0, -1.0)
    wrong = torch.arange(2000) % 2 == 0
    logits[wrong] *= -0.1
    _, bits = separability(latents, logits)
    assert bits[0] < 0.15


def test_too_few():
    with pytest.raises(InputError, match="8 samples"):
        separability(randn(6, 3), randn(6, 1))
