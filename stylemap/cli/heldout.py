"""Images that weights have not seen, and a line about those that they have."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from stylemap import checkpoint
from stylemap.datasets import Dataset, unseen
from stylemap.datasets.unseen import Unseen
from stylemap.errors import Note


def open_unseen(
    weights: Sequence[str], data: str | None, side: int, count: int | None = None, fewer: bool = False
) -> Unseen:
    """``--data``, or the data that the weights were trained on, in the split of their training.

    Args:
        count, fewer: as `unseen.open_unseen`.

    Raises:
        InputError: as `unseen.open_unseen`, or the weights do not say one and the same data.
    """
    seen = {path: checkpoint.seen_by(path) for path in weights}
    trainings = [training for past in seen.values() for training in past]
    return unseen.open_unseen(data or unseen.data_of(seen), side, trainings, count, fewer)


def tell(weights: str, split: Unseen, count: int | None = None) -> None:
    """A line that says what the held-out images are to weights, of which ``count`` were measured; None = all."""
    warnings.warn(split.verdict(weights, checkpoint.seen_by(weights), count), Note, stacklevel=2)


def note_trained_files(paths: Sequence[Path], weights: str) -> None:
    """A line where weights were trained on some of the files."""
    _note_trained(len(unseen.trained_on(paths, checkpoint.seen_by(weights))), len(paths), weights)


def note_trained(pictures: Dataset, everything: Dataset, data: str, weights: str) -> None:
    """A line where weights were trained on some of these images of the data."""
    known = unseen.trained_among(pictures, everything, data, checkpoint.seen_by(weights))
    _note_trained(len(known), len(pictures), weights)


def _note_trained(known: int, count: int, weights: str) -> None:
    if known:
        which = "the image" if count == 1 else f"{known} of the {count} images"
        text = f"{weights} was trained on {which}: the numbers say little about other images"
        warnings.warn(text, Note, stacklevel=3)
