"""Eyes, brows and glasses."""

import numpy as np

from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.head import EYE_X, EYE_Y
from stylemap.datasets.avatars.outlines import between, ellipse, flipped, grid, pair, ribbon, smooth, stroke
from stylemap.datasets.avatars.painting import Shape, moved
from stylemap.datasets.avatars.palette import FABRICS, INK, IRIS, Colour, mix, scaled, shadow
from stylemap.datasets.parts import Part

LID = {  # upper height, lower height, upper roundness, lower roundness (exponents: small is round), iris radius
    "almond": (0.044, 0.028, 0.72, 0.80, 0.045),
    "round": (0.053, 0.037, 0.55, 0.6, 0.048),
    "wide": (0.061, 0.042, 0.5, 0.55, 0.047),
    "hooded": (0.034, 0.030, 0.45, 0.7, 0.045),
    "sleepy": (0.027, 0.034, 0.42, 0.6, 0.045),
}


class _Lids:
    """The opening of one eye, the right one of the image; mirrored for the left."""

    def __init__(self, face: Face):
        high, low, self.upper_power, self.lower_power, self.iris = LID[face.eyes.shape]
        size = face.eyes.size
        squint = max(0.0, face.mouth.smile - 0.7) * (face.eyes.shape != "sleepy")  # a laugh lifts the lower lid
        surprise = 1.12 if face.mouth.expression == "surprise" else 1.0
        self.width = 0.077 * (0.5 + 0.5 * size)
        self.high, self.low = high * size * surprise, low * size * (1 - 1.1 * squint)
        self.iris *= size
        self.tilt = 0.012 * face.eyes.tilt

    def upper(self, u):
        return EYE_Y - self.high * np.maximum(1 - u * u, 0) ** self.upper_power - self.tilt * u

    def lower(self, u):
        return EYE_Y + self.low * np.maximum(1 - u * u, 0) ** self.lower_power - self.tilt * u

    def discs(self, centre_x, centre_y: float, radii) -> list[np.ndarray]:
        """Circles cut off by the lids, one for each pair of a centre and a radius."""
        v = grid(11)
        r = np.array(radii)[:, None]
        x = np.array(centre_x)[:, None] + r * v  # [discs, 11]
        half = r * np.sqrt(1 - v * v)
        u = np.minimum(np.maximum((x - EYE_X) / self.width, -1), 1)
        upper, lower = self.upper(u), self.lower(u)
        top = np.minimum(np.maximum(centre_y - half, upper), lower)
        bottom = np.minimum(np.maximum(centre_y + half, upper), lower)
        return [between(*curves) for curves in zip(x, top, bottom, strict=True)]


def eyes(face: Face) -> list[Shape]:
    """Whites, irises, pupils, highlights, lids and lashes."""
    lids, skin = _Lids(face), face.skin.rgb
    u = grid(13)
    x, upper, lower = EYE_X + lids.width * u, lids.upper(u), lids.lower(u)
    pair = (Part.LEFT_EYE, Part.RIGHT_EYE)
    shapes = []
    if face.eyes.shadow:
        lid = between(x, upper - 0.022 * (1 - u * u) ** 0.6, upper + 0.004)
        shapes.append(_pair(lid, scaled(face.clothes.rgb, 0.85), opacity=0.6))
    elif face.eyes.shape != "sleepy":
        crease = ribbon(x[2:-1], (upper - 0.006 - 0.014 * (1 - u * u) ** 0.5)[2:-1], 0.006)
        shapes.append(_pair(crease, shadow(skin)))
    shapes.append(_pair(between(x, upper, lower), (250, 249, 248), pair))
    shapes.append(_pair(between(x, upper, np.minimum(upper + 0.012, lower)), (214, 208, 216), pair))
    shapes += _irises(face, lids)
    weight = 0.012 + 0.007 * face.eyes.lashes
    lash = between(x, upper - weight * (0.55 + 0.45 * u), upper + 0.004)
    if face.eyes.lashes > 0.5:
        tip = np.array([(EYE_X + lids.width * 1.22, lids.upper(0.9) - 0.014 - 0.014 * face.eyes.lashes)])
        lash = np.concatenate([lash[:13], tip, lash[13:]])
    shapes.append(_pair(lash, INK, pair))
    shapes.append(_pair(between(x, lower, lower + 0.005 * (1 - u * u) ** 0.5)[3:-3], shadow(skin, 1.1), ()))
    return shapes


def _pair(outline: np.ndarray, colour: Colour, parts=(), opacity: float = 1.0) -> Shape:
    return Shape(pair(outline), colour, parts, opacity)


