"""Dataset of a data set as stylemaps."""

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import loading
from stylemap.cli.flags import AVATARS
from stylemap.datasets import Avatars, Dataset, ImageFolder


def open_pictures(arguments: argparse.Namespace, model: StylemapModel) -> tuple[Dataset, range]:
    """The data set and the indices of those that are asked for."""
    count, side = arguments.count, model.config.resolution
    if arguments.data == "avatars":
        return Avatars(side, count=count or AVATARS), range(count or AVATARS)
    pictures = ImageFolder(arguments.data, side)
    return pictures, range(len(pictures))[:count]


def encode(model: StylemapModel, pictures: Dataset, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Stylemaps [N, C, S, S] on the CPU, and their indices: damaged images are passed over."""
    parts, usable = [], []
    for start in range(0, len(indices), loading.BATCH):
        batch = indices[start : start + loading.BATCH]
        x = images.from_arrays(pictures[i] for i in batch)
        # in the place of a damaged image another came, to which neither its name nor its label belongs
        whole = [k for k, i in enumerate(batch) if pictures.name(i) not in pictures.skipped]
        usable += [batch[k] for k in whole]
        parts.append(model.encode(x.to(model.device)).cpu()[whole])
    return torch.cat(parts), usable
