"""What is random in an iteration, as a pure function of where the training is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylemap import randomness
from stylemap.config import TrainConfig
from stylemap.randomness import Purpose

GENERATOR, DISCRIMINATOR = range(2)  # the steps that make samples


@dataclass(frozen=True)
class Chance:
    """The draws for N samples."""

    z: Tensor
    """[2, N, C], standard normal: for the two steps."""

    def take(self, places: Sequence[int]) -> "Chance":
        """The draws for some of the samples, in that order: for a process or a pass."""
        return Chance(self.z[:, list(places)])

    def to(self, device: torch.device) -> "Chance":
        return Chance(self.z.to(device, non_blocking=True))


def draw(config: TrainConfig, seen: int) -> Chance:
    """For the samples of an iteration, of all processes together, after ``seen`` images."""
    rng = randomness.generator(Purpose.NOISE, config.seed, seen)
    shape = (2, config.batch, config.model.latents.z_channels)
    return Chance(torch.from_numpy(rng.standard_normal(shape, np.float32)))


def of_grid(config: TrainConfig, count: int) -> Tensor:
    """z [count, C] of the samples that a run shows."""
    rng = randomness.generator(Purpose.GRID, config.seed, 0)
    return torch.from_numpy(rng.standard_normal((count, config.model.latents.z_channels), np.float32))
