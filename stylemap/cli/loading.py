"""Weights and images that the flags name, read for a verb."""

import argparse
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, decoding, devices, familiarity, images
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import Precision
from stylemap.errors import InputError, Note
from stylemap.photos import mask_files

BATCH = 16  # images per pass; bounds the memory however many files are given


def load_model(arguments: argparse.Namespace) -> StylemapModel:
    """Of stylemaps, which editing takes."""
    return checkpoint.load(arguments.weights, devices.pick(arguments.device), precision_of(arguments))


def load_exact(arguments: argparse.Namespace) -> StylemapModel:
    """As `load_model`, in float32 whatever ``--precision`` says."""
    return checkpoint.load(arguments.weights, devices.pick(arguments.device))


def load_any(arguments: argparse.Namespace) -> Model:
    return checkpoint.load_any(arguments.weights, devices.pick(arguments.device), precision_of(arguments))


def precision_of(arguments: argparse.Namespace) -> Precision:
    """``--precision``; float32 in verbs without it, such as those that write weights."""
    return getattr(arguments, "precision", "float32")


class Enlarging:
    """Makes images as large as ``--enlarge`` says; where it says nothing, large enough to be seen, and tells so once."""

    def __init__(self, times: int | None):
        self.times, self.told = times, False

    def __call__(self, pictures: Tensor) -> Tensor:
        """[N, 3, R, R] -> [N, 3, times R, times R]."""
        side = pictures.shape[-1]
        times = images.times(side) if self.times is None else self.times
        if self.times is None and times > 1 and not self.told:
            self.told = True
            said = f"images of {side} x {side} pixels are enlarged {times} times so that you can see them"
            warnings.warn(f"{said}; --enlarge 1 writes the original pixels, which metrics need", Note, stacklevel=2)
        return images.repeat(pictures, times)


def read_image(path: str | Path, model: Model) -> Tensor:
    """[1, 3, R, R] on the model's device."""
    return images.read(path, model.config.resolution).to(model.device)


def read_photos(paths: Sequence[str | Path], model: StylemapModel, weights: str | Path) -> Tensor:
    """[N, 3, R, R] on the model's device; tells which of them the weights cannot draw."""
    pictures = torch.cat([read_image(path, model) for path in paths])
    familiarity.tell(familiarity.measure(weights, model), paths, familiarity.errors(model, pictures))
    return pictures


def read_mask(
    path: str,
    model: Model,
    photos: Iterable[str | Path],
    hard: bool = False,
    white: str = mask_files.EDITED,
) -> Tensor:
    """A mask over some photos, [1, 1, R, R] on the model's device.

    Raises:
        InputError: as `images.read_mask`, or it has another shape than a photo.
    """
    size = decoding.upright_size(Path(path))
    for photo in photos:
        mask_files.validate_size(size, decoding.upright_size(Path(photo)), path)
    return images.read_mask(path, model.config.resolution, hard, white).to(model.device)


@torch.no_grad()
def chunked(function, x: Tensor) -> Tensor:
    """``function`` over ``x`` in chunks of BATCH samples."""
    return torch.cat([function(part) for part in x.split(BATCH)])


def layers_of(arguments: argparse.Namespace, model: StylemapModel) -> tuple[int, int] | None:
    """``--layers``, as (the first, one past the last).

    Raises:
        InputError: the model has fewer.
    """
    if arguments.layers is None:
        return None
    first, last = arguments.layers
    count = model.config.layers
    if last >= count:
        raise InputError(f"--layers must lie in 0..{count - 1} for these weights")
    return first, last + 1
