"""The embedded data set: faces that this project draws itself, as many as wanted, aligned like FFHQ.

Face ``index`` of ``seed`` is a pure function of the two: same bytes in every call and process.
"""

from typing import Literal

import numpy as np

from stylemap.datasets.avatars import description, face, hair, hats, shapes
from stylemap.datasets.avatars.shapes import Placement, Shape
from stylemap.datasets.parts import Part
from stylemap.errors import InputError

__all__ = ["Avatars", "Part", "attributes", "draw", "draw_parts"]

MIN_SIDE, MAX_SIDE = 16, 256  # pixels
SPLIT_START = {"train": 0, "heldout": 1 << 40}  # the first index of each split; counts stay far below the gap
MAX_COUNT = 1 << 40


def attributes(seed: int, index: int) -> dict[str, float | int | str | bool]:
    """What face ``index`` looks like; see `description.sample` for the meaning of the values."""
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 1 << 63:
            raise InputError(f"{name} {value} is outside 0..2^63-1: choose a non-negative whole number")
    return description.sample(seed, index)


def draw(seed: int, index: int, side: int) -> np.ndarray:
    """Face ``index`` as a picture, uint8 [side, side, 3] RGB; ``side`` is 16..256 pixels."""
    _check_side(side)
    a = attributes(seed, index)
    background = description.background_colours(a)
    return shapes.paint(describe(a), background, _placement(a), side, a["grain"])


def draw_parts(seed: int, index: int, side: int) -> np.ndarray:
    """The part labels of face ``index``, uint8 [side, side] of `Part`."""
    _check_side(side)
    a = attributes(seed, index)
    return shapes.label(describe(a), _placement(a), side)


def describe(a: dict) -> list[Shape]:
    """All layers of a face from back to front."""
    offset = face.head_offset(a)
    behind, before = ([shapes.moved(s, offset) for s in layer] for layer in hair.hair(a))
    hat = [shapes.moved(s, offset) for s in hats.hat(a)]
    return [
        *behind,
        *face.body(a),
        *face.ears(a),
        *face.head(a),
        *face.shading(a, before + hat),
        *face.marks(a),
        *face.nose(a),
        *face.beard(a),
        *face.mouth(a),
        *before,
        *hair.shine(a),
        *face.earrings(a),
        *face.brows(a),
        *face.eyes(a),
        *hat,
        *face.glasses(a),
    ]


def _placement(a: dict) -> Placement:
    return Placement(a["rotation"], a["scale"], a["shift_x"], a["shift_y"])


def _check_side(side: int) -> None:
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"side {side} is outside {MIN_SIDE}..{MAX_SIDE} pixels: choose one within")


class Avatars:
    """A map-style data set of ``count`` faces; training and held-out faces of one seed never meet."""

    def __init__(
        self,
        side: int,  # pixels, 16..256
        count: int = 60_000,  # images
        split: Literal["train", "heldout"] = "train",
        seed: int = 0,
    ):
        _check_side(side)
        if split not in SPLIT_START:
            raise InputError(f"split {split!r} is unknown: choose one of {', '.join(SPLIT_START)}")
        if not 0 <= count <= MAX_COUNT:
            raise InputError(f"count {count} is outside 0..2^40: choose a number of images within")
        attributes(seed, 0)  # checks the seed now rather than at the first image
        self.side, self.count, self.split, self.seed = side, count, split, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> np.ndarray:
        """Image ``i``, uint8 [side, side, 3] RGB."""
        return draw(self.seed, self._index(i), self.side)

    def parts(self, i: int) -> np.ndarray:
        """Part labels of image ``i``, uint8 [side, side] of `Part`."""
        return draw_parts(self.seed, self._index(i), self.side)

    def attributes(self, i: int) -> dict[str, float | int | str | bool]:
        """Attributes of image ``i``."""
        return attributes(self.seed, self._index(i))

    def name(self, i: int) -> str:
        """A name for files and logs, such as "avatar-heldout-000012"."""
        self._index(i)
        return f"avatar-{self.split}-{i:06d}"

    def _index(self, i: int) -> int:
        if i < 0:
            raise InputError(f"index {i} is negative: choose one in 0..{self.count - 1}")
        if i >= self.count:
            raise IndexError(f"index {i} is outside the {self.count} images")  # IndexError ends a for loop
        return SPLIT_START[self.split] + i
