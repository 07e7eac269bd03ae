"""Pictures of a data set as stylemaps."""

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import options
from stylemap.datasets import Avatars, Dataset, ImageFolder
from stylemap.errors import InputError

AVATARS = 2000  # of the drawn faces, which have no end, so many are taken


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", required=True, metavar="DIR", help="folder, zip or LMDB, or avatars")
    parser.add_argument("--count", type=int, help=f"the first so many pictures; default: all, of avatars {AVATARS}")


def open_pictures(arguments: argparse.Namespace, model: StylemapModel) -> tuple[Dataset, range]:
    """The data set and the indices of those that are asked for."""
    count, side = arguments.count, model.config.resolution
    if count is not None and count < 1:
        raise InputError(f"--count {count} must be at least 1")
    if arguments.images == "avatars":
        return Avatars(side, count=count or AVATARS), range(count or AVATARS)
    pictures = ImageFolder(arguments.images, side)
    return pictures, range(len(pictures))[:count]


def encode(model: StylemapModel, pictures: Dataset, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Stylemaps [N, C, S, S] on the CPU, and their indices: damaged pictures are passed over."""
    parts, usable = [], []
    for start in range(0, len(indices), options.BATCH):
        batch = indices[start : start + options.BATCH]
        x = images.from_arrays(pictures[i] for i in batch)
        # in the place of a damaged picture another came, to which neither its name nor its label belongs
        whole = [k for k, i in enumerate(batch) if pictures.name(i) not in getattr(pictures, "skipped", ())]
        usable += [batch[k] for k in whole]
        parts.append(model.encode(x.to(model.device)).cpu()[whole])
    return torch.cat(parts), usable
