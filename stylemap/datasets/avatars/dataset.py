"""The embedded data set: faces that this project draws itself, as many as wanted, aligned like FFHQ."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from stylemap.datasets.avatars.drawing import check_side, draw, draw_parts
from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.sampling import sample
from stylemap.errors import InputError

SPLIT_START = {"train": 0, "heldout": 1 << 40}  # the first index of each split; counts stay far below the gap
MAX_COUNT = 1 << 40


class Avatars:
    """A map-style data set of ``count`` faces; training and held-out faces of one seed never meet."""

    skipped: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        side: int,  # pixels, 16..256
        count: int = 60_000,  # images
        split: Literal["train", "heldout"] = "train",
        seed: int = 0,
    ):
        check_side(side)
        if split not in SPLIT_START:
            raise InputError(f"split {split!r} is unknown: choose one of {', '.join(SPLIT_START)}")
        if not 0 <= count <= MAX_COUNT:
            raise InputError(f"count {count} is outside 0..2^40: choose a number of images within")
        sample(seed, 0)  # checks the seed now rather than at the first image
        self.side, self.count, self.split, self.seed = side, count, split, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> np.ndarray:
        """Image ``i``, uint8 [side, side, 3] RGB: the same bytes in every call and process."""
        return draw(self.face(i), self.side)

    def parts(self, i: int) -> np.ndarray:
        """Part labels of image ``i``, uint8 [side, side] of `Part`."""
        return draw_parts(self.face(i), self.side)

    def face(self, i: int) -> Face:
        """The description that image ``i`` is drawn from."""
        return sample(self.seed, self._index(i))

    def attributes(self, i: int) -> dict[str, float | int | str | bool]:
        """What image ``i`` looks like, by the names of columns in tables."""
        return self.face(i).attributes()

    def name(self, i: int) -> str:
        """A name for files and logs, such as "avatar-heldout-000012"."""
        self._index(i)
        return f"avatar-{self.split}-{i:06d}"

    def _index(self, i: int) -> int:
        if i < 0:
            raise InputError(f"index {i} is negative: choose one in 0..{self.count - 1}")
        if i >= self.count:
            raise IndexError(f"index {i} is outside the {self.count} images")  # IndexError ends a for loop
        return SPLIT_START[self.split] + i
