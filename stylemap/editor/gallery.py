"""The editor's gallery: pictures of the kind that the weights can draw."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylemap import checkpoint, familiarity, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets import Avatars, Dataset, unseen
from stylemap.datasets.avatars import MAX_SIDE
from stylemap.editor.exchange import to_png
from stylemap.errors import InputError, Note
from stylemap.photos.photo import Photo, from_pixels

MOST = 48  # pictures
MOST_SAMPLES = 12  # of the weights, which take longer
THUMBNAIL = 128  # pixels, at most


@dataclass(frozen=True, eq=False)
class Gallery:
    """The first pictures of a sequence, uint8 [R, R, 3] each."""

    pictures: Sequence[np.ndarray] | Dataset
    about: str  # what they are, for people

    def __len__(self) -> int:
        return min(MOST, len(self.pictures))

    def photo(self, index: int) -> Photo:
        """A picture, with its part labels where they are known.

        Raises:
            InputError: a number that the gallery does not have, or a picture that cannot be read.
        """
        self._check(index)
        labels = self.pictures.parts(index) if isinstance(self.pictures, Avatars) else None
        return from_pixels(self.pictures[index], labels)

    @functools.lru_cache(MOST)  # noqa: B019 (a server has one)
    def thumbnail(self, index: int) -> bytes:
        """A small PNG of a picture. Raises as `photo`."""
        self._check(index)
        picture = self.pictures[index]
        return to_png(resampling.resize(picture, min(len(picture), THUMBNAIL)))

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise InputError(f"the gallery has {len(self)} images; it has no number {index}")


class Samples(Sequence):
    """Pictures that a model makes up, by number."""

    def __init__(self, model: StylemapModel):
        self.model = model

    def __len__(self) -> int:
        return MOST_SAMPLES

    def __getitem__(self, index: int) -> np.ndarray:
        return images.to_uint8(familiarity.sample(self.model, index))[0].cpu().numpy()


def open_gallery(weights: str | Path, model: StylemapModel) -> Gallery:
    """Held-out images of the training set, or drawn faces. If they are unknown or gone, samples of the weights."""
    side, seen = model.config.resolution, checkpoint.seen_by(weights)
    if seen and seen[0].data == unseen.AVATARS and side <= MAX_SIDE:
        return drawn(side)
    if seen:
        try:
            return Gallery(unseen.open_unseen(seen[0].data, side, seen).heldout, "Images that the training held out")
        except InputError as err:
            text = f"the editor begins with samples, because the training images cannot be opened: {err}"
            warnings.warn(text, Note, stacklevel=2)
    return generated(model)


def generated(model: StylemapModel) -> Gallery:
    """Samples of the weights."""
    return Gallery(Samples(model), "Images that the weights generated")


def drawn(side: int) -> Gallery:
    """Faces that no training saw."""
    return Gallery(Avatars(side, MOST, "heldout"), "Drawn faces")
