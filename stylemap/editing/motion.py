"""Films of images that turn into one another, whole or region after region, made a few frames at a time."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from stylemap.architectures.model import Model, check_shape
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import masks
from stylemap.editing.blending import in_space, render_laid
from stylemap.editing.composing import Laid
from stylemap.editing.edit import SHARE, Space
from stylemap.editing.incremental import Cache, Known, laid_over
from stylemap.errors import InputError
from stylemap.schema import validate

Ease = Callable[[Tensor], Tensor]  # time in [0, 1] -> share of the way in [0, 1], rising from 0 to 1
MOST_AT_ONCE = 16  # frames
KNOWN = 4  # images of a film at a time: the first one, the next one, and both ends of a way
PIXELS_AT_ONCE = 16 * 256**2  # of all frames rendered together; bounds the memory at any resolution


def linear(t: Tensor) -> Tensor:
    """The same speed all the way."""
    return t


def smooth(t: Tensor) -> Tensor:
    """Starts and arrives at rest: (1 - cos(pi t)) / 2."""
    # as a square it keeps its digits near 0, where the cosine is 1 to within rounding
    return torch.sin(math.pi / 2 * t).square()


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the image and when it moves, as shares of the time from one image to the next.

    InputError: times that are not in order in [0, 1].
    """

    mask: Tensor  # [1, 1, R, R] in [0, 1], 1 = moves
    start: Annotated[float, SHARE] = 0.0
    end: Annotated[float, SHARE] = 1.0

    def __post_init__(self) -> None:
        validate(self)
        if not self.start < self.end:
            raise InputError(
                f"a region must move from a start to a later end in [0, 1], not {self.start} to {self.end}"
            )

    def share(self, t: Tensor, ease: Ease) -> Tensor:
        """How far on its way the region is at the times [n] -> [n] in [0, 1]."""
        return ease(((t - self.start) / (self.end - self.start)).clamp(0, 1))


def timeline(images: int, frames: int, loop: bool) -> list[Tensor]:
    """The times in [0, 1] of the frames on each way from an image to the next, float64; no frame comes twice.

    Args:
        images: 2 or more.
        frames: 2 or more, for each way. In an open film a way includes both ends, and two ways share the frame where they
            meet: (images - 1) (frames - 1) + 1 in all. In a loop a way ends one step before the next image:
            images * frames in all.
        loop: lead back from the last image to the first.
    """
    if images < 2:
        raise ValueError(f"images must be at least 2, not {images}")
    if frames < 2:
        raise ValueError(f"frames must be at least 2, not {frames}")
    if loop:
        return [torch.arange(frames, dtype=torch.float64) / frames] * images
    way = torch.linspace(0, 1, frames, dtype=torch.float64)
    return [way[:-1]] * (images - 2) + [way]


def frames_at_once(model: Model) -> int:
    """How many frames of the model's resolution are rendered in one pass."""
    return max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // model.config.resolution**2))


def morph(
    model: StylemapModel,
    stylemaps: Tensor,
    frames: int,
    regions: Sequence[Region] = (),
    loop: bool = False,
    ease: Ease = smooth,
    space: Space = "w+",
    hard: bool = False,
) -> Iterator[Tensor]:
    """The film that leads from one image through others, each way as the blend of StyleMapGAN, section 3.4, over time.

    Args:
        stylemaps: [K, C, S, S], two or more, in the order in which they are shown.
        frames: for each way from one to the next, see `timeline`.
        regions: what moves, and when on each way; none given: the whole image, all the time. Outside of all regions the
            first image stays. Where regions overlap, one continues from where the other is; a last region of ones brings
            the rest to the next image.
        loop: lead back to the first image. The last frame is then one step before the first.
        ease: the course of time on each way and in each region: `smooth`, `linear` or a function like them.
        space, hard: of the masks, as in `blend`.

    Returns:
        An iterator of images [n, 3, R, R], n at most `frames_at_once`. They are made one batch at a time, and not kept.

    Raises:
        ValueError: shapes that do not fit, values out of range, another space; at the call, not at the first frame.
    """
    config = model.config
    check_shape("stylemaps", stylemaps, config.stylemap_shape)
    regions = list(regions) or [Region(stylemaps.new_ones(1, 1, config.resolution, config.resolution))]
    for region in regions:
        masks.validate(region.mask, 1, config.resolution)
    times = timeline(len(stylemaps), frames, loop)
    first = _known(model, stylemaps[:1], space)
    sides = {m.shape[-1] for m in first.maps}
    selected = {side: [masks.resize(region.mask, side, hard) for region in regions] for side in sides}
    whole = {side: _covered([torch.ones(1)] * len(regions), at_side) for side, at_side in selected.items()}

    def share(t: Tensor) -> Callable[[int], Tensor]:
        moved = [region.share(t, ease) for region in regions]
        # of the way that a place goes at all; 0 where it stays
        return functools.cache(
            lambda side: _covered(moved, selected[side]) / whole[side].clamp_min(torch.finfo(torch.float32).tiny)
        )

    def over(other: Known, share: Callable[[int], Tensor]) -> list[Laid]:
        return [Laid(other.maps, share, range(len(other.maps)), config.resolution, other.modulations)]

    def film() -> Iterator[Tensor]:
        here = first
        for k, way in enumerate(times, start=1):
            other = _known(model, stylemaps[k : k + 1], space) if k < len(stylemaps) else first
            # laid over the first image rather than over the last frame: soft borders would drift in a loop
            there = laid_over(model, first, over(other, whole.__getitem__))
            for t in way.split(frames_at_once(model)):
                yield render_laid(model, here, over(there, share(t)), space)
            here = there

    return film()


def _known(model: StylemapModel, stylemap: Tensor, space: Space) -> Known:
    """With modulations where they have room: they pay because every frame of a way uses them."""
    maps = in_space(model, stylemap, space)
    modulated = space == "w+" and Cache(model).fits(KNOWN) == KNOWN
    return Known(maps, model.modulations(maps) if modulated else None)


def _covered(moved: Sequence[Tensor], selected: Sequence[Tensor]) -> Tensor:
    """What the regions, each moved by its share [n], have covered of their masks [1, 1, s, s] together -> [n, 1, s, s]."""
    covered = torch.zeros_like(selected[0])
    for share, mask in zip(moved, selected, strict=True):
        covered = covered + (1 - covered) * share.to(mask).view(-1, 1, 1, 1) * mask
    return covered
