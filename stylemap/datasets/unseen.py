"""Which images weights were trained on, and images that they have never seen.

The header of weights says where the images of their training lay, how many were held out, and a hash of all names and their
split. It also holds the border of the split (see `splitting`), which tells which images were held out, even after some came or
went.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from stylemap import datasets
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset
from stylemap.datasets.image_folder import ImageFolder, open_whole
from stylemap.datasets.splitting import find_border, given_splits, was_trained_on
from stylemap.errors import InputError
from stylemap.naming import canonical
from stylemap.schema import Range, names, parse

AVATARS = "avatars"
Relation = Literal["same", "changed", "other"]


@dataclass(frozen=True)
class Seen:
    """The data of one training."""

    data: str
    """A path as it was given, or "avatars"."""
    heldout: Annotated[int, Range(1)] = TrainConfig.heldout
    """How many images it was asked to hold out."""
    names_sha256: str = ""
    """`datasets.fingerprint`."""
    border: str | None = None
    """`splitting.find_border`; None where splits are given."""

    @classmethod
    def of(cls, data: str, holdout: int, training: Dataset, heldout: Dataset) -> "Seen":
        border = find_border(training.names, heldout.names) if isinstance(training, ImageFolder) else None
        return cls(data, holdout, datasets.fingerprint(training, heldout), border)


def to_header(seen: Sequence[Seen]) -> dict:
    """The entry in a header: the last training, and those of the weights that it began with."""
    last, *before = map(asdict, seen)
    return last | {"before": before}


def from_header(info: dict) -> tuple[Seen, ...]:
    """What `to_header` wrote; () if the header says nothing, as in weights of other programs."""
    before = info.get("before") if isinstance(info, dict) else None
    trainings = []
    for entry in [info, *(before if isinstance(before, list) else [])]:
        if not isinstance(entry, dict) or "data" not in entry:
            continue
        with contextlib.suppress(InputError):  # the header of weights from elsewhere may hold anything
            trainings.append(parse(Seen, {name: entry[name] for name in names(Seen) & entry.keys()}))
    return tuple(trainings)


@dataclass(frozen=True)
class Unseen:
    """Images of ``data`` in the split of some trainings: none of these saw a held-out image."""

    data: str
    training: Dataset
    heldout: Dataset
    relations: dict[Seen, Relation]
    """How each training relates to the data. "same": the same images in the same split; "changed": some came or went since;
    "other": it had other images."""

    def relation(self, seen: Sequence[Seen]) -> Relation | Literal["unknown"]:
        """How weights relate to the data, judged by all their trainings."""
        relations = [self.relations[training] for training in seen]
        return next((relation for relation in relations if relation != "other"), "other" if relations else "unknown")

    def doubt(self, seen: Sequence[Seen]) -> str | None:
        """Why weights may have seen some of the held-out images, in a few words; None if that is impossible."""
        if not seen:
            return "what they were trained on is not known"
        others = dict.fromkeys(training.data for training in seen if self.relations[training] == "other")
        if not others or self.data == AVATARS:  # faces are drawn to be held out: no training has them
            return None
        return f"they were trained on {' and '.join(others)}, and some of these images may be among those"

    def verdict(self, weights: str, seen: Sequence[Seen], count: int | None = None) -> str:
        """What the held-out images are to weights, in a line. ``count`` of them were measured; None = all."""
        count = len(self.heldout) if count is None else count
        images = f"{count} image{'s' * (count > 1)} of {self.data}"
        if doubt := self.doubt(seen):
            return f"measured on {images}. It is not certain that {weights} never saw them: {doubt}"
        return {
            "same": f"measured on {images} that the training of {weights} held out",
            "changed": f"measured on {images} that the training of {weights} held out; some were added or removed since",
            "other": f"measured on {images}, which {weights} never saw: it was trained on {seen[0].data}",
        }[self.relation(seen)]


def open_for_training(data: str, side: int, holdout: int, before: Iterable[Seen] = ()) -> Unseen:
    """As `datasets.open_split`, but no image is held out that an earlier training of the same weights saw."""
    return _open(data, side, before, lambda related, given: holdout)


def open_unseen(data: str, side: int, seen: Iterable[Seen], count: int | None = None, fewer: bool = False) -> Unseen:
    """Open data in the split of some trainings, to measure their weights.

    Args:
        data: a folder, zip or LMDB, or "avatars".
        count: held-out images; None = as many as the training held out, or would by default.
        fewer: if the training held out fewer than ``count``, take those.

    Raises:
        InputError: as `datasets.open_split`; the training held out fewer; or none of what it held out is left.
    """

    def holdout(related: list[Seen], given: bool) -> int:
        most = min((training.heldout for training in related), default=count or TrainConfig.heldout)
        if given and count is not None:
            return count
        if count is not None and count > most and not fewer:
            raise InputError(
                f"{count} images of {data} cannot be measured: the training held out {most} and saw the others"
            )
        return most

    opened = _open(data, side, seen, holdout)
    if count is None or not isinstance(opened.heldout, ImageFolder):
        return opened
    return replace(opened, heldout=opened.heldout.take(count))


def data_of(seen: Mapping[str, Sequence[Seen]]) -> str:
    """The data that all these weights were trained on last.

    Raises:
        InputError: weights that do not say it, several data sets, or a path that is not there.
    """
    for weights, past in seen.items():
        if not past:
            raise InputError(f"{weights} does not say what it was trained on; give --data")
    places = list(dict.fromkeys(past[0].data for past in seen.values()))
    if any(not same_place(places[0], other) for other in places):
        raise InputError(f"the weights were trained on {' and '.join(places)}; give --data")
    if places[0] != AVATARS and not Path(places[0]).exists():
        raise InputError(f"{next(iter(seen))} was trained on {places[0]}, which is not there; give --data")
    return places[0]


def _open(data: str, side: int, seen: Iterable[Seen], holdout: Callable[[list[Seen], bool], int]) -> Unseen:
    """``holdout``: (the trainings on this data, whether its splits are given) -> the number of images to hold out."""
    seen = dict.fromkeys(seen)
    if data == AVATARS:
        relations: dict[Seen, Relation] = {past: "same" if past.data == AVATARS else "other" for past in seen}
        related = [past for past in seen if past.data == AVATARS]
        return Unseen(data, *datasets.open_split(data, side, holdout(related, True)), relations)
    whole = open_whole(data, side)
    relations = {past: _relation(past, data, whole) for past in seen}
    related = [past for past in seen if relations[past] != "other"]
    border = min((past.border for past in related if past.border is not None), default=None)
    return Unseen(data, *whole.split(holdout(related, bool(given_splits(whole.names))), border), relations)


def _relation(past: Seen, data: str, whole: ImageFolder) -> Relation:
    if past.data == AVATARS:
        return "other"
    with contextlib.suppress(InputError):  # nothing is left of what it held out
        if datasets.fingerprint(*whole.split(past.heldout, past.border)) == past.names_sha256:
            return "same"
    # without a border nobody knows which of the images were held out
    known = bool(given_splits(whole.names)) == (past.border is None)
    return "changed" if known and same_place(past.data, data) else "other"


def same_place(first: str, second: str) -> bool:
    """Whether two values of ``data`` mean the same data."""
    if AVATARS in (first, second):
        return first == second
    return os.path.realpath(first) == os.path.realpath(second)


def trained_among(images: Dataset, whole: Dataset, data: str, seen: Iterable[Seen]) -> list[str]:
    """The names of those images, a part of the ``whole`` data set, that one of these trainings saw."""
    listed = [images.name(i) for i in range(len(images))]
    if not isinstance(whole, ImageFolder):
        return listed if whole.split == "train" and any(past.data == AVATARS for past in seen) else []
    related = [past for past in seen if _relation(past, data, whole) != "other"]
    return [name for name in listed if any(was_trained_on(name, past.border) for past in related)]


def trained_on(paths: Iterable[Path], seen: Iterable[Seen]) -> list[Path]:
    """The files that lie in the folder of one of these trainings and were not held out."""
    roots = [(Path(os.path.realpath(past.data)), past.border) for past in seen if past.data != AVATARS]

    def was_seen(path: Path) -> bool:
        full = Path(os.path.realpath(path))
        return any(
            full.is_relative_to(root) and was_trained_on(canonical(str(full.relative_to(root))), border)
            for root, border in roots
        )

    return [path for path in paths if was_seen(path)]
