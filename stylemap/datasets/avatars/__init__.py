"""Faces that this project draws itself: a description (`Face`), its image and its part labels, and random ones as a data set.

face = Face(hair=Hair("bob", "ginger"), eyes=Eyes(colour="green"), hat=Hat("cap", "navy"))
image, labels = draw(face, 256), draw_parts(face, 256)
"""

from stylemap.datasets.avatars.dataset import Avatars
from stylemap.datasets.avatars.drawing import MAX_SIDE, MIN_SIDE, draw, draw_parts
from stylemap.datasets.avatars.face import (
    Background,
    Brows,
    Clothes,
    Eyes,
    Face,
    Glasses,
    Hair,
    Hat,
    Head,
    Mouth,
    Nose,
    Placement,
    Skin,
)
from stylemap.datasets.avatars.sampling import sample
from stylemap.datasets.parts import Part

__all__ = [
    "MAX_SIDE", "MIN_SIDE", "Avatars", "Background", "Brows", "Clothes", "Eyes", "Face", "Glasses", "Hair", "Hat", "Head",
    "Mouth", "Nose", "Part", "Placement", "Skin", "draw", "draw_parts", "sample",
]  # fmt: skip
