"""Networks and model: linear layers."""

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import EqualLinear
from stylemap.architectures.model import Model, check_images, check_shape
from tests.architectures.regions.config import RegionsConfig


class Generator(nn.Module):
    def __init__(self, config: RegionsConfig):
        super().__init__()
        self.config = config
        self.mapping = EqualLinear(config.code, 2 * config.code)
        self.synthesis = EqualLinear(config.code, 3 * config.resolution**2 // 2, activate=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.render(self.mapping(z).unflatten(1, self.config.latents.shape))

    def render(self, latent: Tensor) -> Tensor:
        r = self.config.resolution
        halves = self.synthesis(latent).unflatten(2, (3, r // 2, r))  # [N, 2, 3, R/2, R]
        return torch.cat(list(halves.unbind(dim=1)), dim=2)


class RegionsModel(Model):
    def __init__(self, config: RegionsConfig, encoder: bool = True):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = EqualLinear(3 * config.resolution**2, 2 * config.code, activate=False) if encoder else None

    def encode(self, images: Tensor) -> Tensor:
        check_images(images, self.config.resolution, values=not self.training)
        return self.encoder(images.flatten(1)).unflatten(1, self.latents.shape)

    def synthesize(self, latent: Tensor) -> Tensor:
        check_shape("latent", latent, self.latents.shape)
        return self.generator.render(latent)

    def map(self, z: Tensor) -> Tensor:
        check_shape("z", z, (self.latents.z_channels,))
        return self.generator.mapping(z).unflatten(1, self.latents.shape)

    def mean_latent(self) -> Tensor:
        return self.mean_mapped(torch.zeros(1, self.latents.z_channels))
