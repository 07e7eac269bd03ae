"""Composes the steps of an edit on maps: parts of references over an image, and additions within a mask.

An edit works on maps, either the stylemap alone ("w") or its resized versions ("w+"), see `blending.in_space`. Every map covers
the same image, so a pixel of the image side R is s / R of a pixel of a map of side s, and one placement moves them all.

Source: StyleMapGAN (arXiv 2104.14754), 3.4 for the blend, 4.4 for parts that go elsewhere; mirroring and scaling are ours.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.editing import masks
from stylemap.editing.edit import Patch, Placement, Step

Edge = Literal["zeros", "replicate"]
Window = tuple[slice, slice]  # rows and columns
WHOLE: Window = (slice(None), slice(None))


class Change(NamedTuple):
    """A step and the maps [N or 1, C, s, s] that it brings: a patch lays them over the image's, any other step adds them."""

    step: Step
    maps: Sequence[Tensor]
    modulations: Sequence[Tensor] | None = (
        None  # in w+: `StylemapModel.modulations` of the maps; None: they are not known
    )


@dataclass(frozen=True, eq=False)
class Laid:
    """Maps that go over others or are added to them, at the place and with the share that they have at each side."""

    maps: Sequence[Tensor]
    share: Callable[[int], Tensor]  # side s -> [N or 1, 1, s, s] in [0, 1]
    layers: range  # which of the maps
    resolution: int  # R
    modulations: Sequence[Tensor] | None = None
    adds: bool = False
    placement: Placement = Placement()
    about: Sequence[tuple[float, float]] = ()  # see `place`

    def over(self, base: Tensor, other: Tensor, window: Window = WHOLE) -> Tensor:
        """A window of ``base``, which is [N, C, h, w] already, with the same window of ``other`` [N or 1, C, s, s] over it."""
        share = self.share(other.shape[-1])[(..., *window)].to(base)  # in autocast maps may be half as precise
        other = place(other, self.placement, self.resolution, self.about, "replicate", window)
        return base + share * other if self.adds else torch.lerp(base, other, share)

    def follows(self, side: int) -> Tensor:
        """Where a 3 x 3 convolution of the placed maps is the placed convolution of the maps, bool [s, s].

        It is where the part is only shifted, and neither the window nor the place that it comes from touch the frame. A part
        that is mirrored must bring mirrored maps, see `blending.patch_change`.
        """
        where = self.placement
        if not where.moves:
            return torch.ones(side, side, dtype=torch.bool)
        if where.scale != 1 or len(self.about) > 1:
            return torch.zeros(side, side, dtype=torch.bool)
        lines = torch.arange(side, dtype=torch.float64)
        axes = []
        for axis in (0, 1):
            at = _sources(lines, where, axis, self.about[0], side / self.resolution)
            stays = torch.equal(at, lines.flip(0) if axis == 1 and where.flip else lines)
            inside = (torch.minimum(lines, at) >= 1) & (torch.maximum(lines, at) <= side - 2)
            axes.append(inside | stays)
        return axes[0][:, None] & axes[1]


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
    return lay_over(maps, lay_out(maps, changes, resolution))


def lay_over(maps: Sequence[Tensor], laid: Sequence[Laid]) -> list[Tensor]:
    """The maps with others over them, in turn."""
    result = list(maps)
    for one in laid:
        for i in one.layers:
            result[i] = one.over(result[i], one.maps[i])
    return result


def lay_out(maps: Sequence[Tensor], changes: Sequence[Change], resolution: int) -> list[Laid]:
    """Changes of some maps, each where it goes. Arguments and errors as of `compose`."""
    return [_lay_out(maps, change, resolution) for change in changes]


def _lay_out(maps: Sequence[Tensor], change: Change, resolution: int) -> Laid:
    _check_maps(maps, change.maps)
    step = soften(change.step)
    mask = _placed_mask(step, len(maps[0]), resolution)
    is_patch = isinstance(step, Patch)
    strength = step.strength if is_patch else 1.0

    @functools.cache
    def share(side: int) -> Tensor:
        if mask is None:
            return torch.full((1, 1, side, side), strength, device=maps[0].device)
        return strength * masks.resize(mask, side, step.hard)

    where = {"placement": step.placement, "about": centres(step, resolution)} if is_patch else {"adds": True}
    return Laid(change.maps, share, _layers(step, len(maps)), resolution, change.modulations, **where)


def region(changes: Sequence[Change], resolution: int) -> Tensor:
    """Where changes are meant to show, [N, 1, R, R] in [0, 1]: their masks where they go, with ``hard`` in whole cells.

    The network spreads every edit a little further, by its convolutions and norms. Pasting an edit back into its photo keeps
    the rest as it was.

    Raises:
        ValueError: as of `compose`.
    """
    result = torch.zeros(1, 1, resolution, resolution)
    for step, maps, _ in changes:
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


def place(
    x: Tensor,
    placement: Placement,
    resolution: int,
    about: Sequence[tuple[float, float]],
    edge: Edge,
    window: Window = WHOLE,
) -> Tensor:
    """Mirror, scale and shift maps within their frame.

    It interpolates linearly between pixels. Shrinking averages over each pixel. Shifts by whole pixels are exact.

    Args:
        x: [N, C, s, s].
        resolution: R, the side that ``placement`` and ``about`` count in; at side s they are s / R of it.
        about: (y, x) that stays in place before the shift, for each sample or one for all.
        edge: what comes in from beyond the frame: zeros, or the nearest value.
        window: the part of the result that is wanted.
    """
    if not placement.moves:
        return x if window == WHOLE else x[(..., *window)]
    if len(about) > 1:
        count = max(len(x), len(about))
        parts = zip(x.expand(count, -1, -1, -1).split(1), about, strict=True)
        return torch.cat([place(part, placement, resolution, [point], edge, window) for part, point in parts])
    unit = x.shape[-1] / resolution
    for axis in (0, 1):
        samples = math.ceil(1 / placement.scale)
        lines = torch.arange(x.shape[2 + axis], dtype=torch.float64)[window[axis]]
        total = torch.zeros(())
        for k in range(samples):
            at = _sources(lines, placement, axis, about[0], unit, (k + 0.5) / samples)
            total = total + _lines(x, at, 2 + axis, edge)
        x = total / samples if samples > 1 else total
    return x


def _sources(
    lines: Tensor, placement: Placement, axis: int, about: tuple[float, float], unit: float, within: float = 0.5
) -> Tensor:
    """Where rows (axis 0) or columns (1) of a map come from, in lines of it; a pixel is ``unit`` of a line.

    Args:
        within: of each line the place that counts, 0.5 is its middle.
    """
    to = lines + within - (placement.shift[axis] + about[axis]) * unit
    mirrored = axis == 1 and placement.flip
    return (-to if mirrored else to) / placement.scale + about[axis] * unit - 0.5


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
