"""Head, ears, shading, marks, nose and earrings. Each function gives shapes from back to front."""

import functools

import numpy as np

from stylemap.datasets.avatars.face import EARS_HIDDEN, Face
from stylemap.datasets.avatars.outlines import ellipse, flipped, pair, smooth, stroke, symmetric
from stylemap.datasets.avatars.painting import Shape, moved, tint
from stylemap.datasets.avatars.palette import Colour, mix, scaled, shadow
from stylemap.datasets.parts import Part

EYE_X, EYE_Y = 0.115, 0.47  # the nominal eye centres, as in faces aligned like FFHQ's
CHEEKS = pair(ellipse(0.158, 0.605, 0.055, 0.040))
SOCKETS = pair(ellipse(EYE_X, EYE_Y - 0.012, 0.085, 0.05))
MAX_CASTERS = 3  # hair shapes that cast a shadow: the rest is far from the face and would only cost time


def head_offset(face: Face) -> float:
    """How far the head is moved sideways against the features, which makes it seem to turn."""
    return -0.014 * face.turn


def face_outline(face: Face, grow: float = 0.0) -> np.ndarray:
    """The skin of head and jaw; ``grow`` widens it."""
    width = face.head.width + grow
    jaw = (0.77 + 0.11 * face.head.jaw) * width
    chin = (0.31 + 0.13 * face.head.chin) * width
    bottom = face.head.chin_y + grow
    right = [(0, 0.13), (0.62 * width, 0.165), (0.93 * width, 0.30), (width, 0.47), (0.955 * width, 0.6),
             (jaw, 0.725), (0.53 * (jaw + chin), 0.808), (chin, bottom - 0.018), (0, bottom)]  # fmt: skip
    return symmetric(right)


# The right ear and its inside, about the point where it meets the head.
EAR = smooth([(-0.04, -0.06), (0.012, -0.075), (0.032, -0.035), (0.02, 0.03), (-0.002, 0.07), (-0.04, 0.05)])
INNER_EAR = ellipse(0.006, -0.01, 0.014, 0.034, 12)


def ears(face: Face) -> list[Shape]:
    if face.hair.style in EARS_HIDDEN:
        return []
    skin = face.skin.rgb
    size, place = (1, face.head.ear_size), (face.head.width + 0.008, 0.50)
    shift = (head_offset(face), 0)
    sides = (Part.LEFT_EAR, Part.RIGHT_EAR)
    return [
        Shape(pair(EAR * size + place), scaled(skin, 0.97), sides, shift=shift),
        Shape(pair(INNER_EAR * size + place), shadow(skin, 0.7), sides, shift=shift),
    ]


def earrings(face: Face) -> list[Shape]:
    """A pair of studs or drops at the ear lobes."""
    if not face.head.earrings:
        return []
    x = face.head.width + 0.006
    gold = (248, 208, 108) if face.eyes.lashes < 0.75 else (240, 240, 246)
    drop = ellipse(x, 0.60, 0.017, 0.026, 14)
    return [Shape(pair(drop), gold, (Part.EARRING,), shift=(head_offset(face), 0))]


def head(face: Face) -> list[Shape]:
    return [Shape((face_outline(face),), face.skin.rgb, (Part.SKIN,), shift=(head_offset(face), 0))]


def shading(face: Face, above: list[Shape]) -> list[Shape]:
    """Soft light and shade on neck and head: one group, blurred together.

    The hair and the hat in ``above`` cast a shadow on the face.
    """
    skin = face_outline(face) + (head_offset(face), 0)
    light, deep = face.light, face.skin.tone
    shapes = [
        _soft(tint(0.76, 0.66, 0.66), skin * (0.8, 1) + (-0.02 * light, 0.055)),
        _soft(tint(0.90, 0.83, 0.82), skin),
        _soft(tint(1, 1, 1), skin * (0.97, 1) + (0.034 * light, -0.022)),
        _soft(tint(1.05, 1.05, 1.05), ellipse(0.06 * light, 0.36, 0.13, 0.075)),
    ]
    casters = [shape for shape in above if shape.parts in ((Part.HAIR,), (Part.HAT,))]
    for caster in casters[:MAX_CASTERS]:
        cast = moved(caster, -0.008 * light, 0.022)
        shapes.append(cast._replace(colour=tint(0.80, 0.70, 0.70), parts=(), soft=True))
    strength = face.skin.blush * (0.7 + 0.3 * deep)
    blush = tint(1.02, 1 - 0.18 * strength, 1 - 0.15 * strength)
    shapes += [_soft(blush, *CHEEKS), _soft(tint(0.95, 0.90, 0.90), *SOCKETS)]
    return shapes


