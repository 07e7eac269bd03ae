"""Mapping and synthesis under one roof, and what is known of the distribution of w."""

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import EqualLinear, pixel_norm
from stylemap.architectures.vector import adain, modulation
from stylemap.architectures.vector.config import VectorConfig
from stylemap.architectures.vector.noise import Noise

AVERAGE_DECAY = 0.995  # of the running mean of w, per call of `Generator.track`: as published


class Mapping(nn.Module):
    """z [N, C] -> w [N, C]. z is scaled to unit mean square first (StyleGAN, section 2)."""

    def __init__(self, config: VectorConfig):
        super().__init__()
        c = config.latent_channels
        self.layers = nn.Sequential(*(EqualLinear(c, c, config.mapping_lr_mul) for _ in range(config.mapping_layers)))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(pixel_norm(z))


class Generator(nn.Module):
    """z [N, C] -> w [N, C] -> latents [N, L, C] -> images [N, 3, R, R]; ``mapping`` and ``synthesis`` are called by name.

    Attributes:
        w_avg: buffer [C], the running mean of w; zeros until `track` or a converted file fills it.
    """

    def __init__(self, config: VectorConfig):
        super().__init__()
        networks = {"stylegan2": modulation.Synthesis, "stylegan": adain.Synthesis}
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = networks[config.architecture](config)
        self.register_buffer("w_avg", torch.zeros(config.latent_channels))

    def tile(self, w: Tensor) -> Tensor:
        """w [N, C] -> latents [N, L, C] with the same vector for every layer, without a copy."""
        return w[:, None].expand(-1, self.config.layers, -1)

    def forward(self, z: Tensor, noise: Noise = None) -> Tensor:
        """``noise`` as in `noise.resolve`."""
        return self.synthesis(self.tile(self.mapping(z)), noise)

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move the running mean towards the mean of a training batch w [N, C]."""
        self.w_avg.lerp_(w.mean(dim=0).to(self.w_avg.dtype), 1 - AVERAGE_DECAY)


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
