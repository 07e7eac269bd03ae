"""The face itself: head, neck, clothes, ears, eyes, brows, nose, mouth, beard, glasses. Each function -> shapes."""

import functools

import numpy as np

from stylemap.datasets.avatars.description import (
    DYED,
    EARS_HIDDEN,
    FABRICS,
    IRIS,
    LIPS,
    clothes_colour,
    hair_colour,
    skin_colour,
)
from stylemap.datasets.avatars.shapes import (
    Colour,
    Shape,
    between,
    curve,
    ellipse,
    flipped,
    grid,
    mirrored,
    mix,
    moved,
    ribbon,
    scaled,
    smooth,
    stroke,
    tint,
)
from stylemap.datasets.parts import Part

DEEP = 0.82  # skin tone above which lips are lighter than the skin
EYE_X, EYE_Y = 0.115, 0.47  # the nominal eye centres, as in faces aligned like FFHQ's
MOUTH_Y = 0.705
INK = (46, 32, 36)
MAX_CASTERS = 3  # hair shapes that cast a shadow: the rest is far from the face and would only cost time


def shadow(skin: Colour, depth: float = 1.0) -> Colour:
    """The skin in shade: darker and a little redder."""
    return mix(skin, (round(skin[0] * 0.78), round(skin[1] * 0.66), round(skin[2] * 0.64)), depth)


def head_offset(a: dict) -> float:
    """How far the head is moved sideways against the features, which makes it seem to turn."""
    return -0.014 * a["turn"]


def face_outline(a: dict, grow: float = 0.0) -> np.ndarray:
    """The skin of head and jaw; ``grow`` widens it."""
    width = a["face_width"] + grow
    jaw = (0.77 + 0.11 * a["jaw"]) * width
    chin = (0.31 + 0.13 * a["chin"]) * width
    bottom = a["chin_y"] + grow
    right = [(0, 0.13), (0.62 * width, 0.165), (0.93 * width, 0.30), (width, 0.47), (0.955 * width, 0.6),
             (jaw, 0.725), (0.53 * (jaw + chin), 0.808), (chin, bottom - 0.018), (0, bottom)]  # fmt: skip
    return smooth(mirrored(right))


def body(a: dict) -> list[Shape]:
    """Neck and clothes."""
    skin = skin_colour(a)
    neck_width = 0.105 + 0.03 * a["jaw"] - 0.02 * a["lashes"]
    neck = [(-neck_width, 0.66), (neck_width, 0.66), (neck_width, 0.88), (neck_width + 0.05, 0.96),
            (neck_width + 0.06, 1.2), (-neck_width - 0.06, 1.2), (-neck_width - 0.05, 0.96),
            (-neck_width, 0.88)]  # fmt: skip
    shapes = [Shape((np.array(neck),), scaled(skin, 0.97), (Part.NECK,))]
    shapes += _clothes(a, neck_width)
    if a["necklace"] and a["clothes"] in ("v_neck", "straps", "crew"):
        x = grid(11)
        chain = curve(x * (neck_width + 0.015), 0.985 - 0.075 * x**2)
        gold = (246, 206, 110) if a["clothes_tone"] < 0.6 else (238, 238, 244)
        shapes.append(Shape((stroke(chain, 0.013),), gold, (Part.NECKLACE,)))
    return shapes


