"""Semantic directions: stylemaps are moved along a vector that makes a face smile, or its hair fair.

A direction lives in the space of stylemaps, as InterFaceGAN's live in z or w (Shen et al., arXiv 1907.10786, section 3), and
has a place as well: it can be followed inside a mask or in some cells alone. `finding_directions` finds them.
"""

import io
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from safetensors.torch import save as serialize
from torch import Tensor

from stylemap import reading
from stylemap.architectures.model import check_tensor
from stylemap.errors import InputError, Note, brief, quoted
from stylemap.files import write_bytes
from stylemap.resources import PRETRAINED
from stylemap.schema import Range, parse

FORMAT = "stylemap-directions-1"
Scale = Annotated[float, Range(above=0, most=1e6)]  # those of networks in order are about 1
LEAST_LEFT = 1e-3  # of the norm; what a projection leaves below this is rounding and noise
LITTLE_LEFT = 0.1  # below this a note says so

Cell = Annotated[int, Range(0, 1024)]
Cells = tuple[Cell, Cell, Cell, Cell]  # y and x of the upper left cell, height, width


@dataclass(frozen=True)
class Origin:
    """Where a direction comes from. Figures are None where there are none."""

    method: str  # "means", "logistic", "svm", "pca", "npy"
    pictures: int = 0  # that it was found from, including held-out ones
    positive: float | None = None  # share of them that have the attribute
    accuracy: float | None = None  # of the classifier that belongs to the method, on held-out images
    balanced_accuracy: float | None = None  # mean of the accuracies on images with and without; 0.5 = chance
    baseline: float | None = None  # accuracy on the same images of always naming the more frequent of the two
    explained: float | None = None  # pca: share of the stylemaps' variance
    conditional_on: tuple[str, ...] = ()  # directions that were projected out


@dataclass(frozen=True)
class Direction:
    """A unit vector in the space of stylemaps, the unit that amounts are counted in, and where it comes from."""

    name: str
    vector: Tensor  # [C, S, S], its norm over all is 1
    scale: float  # standard deviation of images along the vector: the unit of amounts
    origin: Origin


def normalised(name: str, vector: Tensor, scale: float, origin: Origin) -> Direction:
    """A direction from a vector [C, S, S] of any length.

    Raises:
        InputError: a vector of norm 0, or a scale that is not above 0.
    """
    norm = float(vector.double().norm())
    if not 0 < norm < float("inf"):  # NaN is neither
        raise InputError(f"direction {name!r} has norm {norm:g} and points nowhere; find it again")
    if not 0 < scale < float("inf"):
        raise InputError(f"direction {name!r} has scale {scale:g}, which must be above 0; find it again")
    return Direction(name, (vector.double() / norm).float().contiguous(), float(scale), origin)


# ---- moving along them


def move(stylemap: Tensor, direction: Direction, amount: float, cells: Cells | None = None) -> Tensor:
    """Stylemaps moved along a direction.

    Args:
        stylemap: [N, C, S, S].
        amount: in units of the direction's scale; 1 to 3 change an image visibly, negative goes the other way.
        cells: move these alone, (y, x, height, width).

    Returns:
        [N, C, S, S].

    Raises:
        ValueError: a direction for other stylemaps, or cells outside the map.
    """
    check_tensor("stylemap", stylemap)
    if stylemap.dim() != 4 or stylemap.shape[1:] != direction.vector.shape:
        raise ValueError(
            f"direction {direction.name!r} is for stylemaps {list(direction.vector.shape)}, not {list(stylemap.shape[1:])}"
        )
    step = amount * direction.scale * direction.vector.to(stylemap)
    if cells is not None:
        step = step * inside(cells, stylemap.shape[-1]).to(stylemap)
    return stylemap + step


def inside(cells: Cells, side: int) -> Tensor:
    """[S, S], 1 in the rectangle of cells, 0 elsewhere.

    Raises:
        ValueError: cells outside the map, or none.
    """
    check_cells(cells, side)
    y, x, height, width = cells
    selected = torch.zeros(side, side)
    selected[y : y + height, x : x + width] = 1
    return selected


def check_cells(cells: Cells, side: int) -> None:
    """InputError unless a rectangle of one cell or more lies in a map of ``side`` x ``side`` cells."""
    y, x, height, width = cells
    if min(height, width) < 1 or min(y, x) < 0 or y + height > side or x + width > side:
        raise InputError(f"cells {y},{x},{height},{width} (y, x, height, width) leave the map of {side} x {side} cells")


