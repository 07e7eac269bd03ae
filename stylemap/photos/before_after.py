"""A photo before and after an edit in one picture, in the colours, depth and transparency of the photo."""

from dataclasses import replace
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylemap.photos.originals import Original

Layout = Literal["beside", "split"]

GAP = 64  # widths of a gap in a picture
LETTERS, SMALLEST = 20, 8  # heights of letters in a picture; pixels
SHADE = 0.65  # opacity of what lies under letters


def compose(original: Original, after: np.ndarray, layout: Layout, labels: bool = False) -> tuple[Original, np.ndarray]:
    """Both pictures beside each other with a thin gap, or the left half of one and the right half of the other.

    Args:
        original: before.
        after: of the same shape and type, [H, W, C].
        labels: writes "Before" and "After" into the pictures.

    Returns:
        What writes the picture, and its colours: [H, 2 W + max(2, W // 64), C] or [H, W, C].
    """
    width = after.shape[1]
    white, black = (_shade(original, share) for share in (1.0, 0.0))
    if layout == "beside":
        gap = np.broadcast_to(white, (len(after), max(2, width // GAP), after.shape[2]))
        colour = np.concatenate([original.colour, gap, after], axis=1)
        alpha = original.alpha
        if alpha is not None:
            between = np.full(gap.shape[:2], original.full, alpha.dtype)
            alpha = np.concatenate([alpha, between, alpha], axis=1)
        second = width + gap.shape[1]
    else:
        second, line = width // 2, max(1, width // (4 * GAP))
        colour = after.copy()
        colour[:, :second] = original.colour[:, :second]
        colour[:, second - (line + 1) // 2 : second + line // 2] = white
        alpha = None if original.alpha is None else original.alpha.copy()
    for text, left in (("Before", 0), ("After", second)) if labels else ():
        _write(text, left, colour, alpha, white, black, original.full)
    metadata = original.metadata.of_size(colour.shape[1::-1])
    return replace(original, colour=colour, alpha=alpha, metadata=metadata), colour


def _shade(original: Original, share: float) -> np.ndarray:
    """The values [C] of black (0) and white (1)."""
    if original.colour.shape[2] == 4:  # of CMYK, black ink alone
        return np.array([0, 0, 0, original.full * (1 - share)], original.colour.dtype)
    return np.full(original.colour.shape[2], original.full * share, original.colour.dtype)


def _write(
    text: str,
    left: int,
    colour: np.ndarray,
    alpha: np.ndarray | None,
    white: np.ndarray,
    black: np.ndarray,
    full: float,
) -> None:
    """White letters on a shaded plate, in the lower left corner of the part that begins at ``left``."""
    size = max(SMALLEST, len(colour) // LETTERS)
    font = ImageFont.load_default(size=float(size))
    margin = size // 2
    box = (round(font.getlength(text)) + 2 * margin, size + margin)
    plate, letters = (Image.new("L", box) for _ in range(2))
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), margin, round(255 * SHADE))
    ImageDraw.Draw(letters).text((box[0] / 2, box[1] / 2), text, 255, font, anchor="mm")
    top = max(0, len(colour) - box[1] - margin)
    place = slice(top, top + box[1]), slice(left + margin, left + margin + box[0])
    height, width = colour[place].shape[:2]
    for sheet, ink in ((plate, black), (letters, white)):
        share = np.asarray(sheet, np.float32)[:height, :width, None] / 255
        laid = colour[place] + share * (ink.astype(np.float32) - colour[place])
        colour[place] = np.rint(laid).astype(colour.dtype)
        if alpha is not None:
            opaque = np.rint(share[..., 0] * np.float32(full)).astype(alpha.dtype)
            alpha[place] = np.maximum(alpha[place], opaque)
