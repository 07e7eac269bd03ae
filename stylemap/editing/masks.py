"""Masks: where parts are, soft edges, and the sides of the stylemap and of its resized versions.

A mask is float [N, 1, R, R] in [0, 1], 1 = take the reference.
"""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import resampling

Half = Literal["left", "right", "upper", "lower"]
HALVES: tuple[Half, ...] = ("left", "right", "upper", "lower")


def resize(mask: Tensor, side: int, hard: bool) -> Tensor:
    """[N, 1, R, R] -> [N, 1, side, side].

    Args:
        hard: False averages over each cell, the linear blend of the paper's formula. True is what the published code does:
            every cell that the mask (above one half) touches is taken whole, so a thin mask still has an effect and an
            edit reaches up to a cell beyond its border.
    """
    if hard:
        return F.max_pool2d((mask > 0.5).to(mask.dtype), mask.shape[-1] // side)
    return F.adaptive_avg_pool2d(mask, side)


def feather(mask: Tensor, radius: float) -> Tensor:
    """A mask [N, 1, R, R] with a soft edge, for an edit without a seam.

    Inside the mask, further than ``radius`` from its edge, it stays what it was, and so it does outside. Beyond the frame the
    mask goes on as it is inside, so a mask that ends at the frame is not softened there.

    Args:
        radius: pixels of the mask, 0 = as it is. Distances are Euclidean, from the centre of a pixel.

    Raises:
        ValueError: a radius below 0 or not finite.
    """
    if not 0 <= radius < math.inf:
        raise ValueError(f"the radius of a feather must be 0 pixels or more, not {radius}")
    # The kernel is square: its corner pixel lies (reach - 1/2) sqrt(2) from the edge.
    reach = min(math.floor(radius / math.sqrt(2) + 0.5), mask.shape[-1] - 1)
    if reach == 0:
        return mask
    # Whole numbers, and a mean after each direction: sums of ones are then exact in any order, so that 1 stays 1.
    weights = reach + 1 - torch.arange(-reach, reach + 1, dtype=mask.dtype, device=mask.device).abs()
    for kernel, padding in ((weights.view(1, 1, -1, 1), (reach, 0)), (weights.view(1, 1, 1, -1), (0, reach))):
        inside = F.conv2d(torch.ones_like(mask[:1]), kernel, padding=padding)
        mask = F.conv2d(mask, kernel, padding=padding) / inside
    return mask.clamp(0, 1)


def from_parts(labels: np.ndarray, ids: Iterable[int], resolution: int) -> Tensor:
    """How much of each pixel is of some parts, [1, 1, R, R].

    Args:
        labels: uint8 [H, W] of `datasets.parts.Part`; like a photo the central square is cut out and averaged by area.
        ids: of the parts, see `datasets.parts.part_ids`.
        resolution: R.

    Raises:
        ValueError: labels of another shape or type.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"labels must be uint8 [H, W], not {labels.dtype} {list(labels.shape)}")
    return torch.from_numpy(resampling.fit_mask(np.isin(labels, list(ids)).astype(np.float32), resolution))[None, None]


def union(first: Tensor, second: Tensor) -> Tensor:
    """Where either mask [N, 1, R, R] is.

    The published edits change the union of the original's part and the reference's: what the original has there must go, what
    the reference has there must come.
    """
    return torch.maximum(first, second)


def half(which: Half, resolution: int) -> Tensor:
    """One half of the image, [1, 1, R, R]; of an odd side the middle line belongs to both halves by one half.

    Raises:
        ValueError: not left, right, upper or lower.
    """
    if which not in HALVES:
        raise ValueError(f"half must be one of {', '.join(HALVES)}, not {which!r}")
    line = (torch.arange(resolution) + 1 - resolution / 2).clamp(0, 1)  # of the half with the larger coordinates
    if which in ("left", "upper"):
        line = 1 - line
    line = line.view(-1, 1) if which in ("upper", "lower") else line
    return line.expand(1, 1, resolution, resolution).clone()


def validate(mask: Tensor, samples: int, resolution: int) -> None:
    """ValueError unless the mask is [samples, 1, R, R] (or one for all) with values in [0, 1]."""
    shape = (1, resolution, resolution)
    # The sizes must be equal, not merely broadcastable: a mask [N, R, R] would silently mix channels where N = C.
    if mask.dim() != 4 or tuple(mask.shape[1:]) != shape or mask.shape[0] not in (1, samples):
        raise ValueError(f"mask must be [{samples}, 1, {resolution}, {resolution}], not {list(mask.shape)}")
    if not mask.is_floating_point():
        raise ValueError(f"mask must be float, not {mask.dtype}")
    if not (mask.min() >= 0 and mask.max() <= 1):  # NaN is neither
        raise ValueError(f"mask must lie in [0, 1], not in [{mask.min():g}, {mask.max():g}]")


def from_bytes(levels: np.ndarray) -> Tensor:
    """uint8 [R, R], 255 = all of the reference -> [1, 1, R, R]."""
    return torch.from_numpy(levels.astype(np.float32) / 255)[None, None]


def to_bytes(mask: Tensor) -> np.ndarray:
    """The inverse of `from_bytes`; values in between are rounded."""
    return (mask[0, 0] * 255).round().to(torch.uint8).cpu().numpy()
