"""Masks at the sides of the stylemap and of its resized versions."""

import torch.nn.functional as F
from torch import Tensor


def resize(mask: Tensor, side: int, hard: bool) -> Tensor:
    """[N, 1, R, R] -> [N, 1, side, side].

    Args:
        hard: False averages over each cell, the linear blend of the paper's formula. True is what the published code does:
            every cell that the mask (above one half) touches is taken whole, so a thin mask still has an effect and an
            edit reaches up to a cell beyond its border.
    """
    if hard:
        return F.adaptive_max_pool2d((mask > 0.5).to(mask.dtype), side)
    return F.adaptive_avg_pool2d(mask, side)


def check(mask: Tensor, samples: int, resolution: int) -> None:
    """ValueError unless the mask is [samples, 1, R, R] (or one for all) with values in [0, 1]."""
    shape = (1, resolution, resolution)
    # The sizes must be equal, not merely broadcastable: a mask [N, R, R] would silently mix channels where N = C.
    if mask.dim() != 4 or tuple(mask.shape[1:]) != shape or mask.shape[0] not in (1, samples):
        raise ValueError(f"mask must be [{samples}, 1, {resolution}, {resolution}], not {list(mask.shape)}")
    if not mask.is_floating_point():
        raise ValueError(f"mask must be float, not {mask.dtype}")
    if not (mask.min() >= 0 and mask.max() <= 1):  # NaN is neither
        raise ValueError(f"mask must lie in [0, 1], not in [{mask.min():g}, {mask.max():g}]")
