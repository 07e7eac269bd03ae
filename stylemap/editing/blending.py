"""Local editing: one picture's stylemap inside a mask, another's outside (StyleMapGAN, arXiv 2104.14754, section 3.4)."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.composing import Patch, compose

Space = Literal["w", "w+"]


def blend(
    model: StylemapModel,
    original: Tensor,
    reference: Tensor | Sequence[Tensor],
    mask: Tensor | Sequence[Tensor],
    space: Space = "w+",
    hard: bool = False,
    strength: float = 1.0,
    layers: tuple[int, int] | None = None,
) -> Tensor:
    """The original with the references where the masks are 1, linear in between.

    Args:
        original, reference: stylemaps [N, C, S, S]. Several references, each with a mask of its own, are laid over the
            original one after the other; the last is on top.
        mask: [N, 1, R, R] in [0, 1], or [1, 1, R, R] for all.
        space: "w" blends the stylemaps, in cells of R / S pixels. "w+" blends every resized stylemap at its own side, which
            follows the mask to the pixel.
        hard: take every touched cell whole, see `masks.resize`.
        strength: in [0, 1], the share of the reference where the mask is 1.
        layers: w+ only: first and one past the last of the resized stylemaps that change; None = all.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, values outside [0, 1], another space, layers that there are not.
    """
    references, selected = as_pairs(reference, mask)
    check_references(original, references)
    maps = in_space(model, original, space)
    patches = [
        Patch(in_space(model, r, space), m, strength=strength, hard=hard, layers=layers)
        for r, m in zip(references, selected, strict=True)
    ]
    return render(model, compose(maps, patches, model.config.resolution), space)


def blend_maps(base: list[Tensor], other: list[Tensor], mask_at: Callable[[int], Tensor]) -> list[Tensor]:
    """``other`` over ``base`` [N, C, s, s] each, by the mask [N, 1, s, s] that ``mask_at`` gives for a side s."""
    return [torch.lerp(a, b, mask_at(a.shape[-1]).to(a)) for a, b in zip(base, other, strict=True)]


def in_space(model: StylemapModel, stylemap: Tensor, space: Space) -> list[Tensor]:
    """The maps that are edited: the stylemap alone, or all its resized versions."""
    if space not in ("w", "w+"):
        raise ValueError(f'space must be "w" or "w+", not {space!r}')
    return [stylemap] if space == "w" else model.resize(stylemap)


def mirrored(model: StylemapModel, stylemap: Tensor, space: Space) -> list[Tensor]:
    """The maps for a part that is to be put down mirrored (`composing.Placement.flip`).

    What a map means has a left and a right of its own, so that a mirrored map is no map of the mirrored picture, and the face of
    one falls apart. What does work is the stylemap of the mirrored picture; its maps are turned here, and back by the placement.

    Args:
        stylemap: [N, C, S, S] of the mirrored picture, ``model.encode(images.flip(3))``.

    Returns:
        Maps that lie as the picture itself does, for a `composing.Patch` with a mask over the picture itself.
    """
    return [m.flip(3) for m in in_space(model, stylemap, space)]


def render(model: StylemapModel, maps: list[Tensor], space: Space) -> Tensor:
    """The images of edited maps."""
    return model.synthesize(maps[0]) if space == "w" else model.render(maps)


def as_pairs(reference: Tensor | Sequence[Tensor], other: Tensor | Sequence[Tensor]) -> tuple[list, list]:
    """One or several references with as many masks."""
    references = [reference] if isinstance(reference, Tensor) else list(reference)
    others = [other] if isinstance(other, Tensor) else list(other)
    if len(references) != len(others) or not references:
        raise ValueError(f"each reference needs a mask: got {len(references)} and {len(others)}")
    return references, others


def check_references(original: Tensor, references: Sequence[Tensor]) -> None:
    """ValueError unless all are shaped like the original: broadcasting would mix the wrong things silently."""
    for reference in references:
        if reference.shape != original.shape:
            raise ValueError(f"reference must be {list(original.shape)} like the original, not {list(reference.shape)}")