def _clothes(a: dict, neck: float) -> list[Shape]:
    colour = clothes_colour(a)
    dark = scaled(colour, 0.78)
    style = a["clothes"]
    wide = 0.42 + 0.08 * a["shoulders"]
    opening, dip = {"crew": (0.03, 0.045), "collar": (0.01, 0.06), "v_neck": (0.045, 0.13), "turtleneck": (0.0, 0.0),
                    "hoodie": (0.03, 0.05), "straps": (0.16, 0.1)}[style]  # fmt: skip
    collar_y = 0.918
    x = grid(13)
    profile = 1 - np.abs(x) if style == "v_neck" else np.sqrt(1 - x**2)
    neckline = curve(x * (neck + opening), collar_y + dip * profile)
    shoulders = [(wide * 0.72, 0.945), (wide, 1.01), (wide + 0.08, 1.3), (-wide - 0.08, 1.3), (-wide, 1.01),
                 (-wide * 0.72, 0.945)]  # fmt: skip
    cloth = np.concatenate([neckline, shoulders])
    shapes = [Shape((cloth,), colour, (Part.CLOTH,))]
    if style == "turtleneck":
        roll = smooth([(-neck - 0.012, 0.865), (0, 0.895), (neck + 0.012, 0.865), (neck + 0.025, 0.95), (0, 0.985),
                       (-neck - 0.025, 0.95)])  # fmt: skip
        shapes.append(Shape((roll,), scaled(colour, 1.08), (Part.CLOTH,)))
    elif style == "collar":
        light = mix(colour, (255, 255, 255), 0.75)
        flap = np.array([(0.0, 0.995), (neck * 0.6, 0.945), (neck + 0.01, 0.885), (neck + 0.05, 0.93), (0.07, 1.05)])
        shapes.append(Shape((flap, flipped(flap)), light, (Part.CLOTH,)))
    elif style == "hoodie":
        hood = smooth([(neck - 0.01, 0.87), (neck + 0.08, 0.9), (neck + 0.1, 0.97), (0.03, 1.06), (0.02, 1.0),
                       (neck - 0.01, 0.94)])  # fmt: skip
        shapes.append(Shape((hood, flipped(hood)), dark, (Part.CLOTH,)))
    else:
        shapes.append(Shape((stroke(neckline, 0.018),), dark, (Part.CLOTH,)))
    return shapes


@functools.cache
def _ear() -> tuple[np.ndarray, np.ndarray]:
    """The right ear and its inside, about the point where it meets the head."""
    outer = smooth([(-0.04, -0.06), (0.012, -0.075), (0.032, -0.035), (0.02, 0.03), (-0.002, 0.07), (-0.04, 0.05)])
    return outer, ellipse(0.006, -0.01, 0.014, 0.034, 12)


def ears(a: dict) -> list[Shape]:
    """Both ears, unless the hair or a scarf hides them."""
    if a["hair_style"] in EARS_HIDDEN:
        return []
    skin = skin_colour(a)
    right, inner = (outline * (1, a["ear_size"]) + (a["face_width"] + 0.008, 0.50) for outline in _ear())
    shift = (head_offset(a), 0)
    pair = (Part.LEFT_EAR, Part.RIGHT_EAR)
    return [
        Shape((flipped(right), right), scaled(skin, 0.97), pair, shift=shift),
        Shape((flipped(inner), inner), shadow(skin, 0.7), pair, shift=shift),
    ]


def earrings(a: dict) -> list[Shape]:
    """A pair of studs or drops at the ear lobes."""
    if not a["earrings"]:
        return []
    x = a["face_width"] + 0.006
    gold = (248, 208, 108) if a["lashes"] < 0.75 else (240, 240, 246)
    drop = ellipse(x, 0.60, 0.017, 0.026, 14)
    return [Shape((drop, flipped(drop)), gold, (Part.EARRING,), shift=(head_offset(a), 0))]


def head(a: dict) -> list[Shape]:
    """The head's skin."""
    return [Shape((face_outline(a),), skin_colour(a), (Part.SKIN,), shift=(head_offset(a), 0))]


def shading(a: dict, above: list[Shape]) -> list[Shape]:
    """Soft light and shade on neck and head: one group, blurred together.

    The hair and the hat in ``above`` cast a shadow on the face.
    """
    face = face_outline(a) + (head_offset(a), 0)
    light, deep = a["light"], a["skin_tone"]
    shapes = [
        _soft(face * (0.8, 1) + (-0.02 * light, 0.055), tint(0.76, 0.66, 0.66)),
        _soft(face, tint(0.90, 0.83, 0.82)),
        _soft(face * (0.97, 1) + (0.034 * light, -0.022), tint(1, 1, 1)),
        _soft(ellipse(0.06 * light, 0.36, 0.13, 0.075), tint(1.05, 1.05, 1.05)),
    ]
    casters = [shape for shape in above if shape.parts in ((Part.HAIR,), (Part.HAT,))]
    for caster in casters[:MAX_CASTERS]:
        cast = moved(caster, -0.008 * light, 0.022)
        shapes.append(cast._replace(colour=tint(0.80, 0.70, 0.70), parts=(), soft=True))
    strength = a["blush"] * (0.7 + 0.3 * deep)
    blush = tint(1.02, 1 - 0.18 * strength, 1 - 0.15 * strength)
    cheeks, sockets = _cheeks_and_sockets()
    shapes.append(Shape(cheeks, blush, soft=True))
    shapes.append(Shape(sockets, tint(0.95, 0.90, 0.90), soft=True))
    return shapes


