"""What an edit is made of, as a person set it: masks in bytes, pixels and amounts; and the picture that comes of it.

The page, project files and `local-edit replay` all end here, so that one edit gives one picture. Knows no HTTP.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import ModelConfig
from stylemap.editing import applying, composing, directions, masks, pasting
from stylemap.editing.applying import Edited
from stylemap.editing.blending import Space, in_space
from stylemap.errors import InputError
from stylemap.faces import Alignment

REFERENCES = 6  # slots
ORIGINAL = "original"
SLOTS = (ORIGINAL, *(str(i) for i in range(REFERENCES)))
MOST_PATCHES, MOST_PUSHES = 32, 32
FARTHEST = 4096.0  # pixels, of shifts and centres: four times the largest picture
SOFTEST = 512.0  # pixels, of feathers
MOST_AMOUNT = 20.0  # standard deviations
MOST_LAYERS = 32
LONGEST_NAME = 100  # characters, of directions

Maps = list[Tensor]
MapsOf = Callable[[Tensor], Maps]  # a stylemap [1, C, S, S] -> its maps in the edit's space


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture as it was given, and the square of it that the model sees."""

    pixels: np.ndarray  # uint8 [R, R, 3], what the model sees
    upload: bytes | None  # the file it was cut out of; None = the pixels are all there is
    size: tuple[int, int]  # (width, height) of the upload, upright
    alignment: Alignment  # where the pixels are in the upload
    aligned: bool = False  # to a face
    labels: np.ndarray | None = None  # uint8 [R, R] of `Part`, of drawn faces


