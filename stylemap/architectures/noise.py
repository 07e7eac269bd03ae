"""The z of a training, as a pure function of where it is."""

import numpy as np
import torch
from torch import Tensor

from stylemap import randomness
from stylemap.randomness import Purpose


def noise(seed: int, seen: int, batch: int, channels: int) -> Tensor:
    """The z of an iteration as a pure function of where it is: [2, batch, channels], for the steps of G and of D."""
    rng = randomness.generator(Purpose.NOISE, seed, seen)
    return torch.from_numpy(rng.standard_normal((2, batch, channels), np.float32))


def shown(seed: int, count: int, channels: int) -> Tensor:
    """The z of the samples that a run shows: [count, channels]."""
    return torch.from_numpy(randomness.generator(Purpose.GRID, seed, 0).standard_normal((count, channels), np.float32))
