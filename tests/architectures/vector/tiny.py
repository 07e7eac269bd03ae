"""Small configs and fixed random numbers for the tests beside this file."""

from dataclasses import fields

import torch

from stylemap import architectures
from stylemap.architectures.vector.config import VectorConfig, VectorTraining
from stylemap.architectures.vector.generator import Generator
from stylemap.config import TrainConfig

ARCHITECTURES = ("stylegan2", "stylegan")


def config(architecture: str = "stylegan2", resolution: int = 16, **settings) -> VectorConfig:
    """Width 6, 3 at the last side, latents of 5: no two sizes that could be taken for one another."""
    values = {"latent_channels": 5, "channel_base": 3 * resolution, "channel_max": 6, "mapping_layers": 2}
    return architectures.find(architecture).config(resolution=resolution, **{**values, **settings})


def training(config: TrainConfig, architecture: str, **changes) -> VectorTraining:
    """A tiny run of a StyleMapGAN, but of another architecture."""
    shared = {f.name: getattr(config, f.name) for f in fields(TrainConfig) if f.name not in ("model", "loss", "speed")}
    model = {
        name: getattr(config.model, name) for name in ("resolution", "channel_base", "channel_max", "mapping_layers")
    }
    networks = architectures.find(architecture).config(latent_channels=config.model.latents.z_channels, **model)
    return architectures.find(architecture).training(model=networks, **{**shared, **changes})


def generator(architecture: str = "stylegan2", resolution: int = 16, seed: int = 0, **settings) -> Generator:
    """In float64, with no parameter at its initial zero, so that each is seen in the image."""
    torch.manual_seed(seed)
    made = Generator(config(architecture, resolution, **settings)).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith(("bias", "strength")):
                parameter += 0.3 * torch.randn_like(parameter)
    return made
