"""What a face looks like, as a flat dictionary of plain values drawn from a seed and an index."""

import bisect
import functools
import itertools

import numpy as np

from stylemap.datasets.avatars.shapes import Colour, mix, scaled

DRAWS = 96  # uniform numbers per face; more than are used, so that a new attribute need not change the old ones

SKIN = [  # light to deep
    (255, 226, 205), (250, 211, 182), (240, 191, 152), (222, 166, 122),
    (194, 134, 92), (160, 104, 70), (124, 78, 54), (94, 60, 46),
]  # fmt: skip

HAIR = {  # natural colours from dark to light, then age, then dye
    "black": (42, 36, 42), "dark_brown": (72, 48, 40), "brown": (108, 70, 48), "chestnut": (142, 82, 50),
    "auburn": (158, 68, 44), "ginger": (214, 112, 52), "dark_blonde": (190, 146, 88), "blonde": (234, 196, 122),
    "grey": (158, 158, 166), "white": (220, 218, 220),
    "pink": (236, 132, 166), "blue": (82, 124, 200), "teal": (52, 152, 150), "purple": (138, 96, 180),
}  # fmt: skip
DYED = ("pink", "blue", "teal", "purple")
HAIR_WEIGHTS = {
    "light": {"black": 8, "dark_brown": 14, "brown": 16, "chestnut": 11, "auburn": 7, "ginger": 9, "dark_blonde": 11,
              "blonde": 16, "pink": 2, "blue": 2, "teal": 2, "purple": 2},
    "medium": {"black": 32, "dark_brown": 24, "brown": 14, "chestnut": 8, "auburn": 3, "ginger": 2, "dark_blonde": 4,
               "blonde": 4, "pink": 2.5, "blue": 2, "teal": 2.5, "purple": 2.5},
    "deep": {"black": 52, "dark_brown": 26, "brown": 6, "chestnut": 3, "auburn": 2, "ginger": 1, "dark_blonde": 1,
             "blonde": 2, "pink": 1.5, "blue": 1.5, "teal": 2, "purple": 2},
}  # fmt: skip

IRIS = {"brown": (104, 62, 34), "dark": (58, 38, 30), "hazel": (146, 104, 48), "green": (74, 138, 84),
        "blue": (62, 126, 196), "grey": (112, 132, 150), "amber": (190, 124, 40)}  # fmt: skip
IRIS_WEIGHTS = {
    "light": {"brown": 18, "dark": 6, "hazel": 14, "green": 20, "blue": 28, "grey": 10, "amber": 4},
    "medium": {"brown": 38, "dark": 24, "hazel": 14, "green": 8, "blue": 6, "grey": 4, "amber": 6},
    "deep": {"brown": 40, "dark": 36, "hazel": 10, "green": 4, "blue": 2, "grey": 2, "amber": 6},
}

# Two tables rather than one, so that hair, beard and make-up go together more often than chance would have it.
HAIR_STYLE_WEIGHTS = {
    "a": {"crop": 16, "side_part": 15, "quiff": 14, "spiky": 11, "curly": 10, "buzz": 8, "bald": 8, "afro": 4, "bun": 3,
          "long": 3, "wavy": 2, "locs": 3, "fringe_crop": 8, "receding": 5},
    "b": {"bob": 11, "fringe_bob": 11, "long": 11, "wavy": 12, "long_fringe": 9, "bun": 9, "ponytail": 8, "braids": 7,
          "puffs": 5, "afro": 6, "pixie": 7, "long_curly": 7, "locs": 3, "buzz": 1, "bald": 1},
}  # fmt: skip
EARS_HIDDEN = ("bob", "fringe_bob", "long", "long_fringe", "wavy", "long_curly", "locs", "covered")
UNDER_HAT = {"a": ["crop", "crop", "buzz", "long", "bald"], "b": ["bob", "long", "wavy", "braids", "crop"]}
HATS = {"beanie": 28, "cap": 24, "brim": 20, "headscarf": 20, "beret": 14}
BEARDS = {"none": 52, "stubble": 14, "moustache": 8, "goatee": 7, "short": 11, "full": 10}
EYE_SHAPES = {"almond": 34, "round": 26, "wide": 14, "hooded": 14, "sleepy": 12}
EXPRESSIONS = {"closed": 30, "grin": 26, "laugh": 23, "surprise": 8, "smirk": 7, "pout": 6}
SMILE = {"closed": (0.3, 0.9), "grin": (0.6, 0.9), "laugh": (0.8, 1.0), "surprise": (0.1, 0.3), "smirk": (0.35, 0.55),
         "pout": (0.0, 0.1)}  # fmt: skip
