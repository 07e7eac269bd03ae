"""Squared error and peak signal-to-noise ratio of pictures, pixels in [-1, 1].

The published errors are in this range too, four times those of pixels in [0, 1]; the ratio is the same in both.
"""

import torch
from torch import Tensor

PEAK_TO_PEAK = 2.0  # of pixels in [-1, 1]


def mse(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of each pair of images. [N, 3, H, W] twice, in [-1, 1] -> float64 [N], 0 to 4.

    Raises:
        ValueError: shapes that differ.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"images must be [N, 3, H, W] alike, not {list(a.shape)} and {list(b.shape)}")
    return (a.double() - b.double()).square().mean(dim=(1, 2, 3))


def psnr(error: Tensor) -> Tensor:
    """Decibels of a mean squared error of pixels in [-1, 1]; infinite where it is 0."""
    return 10 * torch.log10(PEAK_TO_PEAK**2 / error)
