"""Local editing: one picture's stylemap inside a mask, another's outside (StyleMapGAN, section 3.4)."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from stylemap.editing import masks
from stylemap.model import Model

Space = Literal["w", "w+"]


def blend(
    model: Model,
    original: Tensor,
    reference: Tensor | Sequence[Tensor],
    mask: Tensor | Sequence[Tensor],
    space: Space = "w+",
    hard: bool = False,
    strength: float = 1.0,
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

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, values outside [0, 1], another space.
    """
    references, selected = as_pairs(reference, mask)
    check_strength(strength)
    check_references(original, references)
    for m in selected:
        masks.check(m, len(original), model.config.resolution)
    result = in_space(model, original, space)
    for r, m in zip(references, selected, strict=True):
        result = blend_maps(result, in_space(model, r, space), lambda side, m=m: strength * masks.resize(m, side, hard))
    return render(model, result, space)


def blend_maps(base: list[Tensor], other: list[Tensor], mask_at: Callable[[int], Tensor]) -> list[Tensor]:
    """``other`` over ``base`` [N, C, s, s] each, by the mask [N, 1, s, s] that ``mask_at`` gives for a side s."""
    return [torch.lerp(a, b, mask_at(a.shape[-1])) for a, b in zip(base, other, strict=True)]


def in_space(model: Model, stylemap: Tensor, space: Space) -> list[Tensor]:
    """The maps that are edited: the stylemap alone, or all its resized versions."""
    if space not in ("w", "w+"):
        raise ValueError(f'space must be "w" or "w+", not {space!r}')
    return [stylemap] if space == "w" else model.resize(stylemap)


def render(model: Model, maps: list[Tensor], space: Space) -> Tensor:
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


def check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], not {strength}")
