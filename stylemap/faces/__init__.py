"""Faces in photos: found, cut out aligned like FFHQ, and put back after an edit. No torch."""

from stylemap.faces.alignment import Aligned, align, align_mask, along, crop
from stylemap.faces.detection import Face, YuNet
from stylemap.faces.finding import Finder, cut, square
from stylemap.faces.geometry import Alignment, quad
from stylemap.faces.pasting import Encode, paste_back, share

__all__ = [
    "Aligned",
    "Alignment",
    "Encode",
    "Face",
    "Finder",
    "YuNet",
    "align",
    "align_mask",
    "along",
    "crop",
    "cut",
    "paste_back",
    "quad",
    "share",
    "square",
]
