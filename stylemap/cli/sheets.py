"""Picture sheets with a title over every column."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stylemap import images

TILE = 128  # pixels a picture is at least shown at
PAD = 4


def sheet(columns: dict[str, Tensor]) -> Tensor:
    """Titles and pictures [N, 3, R, R] each -> one picture [3, H, W] with N rows."""
    tiles = torch.stack(
        [images.enlarge(x.detach().float().cpu(), TILE) for x in columns.values()], dim=1
    )  # [N, K, 3, T, T]
    body = images.grid(tiles.flatten(0, 1), columns=len(columns), pad=PAD)
    return torch.cat([_header(list(columns), tiles.shape[-1], body.shape[2]), body], dim=1)


def _header(titles: list[str], tile: int, width: int) -> Tensor:
    """[3, h, width], dark text on white, each title centred over its column and as large as it fits."""
    font = ImageFont.load_default(size=tile / 9)
    header = Image.new("RGB", (width, int(tile / 9 * 1.7)), "white")
    draw = ImageDraw.Draw(header)
    for i, title in enumerate(titles):
        centre = PAD + i * (tile + PAD) + tile / 2
        draw.text((centre, header.height / 2), title, fill=(40, 40, 40), font=font, anchor="mm")
    return images.from_uint8(torch.from_numpy(np.array(header))[None])[0]
