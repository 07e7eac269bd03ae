"""What every perceptual network can do."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.precision import in_float32

UNIT_EPS = 1e-10


class Perceptual(ABC):
    """Features of images [N, 3, H, W] in [-1, 1], and the distance that they give.

    Attributes:
        origin: the network, its weights, and whether it is a stand-in for VGG-16, for the record.
    """

    origin: dict

    @abstractmethod
    def maps(self, images: Tensor) -> list[Tensor]:
        """Features [N, C, h, w] of which the squared difference, summed over C and averaged over places, is the distance."""

    @abstractmethod
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Features [N, C, h, w] after the ReLU of these convolutions of VGG-16, "conv1_1" to "conv5_3", in their order."""

    @in_float32
    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """How different two images look. [N, 3, H, W] twice -> [N]; 0 for equal images."""
        pairs = zip(self.maps(a), self.maps(b), strict=True)
        return torch.stack([(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in pairs]).sum(dim=0)


class BlockFeatures(Perceptual):
    """The features of the blocks of a network that is not VGG-16."""

    @abstractmethod
    def blocks(self, images: Tensor) -> list[Tensor]:
        """[N, C, h, w] after each block, finest first."""

    @in_float32
    def maps(self, images: Tensor) -> list[Tensor]:
        blocks = self.blocks(images)
        return [unit(x) / math.sqrt(len(blocks)) for x in blocks]

    @in_float32
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """In place of a layer of VGG-16, the block that sees the image at the same side, or the last block."""
        blocks = self.blocks(images)
        numbers = [int(layer.removeprefix("conv").partition("_")[0]) for layer in layers]
        return [blocks[min(number, len(blocks)) - 1] for number in numbers]


def unit(x: Tensor) -> Tensor:
    """[N, C, h, w] -> vectors of length 1 at every place."""
    # eps inside the root: the gradient of a norm at zero is not finite
    return x * torch.rsqrt(x.square().sum(dim=1, keepdim=True) + UNIT_EPS)


def shrink(images: Tensor, most: int) -> Tensor:
    """Average images of a side above ``most`` over whole squares of pixels; smaller ones stay as they are."""
    return F.avg_pool2d(images, images.shape[-1] // most) if images.shape[-1] >= 2 * most else images
