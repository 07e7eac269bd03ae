"""The generator whose input is searched: statistics of its latents, noise maps, and the image of everything that is optimised."""

import time
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap.architectures.model import Model
from stylemap.inversion import tuning

# The tensors that may be optimised, by name. "latent": [N, L, C], [N, 1, C] (one w for all layers) or [N, C, S, S]; "noise.0",
# "noise.1" ...: [N, 1, s, s]; "input": [N, C', 8, 8], the features that enter the first layer at side 8; "weights.*": [N, ...],
# what is added to the weights of the generator (`tuning`).
Tensors = dict[str, Tensor]


class Statistics(NamedTuple):
    """Of mapped latents."""

    mean: Tensor  # [1, L, C] or [1, C, S, S]
    # root of the mean squared distance of a vector to the mean, summed over its C numbers (StyleGAN2, appendix D)
    spread: float
    seconds: float  # of computing them


class Subject:
    """A model to invert, with statistics that are computed once."""

    def __init__(self, model: Model):
        self.model = model
        self.latents = model.latents
        self.device = model.device
        self.known: dict[tuple[int, int], Statistics] = {}

    def statistics(self, samples: int, seed: int) -> Statistics:
        """Of mapped z, which are drawn on the CPU and are the same on every device."""
        if (samples, seed) not in self.known:
            start = time.perf_counter()
            mean, deviation = self.model.statistics(samples, seed)
            spread = deviation.square().mean().sqrt().item()
            self.known[samples, seed] = Statistics(mean, spread, time.perf_counter() - start)
        return self.known[samples, seed]

    def noise_constants(self, samples: int) -> Tensors:
        """The model's own noise maps, to start from."""
        return _named(self.model.own_noise(), samples)

    def noise_drawn(self, samples: int, seed: int) -> Tensors:
        """Standard normal noise maps, the same for every image, so that none depends on its place in a batch."""
        rng = torch.Generator().manual_seed(seed)
        drawn = (torch.randn(shape, generator=rng).to(self.device) for shape in self.latents.noise_shapes)
        return _named(drawn, samples)

    def render(self, tensors: Tensors) -> Tensor:
        """[N, 3, R, R], about [-1, 1]."""
        latent = self.model.spread_out(tensors["latent"])
        return (
            tuning.render(self.model, latent, tensors)
            if tuning.of(tensors)
            else self.model.render_with(latent, tensors)
        )

    @torch.enable_grad()
    def rendered(self, tensors: Tensors) -> list[str]:
        """Names of the tensors that the image depends on: if an input is given, the noise maps before it have no influence."""
        if "input" not in tensors:
            return list(tensors)
        leaves = {name: x[:1].detach().requires_grad_() for name, x in tensors.items()}
        gradients = torch.autograd.grad(self.render(leaves).sum(), list(leaves.values()), allow_unused=True)
        return [name for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None]


def _named(maps: Iterable[Tensor], samples: int) -> Tensors:
    """Noise maps [1, 1, s, s] under their names, for so many images."""
    return {f"noise.{i}": noise.repeat(samples, 1, 1, 1) for i, noise in enumerate(maps)}
