"""Images that weights have not seen, and a line about those that they have."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from stylemap import checkpoint
from stylemap.datasets import Dataset, unseen
from stylemap.datasets.unseen import AVATARS, Seen, Unseen
from stylemap.errors import InputError, Note


def open_unseen(
    weights: Sequence[str], data: str | None, flag: str, side: int, count: int | None = None, fewer: bool = False
) -> Unseen:
    """The data, or that which the weights were trained on, in the split of their training.

    Args:
        flag: that names the data.
        count, fewer: as `unseen.open_unseen`.

    Raises:
        InputError: as `unseen.open_unseen`, or the weights do not say one and the same data.
    """
    seen = {path: checkpoint.seen_by(path) for path in weights}
    trainings = [one for some in seen.values() for one in some]
    return unseen.open_unseen(data or _data_of(seen, flag), side, trainings, count, fewer)


def _data_of(seen: dict[str, tuple[Seen, ...]], flag: str) -> str:
    for path, some in seen.items():
        if not some:
            raise InputError(f"{path} does not say what it was trained on; give {flag}")
    places = list(dict.fromkeys(some[0].data for some in seen.values()))
    if any(not unseen.same_place(places[0], other) for other in places):
        raise InputError(f"the weights were trained on {' and '.join(places)}; give {flag}")
    if places[0] != AVATARS and not Path(places[0]).exists():
        raise InputError(f"{next(iter(seen))} was trained on {places[0]}, which is not there; give {flag}")
    return places[0]


def tell(weights: str, split: Unseen, count: int | None = None) -> None:
    """A line that says what the held-out images are to weights, of which ``count`` were measured; None = all."""
    warnings.warn(said(weights, split, count), Note, stacklevel=2)


def said(weights: str, split: Unseen, count: int | None = None) -> str:
    """What the held-out images are to weights, of which ``count`` were measured; None = all."""
    seen, count = checkpoint.seen_by(weights), len(split.heldout) if count is None else count
    pictures = f"{count} image{'s' * (count > 1)} of {split.data}"
    if doubt := split.doubt(seen):
        return f"measured on {pictures}. It is not certain that {weights} never saw them: {doubt}"
    return {
        "same": f"measured on {pictures} that the training of {weights} held out",
        "changed": f"measured on {pictures} that the training of {weights} held out; some were added or removed since",
        "other": f"measured on {pictures}, which {weights} never saw: it was trained on {seen[0].data}",
    }[split.relation(seen)]


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
