"""What is inverted: where latents lie, and the image of everything that is optimised."""

import contextlib
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap.architectures.model import Model
from stylemap.architectures.vector import VectorModel
from stylemap.errors import InputError
from stylemap.inversion import projector

# What is optimised, by name. "latent": [N, L, C], [N, 1, C] (one w for all layers) or [N, C, S, S]; "noise.0", "noise.1" ...:
# [N, 1, s, s]; "input": [N, C', 8, 8], what the first layer of which the input has side 8 takes instead of its own.
Tensors = dict[str, Tensor]

INPUT_SIDE = 8
CHUNK = 500


class Statistics(NamedTuple):
    """Of mapped latents."""

    mean: Tensor  # [1, C] or [1, C, S, S]
    spread: float  # root of the mean squared distance to it, summed over the numbers of one vector
    seconds: float  # that it took


class Subject:
    """A generator and what its inversion needs beside images.

    Args:
        model: `StylemapModel` (latents are stylemaps) or `VectorModel` (latents are w or W+).
    """

    def __init__(self, model: Model):
        self.model = model
        self.vectors = isinstance(model, VectorModel)
        self.device = model.device
        self.known: dict[tuple[int, int], Statistics] = {}

    def statistics(self, samples: int, seed: int) -> Statistics:
        """Over mapped z, which are drawn on the CPU and the same on every device; computed once."""
        if (samples, seed) not in self.known:
            self.known[samples, seed] = self._statistics(samples, seed)
        return self.known[samples, seed]

    @torch.no_grad()
    def _statistics(self, samples: int, seed: int) -> Statistics:
        start = time.perf_counter()
        if self.vectors:
            mean, spread = self.model.generator.statistics(samples, seed)
            return Statistics(mean[None], spread, time.perf_counter() - start)
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(samples, self.model.config.stylemap_channels, generator=rng).to(self.device).split(CHUNK)
        mean = sum(self.model.map(part).sum(dim=0, keepdim=True) for part in z) / samples
        square = sum((self.model.map(part) - mean).square().sum() for part in z) / samples
        return Statistics(mean, math.sqrt(square / self.places), time.perf_counter() - start)

    @property
    def places(self) -> int:
        """How many vectors a latent has: layers of W+, or cells of a stylemap."""
        return self.model.generator.layers if self.vectors else self.model.config.stylemap_size**2

    def noise_shapes(self) -> list[tuple[int, ...]]:
        """(1, 1, s, s) of every noise map; a StyleMapGAN has none."""
        return self.model.generator.noise_shapes() if self.vectors else []

    def noise_constants(self, samples: int) -> Tensors:
        """The maps that are added where none are given, to start from."""
        layers = self.model.generator.synthesis.noises if self.vectors else []
        return named([layer.constant.repeat(samples, 1, 1, 1) for layer in layers])

    def noise_drawn(self, samples: int, seed: int) -> Tensors:
        return named(projector.draw(self.noise_shapes(), samples, seed, self.device))

    def tiled(self, latent: Tensor) -> Tensor:
        """[N, 1, C] -> [N, L, C]; others as they are."""
        if latent.dim() == 3:
            return latent.expand(-1, self.model.generator.layers, -1)
        return latent

    def render(self, tensors: Tensors) -> Tensor:
        """[N, 3, R, R], about [-1, 1]."""
        latent = self.tiled(tensors["latent"])
        if not self.vectors:
            return self.model.synthesize(latent)
        with self._input(tensors.get("input")):
            return self.model.synthesize(latent, noise=noises(tensors) or None)

    @torch.enable_grad()
    def rendered(self, tensors: Tensors) -> list[str]:
        """Names of those that the image depends on. Where an input is given, noise maps before it are not seen."""
        if "input" not in tensors:
            return list(tensors)
        leaves = {name: x[:1].detach().requires_grad_() for name, x in tensors.items()}
        gradients = torch.autograd.grad(self.render(leaves).sum(), list(leaves.values()), allow_unused=True)
        return [name for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None]

    def encode(self, images: Tensor) -> Tensor:
        return self.model.encode(images)

    @torch.no_grad()
    def input_of(self, latent: Tensor) -> Tensor:
        """[N, C', 8, 8]: what the latent's own layers give to the first whose input has side 8."""
        seen = []
        hook = self._first_layer().register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        with hook:
            self.render({"latent": latent})
        return seen[0].clone()

    @contextlib.contextmanager
    def _input(self, given: Tensor | None) -> Iterator[None]:
        if given is None:
            yield
            return
        hook = self._first_layer().register_forward_pre_hook(lambda _, arguments: (given, *arguments[1:]))
        with hook:
            yield

    def _first_layer(self):
        if not self.vectors:
            raise InputError(
                "structured noise needs a generator with one vector per layer; these weights have stylemaps"
            )
        sides = [shape[-1] for shape in self.noise_shapes()]
        return self.model.generator.synthesis.layers[sides.index(INPUT_SIDE) + 1]


def named(maps: list[Tensor]) -> Tensors:
    """Noise maps under their names."""
    return {f"noise.{i}": noise for i, noise in enumerate(maps)}


def noises(tensors: Tensors) -> list[Tensor]:
    """The noise maps among them, in order."""
    count = sum(name.startswith("noise.") for name in tensors)
    return [tensors[f"noise.{i}"] for i in range(count)]
