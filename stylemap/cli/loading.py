"""Weights and images that the flags name, read for a verb."""

import argparse
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import checkpoint, devices, familiarity, images
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import framing
from stylemap.config import Precision
from stylemap.errors import InputError, Note
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo
from stylemap.resources import PRETRAINED

BATCH = 16  # images per pass; bounds the memory however many files are given


def load_model(arguments: argparse.Namespace) -> StylemapModel:
    """Of stylemaps, which editing takes."""
    return checkpoint.load(arguments.weights, devices.pick(arguments.device), precision_of(arguments))


def weights_of_project(arguments: argparse.Namespace, name: str) -> str | Path:
    """``--weights``, else those that come with the program under the name that a project file gives; it is never a path.

    Raises:
        InputError: there are none.
    """
    if arguments.weights:
        return arguments.weights
    for path in PRETRAINED.glob("*.safetensors"):
        if path.stem == name:
            return path
    raise InputError(f"the project was made with weights called {name!r}; give them with --weights")


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


def images_of(photos: Iterable[Photo], model: Model) -> Tensor:
    """[N, 3, R, R] on the model's device."""
    return images.from_arrays([photo.pixels for photo in photos]).to(model.device)


def read_photos(
    paths: Sequence[str | Path], model: StylemapModel, arguments: argparse.Namespace
) -> tuple[list[Photo], Tensor]:
    """The photos of a verb, framed as its flags say, and their images [N, 3, R, R] on the model's device.

    Tells which of them the weights cannot draw.
    """
    photos = list(framing.Framing(arguments, model.config.resolution).each(paths))
    pictures = images_of(photos, model)
    familiarity.tell(familiarity.measure(arguments.weights, model), paths, familiarity.errors(model, pictures))
    return photos, pictures


def read_mask(
    path: str,
    model: Model,
    photos: Sequence[Photo],
    hard: bool = False,
    white: str = mask_files.EDITED,
) -> Tensor:
    """A mask over each of some photos, [N, 1, R, R] on the model's device.

    Raises:
        InputError: as `images.read_mask`, or it has another shape than a photo.
    """
    mask = mask_files.read(Path(path))
    fitted = [mask_files.validate(framing.fit_mask(mask, photo, path), path, hard, white) for photo in photos]
    return torch.from_numpy(np.stack(fitted)[:, None]).float().to(model.device)


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
