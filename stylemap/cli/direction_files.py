"""Files of directions that the flags name, read for a verb."""

import argparse
from pathlib import Path

import torch

from stylemap import checkpoint
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import loading
from stylemap.editing import directions, finding_directions
from stylemap.editing.directions import Direction
from stylemap.errors import InputError
from stylemap.resources import PRETRAINED


def shipped(weights: str) -> Path | None:
    """The directions that come with shipped weights; None for other weights."""
    path = checkpoint.find_file(weights)
    return directions.shipped(path.stem) if path.parent.samefile(PRETRAINED) else None


def find_shipped(weights: str) -> Path:
    """The directions that come with shipped weights.

    Raises:
        InputError: there are none.
    """
    path = shipped(weights)
    if path is None:
        raise InputError(f"no directions are shipped for the weights {weights!r}; give a file of them")
    return path


def load(path: str | Path, model: StylemapModel) -> dict[str, Direction]:
    """Directions by name, for these weights.

    Raises:
        InputError: missing, damaged, no file of directions, or one for other stylemaps.
    """
    if Path(path).suffix.lower() == ".npy":
        direction = read_npy(path, model)
        return {direction.name: direction}
    stored = directions.load(path)
    for direction in stored.values():
        if tuple(direction.vector.shape) != model.config.stylemap_shape:
            raise InputError(
                f"{path} is for stylemaps {list(direction.vector.shape)}, the weights have "
                f"{list(model.config.stylemap_shape)}; find directions of these weights"
            )
    return stored


def read_npy(path: str | Path, model: StylemapModel, name: str | None = None) -> Direction:
    """A direction of InterFaceGAN's; its scale, which the file does not hold, is that of stylemaps mapped from noise."""
    shape = model.config.stylemap_shape
    vector = directions.read_npy(path, shape).vector
    draws = torch.randn(1024, model.config.stylemap_channels, generator=torch.Generator().manual_seed(0))
    mapped = loading.chunked(model.map, draws.to(model.device))
    return directions.read_npy(path, shape, finding_directions.deviation(vector, mapped), name)


def choose(arguments: argparse.Namespace, model: StylemapModel, names: list[str] | None) -> list[Direction]:
    """The directions of these names, of ``--directions`` or shipped with the weights; None = all."""
    path = arguments.directions or find_shipped(arguments.weights)
    stored = load(path, model)
    return [pick(stored, name, path) for name in names or stored]


def pick(stored: dict[str, Direction], name: str, path: str | Path) -> Direction:
    if name not in stored:
        raise InputError(f"{path} holds no direction {name!r}; there are {', '.join(stored)}")
    return stored[name]


def read_replaced(out: Path) -> dict[str, Direction]:
    """The directions of a file that will be written; none if it is not there.

    Raises:
        InputError: the file holds something else; weights have the same suffix.
    """
    if not out.exists():
        return {}
    try:
        return directions.load(out)
    except InputError as err:
        raise InputError(f"{out} exists and holds no directions, so it was not replaced; give another --out") from err
