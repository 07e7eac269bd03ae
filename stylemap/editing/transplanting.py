"""Unaligned transplantation: a part of the reference, put somewhere else in the original.

Source: StyleMapGAN (arXiv 2104.14754), section 4.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.blending import Space, check_references, in_space, render
from stylemap.editing.composing import Patch, Placement, check_strength, compose


@dataclass(frozen=True)
class Box:
    """A rectangle of stylemap cells and where it goes; (y, x) of the upper left cell, sizes (height, width)."""

    source: tuple[int, int]  # in the reference
    target: tuple[int, int]  # in the original
    size: tuple[int, int]

    def check(self, side: int) -> None:
        """ValueError unless both rectangles lie in a map of ``side`` x ``side`` cells."""
        for name, corner in (("source", self.source), ("target", self.target)):
            for start, length, axis in zip(corner, self.size, "yx", strict=True):
                if length < 1:
                    raise ValueError(f"box {name} {axis}={start} with length {length}: must be 1 cell or more")
                if start < 0 or start + length > side:
                    raise ValueError(
                        f"box {name} {axis}={start} with length {length} leaves the stylemap of {side} x {side} cells"
                    )


def transplant(
    model: StylemapModel,
    original: Tensor,
    reference: Tensor | Sequence[Tensor],
    boxes: Sequence[Box] | None = None,
    mask: Tensor | Sequence[Tensor] | None = None,
    shift: tuple[float, float] = (0, 0),
    space: Space = "w+",
    hard: bool = False,
    strength: float = 1.0,
    placement: Placement | Sequence[Placement] | None = None,
    layers: tuple[int, int] | None = None,
) -> Tensor:
    """Put parts of the references into the original at another place.

    Either ``boxes``, whole cells of the stylemap, or free masks over the references that are moved, mirrored and scaled.

    Args:
        original: stylemaps [N, C, S, S].
        reference: the same, for all parts or a list with one for each.
        boxes: applied in turn, so a later box covers an earlier one.
        mask: [N, 1, R, R] in [0, 1], the part to take, where it is in the reference; or a list of several parts, in turn.
        shift: of one part or all, (down, right) in pixels, negative for up and left. What leaves the frame is cut.
        space, hard, layers: of masks, as in `blend`; boxes are cells, so they copy in the stylemap itself.
        strength: in [0, 1], the share of the reference.
        placement: in place of ``shift``: also mirrors and scales; for all parts or a list with one for each. To mirror all but
            small parts, compose with the maps of `blending.mirrored`, which takes the mirrored picture.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, a box outside the map, neither or both of boxes and mask.
    """
    check_strength(strength)
    if (boxes is None) == (mask is None):
        raise ValueError("give boxes or a mask, one of the two")
    if boxes is not None:
        references = [reference] * len(boxes) if isinstance(reference, Tensor) else list(reference)
        return model.synthesize(copy_boxes(original, references, boxes, strength))
    if placement is not None and any(shift):
        raise ValueError("give a shift or a placement, which has a shift of its own")
    selected = [mask] if isinstance(mask, Tensor) else list(mask)
    references = _each("reference", reference, len(selected))
    placements = _each("placement", placement or Placement(shift), len(selected))
    check_references(original, references)
    patches = [
        Patch(in_space(model, r, space), m, where, strength, hard, layers)
        for r, m, where in zip(references, selected, placements, strict=True)
    ]
    return render(model, compose(in_space(model, original, space), patches, model.config.resolution), space)


def copy_boxes(original: Tensor, references: list[Tensor], boxes: Sequence[Box], strength: float = 1.0) -> Tensor:
    """Stylemaps with the boxes of the references copied in. [N, C, S, S] -> [N, C, S, S]."""
    if len(references) != len(boxes) or not boxes:
        raise ValueError(f"each box needs a reference: got {len(boxes)} and {len(references)}")
    check_references(original, references)
    result = original.clone()
    for box, reference in zip(boxes, references, strict=True):
        box.check(original.shape[-1])
        (sy, sx), (ty, tx), (h, w) = box.source, box.target, box.size
        target = result[..., ty : ty + h, tx : tx + w]
        target.copy_(torch.lerp(target, reference[..., sy : sy + h, sx : sx + w], strength))
    return result


def _each(name: str, value, count: int) -> list:
    """One value for all of ``count`` parts, or a list of as many."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count or not values:
        raise ValueError(f"each part needs a {name}: got {count} and {len(values)}")
    return values
