"""The model of StyleGAN2 and StyleGAN: its latent is one vector per layer."""

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import EqualConv, EqualLinear, down_blocks
from stylemap.architectures.model import Model, check_images, check_shape, mean_mapped
from stylemap.architectures.vector.generator import Generator
from stylemap.architectures.vector.noise import Noise
from stylemap.config import ModelConfig
from stylemap.errors import InputError

LAST_SIDE = 4


class Encoder(nn.Module):
    """Images [N, 3, R, R] -> offsets [N, L, C] from the mean w, all zero before training."""

    def __init__(self, config: ModelConfig, layers: int):
        super().__init__()
        self.shape = (layers, config.stylemap_channels)
        self.from_rgb = EqualConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.Sequential(*down_blocks(config, LAST_SIDE))
        self.to_latent = EqualLinear(
            config.channels(LAST_SIDE) * LAST_SIDE**2, layers * config.stylemap_channels, activate=False
        )
        # The mean w is the best guess of an encoder that knows nothing, far better than random vectors.
        nn.init.zeros_(self.to_latent.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_latent(self.blocks(self.from_rgb(images)).flatten(1)).unflatten(1, self.shape)


class VectorModel(Model):
    """Encode photos into vectors, render vectors to images.

    Shapes, with R from ``config``, C its stylemap_channels and L = 2 log2 R - 2: images [N, 3, R, R] in [-1, 1]; latents (W+)
    [N, L, C]; z [N, C] standard normal. Wrong shapes raise ValueError.

    Args:
        encoder: False leaves it out: converted weights have none, and it would be larger than their generator.
    """

    def __init__(self, config: ModelConfig, encoder: bool = True):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config, self.generator.layers) if encoder else None
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> Tensor:
        """Images -> latents, in one pass.

        Raises:
            InputError: the model has no encoder.
        """
        check_images(images, self.config.resolution, values=not self.training)
        if self.encoder is None:
            raise InputError("these weights have no encoder; invert pictures by optimisation")
        return self.generator.w_avg + self.encoder(images.contiguous(memory_format=torch.channels_last))

    def synthesize(self, latent: Tensor, noise: Noise = None, rng: torch.Generator | None = None) -> Tensor:
        """Latents -> images, about [-1, 1] (not clamped).

        Args:
            noise: maps of `Generator.noise_shapes`, the first axis 1 or N; None for the constant ones, so that the image
                depends on the latent alone; RANDOM for new ones, from ``rng``.
        """
        check_shape("latent", latent, (self.generator.layers, self.config.stylemap_channels))
        return self.generator.synthesis(latent, noise, rng)

    def map(self, z: Tensor) -> Tensor:
        """z -> latents, the same vector for every layer."""
        check_shape("z", z, (self.config.stylemap_channels,))
        return self.generator.tile(self.generator.mapping(z))

    def mean_latent(self, z: Tensor | None = None) -> Tensor:
        """[1, L, C]: the mean over mapped ``z`` (default: the running mean), what truncation pulls towards."""
        if z is None:
            return self.generator.tile(self.generator.w_avg[None])
        return mean_mapped(self, z)
