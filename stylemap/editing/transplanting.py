"""Unaligned transplantation: a part of the reference, put somewhere else in the original (StyleMapGAN, section 4.4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.editing import masks
from stylemap.editing.blending import Space, blend_maps, check_references, check_strength, in_space, render
from stylemap.model import Model


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
    model: Model,
    original: Tensor,
    reference: Tensor | Sequence[Tensor],
    boxes: Sequence[Box] | None = None,
    mask: Tensor | None = None,
    shift: tuple[int, int] = (0, 0),
    space: Space = "w+",
    hard: bool = False,
    strength: float = 1.0,
) -> Tensor:
    """Put parts of the reference into the original at another place.

    Either ``boxes``, whole cells of the stylemap, or a free ``mask`` over the reference that is moved by ``shift``.

    Args:
        original: stylemaps [N, C, S, S].
        reference: the same; or with boxes a list, one for each box.
        boxes: applied in turn, so a later box covers an earlier one.
        mask: [N, 1, R, R] in [0, 1], the part to take, where it is in the reference.
        shift: (down, right) in pixels, negative for up and left. What leaves the frame is cut.
        space, hard: of the mask, as in `blend`; boxes are cells, so they copy in the stylemap itself.
        strength: in [0, 1], the share of the reference.

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
    if not isinstance(reference, Tensor) or not isinstance(mask, Tensor):
        raise ValueError("a mask takes one reference and moves one part; call again for another")
    check_references(original, [reference])
    resolution = model.config.resolution
    masks.check(mask, len(original), resolution)
    moved_mask = translate(mask, *shift)
    moved = [
        translate(m, shift[0] * m.shape[-1] / resolution, shift[1] * m.shape[-1] / resolution, edge="replicate")
        for m in in_space(model, reference, space)
    ]
    maps = blend_maps(
        in_space(model, original, space), moved, lambda side: strength * masks.resize(moved_mask, side, hard)
    )
    return render(model, maps, space)


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


def translate(x: Tensor, down: float, right: float, edge: str = "constant") -> Tensor:
    """Move a map [N, C, H, W] within its frame; fractions interpolate linearly between neighbours.

    Args:
        edge: what comes in at the border: "constant" zeros or "replicate" the nearest value.
    """
    x = _translate_rows(x, down, edge)
    return _translate_rows(x.mT, right, edge).mT


def _translate_rows(x: Tensor, down: float, edge: str) -> Tensor:
    height = x.shape[2]
    down = max(-height, min(height, down))  # further out it is the same
    whole = math.floor(down)
    reach = abs(whole) + 1
    padded = F.pad(x, (0, 0, reach, reach), mode=edge)
    at = reach - whole  # padded row that lands in row 0
    upper = padded[:, :, at : at + height]
    if down == whole:
        return upper
    return torch.lerp(upper, padded[:, :, at - 1 : at - 1 + height], down - whole)
