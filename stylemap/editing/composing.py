"""Edits of one picture in turn: parts of references over it, wherever they go, and directions within a mask.

An edit works on maps, either the stylemap alone ("w") or its resized versions ("w+"), see `blending.in_space`. Every map covers
the same picture, so a pixel of the image side R is s / R of a pixel of a map of side s, and one placement moves them all.

Source: StyleMapGAN (arXiv 2104.14754), 3.4 for the blend, 4.4 for parts that go elsewhere; mirroring and scaling are ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.editing import masks

SMALLEST_SCALE, LARGEST_SCALE = 1 / 4, 4

Edge = Literal["zeros", "replicate"]


@dataclass(frozen=True)
class Placement:
    """Where a part of the reference goes: mirrored and scaled about a centre, then shifted. Pixels of the image side R.

    Pixel k reaches from k to k + 1, so the middle of the picture is (R / 2, R / 2). What leaves the frame is cut.
    ValueError: a scale outside [1/4, 4], or numbers that are not finite.
    """

    shift: tuple[float, float] = (0.0, 0.0)  # (down, right), negative for up and left
    scale: float = 1.0  # > 1 enlarges; within [1/4, 4]
    flip: bool = False  # left-right; a patch looks best with the maps of `blending.mirrored`
    centre: tuple[float, float] | None = None  # (y, x) of what stays put; None: the centre of the mask's bounding box

    def __post_init__(self):
        if not SMALLEST_SCALE <= self.scale <= LARGEST_SCALE:  # NaN is not
            raise ValueError(f"scale must lie in [{SMALLEST_SCALE}, {LARGEST_SCALE}], not {self.scale}")
        for name, point in (("shift", self.shift), ("centre", self.centre or (0, 0))):
            if len(point) != 2 or not all(math.isfinite(x) for x in point):
                raise ValueError(f"{name} must be two finite numbers, not {point}")

    @property
    def moves(self) -> bool:
        """Whether anything is elsewhere afterwards."""
        return self.flip or self.scale != 1 or any(self.shift)


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a reference over the picture."""

    maps: Sequence[Tensor]  # blending.in_space(model, stylemap of the reference, space)
    mask: Tensor | None  # [N|1, 1, R, R] in [0, 1], over the reference, where the part is there; None: all of it
    placement: Placement = field(default_factory=Placement)
    strength: float = 1.0  # in [0, 1], the share of the reference where the mask is 1
    hard: bool = False  # take every touched cell whole, see `masks.resize`
    layers: tuple[int, int] | None = None  # w+ only: first and one past the last of the styles that change; None: all

    def __post_init__(self):
        check_strength(self.strength)


@dataclass(frozen=True, eq=False)
class Push:
    """A semantic direction, within a mask: what is there moves, whatever it is (an earlier patch too)."""

    delta: Sequence[Tensor]  # maps: in_space(model, w + amount * vector) - in_space(model, w)
    mask: Tensor | None = None  # [N|1, 1, R, R] in [0, 1]; None: everywhere
    hard: bool = False
    layers: tuple[int, int] | None = None


def compose(maps: Sequence[Tensor], edits: Sequence[Patch | Push], resolution: int) -> list[Tensor]:
    """The maps of a picture after some edits.

    Args:
        maps: [N, C, s, s] each, of the original; left alone.
        edits: in turn; the last is on top. Their maps are shaped like the original's, or of one sample for all.
        resolution: R, the side of the masks.

    Returns:
        Maps of the same shapes, for `blending.render`.

    Raises:
        ValueError: shapes that do not fit, masks or a strength outside [0, 1], layers that there are not.
    """
    result = list(maps)
    for edit in edits:
        other = edit.maps if isinstance(edit, Patch) else edit.delta
        check_maps(result, other)
        first, end = _layers(edit.layers, len(result))
        mask = _placed_mask(edit, len(result[0]), resolution)
        about = centres(edit, resolution) if isinstance(edit, Patch) else []
        for i in range(first, end):
            side = result[i].shape[-1]
            # in autocast maps may be half as precise
            share = None if mask is None else masks.resize(mask, side, edit.hard).to(result[i])
            if isinstance(edit, Push):
                result[i] = result[i] + (other[i] if share is None else share * other[i])
            else:
                moved = place(other[i], edit.placement, resolution, about, "replicate")
                result[i] = torch.lerp(result[i], moved, edit.strength if share is None else edit.strength * share)
    return result


