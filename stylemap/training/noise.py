"""The z of a training, as a pure function of where it is."""

import numpy as np
import torch
from torch import Tensor


def noise(seed: int, seen: int, batch: int, channels: int) -> Tensor:
    """The z of an iteration as a pure function of where it is: [2, batch, channels], for the steps of G and of D."""
    return torch.from_numpy(np.random.default_rng([seed, seen]).standard_normal((2, batch, channels), np.float32))
