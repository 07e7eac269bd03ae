"""The model of StyleGAN2 and StyleGAN: its latent is one vector per layer."""

import contextlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from stylemap.architectures.discriminator import LAST_SIDE
from stylemap.architectures.growing import grow_down
from stylemap.architectures.layers import EqualConv, EqualLinear, down_blocks
from stylemap.architectures.model import Model, check_images, check_shape
from stylemap.architectures.vector.config import INPUT_SIDE, VectorConfig
from stylemap.architectures.vector.generator import Generator
from stylemap.architectures.vector.noise import Noise
from stylemap.errors import InputError


class Encoder(nn.Module):
    """Images [N, 3, R, R] -> offsets [N, L, C] from the mean w, all zero before training."""

    def __init__(self, config: VectorConfig):
        super().__init__()
        self.shape = config.latents.shape
        self.from_rgb = EqualConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.Sequential(*down_blocks(config, LAST_SIDE))
        self.to_latent = EqualLinear(config.channels(LAST_SIDE) * LAST_SIDE**2, math.prod(self.shape), activate=False)
        # The mean w is the best guess of an encoder that knows nothing, far better than random vectors.
        nn.init.zeros_(self.to_latent.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_latent(self.blocks(self.from_rgb(images)).flatten(1)).unflatten(1, self.shape)


class VectorModel(Model):
    """Encode photos into vectors, render vectors to images.

    Shapes, with R from ``config``, C its latent_channels and L = 2 log2 R - 2: images [N, 3, R, R] in [-1, 1]; latents (W+)
    [N, L, C]; z [N, C] standard normal. Wrong shapes raise ValueError.

    Args:
        encoder: False leaves it out: converted weights have none, and it would be larger than their generator.
    """

    config: VectorConfig

    def __init__(self, config: VectorConfig, encoder: bool = True):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config) if encoder else None
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> Tensor:
        """Images -> latents, in one pass.

        Raises:
            InputError: the model has no encoder.
        """
        check_images(images, self.config.resolution, values=not self.training)
        if self.encoder is None:
            raise InputError("these weights have no encoder; invert images by optimisation")
        return self.generator.w_avg + self.encoder(images.contiguous(memory_format=torch.channels_last))

    def synthesize(self, latent: Tensor, noise: Noise = None) -> Tensor:
        """Latents -> images, about [-1, 1] (not clamped).

        Args:
            noise: maps of ``latents.noise_shapes``, the first axis 1 or N; None for the constant ones, so that the image
                depends on the latent alone.
        """
        check_shape("latent", latent, self.latents.shape)
        return self.generator.synthesis(latent, noise)

    def map(self, z: Tensor) -> Tensor:
        """z -> latents, the same vector for every layer."""
        check_shape("z", z, (self.config.latent_channels,))
        return self.generator.tile(self.generator.mapping(z))

    def mean_latent(self) -> Tensor:
        """[1, L, C]: the running mean of w."""
        return self.spread_out(self.generator.w_avg[None, None])

    def spread_out(self, latent: Tensor) -> Tensor:
        return latent.expand(-1, self.config.layers, -1)

    @torch.no_grad()
    def grow_from(self, old: "VectorModel") -> None:
        """As `Model.grow_from`. Latents have two more vectors, of which the encoder knows nothing yet: they are the mean w."""
        if self.config.architecture != "stylegan2":
            super().grow_from(old)
        self.generator.load_state_dict(old.generator.state_dict(), strict=False)
        to_rgb = self.generator.synthesis.to_rgb[-1]
        to_rgb.conv.weight.zero_()
        to_rgb.bias.zero_()
        if self.encoder is not None:
            grow_down(old.encoder, self.encoder)

    def own_noise(self) -> list[Tensor]:
        return [layer.constant for layer in self.generator.synthesis.noises]

    def render_with(self, latent: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
        noise = [extras[name] for name in self.latents.extras if name.startswith("noise.") and name in extras]
        with self._input(extras.get("input")):
            return self.synthesize(latent, noise or None)

    @torch.no_grad()
    def input_of(self, latent: Tensor) -> Tensor:
        """What the latent's own layers give to the first layer whose input has side 8."""
        seen = []
        hook = self._layer_with_input().register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        with hook:
            self.synthesize(latent)
        return seen[0].clone()

    @contextlib.contextmanager
    def _input(self, features: Tensor | None) -> Iterator[None]:
        """That layer takes these features instead of those of the layers before it."""
        if features is None:
            yield
            return
        hook = self._layer_with_input().register_forward_pre_hook(lambda _, arguments: (features, *arguments[1:]))
        with hook:
            yield

    def _layer_with_input(self) -> nn.Module:
        return self.generator.synthesis.layers[self.config.noise_sides.index(INPUT_SIDE) + 1]
