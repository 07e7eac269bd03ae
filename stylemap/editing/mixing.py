"""Whole-image edits: interpolation and style mixing."""

import torch
from torch import Tensor

from stylemap.model import Model

COARSE = 2  # the resized stylemaps at side S; they decide layout and shape


def interpolate(start: Tensor, end: Tensor, frames: int) -> Tensor:
    """Stylemaps on the straight line from ``start`` to ``end`` [1, C, S, S], both included -> [frames, C, S, S]."""
    if frames < 2:
        raise ValueError(f"frames must be at least 2, not {frames}")
    for stylemap in (start, end):
        if stylemap.dim() != 4 or len(stylemap) != 1 or stylemap.shape != start.shape:
            raise ValueError(
                f"start and end must be [1, C, S, S] and alike, not {list(start.shape)} and {list(end.shape)}"
            )
    t = torch.linspace(0, 1, frames, device=start.device, dtype=start.dtype).view(-1, 1, 1, 1)
    return torch.lerp(start, end, t)


def mix(model: Model, coarse: Tensor, fine: Tensor, layers: int = COARSE) -> Tensor:
    """The first ``layers`` resized stylemaps from ``coarse``, the rest from ``fine``. [N, C, S, S] twice -> images."""
    first, rest = model.resize(coarse), model.resize(fine)
    if not 0 <= layers <= len(rest):
        raise ValueError(f"layers must lie in 0..{len(rest)}, not {layers}")
    return model.render(first[:layers] + rest[layers:])
