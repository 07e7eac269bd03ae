"""Picture sheets: rows of pictures, a titled column for each way they were made."""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stylemap import images

TILE, PAD = 128, 4  # pixels
SIZE, SMALLEST = 15, 9  # of the letters
INK = (40, 40, 40)


def sheet(columns: Mapping[str, Tensor]) -> Tensor:
    """Title -> uint8 [N, R, R, 3], as many in each -> one picture [3, H, W] with N rows.

    Titles are wrapped to their column; a word that is still too wide is set in smaller letters.
    """
    tiles = torch.stack([images.enlarge(images.from_uint8(x), TILE) for x in columns.values()], dim=1)
    body = images.grid(tiles.flatten(0, 1), columns=len(columns), pad=PAD)
    return torch.cat([_header(list(columns), tiles.shape[-1], body.shape[2]), body], dim=1)


def _header(titles: list[str], tile: int, width: int) -> Tensor:
    wrapped = [_wrapped(title, tile) for title in titles]
    line = int(SIZE * 1.35)
    header = Image.new("RGB", (width, line * max(len(lines) for lines, _ in wrapped) + 2 * PAD), "white")
    pen = ImageDraw.Draw(header)
    for k, (lines, font) in enumerate(wrapped):
        centre = PAD + k * (tile + PAD) + tile / 2
        for row, text in enumerate(reversed(lines)):
            pen.text((centre, header.height - PAD - row * line), text, INK, font, anchor="md")
    return images.from_uint8(torch.from_numpy(np.array(header))[None])[0]


def _wrapped(title: str, width: int) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Lines that fit, and the letters in which they do."""
    for size in range(SIZE, SMALLEST - 1, -1):
        font = ImageFont.load_default(size=size)
        lines: list[str] = []
        for word in title.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and font.getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        if max(map(font.getlength, lines), default=0) <= width:
            break
    return lines, font
