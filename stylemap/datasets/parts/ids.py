"""Parts of a face: their ids, and groups of them."""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np

from stylemap.errors import InputError


class Part(IntEnum):
    """Label ids of CelebAMask-HQ. Left and right are the image's, as in that data set: LEFT_EYE has the smaller x."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    EYEGLASSES = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    LEFT_BROW = 6
    RIGHT_BROW = 7
    LEFT_EAR = 8
    RIGHT_EAR = 9
    MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18


GROUPS = {  # the parts of the published local editing; its measures are averaged over them
    "background": (Part.BACKGROUND,),
    "skin": (Part.SKIN,),
    "nose": (Part.NOSE,),
    "eye": (Part.EYEGLASSES, Part.LEFT_EYE, Part.RIGHT_EYE),
    "eyebrow": (Part.LEFT_BROW, Part.RIGHT_BROW),
    "ear": (Part.LEFT_EAR, Part.RIGHT_EAR, Part.EARRING),
    "lip": (Part.MOUTH, Part.UPPER_LIP, Part.LOWER_LIP),
    "hair": (Part.HAIR, Part.HAT),
    "neck": (Part.NECKLACE, Part.NECK),
    "cloth": (Part.CLOTH,),
}


_SWAPPED = {Part.LEFT_EYE: Part.RIGHT_EYE, Part.LEFT_BROW: Part.RIGHT_BROW, Part.LEFT_EAR: Part.RIGHT_EAR}
_SWAPPED |= {right: left for left, right in _SWAPPED.items()}
MIRRORED = np.array([_SWAPPED.get(part, part) for part in Part], np.uint8)  # id -> id in the mirrored image


def part_ids(parts: str | Iterable[int]) -> tuple[Part, ...]:
    """The ids of a group, given by its name such as "eye", or the given ids.

    Raises:
        InputError: no such group or id.
    """
    if isinstance(parts, str):
        if parts not in GROUPS:
            raise InputError(f"unknown part {parts!r}; known are {', '.join(GROUPS)}")
        return GROUPS[parts]
    try:
        return tuple(Part(part) for part in parts)
    except ValueError as err:
        raise InputError(f"{err}; ids of parts are 0 to {len(Part) - 1}") from err