@dataclass(frozen=True, eq=False)
class Reference:
    """A picture that patches take from."""

    stylemap: Tensor  # [1, C, S, S]
    mirrored: Tensor  # [1, C, S, S] of the mirrored picture, for patches that are flipped, see `blending.mirrored`


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a reference over the picture. InputError for values outside their range."""

    reference: int  # slot, 0..5
    mask: np.ndarray  # uint8 [R, R] over the reference, 255 = take
    shift: tuple[float, float] = (0.0, 0.0)  # pixels (down, right), of the picture's side R
    scale: float = 1.0  # 1/4..4
    flip: bool = False  # left-right
    centre: tuple[float, float] | None = None  # (y, x) of what stays put; None = the mask's middle
    strength: float = 1.0  # 0..1
    hard: bool = False  # whole cells
    feather: float = 0.0  # pixels
    layers: tuple[int, int] | None = None  # w+ only: first and one past the last; None = all

    def __post_init__(self):
        _whole("reference", self.reference, 0, REFERENCES - 1)
        _check_mask(self.mask)
        _pair("shift", self.shift)
        _number("scale", self.scale, composing.SMALLEST_SCALE, composing.LARGEST_SCALE)
        if self.centre is not None:
            _pair("centre", self.centre)
        _number("strength", self.strength, 0, 1)
        _number("feather", self.feather, 0, SOFTEST)
        _switches(flip=self.flip, hard=self.hard)
        _check_layers(self.layers)


@dataclass(frozen=True, eq=False)
class Push:
    """A semantic direction, everywhere or within a mask. InputError for values outside their range."""

    direction: directions.Direction
    amount: float  # standard deviations, -20..20
    mask: np.ndarray | None = None  # uint8 [R, R], 255 = all of it; None = everywhere
    hard: bool = False
    feather: float = 0.0  # pixels, of the mask
    layers: tuple[int, int] | None = None

    def __post_init__(self):
        _number("amount", self.amount, -MOST_AMOUNT, MOST_AMOUNT)
        if self.mask is not None:
            _check_mask(self.mask)
        _number("feather", self.feather, 0, SOFTEST)
        _switches(hard=self.hard)
        _check_layers(self.layers)


@dataclass(frozen=True, eq=False)
class Edit:
    """The patches in turn, then the pushes."""

    space: Space = "w+"
    patches: tuple[Patch, ...] = ()
    pushes: tuple[Push, ...] = ()

    def __post_init__(self):
        if self.space not in ("w", "w+"):
            raise InputError('the space must be "w" or "w+"')
        for name, parts, most in (("patches", self.patches, MOST_PATCHES), ("pushes", self.pushes, MOST_PUSHES)):
            if len(parts) > most:
                raise InputError(f"there may be {most} {name} at most, not {len(parts)}")
        if self.space == "w" and any(part.layers is not None for part in (*self.patches, *self.pushes)):
            raise InputError("layers choose among the maps of w+; in w there is one: take w+, or all layers")

    @property
    def references(self) -> list[int]:
        """The slots that patches take from, ascending."""
        return sorted({patch.reference for patch in self.patches})

    def check(self, config: ModelConfig) -> None:
        """InputError unless masks, layers and directions are of this model."""
        count = layers(config)
        for part in (*self.patches, *self.pushes):
            if part.mask is not None and len(part.mask) != config.resolution:
                side = len(part.mask)
                raise InputError(
                    f"a mask is {side} x {side} pixels and the picture {config.resolution} x {config.resolution}"
                )
            if part.layers is not None and part.layers[1] > count:
                raise InputError(f"layers go up to {count} in this model, not {part.layers[1]}")
        for push in self.pushes:
            if tuple(push.direction.vector.shape) != config.stylemap_shape:
                raise InputError(f"the direction {push.direction.name} is of another model")

    def steps(self, stylemap: Tensor, references: Mapping[int, Reference], maps_of: MapsOf) -> list:
        """What `composing.compose` takes.

        Args:
            stylemap: [1, C, S, S], of the original: pushes start from it.
            references: by slot.
            maps_of: gives the maps in this edit's space.

        Raises:
            InputError: a patch takes from a slot that is not there.
        """
        steps: list[composing.Patch | composing.Push] = []
        for patch in self.patches:
            if patch.reference not in references:
                raise InputError(f"a patch takes from reference {patch.reference + 1}, which holds no picture")
            reference = references[patch.reference]
            maps = [m.flip(3) for m in maps_of(reference.mirrored)] if patch.flip else maps_of(reference.stylemap)
            placement = composing.Placement(patch.shift, patch.scale, patch.flip, patch.centre)
            steps.append(
                composing.Patch(
                    maps,
                    _soft(patch.mask, patch.feather).to(stylemap.device),
                    placement,
                    patch.strength,
                    patch.hard,
                    patch.layers,
                )
            )
        for push in self.pushes:
            mask = None if push.mask is None else _soft(push.mask, push.feather).to(stylemap.device)
            settings = {"mask": mask, "hard": push.hard, "layers": push.layers}
            steps.append(directions.push(stylemap, push.direction, push.amount, maps_of, **settings))
        return steps


@torch.inference_mode()
def apply(
    model: StylemapModel,
    edit: Edit,
    stylemap: Tensor,
    references: Mapping[int, Reference],
    maps_of: MapsOf | None = None,
    how: pasting.How = "none",
) -> Edited:
    """The edited picture, and what putting it back into its photo needs. Without patches and pushes it is the reconstruction.

    Args:
        stylemap, references: as in `Edit.steps`.
        maps_of: a cache of maps, in place of computing them again.
        how: as in `applying.apply`.

    Raises:
        InputError: an edit of another model, or a slot that is not there.
    """
    edit.check(model.config)
    maps_of = maps_of or (lambda w: in_space(model, w, edit.space))
    return applying.apply(model, maps_of(stylemap), edit.steps(stylemap, references, maps_of), edit.space, how)


def layers(config: ModelConfig) -> int:
    """How many maps there are in w+."""
    return 2 * int(math.log2(config.resolution // config.stylemap_size)) + 2


def _soft(mask: np.ndarray, radius: float) -> Tensor:
    """uint8 [R, R] -> float32 [1, 1, R, R] in [0, 1] with a soft edge."""
    return masks.feather(torch.from_numpy(mask.astype(np.float32) / 255)[None, None], radius)


def _check_mask(mask: np.ndarray) -> None:
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.shape[0] != mask.shape[1] or mask.size == 0:
        raise InputError(f"a mask must be square and of bytes, not {mask.dtype} {list(mask.shape)}")


def _check_layers(layers: tuple[int, int] | None) -> None:
    if layers is None:
        return
    if len(layers) != 2 or not all(type(i) is int for i in layers) or not 0 <= layers[0] < layers[1] <= MOST_LAYERS:
        raise InputError("layers must be the first and one past the last, as 2, 6")


def _pair(name: str, values: Sequence[float]) -> None:
    if len(values) != 2:
        raise InputError(f"{name} must be two numbers")
    for value in values:
        _number(name, value, -FARTHEST, FARTHEST)


def _number(name: str, value: float, low: float, high: float) -> None:
    # a bool is an int in Python, and a string would compare with an error of its own; NaN lies nowhere
    if type(value) not in (int, float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}")


def _whole(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}")


def _switches(**values: bool) -> None:
    for name, value in values.items():
        if type(value) is not bool:
            raise InputError(f"{name} must be true or false")
