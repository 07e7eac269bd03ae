"""Arithmetic of stylemaps: interpolation, style mixing, transfer of an expression."""

import torch
from torch import Tensor

from stylemap.architectures.model import check_tensor
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.blending import edited, in_space, lay
from stylemap.editing.composing import Change
from stylemap.editing.edit import Patch, Space, Step
from stylemap.editing.incremental import Known

COARSE = 2  # the resized stylemaps at side S


def interpolate(start: Tensor, end: Tensor, frames: int) -> Tensor:
    """Stylemaps on the straight line from ``start`` to ``end`` [1, C, S, S], both included -> [frames, C, S, S]."""
    if frames < 2:
        raise ValueError(f"frames must be at least 2, not {frames}")
    for stylemap in (start, end):
        check_tensor("start and end", stylemap)
        if stylemap.dim() != 4 or len(stylemap) != 1 or stylemap.shape != start.shape:
            raise ValueError(
                f"start and end must be [1, C, S, S] and alike, not {list(start.shape)} and {list(end.shape)}"
            )
    t = torch.linspace(0, 1, frames, device=start.device, dtype=start.dtype).view(-1, 1, 1, 1)
    return torch.lerp(start, end, t)


def mix(model: StylemapModel, coarse: Tensor, fine: Tensor, layers: int | tuple[int, int] = COARSE) -> Tensor:
    """Some of the resized stylemaps from ``coarse``, the rest from ``fine`` (the crossover of Image2StyleGAN).

    Args:
        coarse, fine: stylemaps [N, C, S, S].
        layers: what comes from ``coarse``: a number for that many of the first, or the first and one past the last. Layers 0
            and 1 have side S, 2 and 3 have 2 S, and so on.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, or layers that the model does not have.
    """
    if coarse.shape != fine.shape:
        raise ValueError(f"coarse and fine must be alike, not {list(coarse.shape)} and {list(fine.shape)}")
    first, end = (0, layers) if isinstance(layers, int) else layers
    count = model.config.layers
    if not 0 <= first <= end <= count:
        raise ValueError(f"layers must lie in 0..{count}, not {layers}")
    if first == end:
        return model.synthesize(fine)
    return lay(model, fine, coarse, [Patch(reference=0, layers=(first, end))], "w+")


def transfer(
    model: StylemapModel,
    target: Tensor,
    neutral: Tensor,
    expressive: Tensor,
    amount: float | Tensor = 1.0,
    mask: Tensor | None = None,
    space: Space = "w+",
    hard: bool = False,
) -> Tensor:
    """The difference of ``expressive`` and ``neutral``, added to ``target``: w1 + amount (w3 - w2).

    The expression transfer of Image2StyleGAN (arXiv 1904.03189). A stylemap has places, so align the three faces
    alike, as in one data set.

    Args:
        target, neutral, expressive: stylemaps [N, C, S, S].
        amount: 1 adds the whole difference, 0 nothing, below 0 its opposite; above 1 exaggerates. A tensor [N] gives each
            sample its own; with stylemaps of one sample it makes N images of them.
        mask: [N, 1, R, R] in [0, 1], or [1, 1, R, R] for all: where to add it. None: everywhere.
        space: "w" adds in the stylemap, in cells of R / S pixels with a mask; "w+" in every resized stylemap at its own side.
        hard: of the mask, as in `blend`.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, a mask with values outside [0, 1], another space.
    """
    for name, stylemap in (("neutral", neutral), ("expressive", expressive)):
        if stylemap.shape != target.shape:
            raise ValueError(f"{name} must be {list(target.shape)} like the target, not {list(stylemap.shape)}")
    amounts = torch.as_tensor(amount, dtype=target.dtype, device=target.device)
    if amounts.dim() > 1 or (amounts.dim() == 1 and len(target) not in (1, len(amounts))):
        raise ValueError(f"amount must be a number or [{len(target)}], not {list(amounts.shape)}")
    amounts = amounts.view(-1, 1, 1, 1)  # [N or 1, 1, 1, 1]
    start, without, having = (in_space(model, w, space) for w in (target, neutral, expressive))
    difference = [amounts * (b - a) for a, b in zip(without, having, strict=True)]
    start = [a.expand(len(b), -1, -1, -1) for a, b in zip(start, difference, strict=True)]
    change = Change(Step(mask=mask, hard=hard), difference)
    return edited(model, Known(start), [change], space)
