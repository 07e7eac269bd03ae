"""Files of latents, and edits of latents: exchange, morph, semantic edits by boundary files."""

import io
import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as serialize
from torch import Tensor

from stylemap import reading
from stylemap.architectures.model import Model, interpolate
from stylemap.editing.motion import frames_at_once
from stylemap.errors import InputError, quoted
from stylemap.files import write_bytes
from stylemap.inversion import tuning
from stylemap.inversion.inverting import render
from stylemap.inversion.subject import Tensors

FORMAT = "stylemap-latent-1"
SUFFIXES = (".npy", ".safetensors")
EXCHANGED = (3, 4)  # layers, of the features of a face: Yang and Lim 2019, as StyleGAN_LatentEditor has them


@dataclass(frozen=True)
class SavedLatent:
    """The latent of one image, and what else the image is rendered from: noise maps, differences of weights (`tuning`)."""

    latent: Tensor  # [1, L, C] or [1, C, S, S]
    extras: Tensors  # see `Inversion.extras`; [1, ...] each
    info: dict[str, Any]  # its origin, for the record

    def image(self, model: Model) -> Tensor:
        """[1, 3, R, R]."""
        return render(model, self.latent, self.extras)


# ---- files


def write(path: str | Path, saved: SavedLatent) -> None:
    """Atomically write a latent, by suffix: .npy, float32 [L, C] or [C, S, S], for other programs; .safetensors with everything
    that the image needs."""
    latent = saved.latent.detach().float().cpu()
    if Path(path).suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, latent[0].numpy())
        write_bytes(path, buffer.getvalue())
        return
    extras = {name: x.detach().float().cpu().contiguous() for name, x in saved.extras.items()}
    # one entry: safetensors writes several in an order that changes from run to run
    header = {FORMAT: json.dumps(saved.info)}
    write_bytes(path, serialize({"latent": latent.contiguous(), **tuning.pack(extras)}, header))


def read(path: str | Path, model: Model, weights_sha256: str | None = None) -> SavedLatent:
    """A latent of this model. A .npy may also hold one w [C], which is repeated for all layers.

    Args:
        weights_sha256: of the file of the model. A latent of other weights is read with a warning: weights that were trained
            further may still have a similar image for it.

    Raises:
        InputError: missing, damaged, or of another model.
    """
    if Path(path).suffix == ".npy":
        return SavedLatent(_fit(_numbers(path), model, path).to(model.device), {}, {})
    header = reading.read_metadata(path)
    info = reading.parse_json(header[FORMAT], f"the header of {path}") if FORMAT in header else None
    tensors = reading.read_tensors(path)
    if not isinstance(info, dict) or "latent" not in tensors:
        raise InputError(f"{path} holds no latent; `stylemap project` makes such files")
    if any(
        not x.is_floating_point() or not x.float().isfinite().all()
        for name, x in tensors.items()
        if name != tuning.CODES
    ):
        raise InputError(f"{path} holds values that are not finite numbers; make it again")
    tensors = {name: x if name == tuning.CODES else x.float() for name, x in tensors.items()}
    latent = _fit(tensors.pop("latent"), model, path)
    try:
        tensors = tuning.unpack(tensors, model)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    _check_extras(tensors, model, path)
    if weights_sha256 and (info.get("weights_sha256") or weights_sha256) != weights_sha256:
        warnings.warn(f"{path} was found with other weights; these may make a different image of it", stacklevel=2)
    return SavedLatent(latent.to(model.device), {name: x.to(model.device) for name, x in tensors.items()}, info)


def _check_extras(extras: Tensors, model: Model, path: str | Path) -> None:
    """InputError unless they are what an `Inversion` of this model may have."""
    shapes = model.latents.extras
    noise = {name for name in shapes if name.startswith("noise.")}
    differences = tuning.of(extras)  # checked where they were unpacked
    for name, x in extras.items():
        if name in differences:
            continue
        if tuple(x.shape) != shapes.get(name):
            raise InputError(f"{path} holds {quoted(name)} {list(x.shape)}, which these weights do not use")
    if 0 < len(noise & extras.keys()) < len(noise):
        raise InputError(f"{path} lacks {min(noise - extras.keys())}; it must hold all noise maps or none")


