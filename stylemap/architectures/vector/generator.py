"""Mapping and synthesis under one roof, and what is known of the distribution of w."""

import math

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import EqualLinear
from stylemap.architectures.stylemap.networks import PIXEL_NORM_EPS
from stylemap.architectures.vector import adain, modulation
from stylemap.architectures.vector.noise import Noise
from stylemap.config import ModelConfig

AVERAGE_DECAY = 0.995  # of the running mean of w, per call of `Generator.track`: as published
CHUNK = 2000


class Mapping(nn.Module):
    """z [N, C] -> w [N, C]. z is scaled to unit mean square first (StyleGAN, section 2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        c = config.stylemap_channels
        self.layers = nn.Sequential(*(EqualLinear(c, c, config.mapping_lr_mul) for _ in range(config.mapping_layers)))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + PIXEL_NORM_EPS))


class Generator(nn.Module):
    """z [N, C] -> w [N, C] -> latents [N, L, C] -> images [N, 3, R, R]; ``mapping`` and ``synthesis`` are called by name.

    Attributes:
        w_avg: buffer [C], the running mean of w; zeros until `track` or a converted file fills it.

    Raises:
        ValueError: a config whose architecture is neither stylegan2 nor stylegan.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        networks = {"stylegan2": modulation.Synthesis, "stylegan": adain.Synthesis}
        if config.architecture not in networks:
            raise ValueError(f"model.architecture must be {' or '.join(networks)}, not {config.architecture}")
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = networks[config.architecture](config)
        self.register_buffer("w_avg", torch.zeros(config.stylemap_channels))

    @property
    def layers(self) -> int:
        """L = 2 log2 R - 2: how many vectors modulate an image."""
        return 2 * int(math.log2(self.config.resolution)) - 2

    def noise_shapes(self) -> list[tuple[int, int, int, int]]:
        """(1, 1, s, s) of every noise map: L - 1 of StyleGAN2, L of StyleGAN."""
        return [tuple(layer.constant.shape) for layer in self.synthesis.noises]

    def tile(self, w: Tensor) -> Tensor:
        """w [N, C] -> latents [N, L, C] with the same vector for every layer, without a copy."""
        return w[:, None].expand(-1, self.layers, -1)

    def forward(self, z: Tensor, noise: Noise = None, rng: torch.Generator | None = None) -> Tensor:
        """``noise`` and ``rng`` as in `stylemap.architectures.vector.noise.resolve`."""
        return self.synthesis(self.tile(self.mapping(z)), noise, rng)

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move the running mean towards the mean of a training batch w [N, C]."""
        self.w_avg.lerp_(w.mean(dim=0).to(self.w_avg.dtype), 1 - AVERAGE_DECAY)

    @torch.no_grad()
    def statistics(self, samples: int = 10_000, seed: int = 0) -> tuple[Tensor, float]:
        """Mean [C] and spread of w over random z: where projections start and how far they are thrown.

        The spread is ``sqrt(sum ||w - mean||^2 / samples)``: one number, the root of the variances' *sum* over C, not their
        mean (StyleGAN2, appendix D). The z are drawn on the CPU, so that they are the same on every device.
        """
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(samples, self.config.stylemap_channels, generator=rng)
        w = torch.cat([self.mapping(part.to(self.w_avg)) for part in z.split(CHUNK)])
        mean = w.mean(dim=0)
        return mean, (w - mean).square().sum(dim=1).mean().sqrt().item()


def style_mixing(w1: Tensor, w2: Tensor, crossover: int) -> Tensor:
    """Latents with the first ``crossover`` layers of ``w1`` and the others of ``w2`` (StyleGAN, section 3.1).

    Args:
        w1, w2: [N, L, C]; one of the two may be a single sample.
        crossover: 0 takes all from ``w2``, L all from ``w1``.

    Raises:
        ValueError: shapes that do not fit, or a crossover outside 0..L.
    """
    if w1.dim() != 3 or w2.dim() != 3 or w1.shape[1:] != w2.shape[1:]:
        raise ValueError(f"latents must be [N, L, C] with equal L and C, not {list(w1.shape)} and {list(w2.shape)}")
    if not 0 <= crossover <= w1.shape[1]:
        raise ValueError(f"crossover {crossover} must lie in 0..{w1.shape[1]}")
    w1, w2 = torch.broadcast_tensors(w1, w2)
    return torch.cat([w1[:, :crossover], w2[:, crossover:]], dim=1)
