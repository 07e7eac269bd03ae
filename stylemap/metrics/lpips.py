"""LPIPS, the perceptual distance of two images (Zhang et al. 2018), and distances in general."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap import provenance
from stylemap.training import perceptual

# images [N, 3, H, W] in [-1, 1], twice -> [N]
Function = Callable[[Tensor, Tensor], Tensor]


class Distance(NamedTuple):
    """A perceptual distance and where it comes from."""

    function: Function
    provenance: dict


def load(vgg: str | None, device: torch.device) -> Distance:
    """LPIPS v0.1 on VGG-16 with its calibrated linear layers, no spatial resizing.

    Args:
        vgg: path of torchvision's vgg16-397923af.pth; None looks in torch's cache.

    Raises:
        InputError: the weights are not there or are others.
    """
    weights = perceptual.vgg_weights(vgg)
    with warnings.catch_warnings():
        # lpips asks torchvision for its network in a way that is deprecated.
        warnings.simplefilter("ignore")
        term = perceptual.lpips_vgg(weights, device)
    origin = {
        "network": "LPIPS v0.1, VGG-16, linear",
        "library": provenance.version("lpips"),
        "weights_sha256": provenance.sha256(perceptual.vgg_file(vgg)),
    }
    return Distance(lambda a, b: term(a, b, [], list), origin)