@functools.cache
def _cheeks_and_sockets() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    cheek = ellipse(0.158, 0.605, 0.055, 0.040)
    socket = ellipse(EYE_X, EYE_Y - 0.012, 0.085, 0.05)
    return (cheek, flipped(cheek)), (socket, flipped(socket))


def _soft(outline: np.ndarray, colour: Colour) -> Shape:
    return Shape((outline,), colour, soft=True)


def marks(a: dict) -> list[Shape]:
    """Freckles and the lines of age."""
    skin = skin_colour(a)
    shapes = []
    if a["freckles"]:
        spots = [(0.10, 0.575), (0.135, 0.59), (0.165, 0.572), (0.118, 0.605), (0.15, 0.612), (0.045, 0.565)]
        dots = [ellipse(x, y, 0.0065, 0.0055, 8) for x, y in spots]
        shapes.append(Shape((*dots, *map(flipped, dots)), shadow(skin, 0.75), opacity=0.7))
    if a["age"] > 0.75:
        line = stroke(smooth([(0.098, 0.60), (0.128, 0.635), (0.138, 0.675)], closed=False), 0.007)
        shapes.append(Shape((line, flipped(line)), shadow(skin, 0.8), opacity=0.8))
    return shapes


# Eyes: every curve of an eye is a function of u in -1..1, from the inner corner to the outer one.

LID = {  # upper height, lower height, upper roundness, lower roundness (exponents: small is round), iris radius
    "almond": (0.044, 0.028, 0.72, 0.80, 0.045),
    "round": (0.053, 0.037, 0.55, 0.6, 0.048),
    "wide": (0.061, 0.042, 0.5, 0.55, 0.047),
    "hooded": (0.034, 0.030, 0.45, 0.7, 0.045),
    "sleepy": (0.027, 0.034, 0.42, 0.6, 0.045),
}


class _Lids:
    """The opening of one eye, the right one of the image; mirrored for the left."""

    def __init__(self, a: dict):
        high, low, self.upper_power, self.lower_power, self.iris = LID[a["eye_shape"]]
        size = a["eye_size"]
        squint = max(0.0, a["smile"] - 0.7) * (a["eye_shape"] != "sleepy")  # a laugh lifts the lower lid
        surprise = 1.12 if a["expression"] == "surprise" else 1.0
        self.width = 0.077 * (0.5 + 0.5 * size)
        self.high, self.low = high * size * surprise, low * size * (1 - 1.1 * squint)
        self.iris *= size
        self.tilt = 0.012 * a["eye_tilt"]

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


def eyes(a: dict) -> list[Shape]:
    """Whites, irises, pupils, highlights, lids and lashes."""
    lids, skin = _Lids(a), skin_colour(a)
    u = grid(13)
    x, upper, lower = EYE_X + lids.width * u, lids.upper(u), lids.lower(u)
    pair = (Part.LEFT_EYE, Part.RIGHT_EYE)
    shapes = []
    if a["eye_shadow"]:
        lid = between(x, upper - 0.022 * (1 - u * u) ** 0.6, upper + 0.004)
        shapes.append(_pair(lid, scaled(clothes_colour(a), 0.85), opacity=0.6))
    elif a["eye_shape"] != "sleepy":
        crease = ribbon(x[2:-1], (upper - 0.006 - 0.014 * (1 - u * u) ** 0.5)[2:-1], 0.006)
        shapes.append(_pair(crease, shadow(skin)))
    shapes.append(_pair(between(x, upper, lower), (250, 249, 248), pair))
    shapes.append(_pair(between(x, upper, np.minimum(upper + 0.012, lower)), (214, 208, 216), pair))
    shapes += _irises(a, lids)
    weight = 0.012 + 0.007 * a["lashes"]
    lash = between(x, upper - weight * (0.55 + 0.45 * u), upper + 0.004)
    if a["lashes"] > 0.5:
        tip = np.array([(EYE_X + lids.width * 1.22, lids.upper(0.9) - 0.014 - 0.014 * a["lashes"])])
        lash = np.concatenate([lash[:13], tip, lash[13:]])
    shapes.append(_pair(lash, INK, pair))
    shapes.append(_pair(between(x, lower, lower + 0.005 * (1 - u * u) ** 0.5)[3:-3], shadow(skin, 1.1), ()))
    return shapes


