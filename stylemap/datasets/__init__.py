"""Data sets: uint8 RGB pictures by index, and the resumable order in which training sees them."""

from typing import Protocol

import numpy as np

from stylemap.datasets.avatars import Avatars
from stylemap.datasets.folder import ImageFolder, split

__all__ = ["Avatars", "ImageFolder", "Pictures", "open_split", "split"]


class Pictures(Protocol):
    """What a data set has to be: uint8 [R, R, 3] RGB by index, with names for reports."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> np.ndarray: ...
    def name(self, index: int) -> str: ...


def open_split(data: str, side: int, heldout: int) -> tuple[Pictures, Pictures]:
    """(training, held-out) pictures of a folder, zip or LMDB, or "avatars"."""
    if data == "avatars":
        return Avatars(side), Avatars(side, count=heldout, split="heldout")
    return split(data, side, heldout)
