"""Hats and the head scarf: drawn over hair and face, above the brows."""

import numpy as np

from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.outlines import ellipse, grid, ribbon, smooth, stroke, symmetric
from stylemap.datasets.avatars.painting import Shape
from stylemap.datasets.avatars.palette import FABRICS, Colour, scaled
from stylemap.datasets.parts import Part


def hat(face: Face) -> list[Shape]:
    if not face.hat.worn:
        return []
    return HATS[face.hat.style](face, FABRICS[face.hat.colour])


def _felt(colour: Colour, *outlines: np.ndarray) -> Shape:
    return Shape(outlines, colour, (Part.HAT,))


def beanie(face: Face, colour: Colour) -> list[Shape]:
    w = face.head.width + 0.03
    crown = symmetric([(0, 0.035), (0.6 * w, 0.06), (0.95 * w, 0.16), (w, 0.30), (0.5 * w, 0.255), (0, 0.245)])
    cuff = symmetric([(0, 0.225), (0.6 * w, 0.235), (w, 0.262), (w + 0.014, 0.30), (w, 0.345), (0.6 * w, 0.315),
                            (0, 0.305)])  # fmt: skip
    ribs = [np.array([(x, 0.236 + 0.5 * x * x), (x * 1.02, 0.303 + 0.55 * x * x)]) for x in np.linspace(-0.21, 0.21, 7)]
    shapes = [_felt(colour, crown), _felt(scaled(colour, 0.86), cuff)]
    shapes.append(Shape(tuple(stroke(rib, 0.009) for rib in ribs), scaled(colour, 0.74)))
    bobble = [_felt(scaled(colour, 1.15), ellipse(0, 0.045, 0.062, 0.055))] if face.hair.strands > 0.5 else []
    return [*shapes, *bobble]


def cap(face: Face, colour: Colour) -> list[Shape]:
    w = face.head.width + 0.026
    crown = symmetric([(0, 0.05), (0.6 * w, 0.075), (0.95 * w, 0.18), (w, 0.315), (0.5 * w, 0.29), (0, 0.28)])
    peak = symmetric([(0, 0.262), (0.55 * w, 0.27), (0.98 * w, 0.308), (0.9 * w, 0.342), (0.4 * w, 0.348),
                            (0, 0.35)])  # fmt: skip
    seam = stroke(np.array([(0.0, 0.055), (0.0, 0.16), (0.0, 0.262)]), 0.008)
    button = ellipse(0, 0.052, 0.018, 0.011, 10)
    return [_felt(colour, crown), Shape((seam,), scaled(colour, 0.8)), _felt(scaled(colour, 0.78), peak),
            _felt(scaled(colour, 0.78), button)]  # fmt: skip


def brim(face: Face, colour: Colour) -> list[Shape]:
    w = face.head.width
    crown = symmetric([(0, 0.045), (0.5 * w, 0.03), (0.92 * w, 0.075), (1.1 * w, 0.28), (0, 0.31)])
    wide = symmetric([(0, 0.23), (0.9 * w, 0.235), (0.42, 0.29), (0.36, 0.335), (w, 0.345), (0, 0.338)])
    x = 1.09 * w * grid(11)
    band = ribbon(x, 0.27 - 0.3 * x * x, 0.04)
    front = symmetric([(0, 0.288), (1.09 * w, 0.262), (0.42, 0.29), (0.36, 0.33), (w, 0.345), (0, 0.346)])
    return [_felt(scaled(colour, 0.92), wide), _felt(colour, crown), _felt(scaled(colour, 0.6), band),
            _felt(colour, front)]  # fmt: skip


def beret(face: Face, colour: Colour) -> list[Shape]:
    s = 1 if face.hair.parting > 0 else -1
    w = face.head.width
    top = smooth([(-w, 0.29), (-w - 0.03, 0.2), (-0.16, 0.08), (0.06, 0.035), (0.25, 0.07), (0.36, 0.17), (0.33, 0.25),
                  (w, 0.29), (0.1, 0.235), (-0.1, 0.25)]) * (s, 1)  # fmt: skip
    stalk = stroke(np.array([(s * 0.05, 0.06), (s * 0.06, 0.02)]), 0.018)
    return [_felt(scaled(colour, 0.85), stalk), _felt(colour, top)]


def headscarf(face: Face, colour: Colour) -> list[Shape]:
    w = face.head.width
    outer = symmetric([(0, 0.055), (0.6 * w, 0.075), (w + 0.02, 0.2), (w + 0.062, 0.45), (w + 0.05, 0.7),
                             (w + 0.06, 0.9), (w + 0.12, 1.05), (0, 1.1)])  # fmt: skip
    opening = symmetric([(0, 0.215), (0.5 * w, 0.235), (0.86 * w, 0.33), (0.93 * w, 0.5), (0.86 * w, 0.66),
                               (0.6 * w, 0.79), (0.25 * w, 0.852), (0, 0.862)])  # fmt: skip
    under = symmetric([(0, 0.185), (0.5 * w, 0.205), (0.9 * w, 0.31), (0.97 * w, 0.5), (0.9 * w, 0.67),
                             (0.63 * w, 0.805), (0.26 * w, 0.872), (0, 0.882)])  # fmt: skip
    s = 1 if face.hair.parting > 0 else -1
    fold = smooth([(-w - 0.03, 0.62), (-0.1, 0.9), (0.1, 0.95), (w + 0.04, 0.86), (w + 0.07, 1.02), (0, 1.1),
                   (-w - 0.06, 0.9)]) * (s, 1)  # fmt: skip
    crease = stroke(smooth([(-w - 0.01, 0.68), (-0.1, 0.93), (0.15, 0.985)], closed=False) * (s, 1), 0.008)
    return [_felt(scaled(colour, 0.72), under, opening), _felt(colour, outer, under), _felt(scaled(colour, 1.1), fold),
            Shape((crease,), scaled(colour, 0.8))]  # fmt: skip


HATS = {style.__name__: style for style in (beanie, cap, brim, beret, headscarf)}
