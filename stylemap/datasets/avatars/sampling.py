"""Faces by chance: face ``index`` of ``seed`` is a pure function of the two, the same on every machine."""

import bisect
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from stylemap.datasets.avatars.face import (
    EARS_HIDDEN,
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
from stylemap.datasets.avatars.palette import BACKDROPS, FABRICS, LIPSTICK
from stylemap.errors import InputError

T = TypeVar("T")
DRAWS = 96  # uniform numbers per face; more than are used, so that a new attribute need not change the old ones

# Each table holds weights: how often a value is drawn, against the others.
HAIR_COLOURS = {  # by the skin's tone
    "light": {"black": 8, "dark_brown": 14, "brown": 16, "chestnut": 11, "auburn": 7, "ginger": 9, "dark_blonde": 11,
              "blonde": 16, "pink": 2, "blue": 2, "teal": 2, "purple": 2},
    "medium": {"black": 32, "dark_brown": 24, "brown": 14, "chestnut": 8, "auburn": 3, "ginger": 2, "dark_blonde": 4,
               "blonde": 4, "pink": 2.5, "blue": 2, "teal": 2.5, "purple": 2.5},
    "deep": {"black": 52, "dark_brown": 26, "brown": 6, "chestnut": 3, "auburn": 2, "ginger": 1, "dark_blonde": 1,
             "blonde": 2, "pink": 1.5, "blue": 1.5, "teal": 2, "purple": 2},
}  # fmt: skip
EYE_COLOURS = {
    "light": {"brown": 18, "dark": 6, "hazel": 14, "green": 20, "blue": 28, "grey": 10, "amber": 4},
    "medium": {"brown": 38, "dark": 24, "hazel": 14, "green": 8, "blue": 6, "grey": 4, "amber": 6},
    "deep": {"brown": 40, "dark": 36, "hazel": 10, "green": 4, "blue": 2, "grey": 2, "amber": 6},
}
# Two tables rather than one, so that hair, beard and make-up go together more often than chance would have it.
HAIR_STYLES = {
    "a": {"crop": 16, "side_part": 15, "quiff": 14, "spiky": 11, "curly": 10, "buzz": 8, "bald": 8, "afro": 4, "bun": 3,
          "long": 3, "wavy": 2, "locs": 3, "fringe_crop": 8, "receding": 5},
    "b": {"bob": 11, "fringe_bob": 11, "long": 11, "wavy": 12, "long_fringe": 9, "bun": 9, "ponytail": 8, "braids": 7,
          "puffs": 5, "afro": 6, "pixie": 7, "long_curly": 7, "locs": 3, "buzz": 1, "bald": 1},
}  # fmt: skip
UNDER_HAT = {"a": ["crop", "crop", "buzz", "long", "bald"], "b": ["bob", "long", "wavy", "braids", "crop"]}
HATS = {"beanie": 28, "cap": 24, "brim": 20, "headscarf": 20, "beret": 14}
BEARDS = {"none": 52, "stubble": 14, "moustache": 8, "goatee": 7, "short": 11, "full": 10}
EYE_SHAPES = {"almond": 34, "round": 26, "wide": 14, "hooded": 14, "sleepy": 12}
EXPRESSIONS = {"closed": 30, "grin": 26, "laugh": 23, "surprise": 8, "smirk": 7, "pout": 6}
SMILES = {"closed": (0.3, 0.9), "grin": (0.6, 0.9), "laugh": (0.8, 1.0), "surprise": (0.1, 0.3), "smirk": (0.35, 0.55),
          "pout": (0.0, 0.1)}  # from, to # fmt: skip
OPENINGS = {"grin": (0.22, 0.46), "laugh": (0.6, 1.0), "surprise": (0.45, 0.95)}  # from, to; the others are closed
NOSES = {"button": 30, "straight": 28, "wide": 22, "long": 20}
GLASSES = {"round": 40, "square": 36, "cat": 18, "sun": 10}
CLOTHES = {"crew": 30, "collar": 20, "v_neck": 18, "turtleneck": 12, "hoodie": 14, "straps": 6}
NEAR = {  # (backdrop, fabrics that would melt into it) -> what to wear instead
    ("denim", "blue"): "ochre", ("pine", "forest"): "white", ("pine", "teal"): "coral", ("clay", "brick"): "navy",
    ("mustard", "ochre"): "teal", ("sand", "camel"): "wine", ("cream", "white"): "brick", ("lilac", "lavender"): "navy",
    ("rose", "pink"): "teal", ("clay", "coral"): "white", ("plum", "lavender"): "ochre", ("peach", "coral"): "forest",
}  # fmt: skip


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

    def one_of(self, values: Sequence[T]) -> T:
        return values[int(self._next() * len(values))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        keys, sums = _cumulative(tuple(weights.items()))
        return keys[bisect.bisect_right(sums, self._next() * sums[-1])]


@functools.cache
def _cumulative(weights: tuple[tuple[str, float], ...]) -> tuple[list[str], list[float]]:
    keys, values = zip(*weights, strict=True)
    return list(keys), list(itertools.accumulate(values))


def sample(seed: int, index: int) -> Face:
    """Face ``index`` of ``seed``, both 0..2^63-1. The order of the draws below decides what it looks like.

    Raises:
        InputError: a seed or index out of this range.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 1 << 63:
            raise InputError(f"{name} {value} is outside 0..2^63-1: choose a non-negative whole number")
    u = _Draws(seed, index)
    table = u.one_of("ab")
    tone = u.number()
    group = "light" if tone < 0.4 else "medium" if tone < 0.7 else "deep"
    age = u.number()
    hair, hat, beard = _hair(u, table, group, age)
    skin = Skin(tone, u.number(-1, 1), age, u.chance(0.14 if group == "light" else 0.04), u.number(0.2, 1))
    head = Head(
        width=u.number(0.242, 0.278),
        chin_y=u.number(0.858, 0.884),
        jaw=u.number(),
        chin=u.number(),
        ear_size=u.number(0.85, 1.2),
        earrings=u.chance(0.24) and hair.style not in EARS_HIDDEN,
    )
    nose = Nose(u.weighted(NOSES), u.number(0.85, 1.15))
    turn = u.centred(1.0)
    eyes = Eyes(
        shape=u.weighted(EYE_SHAPES),
        colour=u.weighted(EYE_COLOURS[group]),
        size=u.number(0.88, 1.14),
        tilt=u.number(-0.6, 1),
        gaze_x=u.centred(1.0),
        gaze_y=u.centred(0.7),
        lashes=u.number(0.5, 1) if table == "b" else u.number(0, 0.35),
        shadow=u.chance(0.3) and table == "b",
    )
    thickness = u.number(0, 0.75) if table == "b" else u.number(0.3, 1)
    brows = Brows(thickness, angle=u.centred(1.0), height=u.number(-1, 1), arch=u.number())
    glasses = Glasses(u.chance(0.165), u.weighted(GLASSES), "black" if u.chance(0.5) else u.one_of(list(FABRICS)))
    mouth = _mouth(u, table)
    clothes, background = _clothes(u, table)
    return Face(
        skin, hair, hat, beard, head, nose, turn, eyes, brows, glasses, mouth, clothes, background,
        light=u.number(-1, 1),
        placement=Placement(
            rotation=u.centred(4.0), scale=round(1 + u.centred(0.04), 4), shift_x=u.centred(0.015), shift_y=u.centred(0.015)
        ),
        grain=int(u.number(0, 4000)),
    )  # fmt: skip


def _hair(u: _Draws, table: str, group: str, age: float) -> tuple[Hair, Hat, str]:
    """Hair, hat and beard."""
    hat = u.chance(0.09)
    hat_style = u.weighted(HATS)
    style = u.weighted(HAIR_STYLES[table])
    under_hat = u.one_of(UNDER_HAT[table])
    colour = u.weighted(HAIR_COLOURS[group])
    grey, white = u.number(), u.number()
    if age > 0.82 and grey < 0.75:
        colour = "white" if white < 0.4 else "grey"
    beard = u.weighted(BEARDS)
    if hat:
        style = "covered" if hat_style == "headscarf" else under_hat
    if table == "b" or style == "covered":
        beard = "none"
    hair = Hair(
        style,
        colour,
        tone=u.number(-1, 1),
        volume=u.number(),
        length=u.number(),
        parting=u.one_of([-1, 1]) * u.number(0.4, 1),
        strands=u.number(),
    )
    return hair, Hat(hat_style if hat else "none", u.one_of(list(FABRICS))), beard


def _mouth(u: _Draws, table: str) -> Mouth:
    expression = u.weighted(EXPRESSIONS)
    smile = _within(SMILES[expression], u.number())
    opening = _within(OPENINGS.get(expression, (0, 0)), u.number())
    made_up = u.chance(0.6 if table == "b" else 0.0)
    lipstick = u.one_of(list(LIPSTICK))
    return Mouth(
        expression,
        smile,
        opening,
        width=u.number(0.9, 1.12),
        fullness=u.number(0.3, 1) if table == "b" else u.number(0, 0.7),
        lipstick=lipstick if made_up else "natural",
        tongue=u.number(),
        smirk_side=u.one_of([-1, 1]),
    )


def _within(bounds: tuple[float, float], share: float) -> float:
    low, high = bounds
    return round(low + (high - low) * share, 4)


def _clothes(u: _Draws, table: str) -> tuple[Clothes, Background]:
    """Clothes that can be told from the background."""
    style, backdrop, fabric = u.weighted(CLOTHES), u.one_of(list(BACKDROPS)), u.one_of(list(FABRICS))
    if style == "straps" and table == "a":
        style = "crew"
    clothes = Clothes(style, NEAR.get((backdrop, fabric), fabric), u.number(-1, 1), u.chance(0.12), u.number())
    return clothes, Background(backdrop, tone=u.number(-1, 1), turn=u.number(-1, 1))
