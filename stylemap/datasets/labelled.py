"""Images with their part labels: uint8 [R, R, 4], the ids of `parts.Part` behind the colours. Knows no torch."""

from collections.abc import Callable, Mapping

import numpy as np

from stylemap import resampling
from stylemap.datasets.parts.ids import MIRRORED


class Labelled:
    """A data set whose images carry their labels.

    Args:
        images: the data set, of images uint8 [side, side, 3].
        labels: index -> part labels uint8 [H, W] of that image.
    """

    def __init__(self, images, labels: Callable[[int], np.ndarray]):
        self.images, self.labels = images, labels
        self.side: int = images.side

    @property
    def skipped(self) -> Mapping[str, str]:
        return self.images.skipped

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> np.ndarray:
        """uint8 [side, side, 4]. Where another image takes the place of a damaged one, it brings its own labels."""
        first = range(len(self))[i]
        for step in range(len(self)):
            index = (first + step) % len(self)
            image = self.images[index]  # raises if all are damaged
            if self.name(index) not in self.skipped:
                break
        return np.dstack([image, resampling.fit_labels(self.labels(index), self.side)])

    def name(self, i: int) -> str:
        return self.images.name(i)


def mirrored(picture: np.ndarray) -> np.ndarray:
    """An image [R, R, 3], or [R, R, 4] with labels, from left to right: its left eye is then the right one."""
    picture = picture[:, ::-1]
    if picture.shape[2] == 3:
        return picture
    return np.dstack([picture[..., :3], MIRRORED[picture[..., 3]]])
