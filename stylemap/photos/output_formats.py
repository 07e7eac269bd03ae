"""Formats of the image files that are written, and what each can hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylemap.errors import InputError


@dataclass(frozen=True)
class Format:
    """A format to write."""

    name: str
    channels: tuple[int, ...]  # of colour, those it knows
    bits: int  # a channel, at most
    side: int  # pixels, at most
    alpha: bool
    options: dict[str, Any]  # Pillow's


PNG = Format("PNG", (1, 3), 16, 1 << 31, True, {"format": "PNG"})
WEBP = Format("WebP", (3,), 8, 16_383, True, {"format": "WEBP", "lossless": True, "exact": True})
JPEG = Format("JPEG", (1, 3, 4), 8, 65_500, False, {"format": "JPEG", "quality": 95, "subsampling": 0})
FORMATS = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG, ".webp": WEBP}  # by suffix; PNG and WebP keep every pixel


def by_suffix(table: dict, path: str | Path):
    """The entry of a table for the suffix of a file to write.

    Raises:
        InputError: the table has no such suffix; the message names those that it has.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in table:
        known = ", ".join(sorted(key for key in table if key))
        raise InputError(f"cannot write {path}: the name must end in one of {known}")
    return table[suffix]
