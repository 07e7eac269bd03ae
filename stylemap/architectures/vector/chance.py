"""What is random about samples of the vector-latent generators besides z, as a pure function of where it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylemap import randomness
from stylemap.architectures import chance
from stylemap.architectures.vector.config import VectorTraining
from stylemap.randomness import Purpose

PATH = 2  # makes samples, besides `chance.GENERATOR` and `chance.DISCRIMINATOR`


@dataclass(frozen=True)
class VectorChance(chance.Chance):
    """The draws for N samples, for each of the three steps that make samples of them."""

    path_z: Tensor
    """[N, C]: the z of the path step."""
    partners: Tensor
    """[3, N, C]: the z of the finer layers."""
    crossovers: Tensor
    """int64 [3, N]: the first layer that takes the partner, 1..L; L = none does."""
    between: Tensor
    """[N] in [0, 1): where on the line from fake to real the critic is penalised."""
    seeds: tuple[tuple[int, ...], ...]
    """4 rows of N: of the noise maps of the three steps, and of the direction in which paths are measured."""

    def take(self, places: Sequence[int]) -> "VectorChance":
        at = torch.as_tensor(list(places), dtype=torch.long)
        return VectorChance(
            self.z[:, at],
            self.path_z[at],
            self.partners[:, at],
            self.crossovers[:, at],
            self.between[at],
            tuple(tuple(row[i] for i in places) for row in self.seeds),
        )

    def to(self, device: torch.device) -> "VectorChance":
        tensors = (self.z, self.path_z, self.partners, self.crossovers, self.between)
        return VectorChance(*(x.to(device, non_blocking=True) for x in tensors), self.seeds)


def draw(config: VectorTraining, seen: int) -> VectorChance:
    """For the samples of an iteration, of all processes together, after ``seen`` images.

    With the probability ``vector.mixing`` a sample takes its layers from a crossover on, uniform in 1..L-1, from its partner.
    """
    batch, layers, channels, mixing = config.batch, *config.model.latents.shape, config.vector.mixing
    rng = randomness.generator(Purpose.CHANCE, config.seed, seen)
    path_z = rng.standard_normal((batch, channels), np.float32)
    partners = rng.standard_normal((3, batch, channels), np.float32)
    mixed = rng.random((3, batch)) < mixing
    crossovers = np.where(mixed, rng.integers(1, layers, (3, batch)), layers)
    between = rng.random(batch, np.float32)
    seeds = rng.integers(2**63, size=(4, batch)).tolist()
    tensors = map(torch.from_numpy, (path_z, partners, crossovers, between))
    return VectorChance(chance.draw(config, seen).z, *tensors, tuple(map(tuple, seeds)))


def normals(seeds: Sequence[int], shapes: Sequence[Sequence[int]], device: torch.device) -> list[Tensor]:
    """Standard normal tensors [N, *shape[1:]] of each shape, sample i by its seed alone.

    Drawn on the device, since at large sides they would take the host longer than the step takes: the numbers are the same
    for any number of processes and passes, but not on devices of another kind.
    """
    if device.type == "meta":  # shapes without numbers, as `training.estimate` rehearses with
        return [torch.empty(len(seeds), *shape[1:], device=device) for shape in shapes]
    rng = torch.Generator(device)
    sizes = [int(np.prod(shape[1:])) for shape in shapes]
    rows = torch.stack([torch.randn(sum(sizes), generator=rng.manual_seed(s), device=device) for s in seeds])
    return [part.unflatten(1, tuple(shape[1:])) for part, shape in zip(rows.split(sizes, dim=1), shapes, strict=True)]