def _soft(colour: Colour, *outlines: np.ndarray) -> Shape:
    return Shape(outlines, colour, soft=True)


def marks(face: Face) -> list[Shape]:
    """Freckles and the lines of age."""
    skin = face.skin.rgb
    shapes = []
    if face.skin.freckles:
        spots = [(0.10, 0.575), (0.135, 0.59), (0.165, 0.572), (0.118, 0.605), (0.15, 0.612), (0.045, 0.565)]
        dots = [ellipse(x, y, 0.0065, 0.0055, 8) for x, y in spots]
        shapes.append(Shape((*dots, *map(flipped, dots)), shadow(skin, 0.75), opacity=0.7))
    if face.skin.age > 0.75:
        line = stroke(smooth([(0.098, 0.60), (0.128, 0.635), (0.138, 0.675)], closed=False), 0.007)
        shapes.append(Shape(pair(line), shadow(skin, 0.8), opacity=0.8))
    return shapes


NOSE = {  # half-width at the bridge, at the wings, bottom y
    "button": (0.018, 0.036, 0.590),
    "straight": (0.020, 0.037, 0.604),
    "wide": (0.024, 0.050, 0.600),
    "long": (0.019, 0.040, 0.618),
}


@functools.cache
def _nose_outlines(style: str) -> list[np.ndarray]:
    """Whole nose, shaded flank (on the right), shade below, two nostrils, lit tip (on the left)."""
    bridge, wing, bottom = NOSE[style]
    whole = symmetric([(0, 0.46), (bridge * 0.7, 0.47), (bridge, 0.53), (wing, bottom - 0.022),
                             (wing * 0.82, bottom + 0.002), (0, bottom + 0.008)], steps=3)  # fmt: skip
    flank = smooth([(bridge * 0.65, 0.49), (bridge, 0.54), (wing, bottom - 0.022), (wing * 0.82, bottom + 0.002),
                    (wing * 0.35, bottom - 0.004), (bridge * 0.6, 0.55)], steps=3)  # fmt: skip
    under = smooth([(-wing * 0.9, bottom - 0.006), (-wing * 0.4, bottom + 0.006), (0, bottom + 0.001),
                    (wing * 0.4, bottom + 0.006), (wing * 0.9, bottom - 0.006), (wing * 0.5, bottom + 0.016),
                    (0, bottom + 0.014), (-wing * 0.5, bottom + 0.016)], steps=3)  # fmt: skip
    nostril = ellipse(wing * 0.48, bottom + 0.004, wing * 0.2, 0.006, 10)
    tip = ellipse(-0.1 * wing, bottom - 0.028, wing * 0.34, 0.012, 12)
    return [whole, flank, under, nostril, flipped(nostril), tip]


def nose(face: Face) -> list[Shape]:
    """Nose with a lit tip, a shaded flank and nostrils."""
    skin = face.skin.rgb
    wide = (face.nose.size * (-1 if face.light > 0 else 1), 1)
    whole, flank, under, nostril, other, tip = (outline * wide for outline in _nose_outlines(face.nose.shape))
    shift, part = (0.014 * face.turn, 0), (Part.NOSE,)
    dark = shadow(skin)
    return [
        Shape((whole,), mix(skin, dark, 0.08), part, shift=shift),
        Shape((flank,), mix(skin, dark, 0.49), part, shift=shift),
        Shape((under,), shadow(skin, 1.15), part, shift=shift),
        Shape((nostril, other), shadow(shadow(skin, 1.2), 1.1), part, shift=shift),
        Shape((tip,), mix(scaled(skin, 1.06), (255, 236, 214), 0.17), part, shift=shift),
    ]
