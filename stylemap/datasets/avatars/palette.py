"""Colours by name, and how they are mixed."""

from typing import Literal

Colour = tuple[int, int, int]  # RGB, 0..255

SKIN = [  # light to deep
    (255, 226, 205), (250, 211, 182), (240, 191, 152), (222, 166, 122),
    (194, 134, 92), (160, 104, 70), (124, 78, 54), (94, 60, 46),
]  # fmt: skip
HairColour = Literal[
    "black", "dark_brown", "brown", "chestnut", "auburn", "ginger", "dark_blonde", "blonde", "grey", "white",
    "pink", "blue", "teal", "purple",
]  # fmt: skip
HAIR: dict[HairColour, Colour] = {  # natural colours from dark to light, then age, then dye
    "black": (42, 36, 42), "dark_brown": (72, 48, 40), "brown": (108, 70, 48), "chestnut": (142, 82, 50),
    "auburn": (158, 68, 44), "ginger": (214, 112, 52), "dark_blonde": (190, 146, 88), "blonde": (234, 196, 122),
    "grey": (158, 158, 166), "white": (220, 218, 220),
    "pink": (236, 132, 166), "blue": (82, 124, 200), "teal": (52, 152, 150), "purple": (138, 96, 180),
}  # fmt: skip
DYED = ("pink", "blue", "teal", "purple")
EyeColour = Literal["brown", "dark", "hazel", "green", "blue", "grey", "amber"]
IRIS: dict[EyeColour, Colour] = {
    "brown": (104, 62, 34), "dark": (58, 38, 30), "hazel": (146, 104, 48), "green": (74, 138, 84),
    "blue": (62, 126, 196), "grey": (112, 132, 150), "amber": (190, 124, 40),
}  # fmt: skip
Lipstick = Literal["rose", "red", "plum", "coral"]
LIPSTICK: dict[Lipstick, Colour] = {
    "rose": (208, 72, 98),
    "red": (196, 34, 48),
    "plum": (136, 44, 84),
    "coral": (236, 100, 84),
}
Backdrop = Literal[
    "sky", "mint", "sage", "cream", "peach", "rose", "lilac", "sand", "denim", "pine", "clay", "plum", "mustard",
    "slate",
]  # fmt: skip
BACKDROPS: dict[Backdrop, Colour] = {  # quiet colours that go with every skin and with each other
    "sky": (164, 206, 236), "mint": (172, 220, 200), "sage": (168, 192, 158), "cream": (246, 230, 200),
    "peach": (250, 204, 174), "rose": (240, 182, 184), "lilac": (204, 186, 232), "sand": (222, 200, 166),
    "denim": (104, 138, 186), "pine": (72, 124, 112), "clay": (198, 122, 96), "plum": (124, 92, 138),
    "mustard": (232, 190, 98), "slate": (122, 138, 156),
}  # fmt: skip
Fabric = Literal[
    "navy", "brick", "teal", "ochre", "olive", "wine", "coral", "white", "charcoal", "lavender", "forest", "pink",
    "blue", "camel",
]  # fmt: skip
FABRICS: dict[Fabric, Colour] = {
    "navy": (44, 58, 100), "brick": (184, 74, 60), "teal": (38, 124, 128), "ochre": (224, 160, 60),
    "olive": (112, 124, 70), "wine": (128, 44, 70), "coral": (238, 122, 102), "white": (244, 242, 238),
    "charcoal": (62, 64, 76), "lavender": (162, 142, 208), "forest": (50, 100, 76), "pink": (232, 146, 170),
    "blue": (70, 122, 196), "camel": (196, 152, 106),
}  # fmt: skip
INK = (46, 32, 36)


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """``a`` where t = 0, ``b`` where t = 1."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def scaled(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (factor > 1), kept within 0..255."""
    red, green, blue = colour
    return (min(255, round(red * factor)), min(255, round(green * factor)), min(255, round(blue * factor)))


def shadow(skin: Colour, depth: float = 1.0) -> Colour:
    """The skin in shade: darker and a little redder."""
    return mix(skin, (round(skin[0] * 0.78), round(skin[1] * 0.66), round(skin[2] * 0.64)), depth)