def read_boundary(path: str | Path, model: Model) -> Tensor:
    """A direction to move latents along, [1, L, C] or [1, C, S, S], of length 1 in every layer, or over the stylemap.

    InterFaceGAN's .npy files (arXiv 1907.10786) hold one vector for w, [1, C], which moves every layer. For stylemaps a file
    holds [C, S, S] or [1, C S S]. Files of in-domain inversion hold pickled objects and are not read: a pickle may run code.

    Raises:
        InputError: missing, damaged, pickled, of another shape, or a direction that points nowhere.
    """
    if Path(path).suffix != ".npy":
        raise InputError(f"{path} is not a .npy file; directions of this project are for `stylemap directions apply`")
    numbers = _numbers(path)
    if model.latents.spatial and numbers.numel() == math.prod(model.latents.shape):
        numbers = numbers.reshape(model.latents.shape)
    direction = _fit(numbers, model, path)
    axes = (1, 2, 3) if model.latents.spatial else 2
    length = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
    if not (length.isfinite().all() and length.max() > 0):
        raise InputError(f"{path} has length 0 and so no direction; give another boundary")
    # a layer whose direction is 0 does not move
    return (direction / length.clamp(min=torch.finfo(length.dtype).tiny)).to(model.device)


def _numbers(path: str | Path) -> Tensor:
    numbers = torch.from_numpy(reading.read_array(path)).float()
    if not numbers.isfinite().all():
        raise InputError(f"{path} holds numbers that are too large; make it again")
    return numbers


def _fit(x: Tensor, model: Model, path: str | Path) -> Tensor:
    """[1, *shape], or InputError."""
    shape = model.latents.shape
    if not model.latents.spatial and tuple(x.shape) in {shape[1:], (1, *shape[1:])}:
        x = model.spread_out(x.reshape(1, 1, -1)).contiguous()
    if tuple(x.shape) == shape:
        x = x[None]
    if tuple(x.shape) != (1, *shape):
        raise InputError(f"{path} must hold {list(shape)} numbers for these weights, not {list(x.shape)}")
    return x


# ---- edits


def exchange(first: Tensor, second: Tensor, layers: Sequence[int] = EXCHANGED) -> tuple[Tensor, Tensor]:
    """Both latents [N, L, C], each with these layers of the other.

    Raises:
        ValueError: latents that differ in shape, or layers that they do not have.
    """
    if first.shape != second.shape:
        raise ValueError(f"latents must be [N, L, C] alike, not {list(first.shape)} and {list(second.shape)}")
    chosen = _chosen(first, layers)
    return torch.where(chosen, second, first), torch.where(chosen, first, second)


def move(latent: Tensor, boundary: Tensor, amount: float, layers: Sequence[int] | None = None) -> Tensor:
    """``latent + amount boundary`` (InterFaceGAN, section 3.3).

    Args:
        latent: [N, L, C] or [N, C, S, S].
        boundary: of `read_boundary`.
        amount: usually -3 to 3.
        layers: of [N, L, C], move only these.

    Raises:
        ValueError: layers that the latent does not have.
    """
    return latent + amount * (boundary if layers is None else boundary * _chosen(latent, layers))


def _chosen(latent: Tensor, layers: Sequence[int]) -> Tensor:
    """bool [L, 1], True for these layers of a latent [N, L, C]; ValueError if it has no such layers."""
    if latent.dim() != 3 or not layers or min(layers) < 0 or max(layers) >= latent.shape[1]:
        raise ValueError(f"latents {list(latent.shape)} have no layers {list(layers)}")
    chosen = torch.zeros(latent.shape[1], 1, dtype=torch.bool, device=latent.device)
    chosen[list(layers)] = True
    return chosen


def morph(model: Model, first: SavedLatent, second: SavedLatent, shares: Tensor) -> Iterator[Tensor]:
    """Images on the straight line from one latent to another, both with their noise maps if both have them.

    Args:
        shares: [K], 0 is the first and 1 the second.

    Returns:
        Batches [k, 3, R, R].
    """
    common = first.extras if first.extras.keys() == second.extras.keys() else {}
    size = 1 if tuning.of(common) else frames_at_once(model)  # each frame has weights of its own
    for part in shares.to(model.device).split(size):
        extras = {name: interpolate(x, second.extras[name], part) for name, x in common.items()}
        yield render(model, interpolate(first.latent, second.latent, part), extras)