OPENING = {"closed": (0, 0), "grin": (0.22, 0.46), "laugh": (0.6, 1.0), "surprise": (0.45, 0.95), "smirk": (0, 0),
           "pout": (0, 0)}  # fmt: skip
NOSES = {"button": 30, "straight": 28, "wide": 22, "long": 20}
LIPS = {"rose": (208, 72, 98), "red": (196, 34, 48), "plum": (136, 44, 84), "coral": (236, 100, 84)}
GLASSES = {"round": 40, "square": 36, "cat": 18, "sun": 10}
BACKDROPS = {  # quiet colours that go with every skin and with each other
    "sky": (164, 206, 236), "mint": (172, 220, 200), "sage": (168, 192, 158), "cream": (246, 230, 200),
    "peach": (250, 204, 174), "rose": (240, 182, 184), "lilac": (204, 186, 232), "sand": (222, 200, 166),
    "denim": (104, 138, 186), "pine": (72, 124, 112), "clay": (198, 122, 96), "plum": (124, 92, 138),
    "mustard": (232, 190, 98), "slate": (122, 138, 156),
}  # fmt: skip
FABRICS = {
    "navy": (44, 58, 100), "brick": (184, 74, 60), "teal": (38, 124, 128), "ochre": (224, 160, 60),
    "olive": (112, 124, 70), "wine": (128, 44, 70), "coral": (238, 122, 102), "white": (244, 242, 238),
    "charcoal": (62, 64, 76), "lavender": (162, 142, 208), "forest": (50, 100, 76), "pink": (232, 146, 170),
    "blue": (70, 122, 196), "camel": (196, 152, 106),
}  # fmt: skip
NEAR = {  # fabrics that would melt into the backdrop, and what to wear instead
    ("denim", "blue"): "ochre", ("pine", "forest"): "white", ("pine", "teal"): "coral", ("clay", "brick"): "navy",
    ("mustard", "ochre"): "teal", ("sand", "camel"): "wine", ("cream", "white"): "brick", ("lilac", "lavender"): "navy",
    ("rose", "pink"): "teal", ("clay", "coral"): "white", ("plum", "lavender"): "ochre", ("peach", "coral"): "forest",
}  # fmt: skip
CLOTHES = {"crew": 30, "collar": 20, "v_neck": 18, "turtleneck": 12, "hoodie": 14, "straps": 6}


@functools.cache
def _cumulative(weights: tuple[tuple[str, float], ...]) -> tuple[list[str], list[float]]:
    keys, values = zip(*weights, strict=True)
    return list(keys), list(itertools.accumulate(values))


class _Draws:
    """Uniform numbers handed out one by one."""

    def __init__(self, seed: int, index: int):
        generator = np.random.Generator(np.random.Philox(key=[seed, index]))
        self._next = iter(generator.random(DRAWS).tolist()).__next__

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        return round(low + (high - low) * self._next(), 4)

    def centred(self, spread: float) -> float:
        """Within +-spread, more often near 0."""
        return round((self._next() + self._next() - 1) * spread, 4)

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def choice(self, weights) -> str:
        """A key of a dict of weights, or an item of a list."""
        if isinstance(weights, list):
            return weights[int(self._next() * len(weights))]
        keys, sums = _cumulative(tuple(weights.items()))
        return keys[bisect.bisect_right(sums, self._next() * sums[-1])]


