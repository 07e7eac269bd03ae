"""What optimisation makes small: distances to targets, wherever a mask says, one value per image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.perceptual import Perceptual
from stylemap.precision import in_float32

FOUR_LAYERS = ("conv1_1", "conv1_2", "conv3_2", "conv4_2")  # Image2StyleGAN, section 5.1
STYLE_LAYER = "conv4_2"


class Target(NamedTuple):
    """An image to be reached where the mask is 1."""

    images: Tensor  # [N, 3, R, R] in [-1, 1]
    mask: Tensor | None = None  # [N or 1, 1, R, R] in [0, 1]; None: everywhere


@dataclass(frozen=True)
class Weights:
    """Of the terms of `Comparison`; 0 leaves one out."""

    distance: float = 0.0
    """Perceptual distance: LPIPS, or what a stand-in has for it."""
    pixels: float = 0.0
    """Mean squared error of pixels in [-1, 1], four times that of pixels in [0, 1]."""
    features: float = 0.0
    """Of each of ``layers``: mean squared error of the features."""
    style: float = 0.0
    """Mean squared error of the Gram matrices of features of conv4_2, over their size (Gatys et al., arXiv 1508.06576)."""
    layers: tuple[str, ...] = FOUR_LAYERS


class Comparison:
    """Distance of images to targets. Nothing outside a target's mask has an influence: it is grey (0) when features are computed,
    in both images, and features count by the share of the mask in their cell.

    Args:
        targets: their losses are added.
    """

    def __init__(self, targets: Sequence[Target], perceptual: Perceptual, weights: Weights):
        self.perceptual, self.weights, self.targets = perceptual, weights, targets
        with torch.no_grad():
            self.known = [self._features(target.images, target.mask) for target in targets]

    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, R, R] -> [N]."""
        total = images.new_zeros(len(images))
        for target, known in zip(self.targets, self.known, strict=True):
            total = total + self._one(images, target, known)
        return total

    def _one(self, images: Tensor, target: Target, known: dict[str, list[Tensor]]) -> Tensor:
        weights, mask = self.weights, target.mask
        found = self._features(images, mask)
        total = images.new_zeros(len(images))
        if weights.pixels:
            total = total + weights.pixels * squared_error(images, target.images, mask)
        for a, b in zip(found["distance"], known["distance"], strict=True):
            # summed over channels: those of a unit vector
            total = total + weights.distance * a.shape[1] * squared_error(a, b, mask)
        for a, b in zip(found["features"], known["features"], strict=True):
            total = total + weights.features * squared_error(a, b, mask)
        for a, b in zip(found["style"], known["style"], strict=True):
            total = total + weights.style * (gram(a, mask) - gram(b, mask)).square().mean(dim=(1, 2))
        return total

    def _features(self, images: Tensor, mask: Tensor | None) -> dict[str, list[Tensor]]:
        weights = self.weights
        seen = images if mask is None else images * mask
        found: dict[str, list[Tensor]] = {"distance": [], "features": [], "style": []}
        if weights.distance:
            found["distance"] = self.perceptual.maps(seen)
        if weights.features:
            found["features"] = self.perceptual.activations(seen, weights.layers)
        if weights.style:
            found["style"] = self.perceptual.activations(seen, (STYLE_LAYER,))
        return found


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
    return F.adaptive_avg_pool2d(mask, features.shape[-2:])
