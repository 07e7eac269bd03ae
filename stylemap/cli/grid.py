"""A sheet of the images that a verb makes."""

import warnings
from pathlib import Path

import torch

from stylemap import images, sheets
from stylemap.errors import Note

MOST_TILES, GRID_PIXELS = 256, 2**24


class Grid:
    """grid.png, of no more images than can be looked at.

    Args:
        total: images that are made.
        tiles: of each, such as a photo and its reconstruction.
    """

    def __init__(self, folder: Path, total: int, tiles: int, columns: int):
        self.path, self.total, self.tiles, self.columns = folder / "grid.png", total, tiles, columns
        self.shown: list[torch.Tensor] = []

    def add(self, pictures: torch.Tensor) -> None:
        """[n, tiles, 3, R, R]."""
        pixels = (images.times(pictures.shape[-1], sheets.TILE) * pictures.shape[-1]) ** 2  # of a tile on the grid
        most = min(MOST_TILES, max(self.columns, GRID_PIXELS // pixels)) // self.tiles
        self.shown += pictures[: most - len(self.shown)].clone()  # a slice would keep all of the batch

    def write(self) -> None:
        if len(self.shown) < self.total:
            warnings.warn(Note(f"{self.path} shows the first {len(self.shown)} of {self.total} images"), stacklevel=2)
        tiles = images.enlarge(torch.cat(self.shown), sheets.TILE)
        images.write(self.path, images.grid(tiles, self.columns))
        print(self.path)
