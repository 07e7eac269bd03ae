"""Label maps as pictures for people."""

import numpy as np

from stylemap.datasets.parts import Part

COLOURS = {
    Part.BACKGROUND: (38, 42, 51),
    Part.SKIN: (235, 188, 158),
    Part.NOSE: (214, 120, 92),
    Part.EYEGLASSES: (30, 30, 30),
    Part.LEFT_EYE: (54, 138, 214),
    Part.RIGHT_EYE: (88, 190, 235),
    Part.LEFT_BROW: (112, 72, 168),
    Part.RIGHT_BROW: (152, 112, 206),
    Part.LEFT_EAR: (240, 150, 60),
    Part.RIGHT_EAR: (250, 190, 80),
    Part.MOUTH: (120, 20, 40),
    Part.UPPER_LIP: (226, 60, 88),
    Part.LOWER_LIP: (244, 120, 140),
    Part.HAIR: (96, 70, 44),
    Part.HAT: (60, 150, 90),
    Part.EARRING: (255, 236, 120),
    Part.NECKLACE: (245, 245, 245),
    Part.NECK: (196, 146, 116),
    Part.CLOTH: (90, 110, 150),
}
TABLE = np.array([COLOURS[part] for part in Part], np.uint8)


def coloured(labels: np.ndarray) -> np.ndarray:
    """Label map uint8 [R, R] of `Part` -> uint8 [R, R, 3], a colour for each part."""
    return TABLE[labels]


def laid_over(pixels: np.ndarray, labels: np.ndarray, share: float = 0.5) -> np.ndarray:
    """A picture uint8 [R, R, 3] under the ``share`` of the colours of its parts."""
    return (pixels * (1 - share) + coloured(labels) * share).round().astype(np.uint8)