def _irises(face: Face, lids: _Lids) -> list[Shape]:
    colour = IRIS[face.eyes.colour]
    r = lids.iris
    # Irises hang from the upper lid and do not float: their top is hidden unless the eyes are wide open.
    y = EYE_Y + 0.5 * (lids.low - lids.high) + 0.006 * face.eyes.gaze_y
    shift = 0.020 * face.eyes.gaze_x
    radii = (r, 0.80 * r, 0.48 * r)
    discs = lids.discs(3 * [EYE_X + shift] + 3 * [EYE_X - shift], y, 2 * radii)
    right, left = discs[:3], [flipped(disc) for disc in discs[3:]]
    glow_y = y + 0.42 * r
    glows = [ellipse(side * EYE_X + shift, glow_y, 0.42 * r, 0.26 * r, 10) for side in (-1, 1)]
    side = 0.34 * r * (1 if face.light > 0 else -1)
    shine = [ellipse(s * EYE_X + shift + side, y - 0.34 * r, 0.25 * r, 0.27 * r, 10) for s in (-1, 1)]
    return [
        Shape((left[0], right[0]), scaled(colour, 0.55), (Part.LEFT_EYE, Part.RIGHT_EYE)),
        Shape((left[1], right[1]), colour, (Part.LEFT_EYE, Part.RIGHT_EYE)),
        Shape(tuple(glows), scaled(colour, 1.28)),
        Shape((left[2], right[2]), (22, 16, 20)),
        Shape(tuple(shine), (255, 255, 255)),
    ]


def brows(face: Face) -> list[Shape]:
    """Both brows; the smirk and the surprise lift them."""
    hair = (70, 48, 42) if face.hair.style in ("bald", "covered") and face.skin.age < 0.8 else face.hair.rgb
    colour = mix(scaled(hair, 0.74), INK, 0.25)
    t = grid(9) * 0.5 + 0.5  # inner end .. outer end
    lift = 0.028 if face.mouth.expression == "surprise" else 0.0
    height = 0.375 - 0.007 * face.brows.height - lift - 0.012 * (face.eyes.shape == "wide")
    arch = (0.010 + 0.018 * face.brows.arch) * np.sin(np.pi * t**1.25)
    y = height + (0.010 * face.brows.angle - 0.007) * (1 - 2 * t) - arch + 0.008 * t
    thickness = (0.015 + 0.017 * face.brows.thickness) * (0.75 + 0.5 * t - 1.05 * t**3)
    right = ribbon(0.048 + 0.142 * t, y, thickness)
    raised = 0.012 * face.mouth.smirk_side * (face.mouth.expression == "smirk")
    left = flipped(right) + (0, min(0.0, raised))
    right = right + (0, min(0.0, -raised))
    return [Shape((left, right), colour, (Part.LEFT_BROW, Part.RIGHT_BROW))]


def glasses(face: Face) -> list[Shape]:
    """Frames with tinted lenses; only sun glasses hide the eyes, and even they let them shine through."""
    if not face.glasses.worn:
        return []
    style = face.glasses.style
    colour = (44, 38, 46) if face.glasses.colour == "black" else scaled(FABRICS[face.glasses.colour], 0.8)
    x, y, rx, ry = EYE_X + 0.004, EYE_Y + 0.012, 0.094, 0.082
    if style == "round":
        lens = ellipse(x, y, 0.092, 0.088, 24)
    elif style == "cat":
        lens = smooth([(x - 0.09, y - 0.05), (x, y - 0.07), (x + 0.098, y - 0.088), (x + 0.088, y + 0.02),
                       (x + 0.02, y + 0.074), (x - 0.07, y + 0.05)])  # fmt: skip
    else:
        lens = smooth([(x - rx, y - ry * 0.5), (x - rx * 0.8, y - ry * 0.85), (x + rx * 0.85, y - ry * 0.9),
                       (x + rx, y - ry * 0.5), (x + rx * 0.85, y + ry * 0.65), (x + rx * 0.4, y + ry * 0.95),
                       (x - rx * 0.4, y + ry * 0.95), (x - rx * 0.9, y + ry * 0.55)])  # fmt: skip
    centre = (x, y)
    hole = (lens - centre) * (0.85, 0.83) + centre
    tone, opacity = ((60, 44, 66), 0.55) if style == "sun" else ((255, 255, 255), 0.07)
    bridge = stroke(np.array([(-0.03, y - 0.018), (0, y - 0.026), (0.03, y - 0.018)]), 0.013)
    arm = stroke(np.array([(x + 0.085, y - 0.022), (face.head.width + 0.012, y - 0.03)]), 0.014)
    shapes = [
        Shape(pair(hole), tone, (), opacity),
        Shape((bridge, *pair(arm)), colour, (Part.EYEGLASSES,)),
        Shape((flipped(lens), flipped(hole)), colour, (Part.EYEGLASSES,)),
        Shape((lens, hole), colour, (Part.EYEGLASSES,)),
    ]
    return [moved(shape, 0.004 * face.turn) for shape in shapes]
