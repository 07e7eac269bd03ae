"""Which images are trained on and which are held out: a choice that depends on nothing but their names.

A split is a folder name: ``train/`` and ``val/`` or ``test/``. Where there are none, the names with the smallest SHA-1 of their
UTF-8 bytes are held out. The largest of these hashes is the *border*: it tells later which images were held out, even after
others came or went.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stylemap import naming
from stylemap.errors import InputError
from stylemap.naming import SPLITS, split_of

HOLDOUT_SHARE = 10  # at most one image in this many is held out


def divide(path: Path, names: Sequence[str], holdout: int, border: str | None = None) -> tuple[list[str], list[str]]:
    """(training, held-out) names: disjoint, each in sorted order if ``names`` are.

    Where all lie in ``train/`` and in ``val/`` or ``test/``, those are the sets, and ``val/`` is held out if there is one, else
    ``test/``; `naming.split_of` knows other names of them. Otherwise at most a tenth of all names (rounded down) and at least
    one is held out, and the rest is trained on. Either way ``holdout`` images are measured on, those with the smallest hashes.

    While a set is so small that the tenth decides, growing it would move training images to the held-out ones; so would
    removing images or a larger ``holdout``. A ``border`` prevents that.

    Args:
        path: of the data, for messages.
        border: of an earlier split; no name with a larger hash is held out. It has no effect on given splits.

    Raises:
        InputError: holdout < 1, fewer than two names, or none that may be held out.
    """
    if holdout < 1:
        raise InputError(f"holdout must be at least 1 image, got {holdout}")
    if len(names) < 2:
        raise InputError(f"{path} holds one readable image; two are needed, one to train on and one to hold out")
    if splits := given_splits(names):
        return splits["train"], sorted(smallest_hashes(splits.get("val") or splits["test"], holdout))
    smallest = smallest_hashes(names, min(holdout, max(1, len(names) // HOLDOUT_SHARE)))
    heldout = {name for name in smallest if border is None or _sha1(name).hex() <= border}
    if not heldout:
        raise InputError(
            f"{path} has none of the images left that were held out before; restore them, or begin a new run"
        )
    return [name for name in names if name not in heldout], sorted(heldout)


def find_border(training: Sequence[str], heldout: Sequence[str]) -> str | None:
    """The largest hash of a held-out name, in hexadecimal: all names above it were trained on. None where splits are given."""
    if given_splits([*training, *heldout]):
        return None
    return max(_sha1(name).hex() for name in heldout)


def was_trained_on(name: str, border: str | None) -> bool:
    """Whether a training with this border saw an image of that name."""
    return "train" in map(split_of, name.split("/")[:-1]) if border is None else _sha1(name).hex() > border


def given_splits(names: Sequence[str]) -> dict[str, list[str]]:
    """The names by split if their folders are ``train`` and ``val`` or ``test`` and nothing else; {} if not.

    Folders that all have in common, such as that of the archive, may lie above.
    """
    above = 0
    while names and all(n.count("/") > above for n in names) and len({n.split("/")[above] for n in names}) == 1:
        above += 1
    splits: dict[str | None, list[str]] = {}
    for name in names:
        folders = name.split("/")[:-1]
        splits.setdefault(split_of(folders[above]) if len(folders) > above else None, []).append(name)
    return splits if "train" in splits and len(splits) > 1 and None not in splits else {}


def uncounted_splits(names: Sequence[str]) -> str | None:
    """What to say of names in folders like ``val/`` that are not `given_splits`; None if there is nothing to say."""
    hints = [set().union(*map(naming.hinted_splits, name.split("/")[:-1])) for name in names]
    inside = [name for name, splits in zip(names, hints, strict=True) if splits & {"val", "test"}]
    if not inside:
        return None
    outside = next((name for name, splits in zip(names, hints, strict=True) if not splits & set(SPLITS)), None)
    why = "all images lie in train/ and in val/ or test/, which lie in one folder"
    example = f", unlike {outside}" if outside else ""
    return (
        f"{len(inside)} images may be trained on though their folders are named like splits, as that of {inside[0]} is. Such "
        f"folders count only where {why}{example}; move the images, or name the folder to train on"
    )


def smallest_hashes(names: Sequence[str], count: int) -> list[str]:
    """The ``count`` names with the smallest SHA-1, the smallest first."""
    return sorted(names, key=_sha1)[:count]


def _sha1(name: str) -> bytes:
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
