"""Local editing: one image's stylemap inside a mask, another's outside (StyleMapGAN, arXiv 2104.14754, section 3.4).

Also the two spaces that edits work in: "w" is the stylemap itself, "w+" its resized versions, one for every layer.
"""

from collections.abc import Sequence

from torch import Tensor

from stylemap.architectures.model import check_shape
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.composing import Change, Laid, lay_out, lay_over
from stylemap.editing.directions import Cells, Direction, move
from stylemap.editing.edit import Patch, Push, Space
from stylemap.editing.incremental import Cache, Known, modulate, preview


def in_space(model: StylemapModel, stylemap: Tensor, space: Space) -> list[Tensor]:
    """The maps that are edited: the stylemap alone, or all its resized versions."""
    if space not in ("w", "w+"):
        raise ValueError(f'space must be "w" or "w+", not {space!r}')
    return [stylemap] if space == "w" else model.resize(stylemap)


def known_of(
    model: StylemapModel, stylemaps: Sequence[Tensor], space: Space, cache: Cache | None = None
) -> list[Known]:
    """What an edit in the space needs of its images, the original first, and of their mirror images.

    Args:
        cache: outlives this edit; None: there is none, and no modulations, which do not pay for one image.
    """
    if space != "w+":
        return [Known(in_space(model, w, space)) for w in stylemaps]
    cache = Cache(model, modulated=False) if cache is None else cache
    return cache.known(stylemaps)


def render(model: StylemapModel, maps: list[Tensor], space: Space) -> Tensor:
    """The images of edited maps."""
    return model.synthesize(maps[0]) if space == "w" else model.render(maps)


def edited(model: StylemapModel, original: Known, changes: Sequence[Change], space: Space) -> Tensor:
    """The images of an original after some changes, see `composing.compose`."""
    return render_laid(model, original, lay_out(original.maps, changes, model.config.resolution), space)


def render_laid(model: StylemapModel, original: Known, laid: Sequence[Laid], space: Space) -> Tensor:
    """The images of an original with maps laid over it. If its modulations are known, they cost only what changes.

    With its drawn image it is a `preview`.
    """
    if original.drawn is not None:
        return preview(model, original, laid)
    if original.modulations is None:
        return render(model, lay_over(original.maps, laid), space)
    return model.render_modulated(modulate(model, original, laid))


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
        hard, layers: as in `edit.Step`.
        strength: in [0, 1], the share of the reference where the mask is 1.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: shapes that do not fit, values outside [0, 1], another space, layers that the model does not have.
    """
    masks = [mask] if isinstance(mask, Tensor) else list(mask)
    patches = [Patch(reference=0, mask=m, strength=strength, hard=hard, layers=layers) for m in masks]
    return lay(model, original, reference, patches, space)


def lay(
    model: StylemapModel, original: Tensor, reference: Tensor | Sequence[Tensor], patches: Sequence[Patch], space: Space
) -> Tensor:
    """Patches in turn, each from the reference at its place in the list or all from one -> images [N, 3, R, R].

    Raises:
        ValueError: another number of references, shapes that do not fit.
    """
    check_shape("original", original, model.config.stylemap_shape)
    references = [reference] * len(patches) if isinstance(reference, Tensor) else list(reference)
    if len(references) != len(patches) or not patches:
        raise ValueError(f"each part needs a reference: got {len(patches)} and {len(references)}")
    for one in references:
        if one.shape != original.shape:
            raise ValueError(f"reference must be {list(original.shape)} like the original, not {list(one.shape)}")
    first, *parts = known_of(model, [original, *references], space)
    changes = [Change(patch, part.maps) for patch, part in zip(patches, parts, strict=True)]
    return edited(model, first, changes, space)


def push(
    model: StylemapModel,
    stylemap: Tensor,
    direction: Direction,
    amount: float,
    mask: Tensor | None = None,
    space: Space = "w+",
    hard: bool = False,
    cells: Cells | None = None,
) -> Tensor:
    """Images of stylemaps that are moved along a direction: everywhere, inside a mask, or in some cells.

    Args:
        stylemap: [N, C, S, S].
        amount, cells: as in `directions.move`.
        mask: [N, 1, R, R] in [0, 1], or [1, 1, R, R] for all; 1 = move.
        space, hard: of the mask, as in `blend`.

    Returns:
        Images [N, 3, R, R].

    Raises:
        ValueError: as `directions.move`; a mask of another shape or outside [0, 1], another space.
    """
    if mask is None:
        return model.synthesize(move(stylemap, direction, amount, cells))
    step = Push(direction=direction, amount=amount, mask=mask, hard=hard, cells=cells)
    start = Known(in_space(model, stylemap, space))
    return edited(model, start, [push_change(model, step, stylemap, start, space)], space)


def patch_change(patch: Patch, reference: Known) -> Change:
    """A patch with the maps that it takes from.

    The features of a map know left from right, so a mirrored map makes a distorted face. A part that is flipped takes the
    stylemap of the mirrored reference instead. Its maps are mirrored here, to lie as the mask does, and the placement mirrors
    them back.

    Args:
        reference: if the placement flips, it is the mirrored one, ``model.encode(images.flip(3))``.
    """
    maps, modulations, _ = reference
    if not patch.placement.flip:
        return Change(patch, maps, modulations)
    return Change(patch, [m.flip(3) for m in maps], modulations and [m.flip(3) for m in modulations])


def push_change(model: StylemapModel, push: Push, stylemap: Tensor, start: Known, space: Space) -> Change:
    """What a push adds to the maps of a stylemap [N, C, S, S].

    Args:
        start: what is known of the stylemap.

    Raises:
        ValueError: a direction for other stylemaps, or cells outside the map.
    """
    moved = in_space(model, move(stylemap, push.direction, push.amount, push.cells), space)
    return Change(push, [a - b for a, b in zip(moved, start.maps, strict=True)])
