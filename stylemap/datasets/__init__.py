"""Data sets: uint8 RGB images by index, and the resumable order in which training sees them."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from stylemap import naming
from stylemap.datasets.avatars import Avatars
from stylemap.datasets.image_folder import ImageFolder, open_whole
from stylemap.datasets.labelled import Labelled, mirrored
from stylemap.datasets.parts import PartLabels
from stylemap.datasets.splitting import given_splits
from stylemap.errors import InputError, brief, listed

__all__ = [
    "Avatars", "Dataset", "Draw", "ImageFolder", "Labelled", "absolute", "fingerprint", "labelled", "open_part_labels",
    "open_split", "read_batch", "summarize",
]  # fmt: skip


class Dataset(Protocol):
    """What a data set must provide: images by index, uint8 [R, R, 3] RGB, and their names for reports.

    Attributes:
        skipped: name -> reason, of images that cannot be read; another image stands in the place of one that was found damaged.
    """

    skipped: Mapping[str, str]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> np.ndarray: ...
    def name(self, index: int) -> str: ...


Draw = tuple[int, bool]  # (index of the image, mirrored)


def read_batch(images: Dataset, draws: Sequence[Draw]) -> np.ndarray:
    """Images as uint8 [len(draws), R, R, 3], or 4 with labels. This is what loading processes do: no torch, so that they
    start fast.

    Raises:
        InputError: anything failed; one line says what.
    """
    try:
        return np.stack([mirrored(images[index]) if flip else images[index] for index, flip in draws])
    except InputError:
        raise
    except MemoryError as err:
        raise InputError(f"no memory is left to load {len(draws)} images; take fewer --workers") from err
    except Exception as err:  # whatever a decoder or a disk raises
        raise InputError(f"images cannot be loaded ({type(err).__name__}: {brief(err)})") from err


def open_split(data: str | Path, side: int, holdout: int) -> tuple[Dataset, Dataset]:
    """(training, held-out) images of a folder, zip or LMDB, or "avatars"; ``holdout`` is the number held out."""
    if data == "avatars":
        return Avatars(side), Avatars(side, count=holdout, split="heldout")
    return open_whole(data, side).split(holdout)


def summarize(training: Dataset, heldout: Dataset) -> str:
    """One line for a person: how many images are trained on and held out, of which kinds, and what was passed over."""
    text = f"{len(training):,} images to train on, {len(heldout):,} held out"
    if not isinstance(training, ImageFolder):
        return text
    names = [part.name(i) for part in (training, heldout) for i in range(len(part))]
    text += " by their folders" if given_splits(names) else " by the hash of their names"
    kinds = naming.kinds(names)
    if len(kinds) > 1:
        text += f" ({naming.in_words(kinds)})"
    if training.skipped:
        text += f"; {len(training.skipped):,} cannot be read"
    if training.passed_over:
        text += f"; other files are passed over: {naming.in_words(training.passed_over)}"
    return text


def absolute(data: str) -> str:
    """The path of the data from any working directory; "avatars" stays."""
    return data if data == "avatars" else os.path.abspath(data)


def open_part_labels(pictures: Dataset, path: str | None) -> Callable[[int], np.ndarray] | None:
    """A function from i to the part labels of image i, uint8 [H, W] of `parts.Part`; None if there are no labels.

    Args:
        path: folder or zip with the labels; None = no labels, except those that drawn faces come with.

    Raises:
        InputError: the folder or zip holds no labels. The function raises what `PartLabels.read` raises.
    """
    if isinstance(pictures, Avatars):
        return pictures.parts
    if path is None:
        return None
    return functools.partial(_read_labels, PartLabels(path), pictures)


def _read_labels(labels: PartLabels, pictures: Dataset, i: int) -> np.ndarray:
    return labels.read(pictures.name(i))


def labelled(images: Dataset, path: str | None) -> Labelled:
    """Images with their part labels, which are found as in `open_part_labels`.

    Raises:
        InputError: there are no labels, or not of all images.
    """
    labels = open_part_labels(images, path)
    if labels is None:
        raise InputError("the images need part labels, a folder or zip of them; drawn faces come with their own")
    if isinstance(images, ImageFolder):
        known = PartLabels(path)
        if missing := [name for name in images.names if name not in known]:
            raise InputError(f"{path} holds no part labels of {listed(missing, 3)}; add them, or leave the images out")
    return Labelled(images, labels)


def fingerprint(training: Dataset, heldout: Dataset) -> str:
    """SHA-256 of the names in both sets of a folder, zip or LMDB; "" for drawn faces, which are always the same."""
    if not isinstance(training, ImageFolder):
        return ""
    names = [[part.name(i) for i in range(len(part))] for part in (training, heldout)]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
