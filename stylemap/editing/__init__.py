"""Edits as pure functions of stylemaps. Masks: [N, 1, R, R] in [0, 1], 1 = take the reference."""

from stylemap.editing.blending import blend
from stylemap.editing.mixing import interpolate, mix
from stylemap.editing.transplanting import Box, transplant

__all__ = ["Box", "blend", "interpolate", "mix", "transplant"]
