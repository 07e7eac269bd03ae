"""Faces in photos: found, cut out aligned like FFHQ, and put back after an edit. Numbers and pixels only, no torch."""

from stylemap.faces.alignment import Aligned, Alignment, align, align_mask, paste_back, quad, share
from stylemap.faces.detection import Face, YuNet
from stylemap.faces.finding import Finder, by_size, cut

__all__ = [
    "Aligned",
    "Alignment",
    "Face",
    "Finder",
    "YuNet",
    "align",
    "align_mask",
    "by_size",
    "cut",
    "paste_back",
    "quad",
    "share",
]
