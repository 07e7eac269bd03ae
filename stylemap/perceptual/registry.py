"""The perceptual networks by name.

Every network but VGG-16 is marked as a stand-in: it serves where VGG-16 is missing, and its results differ from the papers'.
To add a network, write a `Perceptual` and add a line to NETWORKS.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylemap import checkpoint
from stylemap.architectures.discriminator import Discriminator
from stylemap.config import LossConfig
from stylemap.errors import InputError
from stylemap.perceptual import vgg as vgg16
from stylemap.perceptual.network import BlockFeatures, Perceptual
from stylemap.perceptual.vgg import PROJECTED_SIDE

Device = str | torch.device
Distance = Callable[[Tensor, Tensor], Tensor]  # images [N, 3, H, W] in [-1, 1], twice -> [N]


class DiscriminatorFeatures(BlockFeatures):
    """The features of a discriminator's blocks: feature matching, without a download (Larsen et al., arXiv 1512.09300)."""

    origin = {"network": "discriminator", "stand_in": "discriminator instead of VGG-16"}

    def __init__(self, discriminator: Discriminator):
        self.discriminator = discriminator

    def blocks(self, images: Tensor) -> list[Tensor]:
        return self.discriminator.features(images)


class Pixels(Perceptual):
    """No network: the distance is the mean squared error of pixels."""

    origin = {"network": "none", "stand_in": "no perceptual network; pixels alone"}

    def maps(self, images: Tensor) -> list[Tensor]:
        return [images / math.sqrt(3)]

    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        return [images]


def load(
    name: str = "auto",
    device: Device = "cpu",
    vgg: str | None = None,
    weights: str | Path | None = None,
    largest: int | None = PROJECTED_SIDE,
) -> Perceptual:
    """A perceptual network by name. Nothing is downloaded.

    Args:
        name: of NETWORKS. "auto" is VGG-16 if its weights are found, else the discriminator of ``weights``, else random weights.
        vgg: path of torchvision's vgg16-397923af.pth; None looks in torch's cache.
        weights: of this project, with a discriminator.
        largest: larger images are averaged down towards this side before VGG-16 sees them, as projectors do. LPIPS as a metric
            and as a term of training is defined without: None.

    Raises:
        InputError: an unknown name; weights are missing, or are others.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown perceptual network {name!r}; known are {', '.join(NETWORKS)}")
    return NETWORKS[name](device, vgg, weights, largest)


def for_training(config: LossConfig, device: torch.device) -> Distance | None:
    """The distance of the perceptual term of a training. None if the term compares features of the discriminator in training, or
    if there is no such term.

    Raises:
        InputError: LPIPS without its VGG-16 weights.
    """
    name = config.perceptual_network
    return None if name in ("discriminator", "none") else load(name, device, config.vgg, largest=None).distance


def _first_available(device: Device, vgg: str | None, *others: Any) -> Perceptual:
    if vgg is not None:  # a path that was given must work; a cache need not be filled
        return NETWORKS["lpips"](device, vgg, *others)
    for name in ("lpips", "discriminator"):
        with contextlib.suppress(InputError):
            return NETWORKS[name](device, vgg, *others)
    return NETWORKS["random"](device, vgg, *others)


def _discriminator(device: Device, vgg: str | None, weights: str | Path | None, largest: int | None) -> Perceptual:
    if weights is None:
        raise InputError("perceptual network discriminator: give the weights that hold one")
    discriminator = checkpoint.load_discriminator(weights, device)
    if not isinstance(discriminator, Discriminator):
        raise InputError(f"the discriminator of {weights} judges images under part masks; take one of other weights")
    return DiscriminatorFeatures(discriminator)


# Of the arguments of `load` beside the name.
NETWORKS: dict[str, Callable[[Device, str | None, str | Path | None, int | None], Perceptual]] = {
    "auto": _first_available,
    "lpips": lambda device, vgg, weights, largest: vgg16.load(vgg, device, largest),
    "discriminator": _discriminator,
    "random": lambda device, vgg, weights, largest: vgg16.random(device=device, largest=largest),
    "none": lambda *_: Pixels(),
}
NAMES = tuple(NETWORKS)
