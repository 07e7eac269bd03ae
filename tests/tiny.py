"""The models that tests share: small enough to train and to edit with in a moment."""

import torch
from torch import Tensor

from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel

TINY = StylemapConfig(
    resolution=16, stylemap_size=4, stylemap_channels=4, channel_base=128, channel_max=8, mapping_layers=2
)
SMALL = StylemapConfig(
    resolution=32, stylemap_size=8, stylemap_channels=16, channel_base=512, channel_max=32, mapping_layers=2
)


def model(config: StylemapConfig, seed: int = 0) -> StylemapModel:
    """Random weights of the seed, in evaluation mode and without gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StylemapModel(config).eval().requires_grad_(False)


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float32, the same at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def randn64(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float64, for comparisons that leave no room to rounding."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
