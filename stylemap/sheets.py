"""Sheets of images: a row for each image, a titled column for each way of making it."""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stylemap import images

TILE = 128  # pixels, the least side of an image on a sheet
PAD = 4
LETTERS, SMALLEST = 1 / 9, 1 / 14  # size of the letters, in tiles
INK = (40, 40, 40)


def sheet(columns: Mapping[str, Tensor]) -> Tensor:
    """Titles and images [N, 3, R, R] each -> one image [3, H, W] with N rows.

    Titles are wrapped to their column; a word that is still too wide is set in smaller letters.
    """
    tiles = torch.stack([images.enlarge(x.detach().float().cpu(), TILE) for x in columns.values()], dim=1)
    body = images.grid(tiles.flatten(0, 1), columns=len(columns), pad=PAD)
    return torch.cat([_header(list(columns), tiles.shape[-1], body.shape[2]), body], dim=1)


def _header(titles: list[str], tile: int, width: int) -> Tensor:
    """[3, h, width], dark text on white, each title centred over its column and at the bottom."""
    wrapped = [_wrapped(title, tile) for title in titles]
    first, line = int(tile * LETTERS * 1.7), int(tile * LETTERS * 1.35)
    header = Image.new("RGB", (width, first + line * (max(len(lines) for lines, _ in wrapped) - 1)), "white")
    pen = ImageDraw.Draw(header)
    for k, (lines, font) in enumerate(wrapped):
        centre = PAD + k * (tile + PAD) + tile / 2
        for row, text in enumerate(reversed(lines)):
            pen.text((centre, header.height - first / 2 - row * line), text, INK, font, anchor="mm")
    return images.from_arrays([np.array(header)])[0]


def _wrapped(title: str, width: int) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Lines that fit, and the letters in which they do."""
    for size in np.linspace(LETTERS, SMALLEST, 6) * width:
        font = ImageFont.load_default(size=float(size))
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
