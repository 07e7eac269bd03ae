"""Edits carried out: the picture, where it differs from the original, and what its colours are matched by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import composing, pasting
from stylemap.editing.blending import Space, render
from stylemap.editing.composing import Patch, Push


@dataclass(frozen=True, eq=False)
class Edited:
    """An edited picture, and what `pasting.paste` needs to put it back into its photo."""

    pixels: np.ndarray  # uint8 [R, R, 3]
    region: np.ndarray | None = None  # float32 [R, R] in [0, 1], where it is to differ; None where it is not put back
    sources: tuple[pasting.Source, ...] = ()  # of the patches in turn, for "poisson"


def apply(
    model: StylemapModel, maps: Sequence[Tensor], steps: Sequence[Patch | Push], space: Space, how: pasting.How = "none"
) -> Edited:
    """A picture after some edits.

    Args:
        maps: [1, C, s, s] each, of the original in the space, see `blending.in_space`.
        steps: in turn, see `composing.compose`.
        how: the edit is put back into its photo; "none" = it is not, and only the picture is made.

    Raises:
        ValueError: as of `composing.compose`.
        InputError: the picture holds NaN.
    """

    def picture(some: Sequence[Patch | Push]) -> np.ndarray:
        made = render(model, composing.compose(maps, some, model.config.resolution), space)
        return images.to_uint8(made)[0].cpu().numpy()

    pixels = picture(steps)
    if how == "none":
        return Edited(pixels)
    side = model.config.resolution
    placed = [step for step in steps if step.mask is not None]
    region = _numbers(composing.region(placed, side))
    if len(placed) < len(steps):
        # what has no mask may show anywhere, and mostly does so in a few places
        region = np.maximum(region, pasting.changed(picture(placed), pixels))
    sources = []
    for i, step in enumerate(steps if how == "poisson" else ()):
        if isinstance(step, Patch):
            source = picture([composing.everywhere(step, side)])
            inside = _numbers(composing.region([step], side)) > pasting.SURE
            sources.append(
                pasting.Source(source, inside, pasting.shown(picture(steps[:i]), picture(steps[: i + 1]), source))
            )
    return Edited(pixels, region, tuple(sources))


def _numbers(mask: Tensor) -> np.ndarray:
    return mask[0, 0].float().cpu().numpy()
