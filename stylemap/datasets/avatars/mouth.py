"""Mouth and beard."""

import numpy as np

from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.head import head_offset
from stylemap.datasets.avatars.outlines import between, ellipse, flipped, grid, ribbon, smooth, symmetric
from stylemap.datasets.avatars.painting import Shape, moved
from stylemap.datasets.avatars.palette import DYED, INK, LIPSTICK, Colour, mix, scaled, shadow
from stylemap.datasets.parts import Part

DEEP = 0.82  # skin tone above which lips are lighter than the skin
MOUTH_Y = 0.705


class _Mouth:
    """The curves of the mouth over x [17]: outer and inner edges of both lips, y downward."""

    def __init__(self, face: Face):
        smile, opening = face.mouth.smile, face.mouth.opening
        u = grid(17)
        dome = 1 - u * u
        round_mouth = face.mouth.expression == "surprise"
        width = 0.084 + 0.044 * smile + 0.012 * opening
        if round_mouth:
            width = 0.056 + 0.014 * opening
        elif face.mouth.expression == "pout":
            width = 0.080
        self.x = u * width * face.mouth.width + 0.006 * face.turn
        corners = -0.058 * max(0.0, smile - 0.2) + 0.016 * max(0.0, 0.2 - smile) / 0.2
        line = MOUTH_Y - 0.004 + corners * u * u - 0.4 * corners
        if face.mouth.expression == "smirk":
            line = line - 0.020 * face.mouth.smirk_side * u
        drop = 0.105 * opening
        self.upper_in = line - 0.3 * drop * (dome**0.5 if round_mouth else dome)
        self.lower_in = line + 0.7 * drop * dome ** (0.5 if round_mouth else 0.62)
        full = face.mouth.fullness
        stretch = 1 - 0.35 * smile * (opening > 0)
        bow = 1 - 0.30 * np.exp(-((u / 0.22) ** 2))
        self.upper_out = self.upper_in - (0.016 + 0.013 * full) * stretch * bow * dome**0.7
        self.lower_out = self.lower_in + (0.018 + 0.020 * full) * stretch * dome**0.75
        self.u, self.dome, self.line = u, dome, line


def mouth(face: Face) -> list[Shape]:
    """Lips, and teeth, tongue and the dark between them if open."""
    m, skin = _Mouth(face), face.skin.rgb
    lips = _natural_lips(face)
    if face.mouth.lipstick != "natural":
        lips = mix(scaled(skin, 0.9), LIPSTICK[face.mouth.lipstick], 0.85)
    deep = face.skin.tone > DEEP  # on deep skin lips stand out by being lighter: less shade, a thinner line
    shade = 0.96 if deep else 0.84
    upper = Shape((between(m.x, m.upper_out, m.upper_in + 0.002),), scaled(lips, shade), (Part.UPPER_LIP,))
    lower = Shape((between(m.x, m.lower_in - 0.002, m.lower_out),), lips, (Part.LOWER_LIP,))
    shine_x = slice(5, 12)
    shine_y = 0.55 * m.lower_in + 0.45 * m.lower_out
    shine = ribbon(m.x[shine_x], shine_y[shine_x], 0.007 * m.dome[shine_x])
    gloss = Shape((shine,), mix(lips, (255, 240, 235), 0.4))
    if face.mouth.opening == 0:
        dark = scaled(mix(lips, INK, 0.5), 0.75)
        line = Shape(
            (ribbon(m.x, m.upper_in, (0.5 if deep else 1) * (0.006 + 0.007 * m.dome)),), dark, (Part.UPPER_LIP,)
        )
        ends = 0.010 * face.mouth.smile
        dimples = [ellipse(m.x[k], m.upper_in[k], ends, ends, 10) for k in (0, -1)]
        return [upper, lower, gloss, Shape(tuple(dimples), shadow(skin, 1.1)), line]
    return [*_inside(face, m), upper, lower, gloss]


def _natural_lips(face: Face) -> Colour:
    """Lips without lipstick, chosen to stand out: rose on light skin, darker to tan, pink again on the deepest."""
    tone = face.skin.tone
    pigment = (222, 116, 118) if tone > DEEP else mix((206, 90, 96), (124, 38, 48), tone / DEEP)
    return mix(scaled(face.skin.rgb, 0.74), pigment, 0.66)


def _inside(face: Face, m: _Mouth) -> list[Shape]:
    gap = m.lower_in - m.upper_in
    shapes = [Shape((between(m.x, m.upper_in, m.lower_in),), (104, 26, 36), (Part.MOUTH,))]
    tongue = np.maximum(m.lower_in - gap * (0.30 + 0.25 * face.mouth.tongue) * m.dome**1.5, m.upper_in)
    if face.mouth.opening > 0.5:
        shapes.append(Shape((between(m.x, tongue, m.lower_in)[3:-3],), (226, 104, 112), (Part.MOUTH,)))
    depth = 0.016 if face.mouth.expression == "surprise" else 0.034
    teeth = m.upper_in + np.minimum(gap * (0.9 if face.mouth.expression == "grin" else 0.62), depth) * m.dome**0.3
    inner = slice(1, -1)
    shapes.append(Shape((between(m.x[inner], m.upper_in[inner], teeth[inner]),), (252, 250, 246), (Part.MOUTH,)))
    return shapes


def beard(face: Face) -> list[Shape]:
    """Beard and moustache, drawn below the mouth; CelebAMask-HQ labels both as skin."""
    style = face.beard
    if style == "none":
        return []
    colour = INK if face.hair.colour in DYED else scaled(face.hair.rgb, 0.92)
    shapes = []
    smile = face.mouth.smile
    corner = 0.082 + 0.044 * smile
    if style in ("stubble", "short", "full"):
        grow = {"stubble": -0.002, "short": 0.008, "full": 0.022}[style]
        width = face.head.width + grow
        jaw, chin = (0.77 + 0.11 * face.head.jaw) * width, (0.31 + 0.13 * face.head.chin) * width
        bottom = face.head.chin_y + 1.6 * grow
        right = [(0.995 * width, 0.455), (0.955 * width, 0.60), (jaw, 0.725), (0.53 * (jaw + chin), 0.808 + grow),
                 (chin, bottom - 0.02), (0, bottom)]  # fmt: skip
        inner = [(0, 0.652), (0.05, 0.643), (corner + 0.025, 0.668), (0.16, 0.675), (0.205, 0.62),
                 (face.head.width - 0.016, 0.455)]  # fmt: skip
        outer, inner = smooth(right, closed=False), smooth(inner, closed=False)
        outline = np.concatenate([outer, flipped(outer)[::-1], flipped(inner)[::-1], inner])
        opacity = 0.28 if style == "stubble" else 1.0
        shapes.append(Shape((outline,), colour, (Part.SKIN,), opacity))
    if style == "goatee":
        patch = symmetric([(0, 0.775), (0.04, 0.765), (0.075, 0.80), (0.07, 0.87), (0, 0.90)])
        shapes.append(Shape((patch,), colour, (Part.SKIN,)))
    if style in ("moustache", "goatee", "short", "full"):
        y = 0.645 - 0.010 * smile
        tips = corner + 0.012
        right = [(0, y), (0.03, y - 0.008), (tips * 0.7, y + 0.012), (tips, y + 0.045 - 0.02 * smile),
                 (tips * 0.75, y + 0.042), (0, y + 0.033)]  # fmt: skip
        shapes.append(Shape((symmetric(right),), scaled(colour, 0.9), (Part.SKIN,)))
    return shapes if style == "stubble" else [moved(shape, 0.5 * head_offset(face)) for shape in shapes]
