"""The noise inputs of a synthesis network: one map per layer, the same for all its channels (StyleGAN, section 2)."""

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import normal

Noise = list[Tensor] | None


class NoiseInput(nn.Module):
    """A noise map times a learned strength, to be added to features.

    Attributes:
        constant: buffer [1, 1, side, side], standard normal: what is added where the caller gives no noise, so that an image
            depends on its latent alone.
        strength: [channels, 1, 1], or for channels None one number for all [1]; 0 at first.
    """

    def __init__(self, side: int, channels: int | None = None):
        super().__init__()
        self.register_buffer("constant", normal(1, 1, side, side))
        self.strength = nn.Parameter(torch.zeros((1,) if channels is None else (channels, 1, 1)))

    def forward(self, noise: Tensor) -> Tensor:
        """[N or 1, 1, side, side] -> [N or 1, 1 or channels, side, side]."""
        return noise * self.strength


def resolve(inputs: list[NoiseInput], noise: Noise, samples: int) -> list[Tensor]:
    """The maps for ``samples`` images, each [samples or 1, 1, s, s].

    Args:
        inputs: of the layers, in order.
        noise: a list of maps [samples or 1, 1, s, s]; None for the layers' constants.

    Raises:
        ValueError: too few or too many maps, or one of the wrong shape.
    """
    if noise is None:
        return [layer.constant for layer in inputs]
    if len(noise) != len(inputs):
        raise ValueError(f"noise must be {len(inputs)} maps, not {len(noise)}")
    for i, (layer, given) in enumerate(zip(inputs, noise, strict=True)):
        side = layer.constant.shape[-1]
        if tuple(given.shape) not in {(1, 1, side, side), (samples, 1, side, side)}:
            raise ValueError(f"noise[{i}] must be [{samples} or 1, 1, {side}, {side}], not {list(given.shape)}")
    return list(noise)