def _pair(outline: np.ndarray, colour: Colour, parts=(), opacity: float = 1.0) -> Shape:
    return Shape((flipped(outline), outline), colour, parts, opacity)


def _irises(a: dict, lids: _Lids) -> list[Shape]:
    colour = IRIS[a["eye_colour"]]
    r = lids.iris
    # Irises hang from the upper lid and do not float: their top is hidden unless the eyes are wide open.
    y = EYE_Y + 0.5 * (lids.low - lids.high) + 0.006 * a["gaze_y"]
    shift = 0.020 * a["gaze_x"]
    radii = (r, 0.80 * r, 0.48 * r)
    discs = lids.discs(3 * [EYE_X + shift] + 3 * [EYE_X - shift], y, 2 * radii)
    right, left = discs[:3], [flipped(disc) for disc in discs[3:]]
    glow_y = y + 0.42 * r
    glows = [ellipse(side * EYE_X + shift, glow_y, 0.42 * r, 0.26 * r, 10) for side in (-1, 1)]
    side = 0.34 * r * (1 if a["light"] > 0 else -1)
    shine = [ellipse(s * EYE_X + shift + side, y - 0.34 * r, 0.25 * r, 0.27 * r, 10) for s in (-1, 1)]
    return [
        Shape((left[0], right[0]), scaled(colour, 0.55), (Part.LEFT_EYE, Part.RIGHT_EYE)),
        Shape((left[1], right[1]), colour, (Part.LEFT_EYE, Part.RIGHT_EYE)),
        Shape(tuple(glows), scaled(colour, 1.28)),
        Shape((left[2], right[2]), (22, 16, 20)),
        Shape(tuple(shine), (255, 255, 255)),
    ]


def brows(a: dict) -> list[Shape]:
    """Both brows; the smirk and the surprise lift them."""
    hair = (70, 48, 42) if a["hair_style"] in ("bald", "covered") and a["age"] < 0.8 else hair_colour(a)
    colour = mix(scaled(hair, 0.74), INK, 0.25)
    t = grid(9) * 0.5 + 0.5  # inner end .. outer end
    lift = 0.028 if a["expression"] == "surprise" else 0.0
    height = 0.375 - 0.007 * a["brow_height"] - lift - 0.012 * (a["eye_shape"] == "wide")
    arch = (0.010 + 0.018 * a["brow_arch"]) * np.sin(np.pi * t**1.25)
    y = height + (0.010 * a["brow_angle"] - 0.007) * (1 - 2 * t) - arch + 0.008 * t
    thickness = (0.015 + 0.017 * a["brow_thickness"]) * (0.75 + 0.5 * t - 1.05 * t**3)
    right = ribbon(0.048 + 0.142 * t, y, thickness)
    raised = 0.012 * a["smirk_side"] * (a["expression"] == "smirk")
    left = flipped(right) + (0, min(0.0, raised))
    right = right + (0, min(0.0, -raised))
    return [Shape((left, right), colour, (Part.LEFT_BROW, Part.RIGHT_BROW))]


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
    whole = smooth(mirrored([(0, 0.46), (bridge * 0.7, 0.47), (bridge, 0.53), (wing, bottom - 0.022),
                             (wing * 0.82, bottom + 0.002), (0, bottom + 0.008)]), steps=3)  # fmt: skip
    flank = smooth([(bridge * 0.65, 0.49), (bridge, 0.54), (wing, bottom - 0.022), (wing * 0.82, bottom + 0.002),
                    (wing * 0.35, bottom - 0.004), (bridge * 0.6, 0.55)], steps=3)  # fmt: skip
    under = smooth([(-wing * 0.9, bottom - 0.006), (-wing * 0.4, bottom + 0.006), (0, bottom + 0.001),
                    (wing * 0.4, bottom + 0.006), (wing * 0.9, bottom - 0.006), (wing * 0.5, bottom + 0.016),
                    (0, bottom + 0.014), (-wing * 0.5, bottom + 0.016)], steps=3)  # fmt: skip
    nostril = ellipse(wing * 0.48, bottom + 0.004, wing * 0.2, 0.006, 10)
    tip = ellipse(-0.1 * wing, bottom - 0.028, wing * 0.34, 0.012, 12)
    return [whole, flank, under, nostril, flipped(nostril), tip]


