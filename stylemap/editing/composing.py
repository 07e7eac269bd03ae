"""Composes the steps of an edit on maps: parts of references over an image, and additions within a mask.

An edit works on maps, either the stylemap alone ("w") or its resized versions ("w+"), see `blending.in_space`. Every map covers
the same image, so a pixel of the image side R is s / R of a pixel of a map of side s, and one placement moves them all.

Source: StyleMapGAN (arXiv 2104.14754), 3.4 for the blend, 4.4 for parts that go elsewhere; mirroring and scaling are ours.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.editing import masks
from stylemap.editing.edit import Patch, Placement, Step

Edge = Literal["zeros", "replicate"]


class Change(NamedTuple):
    """A step and the maps [N or 1, C, s, s] that it brings: a patch lays them over the image's, any other step adds them."""

    step: Step
    maps: Sequence[Tensor]


def compose(maps: Sequence[Tensor], changes: Sequence[Change], resolution: int) -> list[Tensor]:
    """The maps of an image after some changes.

    Args:
        maps: [N, C, s, s] each, of the original; they stay as they are.
        changes: in turn; the last is on top.
        resolution: R, the side of the masks.

    Returns:
        Maps of the same shapes, for `blending.render`.

    Raises:
        ValueError: shapes that do not fit, masks outside [0, 1], layers that the maps do not have.
    """
    result = list(maps)
    for step, other in changes:
        _check_maps(result, other)
        step = soften(step)
        mask = _placed_mask(step, len(result[0]), resolution)
        about = centres(step, resolution) if isinstance(step, Patch) else []
        for i in _layers(step, len(result)):
            side = result[i].shape[-1]
            # in autocast maps may be half as precise
            share = None if mask is None else masks.resize(mask, side, step.hard).to(result[i])
            if isinstance(step, Patch):
                moved = place(other[i], step.placement, resolution, about, "replicate")
                result[i] = torch.lerp(result[i], moved, step.strength if share is None else step.strength * share)
            else:
                result[i] = result[i] + (other[i] if share is None else share * other[i])
    return result


def region(changes: Sequence[Change], resolution: int) -> Tensor:
    """Where changes are meant to show, [N, 1, R, R] in [0, 1]: their masks where they go, with ``hard`` in whole cells.

    The network spreads every edit a little further, by its convolutions and norms. Pasting an edit back into its photo keeps
    the rest as it was.

    Raises:
        ValueError: as of `compose`.
    """
    result = torch.zeros(1, 1, resolution, resolution)
    for step, maps in changes:
        step = soften(step)
        mask = _placed_mask(step, max(len(m) for m in maps), resolution)
        if mask is None:
            return torch.ones(len(maps[0]), 1, resolution, resolution, device=maps[0].device)
        if step.hard:
            cells = masks.resize(mask, maps[_layers(step, len(maps))[0]].shape[-1], hard=True)
            mask = torch.maximum(mask, F.interpolate(cells, resolution))
        result = torch.maximum(result.to(mask.device), mask)
    return result


def soften(step: Step) -> Step:
    """The step with a soft mask instead of a feather."""
    if step.mask is None or step.feather == 0:
        return step
    return replace(step, mask=masks.feather(step.mask, step.feather), feather=0.0)


def everywhere(patch: Patch, resolution: int) -> Patch:
    """The whole reference, placed like its part. For a mask of one sample."""
    (centre,) = centres(soften(patch), resolution)
    return replace(patch, mask=None, placement=replace(patch.placement, centre=centre), strength=1.0)


def centres(patch: Patch, resolution: int) -> list[tuple[float, float]]:
    """(y, x) that a patch is mirrored and scaled about, for each sample of its mask or one for all.

    By default it is the middle of the box around all pixels above half of the mask's maximum. For an empty mask it is the
    middle of the image.
    """
    if patch.placement.centre is not None:
        return [patch.placement.centre]
    if patch.mask is None:
        return [(resolution / 2, resolution / 2)]
    points = []
    for mask in patch.mask:
        high = mask.max()
        if not high > 0:
            points.append((resolution / 2, resolution / 2))
            continue
        y, x = ((mask[0] > high / 2).any(axis).nonzero() for axis in (1, 0))
        points.append((float(y.min() + y.max() + 1) / 2, float(x.min() + x.max() + 1) / 2))
    return points


