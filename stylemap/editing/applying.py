"""Carries edits out: makes the image, and puts it back into the file of its photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylemap import decoding, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import composing, pasting
from stylemap.editing.blending import MapsOf, maps_once, patch_change, push_change, render
from stylemap.editing.composing import Change
from stylemap.editing.edit import Edit, Patch, Push, Space
from stylemap.errors import InputError
from stylemap.photos import originals
from stylemap.photos.photo import Photo


@dataclass(frozen=True, eq=False)
class Reference:
    """What patches take from."""

    stylemap: Tensor  # [1, C, S, S]
    mirrored: Tensor  # [1, C, S, S] of the mirrored image, for patches that are flipped


@dataclass(frozen=True, eq=False)
class Edited:
    """An edited image, and what `pasting.paste` needs to put it back into its photo."""

    pixels: np.ndarray  # uint8 [R, R, 3]
    region: np.ndarray | None = None  # float32 [R, R] in [0, 1], where it may differ from the photo; None: not put back
    sources: tuple[pasting.Source, ...] = ()  # of the patches, for "poisson"

    def put_back(
        self, stream: BinaryIO, photo: Photo, how: pasting.How, suffix: str, max_pixels: int = decoding.MAX_PIXELS
    ) -> list[str]:
        """Write the photo at its full size with the edit in it. What is outside of the region stays what it was, bit for bit.

        Args:
            photo: the one that was edited.
            how: the one that this edit was made with.
            suffix: of the kind of file to write.

        Returns:
            A line for everything that this kind of file cannot hold.

        Raises:
            InputError: the file of the photo cannot be read any more.
        """
        source = photo.pixels if photo.source is None else photo.source
        original = originals.read(source, suffix, photo.name, max_pixels)
        where = photo.alignment, self.region, how, self.sources
        original.write(stream, pasting.paste(original.colour, photo.pixels, self.pixels, *where, original.encode))
        return [*original.lost, *original.hidden(photo.alignment, self.region)]


@torch.inference_mode()
def apply(
    model: StylemapModel,
    edit: Edit,
    stylemap: Tensor,
    references: Mapping[int, Reference],
    how: pasting.How = "none",
    maps_of: MapsOf | None = None,
) -> Edited:
    """The image of an edit. Without steps it is the reconstruction.

    Args:
        stylemap: [1, C, S, S], of the original.
        references: by slot.
        how: as in `apply_changes`.
        maps_of: a cache of maps that outlives this edit; None: there is none.

    Raises:
        InputError: an edit of another model, or a slot that holds no reference.
    """
    edit.check(model.config)
    maps_of = maps_of or maps_once(model, edit.space)
    changes = []
    for step in edit.steps:
        if isinstance(step, Push):
            changes.append(push_change(step, stylemap, maps_of))
            continue
        if step.reference not in references:
            raise InputError(f"a patch takes from reference {step.reference + 1}, which holds no image")
        reference = references[step.reference]
        taken = reference.mirrored if step.placement.flip else reference.stylemap
        changes.append(patch_change(step, taken, maps_of))
    return apply_changes(model, maps_of(stylemap), changes, edit.space, how)


def apply_changes(
    model: StylemapModel, maps: Sequence[Tensor], changes: Sequence[Change], space: Space, how: pasting.How = "none"
) -> Edited:
    """An image after some changes.

    Args:
        maps: [1, C, s, s] each, of the original in the space, see `blending.in_space`.
        changes: in turn, see `composing.compose`.
        how: the edit will be put back into its photo; "none" makes only the image.

    Raises:
        ValueError: as of `composing.compose`.
        InputError: the image holds NaN.
    """
    side, device = model.config.resolution, maps[0].device
    changes = [
        Change(step if step.mask is None else composing.soften(replace(step, mask=step.mask.to(device))), other)
        for step, other in changes
    ]

    def picture(some: Sequence[Change]) -> np.ndarray:
        return images.to_uint8(render(model, composing.compose(maps, some, side), space))[0].cpu().numpy()

    pixels = picture(changes)
    if how == "none":
        return Edited(pixels)
    placed = [change for change in changes if change.step.mask is not None]
    region = _to_array(composing.region(placed, side))
    if len(placed) < len(changes):
        # a change without a mask may show anywhere, but mostly shows in a few places
        region = np.maximum(region, pasting.changed(picture(placed), pixels))
    sources = []
    for i, (step, other) in enumerate(changes if how == "poisson" else ()):
        if isinstance(step, Patch):
            source = picture([Change(composing.everywhere(step, side), other)])
            inside = _to_array(composing.region([changes[i]], side)) > pasting.SURE
            share = pasting.share(picture(changes[:i]), picture(changes[: i + 1]), source)
            sources.append(pasting.Source(source, inside, share))
    return Edited(pixels, region, tuple(sources))


def _to_array(mask: Tensor) -> np.ndarray:
    return mask[0, 0].float().cpu().numpy()
