"""What a drawn face looks like: all that its image and its part labels depend on.

The fields say which values are allowed; another one raises an `InputError`. The ranges are those of the random faces, since
the drawing is made for these. Lengths are fractions of the image's side.
"""

import functools
import operator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from stylemap.datasets.avatars import palette
from stylemap.datasets.avatars.palette import Backdrop, Colour, EyeColour, Fabric, HairColour, Lipstick, mix, scaled
from stylemap.errors import InputError
from stylemap.schema import Range, validate

Share = Annotated[float, Range(0, 1)]
Signed = Annotated[float, Range(-1, 1)]

HairStyle = Literal[
    "bald", "buzz", "crop", "fringe_crop", "side_part", "receding", "quiff", "spiky", "pixie", "curly", "afro", "bob",
    "fringe_bob", "long", "long_fringe", "wavy", "long_curly", "bun", "ponytail", "braids", "puffs", "locs", "covered",
]  # fmt: skip
EARS_HIDDEN = ("bob", "fringe_bob", "long", "long_fringe", "wavy", "long_curly", "locs", "covered")  # by these styles


class _Checked:
    """Refuses values that the annotation of a field does not allow."""

    def __post_init__(self) -> None:
        validate(self, type(self).__name__)


@dataclass(frozen=True)
class Skin(_Checked):
    tone: Share = 0.3  # 0 lightest .. 1 deepest
    undertone: Signed = 0.0  # -1 rosy .. 1 golden
    age: Share = 0.3  # 0 young .. 1 old
    freckles: bool = False
    blush: Share = 0.5

    @functools.cached_property
    def rgb(self) -> Colour:
        """In full light."""
        position = self.tone * (len(palette.SKIN) - 1)
        low = min(int(position), len(palette.SKIN) - 2)
        red, green, blue = mix(palette.SKIN[low], palette.SKIN[low + 1], position - low)
        warm = 6 * self.undertone
        return (red, round(green + 0.4 * warm), max(0, round(blue - warm)))


@dataclass(frozen=True)
class Hair(_Checked):
    style: HairStyle = "crop"  # "covered" goes with a head scarf, and only with it
    colour: HairColour = "brown"
    tone: Signed = 0.0  # -1 darker .. 1 lighter than the colour's mean
    volume: Share = 0.5
    length: Share = 0.5
    parting: Signed = 0.7  # on which side, -1 image left .. 1 image right
    strands: Share = 0.5

    @functools.cached_property
    def rgb(self) -> Colour:
        """The main colour."""
        return scaled(palette.HAIR[self.colour], 1 + 0.1 * self.tone)


@dataclass(frozen=True)
class Hat(_Checked):
    style: Literal["none", "beanie", "cap", "brim", "headscarf", "beret"] = "none"
    colour: Fabric = "navy"

    @property
    def worn(self) -> bool:
        return self.style != "none"


@dataclass(frozen=True)
class Head(_Checked):
    width: Annotated[float, Range(0.242, 0.278)] = 0.26  # half of it, at the cheeks
    chin_y: Annotated[float, Range(0.858, 0.884)] = 0.871
    jaw: Share = 0.5  # 0 narrow .. 1 broad
    chin: Share = 0.5  # 0 pointed .. 1 square
    ear_size: Annotated[float, Range(0.85, 1.2)] = 1.0
    earrings: bool = False


@dataclass(frozen=True)
class Nose(_Checked):
    shape: Literal["button", "straight", "wide", "long"] = "straight"
    size: Annotated[float, Range(0.85, 1.15)] = 1.0


@dataclass(frozen=True)
class Eyes(_Checked):
    shape: Literal["almond", "round", "wide", "hooded", "sleepy"] = "almond"
    colour: EyeColour = "brown"
    size: Annotated[float, Range(0.88, 1.14)] = 1.0
    tilt: Annotated[float, Range(-0.6, 1)] = 0.2  # 1: the outer corners are high
    gaze_x: Signed = 0.0
    gaze_y: Annotated[float, Range(-0.7, 0.7)] = 0.0
    lashes: Share = 0.3
    shadow: bool = False  # painted on the lids


@dataclass(frozen=True)
class Brows(_Checked):
    thickness: Share = 0.5
    angle: Signed = 0.0  # 1: the inner ends are low (stern), -1: they are high (worried)
    height: Signed = 0.0
    arch: Share = 0.5


@dataclass(frozen=True)
class Glasses(_Checked):
    worn: bool = True
    style: Literal["round", "square", "cat", "sun"] = "round"
    colour: Literal["black", Fabric] = "black"


@dataclass(frozen=True)
class Mouth(_Checked):
    expression: Literal["closed", "grin", "laugh", "surprise", "smirk", "pout"] = "closed"
    smile: Share = 0.6
    opening: Share = 0.0
    width: Annotated[float, Range(0.9, 1.12)] = 1.0
    fullness: Share = 0.5  # of the lips
    lipstick: Literal["natural", Lipstick] = "natural"
    tongue: Share = 0.5
    smirk_side: Literal[-1, 1] = 1  # -1 image left, 1 image right