def sample(seed: int, index: int) -> dict[str, float | int | str | bool]:
    """The attributes of face ``index`` of ``seed``: the same on every machine, and all that a drawing depends on.

    Lengths are fractions of the image's side, angles are degrees, other numbers lie in 0..1 or -1..1 (see the
    comments). Values are JSON-serialisable.
    """
    u = _Draws(seed, index)
    table = u.choice(["a", "b"])
    skin_tone = u.number()  # 0 lightest .. 1 deepest
    group = "light" if skin_tone < 0.4 else "medium" if skin_tone < 0.7 else "deep"
    age = u.number()  # 0 young .. 1 old
    hair = _hair(u, table, group, age)
    return {
        "skin_tone": skin_tone,
        "undertone": u.number(-1, 1),  # -1 rosy .. 1 golden
        "age": age,
        "freckles": u.chance(0.14 if group == "light" else 0.04),
        "blush": u.number(0.2, 1),
        **hair,
        **_head(u, hair["hair_style"]),
        **_eyes(u, table, group),
        **_mouth(u, table),
        **_clothes(u, table),
        **_picture(u),
    }


def _hair(u: _Draws, table: str, group: str, age: float) -> dict:
    hat = u.chance(0.09)
    hat_style = u.choice(HATS)
    style = u.choice(HAIR_STYLE_WEIGHTS[table])
    under_hat = u.choice(UNDER_HAT[table])
    colour = u.choice(HAIR_WEIGHTS[group])
    grey, white = u.number(), u.number()
    if age > 0.82 and grey < 0.75:
        colour = "white" if white < 0.4 else "grey"
    beard = u.choice(BEARDS)
    if hat:
        style = "covered" if hat_style == "headscarf" else under_hat
    if table == "b" or style == "covered":
        beard = "none"
    return {
        "hair_style": style,
        "hair_colour": colour,
        "hair_tone": u.number(-1, 1),  # -1 darker .. 1 lighter than the colour's mean
        "hair_volume": u.number(),
        "hair_length": u.number(),
        "parting": u.choice([-1, 1]) * u.number(0.4, 1),  # which side, -1 image left .. 1 image right
        "strands": u.number(),
        "hat": hat,
        "hat_style": hat_style if hat else "none",
        "hat_colour": u.choice(list(FABRICS)),
        "beard": beard,
    }


def _head(u: _Draws, hair_style: str) -> dict:
    return {
        "face_width": u.number(0.242, 0.278),  # half-width at the cheeks
        "chin_y": u.number(0.858, 0.884),
        "jaw": u.number(),  # 0 narrow .. 1 broad
        "chin": u.number(),  # 0 pointed .. 1 square
        "ear_size": u.number(0.85, 1.2),
        "earrings": u.chance(0.24) and hair_style not in EARS_HIDDEN,
        "nose": u.choice(NOSES),
        "nose_size": u.number(0.85, 1.15),
        "turn": u.centred(1.0),  # -1 the head turns to image left .. 1 to image right
    }


def _eyes(u: _Draws, table: str, group: str) -> dict:
    shape = u.choice(EYE_SHAPES)
    return {
        "eye_shape": shape,
        "eye_colour": u.choice(IRIS_WEIGHTS[group]),
        "eye_size": u.number(0.88, 1.14),
        "eye_tilt": u.number(-0.6, 1),  # 1: the outer corners are high
        "gaze_x": u.centred(1.0),
        "gaze_y": u.centred(0.7),
        "lashes": u.number(0.5, 1) if table == "b" else u.number(0, 0.35),
        "eye_shadow": u.chance(0.3) and table == "b",
        "brow_thickness": u.number(0, 0.75) if table == "b" else u.number(0.3, 1),
        "brow_angle": u.centred(1.0),  # 1: the inner ends are low (stern), -1: they are high (worried)
        "brow_height": u.number(-1, 1),
        "brow_arch": u.number(),
        "glasses": u.chance(0.165),
        "glasses_style": u.choice(GLASSES),
        "glasses_colour": "black" if u.chance(0.5) else u.choice(list(FABRICS)),
    }


