"""A face as an image and as part labels."""

import numpy as np

from stylemap.datasets.avatars import clothes, eyes, hair, hats, head, mouth, painting
from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.painting import Shape
from stylemap.errors import InputError

MIN_SIDE, MAX_SIDE = 16, 256  # pixels


def draw(face: Face, side: int) -> np.ndarray:
    """The image, uint8 [side, side, 3] RGB; ``side`` is 16..256 pixels."""
    check_side(side)
    return painting.paint(layers(face), face.background_corners(), face.placement, side, face.grain)


def draw_parts(face: Face, side: int) -> np.ndarray:
    """The part labels, uint8 [side, side] of `Part`; ``side`` is 16..256 pixels."""
    check_side(side)
    return painting.label(layers(face), face.placement, side)


def layers(face: Face) -> list[Shape]:
    """All shapes of a face from back to front."""
    offset = head.head_offset(face)
    behind, before = ([painting.moved(s, offset) for s in layer] for layer in hair.hair(face))
    hat = [painting.moved(s, offset) for s in hats.hat(face)]
    return [
        *behind,
        *clothes.body(face),
        *head.ears(face),
        *head.head(face),
        *head.shading(face, before + hat),
        *head.marks(face),
        *head.nose(face),
        *mouth.beard(face),
        *mouth.mouth(face),
        *before,
        *hair.shine(face),
        *head.earrings(face),
        *eyes.brows(face),
        *eyes.eyes(face),
        *hat,
        *eyes.glasses(face),
    ]


def check_side(side: int) -> None:
    """Raises InputError unless a face can be drawn at this side."""
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"side {side} is outside {MIN_SIDE}..{MAX_SIDE} pixels: choose one within")
