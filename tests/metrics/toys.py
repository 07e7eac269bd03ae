"""Models whose outputs can be foretold, and small stand-ins for the networks whose weights cannot be downloaded here."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from stylemap.architectures.model import Model
from stylemap.config import Latents
from stylemap.perceptual import Perceptual
from stylemap.perceptual.inception import Extractor

SIDE, CHANNELS = 8, 6
UNTRAINED = {"network": "random weights, seed 0: not comparable"}


class Flat(Model):
    """z of 6 numbers maps to a latent [N, 2, 6], the same twice; the image is one colour, the first three numbers."""

    config = SimpleNamespace(
        resolution=SIDE,
        labelled=False,
        latents=Latents("two vectors", "latent", "layers", (2, CHANNELS), CHANNELS, spatial=False),
    )
    device, dtype = torch.device("cpu"), torch.float32

    def map(self, z: Tensor) -> Tensor:
        return z[:, None].expand(-1, 2, -1)

    def encode(self, images: Tensor) -> Tensor:
        colour = images.mean(dim=(2, 3))
        return torch.cat([colour, colour], dim=1)[:, None].expand(-1, 2, -1)

    def synthesize(self, latents: Tensor) -> Tensor:
        return latents[:, 0, :3, None, None].expand(-1, -1, SIDE, SIDE)


class Set:
    """A data set of given images, uint8 [N, R, R, 3]."""

    skipped: dict[str, str] = {}

    def __init__(self, pictures: np.ndarray):
        self.pictures, self.side = pictures, pictures.shape[1]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.pictures[i]

    def name(self, i: int) -> str:
        return f"{i}.png"


def noise(count: int, side: int = 32, seed: int = 0, low: int = 0, high: int = 256) -> Tensor:
    """uint8 [count, side, side, 3]."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(low, high, (count, side, side, 3), np.uint8))


def images(count: int, side: int = 32, seed: int = 0) -> Tensor:
    """float32 [count, 3, side, side], uniform in [-1, 1]."""
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def extractor(device=None, width: int = 5) -> Extractor:
    """Random projections of the mean colour and the corner."""
    matrix = torch.randn(6, width, generator=torch.Generator().manual_seed(0))

    def function(x: Tensor) -> Tensor:
        x = x.float() / 255
        return torch.cat([x.mean(dim=(1, 2)), x[:, 0, 0]], dim=1) @ matrix

    return Extractor(function, UNTRAINED)


class Weighted(Perceptual):
    """The squared error of pixels, weighted by channel."""

    origin = UNTRAINED

    def __init__(self, *weights: float):
        self.roots = (torch.tensor(weights or (1.0, 1.0, 1.0)) / (1 if weights else 3)).sqrt().view(1, -1, 1, 1)

    def maps(self, images: Tensor) -> list[Tensor]:
        return [images * self.roots]

    def activations(self, images: Tensor, layers) -> list[Tensor]:
        return [images for _ in layers]


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean(dim=(1, 2, 3))