@dataclass(frozen=True)
class Clothes(_Checked):
    style: Literal["crew", "collar", "v_neck", "turtleneck", "hoodie", "straps"] = "crew"
    colour: Fabric = "teal"
    tone: Signed = 0.0  # -1 darker .. 1 lighter than the colour's mean
    necklace: bool = False
    shoulders: Share = 0.5  # 0 narrow .. 1 broad

    @functools.cached_property
    def rgb(self) -> Colour:
        """The main colour."""
        return scaled(palette.FABRICS[self.colour], 1 + 0.12 * self.tone)


@dataclass(frozen=True)
class Background(_Checked):
    colour: Backdrop = "sky"
    tone: Signed = 0.0  # -1 darker .. 1 lighter
    turn: Signed = 0.0  # where it is lightest, -1 image left .. 1 image right


@dataclass(frozen=True)
class Placement(_Checked):
    """Where the face lies in the image: a rotation and a scaling about the image's centre, then a shift."""

    rotation: Annotated[float, Range(-4, 4)] = 0.0  # degrees, clockwise
    scale: Annotated[float, Range(0.96, 1.04)] = 1.0
    shift_x: Annotated[float, Range(-0.015, 0.015)] = 0.0
    shift_y: Annotated[float, Range(-0.015, 0.015)] = 0.0


@dataclass(frozen=True)
class Face(_Checked):
    """A face and how it is taken. ``Face()`` is one that smiles; give what shall differ."""

    skin: Skin = Skin()
    hair: Hair = Hair()
    hat: Hat = Hat()
    beard: Literal["none", "stubble", "moustache", "goatee", "short", "full"] = "none"
    head: Head = Head()
    nose: Nose = Nose()
    turn: Signed = 0.0  # of the head, -1 to image left .. 1 to image right
    eyes: Eyes = Eyes()
    brows: Brows = Brows()
    glasses: Glasses = Glasses(worn=False)
    mouth: Mouth = Mouth()
    clothes: Clothes = Clothes()
    background: Background = Background()
    light: Signed = 0.5  # comes from -1 image left .. 1 image right
    placement: Placement = Placement()
    grain: Annotated[int, Range(0, 4000)] = 0  # which piece of the paper's grain lies over it

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.hair.style == "covered") != (self.hat.style == "headscarf"):
            raise InputError("a head scarf covers the hair: choose Hat('headscarf') together with Hair('covered')")

    def background_corners(self) -> np.ndarray:
        """uint8 [2, 2, 3]: the four corners of the backdrop, lighter towards the light."""
        colour = scaled(palette.BACKDROPS[self.background.colour], 1 + 0.06 * self.background.tone)
        if sum(palette.HAIR[self.hair.colour]) > 480:  # light hair needs a darker backdrop
            colour = scaled(colour, 0.86)
        light, dark = mix(colour, (255, 255, 255), 0.28), scaled(colour, 0.88)
        t = 0.5 + 0.5 * self.background.turn
        corners = [mix(colour, light, 1 - t), mix(colour, light, t), mix(colour, dark, t), mix(colour, dark, 1 - t)]
        return np.array(corners, np.uint8).reshape(2, 2, 3)

    def attributes(self) -> dict[str, float | int | str | bool]:
        """Every value by the name of its column in tables, such as ``hair_colour``; ready for JSON."""
        return {name: operator.attrgetter(place)(self) for name, place in _COLUMNS.items()}


_COLUMNS = {  # name in tables -> place in a Face
    "skin_tone": "skin.tone", "undertone": "skin.undertone", "age": "skin.age", "freckles": "skin.freckles",
    "blush": "skin.blush", "hair_style": "hair.style", "hair_colour": "hair.colour", "hair_tone": "hair.tone",
    "hair_volume": "hair.volume", "hair_length": "hair.length", "parting": "hair.parting",
    "strands": "hair.strands", "hat": "hat.worn", "hat_style": "hat.style", "hat_colour": "hat.colour",
    "beard": "beard", "face_width": "head.width", "chin_y": "head.chin_y", "jaw": "head.jaw", "chin": "head.chin",
    "ear_size": "head.ear_size", "earrings": "head.earrings", "nose": "nose.shape", "nose_size": "nose.size",
    "turn": "turn", "eye_shape": "eyes.shape", "eye_colour": "eyes.colour", "eye_size": "eyes.size",
    "eye_tilt": "eyes.tilt", "gaze_x": "eyes.gaze_x", "gaze_y": "eyes.gaze_y", "lashes": "eyes.lashes",
    "eye_shadow": "eyes.shadow", "brow_thickness": "brows.thickness", "brow_angle": "brows.angle",
    "brow_height": "brows.height", "brow_arch": "brows.arch", "glasses": "glasses.worn",
    "glasses_style": "glasses.style", "glasses_colour": "glasses.colour", "expression": "mouth.expression",
    "smile": "mouth.smile", "mouth_open": "mouth.opening", "mouth_width": "mouth.width",
    "lip_fullness": "mouth.fullness", "lip_colour": "mouth.lipstick", "tongue": "mouth.tongue",
    "smirk_side": "mouth.smirk_side", "clothes": "clothes.style", "clothes_colour": "clothes.colour",
    "clothes_tone": "clothes.tone", "necklace": "clothes.necklace", "shoulders": "clothes.shoulders",
    "background": "background.colour", "background_tone": "background.tone", "background_turn": "background.turn",
    "light": "light", "rotation": "placement.rotation", "scale": "placement.scale",
    "shift_x": "placement.shift_x", "shift_y": "placement.shift_y", "grain": "grain",
}  # fmt: skip