def _mouth(u: _Draws, table: str) -> dict:
    expression = u.choice(EXPRESSIONS)
    amount = u.number()
    low, high = SMILE[expression]
    smile = low + (high - low) * amount
    low, high = OPENING[expression]
    opening = low + (high - low) * u.number()
    made_up = u.chance(0.6 if table == "b" else 0.0)
    lip_colour = u.choice(list(LIPS))
    return {
        "expression": expression,
        "smile": round(smile, 4),
        "mouth_open": round(opening, 4),
        "mouth_width": u.number(0.9, 1.12),
        "lip_fullness": u.number(0.3, 1) if table == "b" else u.number(0, 0.7),
        "lip_colour": lip_colour if made_up else "natural",
        "tongue": u.number(),
        "smirk_side": u.choice([-1, 1]),
    }


def _clothes(u: _Draws, table: str) -> dict:
    clothes, backdrop, fabric = u.choice(CLOTHES), u.choice(list(BACKDROPS)), u.choice(list(FABRICS))
    return {
        "clothes": "crew" if clothes == "straps" and table == "a" else clothes,
        "clothes_colour": NEAR.get((backdrop, fabric), fabric),
        "clothes_tone": u.number(-1, 1),  # -1 darker .. 1 lighter than the colour's mean
        "necklace": u.chance(0.12),
        "shoulders": u.number(),
        "background": backdrop,
    }


def _picture(u: _Draws) -> dict:
    return {
        "background_tone": u.number(-1, 1),
        "background_turn": u.number(-1, 1),
        "light": u.number(-1, 1),  # -1 from image left .. 1 from image right
        "rotation": u.centred(4.0),  # degrees
        "scale": round(1 + u.centred(0.04), 4),
        "shift_x": u.centred(0.015),
        "shift_y": u.centred(0.015),
        "grain": int(u.number(0, 4000)),
    }


def skin_colour(a: dict) -> Colour:
    """The skin's colour in full light."""
    return _skin_colour(a["skin_tone"], a["undertone"])


@functools.lru_cache(maxsize=8)  # asked for by every part of one face
def _skin_colour(tone: float, undertone: float) -> Colour:
    position = tone * (len(SKIN) - 1)
    low = min(int(position), len(SKIN) - 2)
    red, green, blue = mix(SKIN[low], SKIN[low + 1], position - low)
    warm = 6 * undertone
    return (red, round(green + 0.4 * warm), max(0, round(blue - warm)))


def hair_colour(a: dict) -> Colour:
    """The hair's main colour."""
    return scaled(HAIR[a["hair_colour"]], 1 + 0.1 * a["hair_tone"])


def background_colours(a: dict) -> np.ndarray:
    """uint8 [2, 2, 3]: the four corners of the backdrop, lighter towards the light."""
    colour = scaled(BACKDROPS[a["background"]], 1 + 0.06 * a["background_tone"])
    if sum(HAIR[a["hair_colour"]]) > 480:  # light hair needs a darker backdrop
        colour = scaled(colour, 0.86)
    light, dark = mix(colour, (255, 255, 255), 0.28), scaled(colour, 0.88)
    t = 0.5 + 0.5 * a["background_turn"]
    corners = [mix(colour, light, 1 - t), mix(colour, light, t), mix(colour, dark, t), mix(colour, dark, 1 - t)]
    return np.array(corners, np.uint8).reshape(2, 2, 3)


def clothes_colour(a: dict) -> Colour:
    """The main colour of the clothes."""
    return scaled(FABRICS[a["clothes_colour"]], 1 + 0.12 * a["clothes_tone"])
