"""Which pictures weights were trained on, and pictures that they have never seen.

Weights say of their training where the pictures lay, how many it held out, and a hash of all names and their split. Without
given splits those pictures are held out whose names have the smallest hashes (`splitting.divide`). So the largest of these, the
border, tells which they were, even after pictures came or went.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from stylemap import datasets
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset
from stylemap.datasets.image_folder import ImageFolder, open_whole
from stylemap.datasets.splitting import find_border, given_splits, was_trained_on
from stylemap.errors import InputError
from stylemap.naming import canonical

AVATARS = "avatars"
KINDS = {"data": str, "heldout": int, "names_sha256": str, "border": (str, type(None))}
Relation = Literal["same", "changed", "other"]


@dataclass(frozen=True)
class Seen:
    """What a training saw."""

    data: str
    """A path as it was given, or "avatars"."""
    heldout: int = TrainConfig.heldout
    """How many pictures it was to hold out."""
    names_sha256: str = ""
    """`datasets.fingerprint`."""
    border: str | None = None
    """`splitting.find_border`; None where splits are given."""

    @classmethod
    def of(cls, data: str, holdout: int, training: Dataset, heldout: Dataset) -> "Seen":
        border = find_border(training.names, heldout.names) if isinstance(training, ImageFolder) else None
        return cls(data, holdout, datasets.fingerprint(training, heldout), border)


def to_header(seen: Sequence[Seen]) -> dict:
    """For a header: the last training, and those of the weights it began with."""
    last, *before = map(asdict, seen)
    return last | {"before": before}


def from_header(info: dict) -> tuple[Seen, ...]:
    """What `to_header` wrote; () where nothing is known, as of weights of other programs."""
    before = info.get("before") if isinstance(info, dict) else None
    found = []
    for entry in [info, *(before if isinstance(before, list) else [])]:
        known = {name: entry[name] for name in KINDS if name in entry} if isinstance(entry, dict) else {}
        if "data" not in known or not all(isinstance(value, KINDS[name]) for name, value in known.items()):
            continue
        one = Seen(**known)
        if "\0" not in one.data and one.heldout > 0:  # no path has a zero byte
            found.append(one)
    return tuple(found)


@dataclass(frozen=True)
class Unseen:
    """Pictures of ``data`` in the split of trainings, so that none of these saw a held-out one."""

    data: str
    training: Dataset
    heldout: Dataset
    relations: dict[Seen, Relation]
    """How each training relates to the data. "same": the same pictures in the same split; "changed": some came or went since;
    "other": it had other pictures."""

    def relation(self, seen: Sequence[Seen]) -> Relation | Literal["unknown"]:
        """How weights relate to the data, by all their trainings."""
        found = [self.relations[one] for one in seen]
        return next((relation for relation in found if relation != "other"), "other" if found else "unknown")

    def doubt(self, seen: Sequence[Seen]) -> str | None:
        """Why it is not certain that weights never saw the held-out pictures, in a few words; None if it is."""
        if not seen:
            return "what they were trained on is not known"
        others = dict.fromkeys(one.data for one in seen if self.relations[one] == "other")
        if not others or self.data == AVATARS:  # faces are drawn to be held out: no training has them
            return None
        return f"they were trained on {' and '.join(others)}, and some of these pictures may be among those"


def open_for_training(data: str, side: int, holdout: int, before: Iterable[Seen] = ()) -> Unseen:
    """As `datasets.open_split`, but what earlier trainings of the same weights saw is not held out."""
    return _open(data, side, before, lambda kin, given: holdout)


def open_unseen(data: str, side: int, seen: Iterable[Seen], count: int | None = None, fewer: bool = False) -> Unseen:
    """The split of trainings, to measure their weights.

    Args:
        data: a folder, zip or LMDB, or "avatars".
        count: held-out pictures; None = as many as the training held out, or would by default.
        fewer: where the training held out fewer, take those.

    Raises:
        InputError: as `datasets.open_split`; the training held out fewer; or none of what it held out is left.
    """

    def holdout(kin: list[Seen], given: bool) -> int:
        most = min((one.heldout for one in kin), default=count or TrainConfig.heldout)
        if given and count is not None:
            return count
        if count is not None and count > most and not fewer:
            raise InputError(
                f"{count} pictures of {data} cannot be measured: the training held out {most} and saw the others"
            )
        return most

    found = _open(data, side, seen, holdout)
    if count is None or not isinstance(found.heldout, ImageFolder):
        return found
    return Unseen(data, found.training, found.heldout.take(count), found.relations)


def _open(data: str, side: int, seen: Iterable[Seen], holdout) -> Unseen:
    seen = dict.fromkeys(seen)
    if data == AVATARS:
        relations: dict[Seen, Relation] = {one: "same" if one.data == AVATARS else "other" for one in seen}
        kin = [one for one in seen if one.data == AVATARS]
        return Unseen(data, *datasets.open_split(data, side, holdout(kin, True)), relations)
    everything = open_whole(data, side)
    given = bool(given_splits(everything.names))
    relations = {one: _relation(one, data, everything, given) for one in seen}
    kin = [one for one in seen if relations[one] != "other"]
    border = min((one.border for one in kin if one.border is not None), default=None)
    return Unseen(data, *everything.split(holdout(kin, given), border), relations)


def _relation(one: Seen, data: str, everything: ImageFolder, given: bool) -> Relation:
    if one.data == AVATARS:
        return "other"
    try:
        same = datasets.fingerprint(*everything.split(one.heldout, one.border)) == one.names_sha256
    except InputError:  # none that it held out
        same = False
    if same:
        return "same"
    # without a border nobody knows which pictures were held out of others
    return "changed" if same_place(one.data, data) and given == (one.border is None) else "other"


def same_place(first: str, second: str) -> bool:
    """Whether two names of data mean one place."""
    if AVATARS in (first, second):
        return first == second
    return os.path.realpath(first) == os.path.realpath(second)


def trained_among(pictures: Dataset, everything: Dataset, data: str, seen: Iterable[Seen]) -> list[str]:
    """Which of some pictures of a data set one of these trainings saw."""
    names = [pictures.name(i) for i in range(len(pictures))]
    if not isinstance(everything, ImageFolder):
        return names if everything.split == "train" and any(one.data == AVATARS for one in seen) else []
    given = bool(given_splits(everything.names))
    kin = [one for one in seen if _relation(one, data, everything, given) != "other"]
    return [name for name in names if any(was_trained_on(name, one.border) for one in kin)]


def trained_on(paths: Iterable[Path], seen: Iterable[Seen]) -> list[Path]:
    """The files that lie in the folder of one of these trainings and were not held out."""
    roots = [(Path(os.path.realpath(one.data)), one.border) for one in seen if one.data != AVATARS]

    def was(path: Path) -> bool:
        whole = Path(os.path.realpath(path))
        return any(
            whole.is_relative_to(root) and was_trained_on(canonical(str(whole.relative_to(root))), border)
            for root, border in roots
        )

    return [path for path in paths if was(path)]
