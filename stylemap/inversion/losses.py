"""What optimisation minimises: distances to targets where their masks are, one value for each image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.perceptual import Perceptual
from stylemap.precision import in_float32

FOUR_LAYERS = ("conv1_1", "conv1_2", "conv3_2", "conv4_2")  # Image2StyleGAN, section 5.1
STYLE_LAYER = "conv4_2"


class Target(NamedTuple):
    """An image to reach where the mask is 1."""

    images: Tensor  # [N, 3, R, R] in [-1, 1]
    mask: Tensor | None = None  # [N or 1, 1, R, R] in [0, 1]; None: everywhere
    extras: Mapping[str, Tensor] = MappingProxyType({})  # what comes with the images, see `Model.extras_of`


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of `Comparison`; 0 leaves a term out."""

    distance: float = 0.0
    """Perceptual distance: LPIPS, or that of a stand-in."""
    pixels: float = 0.0
    """Mean squared error of pixels in [-1, 1], four times that of pixels in [0, 1]."""
    features: float = 0.0
    """Of each of ``layers``: mean squared error of the features."""
    style: float = 0.0
    """Mean squared error of the Gram matrices of features of conv4_2, over their size (Gatys et al., arXiv 1508.06576)."""
    layers: tuple[str, ...] = FOUR_LAYERS


class Comparison:
    """Distance of images to targets, [N, 3, R, R] -> [N]; the losses of several targets are added.

    Nothing outside a target's mask has an influence: there both images are grey (0) when features are computed, and features
    count by the share of the mask in their cell.
    """

    def __init__(self, targets: Sequence[Target], perceptual: Perceptual, weights: Weights):
        self.perceptual, self.weights = perceptual, weights
        with torch.no_grad():
            self.targets = [(target, *self._features(target.images, target.mask)) for target in targets]

    def __call__(self, images: Tensor) -> Tensor:
        total = images.new_zeros(len(images))
        for target, target_maps, target_styles in self.targets:
            mask = target.mask
            maps, styles = self._features(images, mask)
            distance = images.new_zeros(len(images))
            if self.weights.pixels:
                distance = distance + self.weights.pixels * squared_error(images, target.images, mask)
            for (weight, x), (_, y) in zip(maps, target_maps, strict=True):
                distance = distance + weight * squared_error(x, y, mask)
            for x, y in zip(styles, target_styles, strict=True):
                distance = distance + self.weights.style * (x - y).square().mean(dim=(1, 2))
            total = total + distance
        return total

    def _features(self, images: Tensor, mask: Tensor | None) -> tuple[list[tuple[float, Tensor]], list[Tensor]]:
        """Maps with their weights, and Gram matrices."""
        network, weights, maps, styles = self.perceptual, self.weights, [], []
        images = images if mask is None else images * mask
        if weights.distance:
            # summed over channels: those of a unit vector
            maps += [(weights.distance * x.shape[1], x) for x in network.maps(images)]
        if weights.features:
            maps += [(weights.features, x) for x in network.activations(images, weights.layers)]
        if weights.style:
            styles += [gram(x, mask) for x in network.activations(images, (STYLE_LAYER,))]
        return maps, styles


@in_float32
def squared_error(a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared difference of each image, over what is in the mask; 0 for an empty one. [N, C, h, w] -> [N]."""
    square = (a - b).square()
    if mask is None:
        return square.mean(dim=(1, 2, 3))
    cells = fitted(mask, a)
    area = cells.sum(dim=(1, 2, 3)).clamp(min=torch.finfo(a.dtype).tiny)
    return (square.mean(dim=1, keepdim=True) * cells).sum(dim=(1, 2, 3)) / area


@in_float32
def gram(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Products of channels, over their number and the number of places: [N, C, h, w] -> [N, C, C]."""
    if mask is not None:
        features = features * fitted(mask, features)
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / features[0].numel()


def fitted(mask: Tensor, features: Tensor) -> Tensor:
    """The share of the mask in every cell of features of its side or a smaller one."""
    return F.adaptive_avg_pool2d(mask, (features.shape[-2], features.shape[-1]))
