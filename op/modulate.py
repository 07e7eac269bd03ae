"""Spatial modulation: normalise, scale and shift, each element by its own factor (StyleMapGAN, section 3.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import kernels

EPS = 1e-5


def modulate(x: Tensor, style: Tensor, groups: int | None = 1, eps: float = EPS) -> Tensor:
    """``norm(x) * gamma + beta`` where gamma and beta vary over channel *and* place.

    Args:
        x: features [N, C, H, W].
        style: [N, 2 C, H, W], gamma in the first C channels and beta in the others.
        groups: mean and variance (biased) are taken per sample over the elements of each of so many channel groups:
            1 is layer norm over (C, H, W), C is instance norm. None: ``x`` is normalised already.
        eps: added to the variance.

    Returns:
        [N, C, H, W].
    """
    if groups is not None and x.shape[0] == style.shape[0] and kernels.serve("modulate", x, style):
        from .registered import modulate as by_kernel

        return by_kernel(x, style, groups, eps)
    return reference(x, style, groups, eps)


def reference(x: Tensor, style: Tensor, groups: int | None, eps: float) -> Tensor:
    """In PyTorch's operations."""
    gamma, beta = style.chunk(2, dim=1)
    normalised = x if groups is None else F.group_norm(x, groups, eps=eps)
    return torch.addcmul(beta, normalised, gamma)
