"""Small random generators, and images whose latent is known."""

import torch
from torch import Tensor

from stylemap import architectures
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.vector.model import VectorModel
from tests.tiny import randn

SIDE = 16


def vectors(architecture: str = "stylegan2", seed: int = 0, encoder: bool = True) -> VectorModel:
    """Latents of 6 layers and width 12; noise is visible. The encoder does not only give the mean."""
    config = architectures.find(architecture).config(
        resolution=SIDE,
        latent_channels=12,
        channel_base=16 * SIDE,
        channel_max=16,
        mapping_layers=2,
        mapping_lr_mul=1.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VectorModel(config, encoder)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("strength"):
                    parameter.fill_(0.1)
                if "to_rgb" in name and name.endswith(("conv.weight", "to_rgb.weight")):
                    parameter.mul_(0.3)  # images that lie in [-1, 1]
            if encoder:
                model.encoder.to_latent.weight.normal_(0, 0.3)
    return model.eval().requires_grad_(False)


def stylemaps(seed: int = 0) -> StylemapModel:
    config = StylemapConfig(
        resolution=SIDE,
        stylemap_size=4,
        stylemap_channels=8,
        channel_base=16 * SIDE,
        channel_max=16,
        mapping_layers=2,
        mapping_lr_mul=1.0,
        linear_rgb=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = StylemapModel(config)
    with torch.no_grad():
        model.generator.synthesis.to_rgb.conv.weight.mul_(0.3)
    return model.eval().requires_grad_(False)


def images(model: Model, samples: int = 2, seed: int = 7) -> Tensor:
    """Of mapped latents: [samples, 3, R, R]."""
    with torch.no_grad():
        return model.synthesize(model.map(randn(samples, model.latents.z_channels, seed=seed)))
