"""Networks whose features say how alike two images look: VGG-16 by path, the discriminator, a random stand-in, or none.

What is not VGG-16 is marked as a stand-in: it serves where nothing can be downloaded, and gives other results than the papers'.
"""

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import checkpoint, provenance
from stylemap.architectures.discriminator import Discriminator
from stylemap.errors import InputError
from stylemap.precision import in_float32
from stylemap.training import perceptual as training

Name = Literal["auto", "lpips", "discriminator", "random", "none"]
NAMES: tuple[Name, ...] = ("auto", "lpips", "discriminator", "random", "none")

SIDE = 256  # larger images are averaged down to it before VGG-16 sees them
CONVOLUTIONS = (
    2,
    2,
    3,
    3,
    3,
)  # of VGG-16 in its five blocks (Simonyan and Zisserman, arXiv 1409.1556, table 1, column D)
VGG_LAYERS = tuple(f"conv{block + 1}_{k + 1}" for block, count in enumerate(CONVOLUTIONS) for k in range(count))
LPIPS_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
# of ImageNet's pixels in [0, 1], as torchvision's weights want them
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNIT_EPS = 1e-10
STAND_IN_WIDTHS = (16, 24, 32, 48, 64)


class Perceptual(ABC):
    """Features of images [N, 3, H, W] in [-1, 1].

    Attributes:
        origin: name, weights and whether it is a stand-in, for the record.
    """

    origin: dict

    @abstractmethod
    def normalised(self, images: Tensor) -> list[Tensor]:
        """Features [N, C, h, w], the squared difference of which, summed over C and averaged over places, is the distance."""

    @abstractmethod
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Features [N, C, h, w] after the ReLU of these convolutions of VGG-16, "conv1_1" to "conv5_3", in their order."""


class Vgg(Perceptual):
    """VGG-16, or a network of its form.

    Args:
        convolutions: weight and bias of each, by name.
        linear: what LPIPS weighs the channels of LPIPS_LAYERS by, [C] each, not negative; None weighs the layers alike.
    """

    def __init__(
        self, convolutions: dict[str, tuple[Tensor, Tensor]], linear: list[Tensor] | None, origin: dict, device="cpu"
    ):
        self.convolutions = {name: (w.to(device), b.to(device)) for name, (w, b) in convolutions.items()}
        if linear is None:
            linear = [torch.full((len(convolutions[name][1]),), 1 / len(LPIPS_LAYERS)) for name in LPIPS_LAYERS]
        self.roots = [weight.sqrt().to(device).view(1, -1, 1, 1) for weight in linear]
        self.mean, self.deviation = (torch.tensor(x, device=device).view(1, 3, 1, 1) for x in (MEAN, DEVIATION))
        self.origin = origin

    @in_float32
    def normalised(self, images: Tensor) -> list[Tensor]:
        found = self.activations(images, LPIPS_LAYERS)
        return [_unit(x) * root for x, root in zip(found, self.roots, strict=True)]

    @in_float32
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        last = max(layers)
        x = ((shrink(images, SIDE) + 1) / 2 - self.mean) / self.deviation
        found = {}
        for name, (weight, bias) in self.convolutions.items():
            if name.endswith("_1") and name != "conv1_1" and x.shape[-1] > 1:
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            if name in layers:
                found[name] = x
            if name == last:
                break
        return [found[name] for name in layers]


class ByDiscriminator(Perceptual):
    """What the blocks of a discriminator see: feature matching, without a download (Larsen et al., arXiv 1512.09300)."""

    def __init__(self, discriminator: Discriminator, origin: dict | None = None):
        self.discriminator = discriminator
        self.origin = origin or {"network": "discriminator", "stand_in": "discriminator instead of VGG-16"}

    @in_float32
    def normalised(self, images: Tensor) -> list[Tensor]:
        found = self.discriminator.features(images)
        return [_unit(x) / math.sqrt(len(found)) for x in found]

    @in_float32
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """What stands in for layers of VGG-16: the block that sees the image at the same side, or its last one."""
        found = self.discriminator.features(images)
        blocks = [int(layer.removeprefix("conv").partition("_")[0]) for layer in layers]
        return [found[min(block, len(found)) - 1] for block in blocks]


class Nothing(Perceptual):
    """Pixels alone."""

    origin = {"network": "none", "stand_in": "no perceptual network; pixels alone"}

    def normalised(self, images: Tensor) -> list[Tensor]:
        return [images / math.sqrt(3)]

    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        return [images]


def load(
    name: Name = "auto", device: str | torch.device = "cpu", vgg: str | None = None, weights: str | Path | None = None
) -> Perceptual:
    """A perceptual network by name.

    Args:
        name: "auto" is VGG-16 where its weights are found, else the discriminator of ``weights``, else the random one.
        vgg: path of torchvision's vgg16-397923af.pth; None looks in torch's cache. Nothing is downloaded.
        weights: of the model that is inverted.

    Raises:
        InputError: weights that are missing, or are others.
    """
    if name == "auto":
        return _first_found(device, vgg, weights)
    if name == "lpips":
        return _vgg(device, vgg)
    if name == "discriminator":
        if weights is None:
            raise InputError("perceptual network discriminator: give the weights that hold one")
        return ByDiscriminator(checkpoint.load_discriminator(weights, device))
    return {"random": random, "none": lambda device: Nothing()}[name](device=device)


def random(seed: int = 0, device: str | torch.device = "cpu") -> Vgg:
    """A narrow VGG-16 of random weights: its features still tell structure from tint (Ulyanov et al., arXiv 1711.10925)."""
    rng = torch.Generator().manual_seed(seed)
    convolutions, inputs = {}, 3
    for name, width in zip(VGG_LAYERS, _widths(STAND_IN_WIDTHS), strict=True):
        weight = torch.randn(width, inputs, 3, 3, generator=rng) * math.sqrt(2 / (9 * inputs))
        convolutions[name] = (weight, torch.zeros(width))
        inputs = width
    origin = {"network": f"VGG-16 form, widths {STAND_IN_WIDTHS}, seed {seed}", "stand_in": "random weights"}
    return Vgg(convolutions, None, origin, device)


def shrink(images: Tensor, most: int) -> Tensor:
    """Average images of a side above ``most`` over whole squares of pixels; smaller ones stay as they are."""
    return F.avg_pool2d(images, images.shape[-1] // most) if images.shape[-1] >= 2 * most else images


def _first_found(device: str | torch.device, vgg: str | None, weights: str | Path | None) -> Perceptual:
    try:
        return _vgg(device, vgg)
    except InputError:
        # a path that was given must work; a cache need not be filled
        if vgg is not None:
            raise
    try:
        return load("discriminator", device, weights=weights)
    except InputError:
        return random(device=device)


def _vgg(device: str | torch.device, path: str | None) -> Vgg:
    weights = training.vgg_weights(path)
    origin = {
        "network": "VGG-16; distance LPIPS v0.1, linear",
        "library": provenance.version("lpips"),
        "weights_sha256": provenance.sha256(training.vgg_file(path)),
        "stand_in": None,
    }
    return from_torchvision(weights, lpips_weights(), origin, device)


def from_torchvision(
    weights: dict[str, Tensor], linear: list[Tensor] | None, origin: dict, device: str | torch.device = "cpu"
) -> Vgg:
    """From torchvision's state dict, in which convolutions are numbered among ReLUs and pools."""
    numbers = sorted({int(key.split(".")[1]) for key in weights if key.startswith("features.")})
    kept = {
        name: (weights[f"features.{k}.weight"], weights[f"features.{k}.bias"])
        for name, k in zip(VGG_LAYERS, numbers, strict=True)
    }
    return Vgg(kept, linear, origin, device)


def lpips_weights() -> list[Tensor]:
    """The linear layers of LPIPS v0.1 for VGG-16, [C] each: a file of the lpips package, whose import would take seconds."""
    folder = Path(importlib.util.find_spec("lpips").origin).parent
    state = torch.load(folder / "weights/v0.1/vgg.pth", map_location="cpu", weights_only=True)
    return [state[f"lin{k}.model.1.weight"].flatten() for k in range(len(LPIPS_LAYERS))]


def _widths(of_blocks: Sequence[int]) -> list[int]:
    return [width for width, count in zip(of_blocks, CONVOLUTIONS, strict=True) for _ in range(count)]


def _unit(x: Tensor) -> Tensor:
    # eps inside the root: the gradient of a norm at zero is not finite
    return x * torch.rsqrt(x.square().sum(dim=1, keepdim=True) + UNIT_EPS)