def nose(a: dict) -> list[Shape]:
    """Nose with a lit tip, a shaded flank and nostrils."""
    skin = skin_colour(a)
    wide = (a["nose_size"] * (-1 if a["light"] > 0 else 1), 1)
    whole, flank, under, nostril, other, tip = (outline * wide for outline in _nose_outlines(a["nose"]))
    shift, part = (0.014 * a["turn"], 0), (Part.NOSE,)
    dark = shadow(skin)
    return [
        Shape((whole,), mix(skin, dark, 0.08), part, shift=shift),
        Shape((flank,), mix(skin, dark, 0.49), part, shift=shift),
        Shape((under,), shadow(skin, 1.15), part, shift=shift),
        Shape((nostril, other), shadow(shadow(skin, 1.2), 1.1), part, shift=shift),
        Shape((tip,), mix(scaled(skin, 1.06), (255, 236, 214), 0.17), part, shift=shift),
    ]


class _Mouth:
    """The curves of the mouth over x [17]: outer and inner edges of both lips, y downward."""

    def __init__(self, a: dict):
        smile, opening = a["smile"], a["mouth_open"]
        u = grid(17)
        dome = 1 - u * u
        round_mouth = a["expression"] == "surprise"
        width = 0.084 + 0.044 * smile + 0.012 * opening
        if round_mouth:
            width = 0.056 + 0.014 * opening
        elif a["expression"] == "pout":
            width = 0.080
        self.x = u * width * a["mouth_width"] + 0.006 * a["turn"]
        corners = -0.058 * max(0.0, smile - 0.2) + 0.016 * max(0.0, 0.2 - smile) / 0.2
        line = MOUTH_Y - 0.004 + corners * u * u - 0.4 * corners
        if a["expression"] == "smirk":
            line = line - 0.020 * a["smirk_side"] * u
        drop = 0.105 * opening
        self.upper_in = line - 0.3 * drop * (dome**0.5 if round_mouth else dome)
        self.lower_in = line + 0.7 * drop * dome ** (0.5 if round_mouth else 0.62)
        full = a["lip_fullness"]
        stretch = 1 - 0.35 * smile * (opening > 0)
        bow = 1 - 0.30 * np.exp(-((u / 0.22) ** 2))
        self.upper_out = self.upper_in - (0.016 + 0.013 * full) * stretch * bow * dome**0.7
        self.lower_out = self.lower_in + (0.018 + 0.020 * full) * stretch * dome**0.75
        self.u, self.dome, self.line = u, dome, line


def mouth(a: dict) -> list[Shape]:
    """Lips, and teeth, tongue and the dark between them if open."""
    m, skin = _Mouth(a), skin_colour(a)
    lips = _natural_lips(a) if a["lip_colour"] == "natural" else mix(scaled(skin, 0.9), LIPS[a["lip_colour"]], 0.85)
    deep = a["skin_tone"] > DEEP  # on deep skin lips stand out by being lighter: less shade, a thinner line
    shade = 0.96 if deep else 0.84
    upper = Shape((between(m.x, m.upper_out, m.upper_in + 0.002),), scaled(lips, shade), (Part.UPPER_LIP,))
    lower = Shape((between(m.x, m.lower_in - 0.002, m.lower_out),), lips, (Part.LOWER_LIP,))
    shine_x = slice(5, 12)
    shine_y = 0.55 * m.lower_in + 0.45 * m.lower_out
    shine = ribbon(m.x[shine_x], shine_y[shine_x], 0.007 * m.dome[shine_x])
    gloss = Shape((shine,), mix(lips, (255, 240, 235), 0.4))
    if a["mouth_open"] == 0:
        dark = scaled(mix(lips, INK, 0.5), 0.75)
        line = Shape(
            (ribbon(m.x, m.upper_in, (0.5 if deep else 1) * (0.006 + 0.007 * m.dome)),), dark, (Part.UPPER_LIP,)
        )
        ends = 0.010 * a["smile"]
        dimples = [ellipse(m.x[k], m.upper_in[k], ends, ends, 10) for k in (0, -1)]
        return [upper, lower, gloss, Shape(tuple(dimples), shadow(skin, 1.1)), line]
    return [*_inside(a, m), upper, lower, gloss]


def _natural_lips(a: dict) -> Colour:
    """Lips without lipstick, chosen to stand out: rose on light skin, darker to tan, pink again on the deepest."""
    tone = a["skin_tone"]
    pigment = (222, 116, 118) if tone > DEEP else mix((206, 90, 96), (124, 38, 48), tone / DEEP)
    return mix(scaled(skin_colour(a), 0.74), pigment, 0.66)


