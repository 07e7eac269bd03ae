"""The noise inputs of a synthesis network: one map per layer, the same for all its channels (StyleGAN, section 2)."""

from enum import Enum
from typing import Literal

import torch
from torch import Tensor, nn


class Draw(Enum):
    """How to come by noise maps that are not given."""

    RANDOM = "random"


RANDOM = Draw.RANDOM

Noise = list[Tensor] | Literal[Draw.RANDOM] | None


class NoiseInput(nn.Module):
    """A noise map times a learned strength, to be added to features.

    Attributes:
        constant: buffer [1, 1, side, side], standard normal: what is added where the caller gives no noise, so that an image
            depends on its latent alone.
        strength: [channels, 1, 1], or for channels None one number for all [1]; 0 at first.
    """

    def __init__(self, side: int, channels: int | None = None):
        super().__init__()
        self.register_buffer("constant", torch.randn(1, 1, side, side))
        self.strength = nn.Parameter(torch.zeros((1,) if channels is None else (channels, 1, 1)))

    def forward(self, noise: Tensor) -> Tensor:
        """[N or 1, 1, side, side] -> [N or 1, 1 or channels, side, side]."""
        return noise * self.strength


def resolve(inputs: list[NoiseInput], noise: Noise, samples: int, rng: torch.Generator | None = None) -> list[Tensor]:
    """The maps for ``samples`` images, each [samples or 1, 1, s, s].

    Args:
        inputs: of the layers, in order.
        noise: a list of maps [samples or 1, 1, s, s]; None for the layers' constants; RANDOM for new standard normal ones.
        rng: draws them; None for torch's own of the layers' device.

    Raises:
        ValueError: too few or too many maps, or one of the wrong shape.
    """
    if noise is None:
        return [layer.constant for layer in inputs]
    if noise is RANDOM:
        return [_draw(layer.constant, samples, rng) for layer in inputs]
    if len(noise) != len(inputs):
        raise ValueError(f"noise must be {len(inputs)} maps, not {len(noise)}")
    for i, (layer, given) in enumerate(zip(inputs, noise, strict=True)):
        side = layer.constant.shape[-1]
        if tuple(given.shape) not in {(1, 1, side, side), (samples, 1, side, side)}:
            raise ValueError(f"noise[{i}] must be [{samples} or 1, 1, {side}, {side}], not {list(given.shape)}")
    return list(noise)


def _draw(like: Tensor, samples: int, rng: torch.Generator | None) -> Tensor:
    device = like.device if rng is None else rng.device
    return torch.randn(samples, *like.shape[1:], generator=rng, device=device, dtype=like.dtype).to(like.device)
