"""Unaligned transplantation: a part of the reference, put somewhere else in the original.

Source: StyleMapGAN (arXiv 2104.14754), section 4.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.blending import lay
from stylemap.editing.directions import check_cells, inside
from stylemap.editing.edit import Patch, Placement, Space
from stylemap.errors import InputError


@dataclass(frozen=True)
class Box:
    """A rectangle of stylemap cells and where it goes; (y, x) of the upper left cell, sizes (height, width)."""

    source: tuple[int, int]  # in the reference
    target: tuple[int, int]  # in the original
    size: tuple[int, int]

    def patch(self, config: StylemapConfig, strength: float = 1.0) -> Patch:
        """The box as a patch, for the space "w".

        Raises:
            InputError: a rectangle that leaves the map, or is empty.
        """
        for name, corner in (("source", self.source), ("target", self.target)):
            try:
                check_cells((*corner, *self.size), config.stylemap_size)
            except InputError as err:
                raise InputError(f"box {name}: {err}") from err
        cell = config.resolution // config.stylemap_size
        cells = inside((*self.source, *self.size), config.stylemap_size)
        down, right = (float(cell * (to - start)) for start, to in zip(self.source, self.target, strict=True))
        mask = F.interpolate(cells[None, None], config.resolution)
        return Patch(reference=0, mask=mask, placement=Placement((down, right)), strength=strength)


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
            small parts, use an `Edit`, whose references have the mirrored image too.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, a box outside the map, neither or both of boxes and mask.
    """
    if boxes is not None and mask is None:
        return lay(model, original, reference, [box.patch(model.config, strength) for box in boxes], "w")
    if mask is None or boxes is not None:
        raise ValueError("give boxes or a mask, one of the two")
    if placement is not None and any(shift):
        raise ValueError("give a shift or a placement, which has a shift of its own")
    masks = [mask] if isinstance(mask, Tensor) else list(mask)
    placement = placement or Placement(shift)
    placements = [placement] * len(masks) if isinstance(placement, Placement) else list(placement)
    if len(placements) != len(masks):
        raise ValueError(f"each part needs a placement: got {len(masks)} and {len(placements)}")
    patches = [
        Patch(reference=0, mask=m, placement=where, strength=strength, hard=hard, layers=layers)
        for m, where in zip(masks, placements, strict=True)
    ]
    return lay(model, original, reference, patches, space)