def _inside(a: dict, m: _Mouth) -> list[Shape]:
    gap = m.lower_in - m.upper_in
    shapes = [Shape((between(m.x, m.upper_in, m.lower_in),), (104, 26, 36), (Part.MOUTH,))]
    tongue = np.maximum(m.lower_in - gap * (0.30 + 0.25 * a["tongue"]) * m.dome**1.5, m.upper_in)
    if a["mouth_open"] > 0.5:
        shapes.append(Shape((between(m.x, tongue, m.lower_in)[3:-3],), (226, 104, 112), (Part.MOUTH,)))
    depth = 0.016 if a["expression"] == "surprise" else 0.034
    teeth = m.upper_in + np.minimum(gap * (0.9 if a["expression"] == "grin" else 0.62), depth) * m.dome**0.3
    inner = slice(1, -1)
    shapes.append(Shape((between(m.x[inner], m.upper_in[inner], teeth[inner]),), (252, 250, 246), (Part.MOUTH,)))
    return shapes


def beard(a: dict) -> list[Shape]:
    """Beard and moustache, drawn below the mouth; CelebAMask-HQ labels both as skin."""
    style = a["beard"]
    if style == "none":
        return []
    colour = INK if a["hair_colour"] in DYED else scaled(hair_colour(a), 0.92)
    shapes = []
    smile = a["smile"]
    corner = 0.082 + 0.044 * smile
    if style in ("stubble", "short", "full"):
        grow = {"stubble": -0.002, "short": 0.008, "full": 0.022}[style]
        width = a["face_width"] + grow
        jaw, chin = (0.77 + 0.11 * a["jaw"]) * width, (0.31 + 0.13 * a["chin"]) * width
        bottom = a["chin_y"] + 1.6 * grow
        right = [(0.995 * width, 0.455), (0.955 * width, 0.60), (jaw, 0.725), (0.53 * (jaw + chin), 0.808 + grow),
                 (chin, bottom - 0.02), (0, bottom)]  # fmt: skip
        inner = [(0, 0.652), (0.05, 0.643), (corner + 0.025, 0.668), (0.16, 0.675), (0.205, 0.62),
                 (a["face_width"] - 0.016, 0.455)]  # fmt: skip
        outer, inner = smooth(right, closed=False), smooth(inner, closed=False)
        outline = np.concatenate([outer, flipped(outer)[::-1], flipped(inner)[::-1], inner])
        opacity = 0.28 if style == "stubble" else 1.0
        shapes.append(Shape((outline,), colour, (Part.SKIN,), opacity))
    if style == "goatee":
        patch = smooth(mirrored([(0, 0.775), (0.04, 0.765), (0.075, 0.80), (0.07, 0.87), (0, 0.90)]))
        shapes.append(Shape((patch,), colour, (Part.SKIN,)))
    if style in ("moustache", "goatee", "short", "full"):
        y = 0.645 - 0.010 * smile
        tips = corner + 0.012
        right = [(0, y), (0.03, y - 0.008), (tips * 0.7, y + 0.012), (tips, y + 0.045 - 0.02 * smile),
                 (tips * 0.75, y + 0.042), (0, y + 0.033)]  # fmt: skip
        shapes.append(Shape((smooth(mirrored(right)),), scaled(colour, 0.9), (Part.SKIN,)))
    return shapes if style == "stubble" else [moved(shape, 0.5 * head_offset(a)) for shape in shapes]


def glasses(a: dict) -> list[Shape]:
    """Frames with tinted lenses; only sun glasses hide the eyes, and even they let them shine through."""
    if not a["glasses"]:
        return []
    style = a["glasses_style"]
    colour = (44, 38, 46) if a["glasses_colour"] == "black" else scaled(FABRICS[a["glasses_colour"]], 0.8)
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
    arm = stroke(np.array([(x + 0.085, y - 0.022), (a["face_width"] + 0.012, y - 0.03)]), 0.014)
    shapes = [
        Shape((flipped(hole), hole), tone, (), opacity),
        Shape((bridge, arm, flipped(arm)), colour, (Part.EYEGLASSES,)),
        Shape((flipped(lens), flipped(hole)), colour, (Part.EYEGLASSES,)),
        Shape((lens, hole), colour, (Part.EYEGLASSES,)),
    ]
    return [moved(shape, 0.004 * a["turn"]) for shape in shapes]