def region(edits: Sequence[Patch | Push], resolution: int) -> Tensor:
    """Where edits are meant to show, [N, 1, R, R] in [0, 1]: their masks where they go, with ``hard`` in whole cells.

    The network carries every edit somewhat further, by its convolutions and norms; pasting an edit back into its photo keeps
    the rest as it was.

    Raises:
        ValueError: as of `compose`.
    """
    result = torch.zeros(1, 1, resolution, resolution)
    for edit in edits:
        maps = edit.maps if isinstance(edit, Patch) else edit.delta
        mask = _placed_mask(edit, max(len(m) for m in maps), resolution)
        if mask is None:
            return torch.ones(len(maps[0]), 1, resolution, resolution, device=maps[0].device)
        if edit.hard:
            first, _ = _layers(edit.layers, len(maps))
            cells = masks.resize(mask, maps[first].shape[-1], hard=True)
            mask = torch.maximum(mask, F.interpolate(cells, resolution))
        result = torch.maximum(result.to(mask.device), mask)
    return result


def everywhere(patch: Patch, resolution: int) -> Patch:
    """All of the reference, lying as its part does: what the part was cut out of. For a mask of one sample."""
    (centre,) = centres(patch, resolution)
    return replace(patch, mask=None, placement=replace(patch.placement, centre=centre), strength=1.0)


def centres(patch: Patch, resolution: int) -> list[tuple[float, float]]:
    """(y, x) that a patch is mirrored and scaled about, for each sample of its mask or one for all.

    By default the middle of the box around what is more than half as strong as the mask's maximum; of an empty mask, of the
    picture.
    """
    if patch.placement.centre is not None:
        return [patch.placement.centre]
    if patch.mask is None:
        return [(resolution / 2, resolution / 2)]
    found = []
    for mask in patch.mask:
        high = mask.max()
        if not high > 0:
            found.append((resolution / 2, resolution / 2))
            continue
        y, x = ((mask[0] > high / 2).any(axis).nonzero() for axis in (1, 0))
        found.append(tuple(float(line.min() + line.max() + 1) / 2 for line in (y, x)))
    return found


def place(x: Tensor, placement: Placement, resolution: int, about: Sequence[tuple[float, float]], edge: Edge) -> Tensor:
    """Mirror, scale and shift maps within their frame.

    Between pixels it interpolates linearly, and shrinking averages over what falls into a pixel. Whole pixels are exact.

    Args:
        x: [N, C, s, s].
        resolution: R, the side that ``placement`` and ``about`` count in; at side s they are s / R of it.
        about: (y, x) that stays put but for the shift, for each sample or one for all.
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
        total = 0
        for k in range(samples):
            to = lines + (k + 0.5) / samples - (shift + centre) * unit
            at = (-to if flip else to) / placement.scale + centre * unit - 0.5
            total = total + _lines(x, at, axis, edge)
        x = total / samples if samples > 1 else total
    return x


def check_strength(strength: float) -> None:
    """ValueError outside [0, 1]."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], not {strength}")


def check_maps(maps: Sequence[Tensor], other: Sequence[Tensor]) -> None:
    """ValueError unless ``other`` goes over ``maps``: broadcasting would mix the wrong things silently."""
    if len(maps) != len(other):
        raise ValueError(f"an edit of {len(other)} maps does not fit {len(maps)}; take both to one space")
    for a, b in zip(maps, other, strict=True):
        if b.dim() != 4 or b.shape[1:] != a.shape[1:] or len(b) not in (1, len(a)):
            raise ValueError(f"a map of an edit must be {list(a.shape)} like the original's, not {list(b.shape)}")


def _placed_mask(edit: Patch | Push, samples: int, resolution: int) -> Tensor | None:
    """The mask where the part goes, checked; None where there is none."""
    if edit.mask is None:
        return None
    masks.check(edit.mask, samples, resolution)
    if isinstance(edit, Push):
        return edit.mask
    return place(edit.mask, edit.placement, resolution, centres(edit, resolution), "zeros").clamp(0, 1)


def _layers(layers: tuple[int, int] | None, count: int) -> tuple[int, int]:
    if layers is None:
        return 0, count
    if count == 1:
        raise ValueError("layers choose among the resized stylemaps of w+; in w there is one map")
    first, end = layers
    if not 0 <= first < end <= count:
        raise ValueError(f"layers must lie in 0..{count} and hold one or more, not {first}..{end}")
    return first, end


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
