"""Edits as pure functions of stylemaps. Masks: [N, 1, R, R] in [0, 1], 1 = take the reference."""

from stylemap.editing.blending import blend, push
from stylemap.editing.composing import Change, compose, region
from stylemap.editing.edit import Edit, Patch, Placement, Push
from stylemap.editing.mixing import interpolate, mix, transfer
from stylemap.editing.motion import Region, morph
from stylemap.editing.transplanting import Box, transplant

__all__ = [
    "Box",
    "Change",
    "Edit",
    "Patch",
    "Placement",
    "Push",
    "Region",
    "blend",
    "compose",
    "interpolate",
    "mix",
    "morph",
    "push",
    "region",
    "transfer",
    "transplant",
]