def place(x: Tensor, placement: Placement, resolution: int, about: Sequence[tuple[float, float]], edge: Edge) -> Tensor:
    """Mirror, scale and shift maps within their frame.

    It interpolates linearly between pixels. Shrinking averages over each pixel. Shifts by whole pixels are exact.

    Args:
        x: [N, C, s, s].
        resolution: R, the side that ``placement`` and ``about`` count in; at side s they are s / R of it.
        about: (y, x) that stays in place before the shift, for each sample or one for all.
        edge: what comes in from beyond the frame: zeros, or the nearest value.
    """
    if not placement.moves:
        return x
    if len(about) > 1:
        count = max(len(x), len(about))
        parts = zip(x.expand(count, -1, -1, -1).split(1), about, strict=True)
        return torch.cat([place(part, placement, resolution, [point], edge) for part, point in parts])
    for axis, shift, centre, flip in zip((2, 3), placement.shift, about[0], (False, placement.flip), strict=True):
        unit = x.shape[axis] / resolution
        samples = math.ceil(1 / placement.scale)
        lines = torch.arange(x.shape[axis], dtype=torch.float64)
        total = torch.zeros(())
        for k in range(samples):
            to = lines + (k + 0.5) / samples - (shift + centre) * unit
            at = (-to if flip else to) / placement.scale + centre * unit - 0.5
            total = total + _lines(x, at, axis, edge)
        x = total / samples if samples > 1 else total
    return x


def _check_maps(maps: Sequence[Tensor], other: Sequence[Tensor]) -> None:
    """ValueError unless ``other`` goes over ``maps``: broadcasting would mix the wrong things silently."""
    if len(maps) != len(other):
        raise ValueError(f"an edit of {len(other)} maps does not fit {len(maps)}; take both to one space")
    for a, b in zip(maps, other, strict=True):
        if b.dim() != 4 or b.shape[1:] != a.shape[1:] or len(b) not in (1, len(a)):
            raise ValueError(f"a map of an edit must be {list(a.shape)} like the original's, not {list(b.shape)}")


def _placed_mask(step: Step, samples: int, resolution: int) -> Tensor | None:
    """The mask at the place of the part, checked; None if the step has no mask."""
    if step.mask is None:
        return None
    masks.validate(step.mask, samples, resolution)
    if not isinstance(step, Patch):
        return step.mask
    return place(step.mask, step.placement, resolution, centres(step, resolution), "zeros").clamp(0, 1)


def _layers(step: Step, count: int) -> range:
    """Which of the maps change."""
    if step.layers is None:
        return range(count)
    if count == 1:
        raise ValueError("layers choose among the resized stylemaps of w+, but w has only one stylemap")
    if step.layers[1] > count:
        raise ValueError(f"layers must lie in 0..{count}, not {step.layers[0]}..{step.layers[1]}")
    return range(*step.layers)


def _lines(x: Tensor, at: Tensor, axis: int, edge: Edge) -> Tensor:
    """Rows or columns at the places ``at``, float64 [n] on the CPU (not every device has float64), linear between neighbours."""
    if edge == "zeros":
        x = F.pad(x, (0, 0, 1, 1) if axis == 2 else (1, 1))
        at = at + 1
    last = x.shape[axis] - 1
    at = at.clamp(0, last)
    lower = at.floor()
    share = (at - lower).view((-1, 1) if axis == 2 else (-1,))
    first = x.index_select(axis, lower.long().to(x.device))
    if not share.any():
        return first
    second = x.index_select(axis, (lower + 1).clamp(max=last).long().to(x.device))
    return torch.lerp(first, second, share.to(x.dtype).to(x.device))
