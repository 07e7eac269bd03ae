"""Files of directions: what is read of them, and that nothing else is written over."""

import argparse
from pathlib import Path

import torch

from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import loading
from stylemap.editing import directions, finding_directions
from stylemap.editing.directions import Direction
from stylemap.errors import InputError


def chosen(arguments: argparse.Namespace, model: StylemapModel, names: list[str] | None) -> list[Direction]:
    """The directions that are asked for; None = all. They fit the weights."""
    path = arguments.directions or shipped(arguments.weights)
    if Path(path).suffix.lower() == ".npy":
        direction = read_npy(path, model)
        stored = {direction.name: direction}
    else:
        stored = directions.load(path)
    selected = [pick(stored, name, path) for name in names or stored]
    for direction in selected:
        if tuple(direction.vector.shape) != model.config.stylemap_shape:
            raise InputError(
                f"{path} is for stylemaps {list(direction.vector.shape)}, the weights have "
                f"{list(model.config.stylemap_shape)}; find directions of these weights"
            )
    return selected


def shipped(weights: str) -> Path:
    """The directions that come with shipped weights.

    Raises:
        InputError: there are none.
    """
    path = directions.shipped(weights)
    if path is None:
        raise InputError(f"no directions are shipped for the weights {weights!r}; give a file of them")
    return path


def pick(stored: dict[str, Direction], name: str, path: str | Path) -> Direction:
    if name not in stored:
        raise InputError(f"{path} holds no direction {name!r}; there are {', '.join(stored)}")
    return stored[name]


def read_npy(path: str | Path, model: StylemapModel, name: str | None = None) -> Direction:
    """A direction of InterFaceGAN's; its scale, which the file does not hold, is that of stylemaps mapped from noise."""
    shape = model.config.stylemap_shape
    vector = directions.read_npy(path, shape, name=name).vector
    draws = torch.randn(1024, model.config.stylemap_channels, generator=torch.Generator().manual_seed(0))
    mapped = loading.chunked(model.map, draws.to(model.device))
    return directions.read_npy(path, shape, finding_directions.deviation(vector, mapped), name)


def check_overwriting(out: Path) -> None:
    """InputError if a file is there that holds no directions: weights have the same suffix."""
    if not out.exists():
        return
    try:
        directions.load(out)
    except InputError as err:
        raise InputError(f"{out} exists and holds no directions, so it was not replaced; give another --out") from err


def kept_directions(arguments: argparse.Namespace):
    """A function of new directions: those that ``--out`` holds already and keeps."""
    old = directions.load(arguments.out) if arguments.add and arguments.out.exists() else {}
    return lambda new: [d for name, d in old.items() if name not in {n.name for n in new}]