def condition(direction: Direction, others: Sequence[Direction]) -> Direction:
    """The part of a direction that is orthogonal to all others (InterFaceGAN, section 3.3, conditional manipulation).

    The scale shrinks with the part that is left, so an amount moves as far as before along that part. The others may depend on
    each other. Give all of them at once: a result that is conditioned again is no longer orthogonal to the first ones. A `Note`
    says when less than a tenth is left.

    Raises:
        InputError: nothing is left, or a direction for other stylemaps.
    """
    if any(other.vector.shape != direction.vector.shape for other in others):
        raise InputError(
            f"direction {direction.name!r} and what it is conditioned on are for stylemaps of other shapes"
        )
    if not others:
        return direction
    vector = direction.vector.double().flatten()  # [D]
    columns = torch.stack([o.vector.double().flatten() for o in others], dim=1)  # [D, K]
    basis, sizes, _ = torch.linalg.svd(columns / columns.norm(dim=0), full_matrices=False)
    # Float32 rounds a unit vector by 2^-24 at most, and K of them by sqrt(K) times that: what is smaller is rounding, and as a
    # part of the basis it would take something away all the same.
    basis = basis[:, sizes > len(others) ** 0.5 * 2**-24]
    rest = vector - basis @ (basis.T @ vector)
    left = float(rest.norm())
    names = tuple(o.name for o in others)
    if left < LEAST_LEFT:
        raise InputError(
            f"nothing is left of direction {direction.name!r} without {', '.join(names)}; leave out one of them"
        )
    if left < LITTLE_LEFT:
        about = f"{left:.1%} of direction {direction.name!r} is left without {', '.join(names)}"
        warnings.warn(Note(f"{about}; the same amount changes images that much less"), stacklevel=2)
    origin = replace(direction.origin, conditional_on=names)
    return normalised(direction.name, rest.view_as(direction.vector), left * direction.scale, origin)


# ---- files


def save(path: str | Path, directions: Iterable[Direction]) -> None:
    """Atomically write directions as one ``.safetensors`` file; names must differ."""
    directions = list(directions)
    tensors = {d.name: d.vector.detach().cpu().float().contiguous() for d in directions}
    if len(tensors) < len(directions) or not directions:
        raise ValueError(f"directions need names that differ, not {[d.name for d in directions]}")
    info = {d.name: {"scale": d.scale, "origin": asdict(d.origin)} for d in directions}
    write_bytes(path, serialize(tensors, {"format": FORMAT, "directions": json.dumps(info)}))


def shipped(weights: str) -> Path | None:
    """The file of directions that comes with shipped weights of this name; None if there is none."""
    return next((path for path in (PRETRAINED / "directions").glob("*.safetensors") if path.stem == weights), None)


def load(path: str | Path) -> dict[str, Direction]:
    """Directions by name, in the order in which they were saved.

    Args:
        path: a file, or the name of shipped weights ("avatars32") for the directions that come with them.

    Raises:
        InputError: missing, damaged, or no file of directions.
    """
    path = shipped(str(path)) or path
    header, tensors = reading.read_metadata(path), reading.read_tensors(path)
    if header.get("format") != FORMAT:
        raise InputError(f"{path} holds no directions; `stylemap directions train` makes such files")
    try:
        saved = parse(dict, reading.parse_json(header["directions"], "the header"))
        directions = {name: _from_file(name, tensors[name], parse(_Saved, saved[name], name)) for name in saved}
        if not directions:
            raise InputError("there are none")
    except (KeyError, InputError) as err:
        raise InputError(f"{path} has damaged directions ({brief(err)}); copy it again") from err
    return directions


@dataclass(frozen=True)
class _Saved:
    """What the header says of a direction, whose vector is a tensor of the file."""

    scale: Scale
    origin: Origin


def _from_file(name: str, vector: Tensor, saved: _Saved) -> Direction:
    if vector.dtype != torch.float32 or vector.dim() != 3 or not abs(float(vector.double().norm()) - 1) < 1e-4:
        raise InputError(f"{quoted(name)} is not a unit vector [C, S, S]")
    return Direction(name, vector, saved.scale, saved.origin)  # as it is: to normalise again would round again


def write_npy(path: str | Path, direction: Direction) -> None:
    """Write the vector as InterFaceGAN's files hold it: ``.npy``, float32 [1, C S S]. The scale has no place in it."""
    buffer = io.BytesIO()
    np.save(buffer, direction.vector.detach().cpu().float().reshape(1, -1).numpy())
    write_bytes(path, buffer.getvalue())


def read_npy(path: str | Path, shape: tuple[int, int, int], scale: float = 1.0, name: str | None = None) -> Direction:
    """Read one of InterFaceGAN's files, normalised.

    Args:
        shape: (C, S, S) of the stylemaps.
        scale: the file does not say; with 1 an amount is a distance between stylemaps.
        name: None = that of the file.

    Raises:
        InputError: missing, damaged, of another shape, or not of numbers.
    """
    path = Path(path)
    array = reading.read_array(path)
    size = int(np.prod(shape))
    if array.shape not in ((1, size), (size,), shape):
        raise InputError(f"{path} must hold [1, {size}] numbers for stylemaps {list(shape)}, not {list(array.shape)}")
    vector = torch.from_numpy(array).reshape(shape)
    return normalised(name or path.stem, vector, scale, Origin("npy"))
