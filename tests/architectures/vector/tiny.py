"""Small configs and fixed random numbers for the tests beside this file."""

import torch
from torch import Tensor

from stylemap.architectures.vector import Generator
from stylemap.config import ModelConfig

ARCHITECTURES = ("stylegan2", "stylegan")


def config(architecture: str = "stylegan2", resolution: int = 16, **settings) -> ModelConfig:
    """Width 6, 3 at the last side, latents of 5: no two sizes that could be taken for one another."""
    values = {"stylemap_channels": 5, "channel_base": 3 * resolution, "channel_max": 6, "mapping_layers": 2}
    return ModelConfig(resolution=resolution, architecture=architecture, **{**values, **settings})


def generator(architecture: str = "stylegan2", resolution: int = 16, seed: int = 0, **settings) -> Generator:
    """In float64, with no parameter at its initial zero, so that each is seen in the image."""
    torch.manual_seed(seed)
    made = Generator(config(architecture, resolution, **settings)).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith(("bias", "strength")):
                parameter += 0.3 * torch.randn_like(parameter)
    return made


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
