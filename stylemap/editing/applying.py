"""Carries edits out: makes the image, and puts it back into the file of its photo."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylemap import decoding, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import blending, composing, pasting
from stylemap.editing.blending import edited, patch_change, push_change
from stylemap.editing.composing import Change
from stylemap.editing.edit import Edit, Patch, Space
from stylemap.editing.incremental import Cache, Known
from stylemap.errors import InputError
from stylemap.faces import Alignment
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
    region: np.ndarray | None = None  # float32 [R, R] in [0, 1], where it may differ from the photo; None: anywhere
    sources: tuple[pasting.Source, ...] = ()  # of the patches, for "poisson"

    def in_square(self, photo: Photo) -> np.ndarray:
        """What `in_photo` is for the photo, for the square of it that the model sees: uint8 [R, R, 3].

        Outside of the region it has the pixels of the photo, not those of its reconstruction.
        """
        side = len(self.pixels)
        where = Alignment.central(side, side, side)
        return pasting.paste(photo.pixels, photo.pixels, self.pixels, where, self.region, "feather")

    def put_back(
        self, stream: BinaryIO, photo: Photo, how: pasting.How, suffix: str, max_pixels: int = decoding.MAX_PIXELS
    ) -> list[str]:
        """Write what `in_photo` makes, and answer its lines."""
        original, colour, lines = self.in_photo(photo, how, suffix, max_pixels)
        original.write(stream, colour)
        return lines

    def in_photo(
        self, photo: Photo, how: pasting.How, suffix: str, max_pixels: int = decoding.MAX_PIXELS
    ) -> tuple[originals.Original, np.ndarray, list[str]]:
        """The photo at its full size with the edit in it. What is outside of the region stays what it was, bit for bit.

        Args:
            photo: the one that was edited.
            how: the one that this edit was made with.
            suffix: of the kind of file to write.

        Returns:
            The photo, its new colours [H, W, C], and a line for everything that this kind of file cannot hold.

        Raises:
            InputError: the file of the photo cannot be read any more.
        """
        source = photo.pixels if photo.source is None else photo.source
        original = originals.read(source, suffix, photo.name, max_pixels)
        where = photo.alignment, self.region, how, self.sources
        colour = pasting.paste(original.colour, photo.pixels, self.pixels, *where, original.encode)
        return original, colour, [*original.lost, *original.hidden(photo.alignment, self.region)]


@torch.inference_mode()
def apply(
    model: StylemapModel,
    edit: Edit,
    stylemap: Tensor,
    references: Mapping[int, Reference],
    how: pasting.How = "none",
    cache: Cache | None = None,
    preview: bool = False,
) -> Edited:
    """The image of an edit. Without steps it is the reconstruction.

    Args:
        stylemap: [1, C, S, S], of the original.
        references: by slot.
        how: as in `apply_changes`; an edit that keeps detail is made for "feather" at least.
        cache: outlives this edit; None: there is none.
        preview: in w+ an `incremental.preview` will do, if the cache has room for it.

    Raises:
        InputError: an edit of another model, or a slot that holds no reference.
    """
    edit.check(model.config)
    how = "feather" if edit.keep_detail and how == "none" else how
    taken = []
    for patch in edit.patches:
        if patch.reference not in references:
            raise InputError(f"a patch takes from reference {patch.reference + 1}, which holds no image")
        reference = references[patch.reference]
        taken.append(reference.mirrored if patch.placement.flip else reference.stylemap)
    first, *parts = known_of(model, [stylemap, *taken], edit.space, how, cache)
    if preview and edit.space == "w+" and cache is not None:
        first = cache.drawn(stylemap)

    changes = [patch_change(patch, part) for patch, part in zip(edit.patches, parts, strict=True)]
    changes += [push_change(model, push, stylemap, first, edit.space) for push in edit.pushes]
    return apply_changes(model, first, changes, edit.space, how)


def known_of(
    model: StylemapModel, stylemaps: Sequence[Tensor], space: Space, how: pasting.How, cache: Cache | None = None
) -> list[Known]:
    """As `blending.known_of`.

    Args:
        how: as in `apply_changes`; "poisson" makes several images, for which modulations pay.
        cache: as in `apply`.
    """
    cache = Cache(model, modulated=how == "poisson") if cache is None else cache
    return blending.known_of(model, stylemaps, space, cache)


def apply_changes(
    model: StylemapModel,
    original: Known,
    changes: Sequence[Change],
    space: Space,
    how: pasting.How = "none",
) -> Edited:
    """An image after some changes.

    Args:
        original: its maps in the space are [1, C, s, s] each, see `blending.in_space`.
        changes: in turn, see `composing.compose`.
        how: the edit will be put back into its photo; "none" makes only the image.

    Raises:
        ValueError: as of `composing.compose`.
        InputError: the image holds NaN.
    """
    side, device = model.config.resolution, original.maps[0].device
    changes = [
        change
        if change.step.mask is None
        else change._replace(step=composing.soften(replace(change.step, mask=change.step.mask.to(device))))
        for change in changes
    ]

    def picture(some: Sequence[Change]) -> np.ndarray:
        return images.to_uint8(edited(model, original, some, space))[0].cpu().numpy()

    pixels = picture(changes)
    if how == "none":
        return Edited(pixels)
    placed = [change for change in changes if change.step.mask is not None]
    region = _to_array(composing.region(placed, side))
    if len(placed) < len(changes):
        # a change without a mask may show anywhere, but mostly shows in a few places
        known = original.drawn is not None and not placed
        before = images.to_uint8(original.drawn.image)[0].cpu().numpy() if known else picture(placed)
        region = np.maximum(region, pasting.changed(before, pixels))

    @functools.cache
    def after(count: int) -> np.ndarray:
        return pixels if count == len(changes) else picture(changes[:count])

    sources = []
    for i, change in enumerate(changes if how == "poisson" else ()):
        if isinstance(change.step, Patch):
            source = picture([change._replace(step=composing.everywhere(change.step, side))])
            inside = _to_array(composing.region([change], side)) > pasting.SURE
            sources.append(pasting.Source(source, inside, pasting.share(after(i), after(i + 1), source)))
    return Edited(pixels, region, tuple(sources))


def _to_array(mask: Tensor) -> np.ndarray:
    return mask[0, 0].float().cpu().numpy()
