"""Weights files: one ``.safetensors`` with the config in its header, from which the model is rebuilt without anything else.

Training state (optimisers, position in the data) lives elsewhere: `stylemap.training.state`.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialize
from torch import nn

from stylemap import architectures, reading
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.growing import grow_down
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import ModelConfig, Precision
from stylemap.datasets import unseen
from stylemap.datasets.unseen import Seen
from stylemap.errors import InputError
from stylemap.files import write_bytes
from stylemap.precision import pick
from stylemap.resources import PRETRAINED

FORMAT = "stylemap-weights-1"
ENCODER, DISCRIMINATOR = "model.encoder.", "discriminator."
HALF_MAX = torch.finfo(torch.float16).max
CONFIG_FILE = "config.yaml"  # in the folder of a run


def save(
    path: str | Path,
    model: Model,
    discriminator: nn.Module | None = None,
    info: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Atomically write the weights.

    Args:
        info: anything JSON can hold (images seen, command, scores), for the header.
        half: write float16, which takes half the space and keeps 11 bits of each number.

    Raises:
        InputError: a number is too large for float16.
        ValueError: the weights are rounded, see `Model.compute_in`.
    """
    if model.passes != torch.float32:
        raise ValueError("a model in bfloat16 has lost digits of its weights; load it in float32 to save it")
    networks = {"model.": model} | ({} if discriminator is None else {DISCRIMINATOR: discriminator})
    tensors = {
        prefix + k: v.detach().cpu().contiguous() for prefix, n in networks.items() for k, v in n.state_dict().items()
    }
    if half:
        tensors = {name: _in_half(name, tensor) for name, tensor in tensors.items()}
    header = {"format": FORMAT, "model": json.dumps(asdict(model.config)), "info": json.dumps(info or {})}
    write_bytes(path, _in_order(serialize(tensors, header)))


def _in_half(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    if tensor.abs().max() > HALF_MAX:
        raise InputError(f"{name} holds numbers beyond {HALF_MAX:,.0f}, the largest of float16; keep float32")
    return tensor.half()


def _in_order(content: bytes) -> bytes:
    """Sort the header of a .safetensors file, which is written in any order: equal weights become equal bytes."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def load(weights: str | Path, device: str | torch.device = "cpu", precision: Precision = "float32") -> StylemapModel:
    """A model of stylemaps, ready to encode, edit and synthesize: evaluation mode, no gradients for its parameters.

    Args:
        weights: the name of shipped weights ("avatars32"), a ``.safetensors`` file, or the folder of a training run.
        precision: of the passes through the networks. "bfloat16" changes images by about 0.2 of 255 levels; "auto" takes it on
            CPUs where it is faster. Such a model cannot be saved or trained.

    Raises:
        InputError: missing, damaged, not a weights file of this project, or of another architecture.
    """
    model = load_any(weights, device, precision)
    if not isinstance(model, StylemapModel):
        raise InputError(
            f"{weights} holds a {model.config.architecture} generator, whose latents have no places to edit; load_any loads it, "
            f"and it goes with {model.goes_with}"
        )
    return model


def load_any(weights: str | Path, device: str | torch.device = "cpu", precision: Precision = "float32") -> Model:
    """As `load`, a model of any architecture, which ``config.architecture`` names.

    A model with vectors as latents has an encoder if the file has one. Its passes are float32.

    Raises:
        InputError: missing, damaged, or not a weights file of this project; bfloat16 for vectors, or on a GPU without it.
    """
    path = find_file(weights)
    config, tensors = _read(path)
    try:
        with torch.device("meta"):  # shapes without memory: every value comes from the file
            model = architectures.build(config, _has(tensors, ENCODER))
    except ValueError as err:
        raise InputError(f"{path} holds no encoder: {err}; take the weights of a run or of `stylemap import`") from err
    model = _filled(model, tensors, "model.", path, device)
    kind = pick(precision, model.device, model.last_doubling())
    if kind != torch.float32:
        model.compute_in(kind)
    return model


def holds_discriminator(weights: str | Path) -> bool:
    """Whether a file holds a discriminator: that of converted weights may not. Raises as `load_any`."""
    path = find_file(weights)
    _header(path)
    return _has(reading.read_names(path), DISCRIMINATOR)


def load_discriminator(weights: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """The discriminator, where the file holds one."""
    path = find_file(weights)
    config, tensors = _read(path)
    if not _has(tensors, DISCRIMINATOR):
        raise InputError(f"{path} holds no discriminator; take the weights of a training run")
    with torch.device("meta"):
        discriminator = architectures.build_discriminator(config)
    return _filled(discriminator, tensors, DISCRIMINATOR, path, device)


def find_discriminator(weights: str | Path) -> nn.Module | None:
    """As `load_discriminator`; None where the file holds none."""
    return load_discriminator(weights) if holds_discriminator(weights) else None


def _filled(
    network: nn.Module, tensors: dict[str, torch.Tensor], prefix: str, path: Path, device: str | torch.device
) -> Any:
    reading.fill(network, tensors, prefix, path)
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False).to(device)


def load_into(weights: str | Path, model: Model, discriminator: Discriminator) -> None:
    """Fill networks with weights of the same config, or of a config that grows to it, doubling by doubling.

    Encoder and discriminator are filled only if the file holds them. A discriminator that is not in the file begins with the
    layers of the encoder that is.

    Raises:
        InputError: as `load`, or weights of another config, named setting by setting.
    """
    path, configs, tensors = fitting(weights, model.config)
    smaller = [
        (architectures.build(c, model.encoder is not None), architectures.build_discriminator(c)) for c in configs[:-1]
    ]
    steps = [*smaller, (model, discriminator)]
    start, start_discriminator = steps[0]
    reading.fill(start.generator, tensors, "model.generator.", path, assign=False)
    encoder = start.encoder if _has(tensors, ENCODER) else None
    if encoder is not None:
        reading.fill(encoder, tensors, ENCODER, path, assign=False)
    if _has(tensors, DISCRIMINATOR):
        reading.fill(start_discriminator, tensors, DISCRIMINATOR, path, assign=False)
    elif encoder is not None:
        start_discriminator.begin_with(encoder)
    for (old, old_discriminator), (new, new_discriminator) in itertools.pairwise(steps):
        new.grow_from(old)
        grow_down(old_discriminator, new_discriminator)


def fitting(weights: str | Path, model: ModelConfig) -> tuple[Path, list[ModelConfig], dict[str, torch.Tensor]]:
    """The file of weights to start from, the configs from theirs to ``model``, each of twice the resolution, and the tensors.

    Raises:
        InputError: as `load_into`.
    """
    path = find_file(weights)
    config, tensors = _read(path)
    configs = [config]
    while configs[-1].resolution < model.resolution:
        configs.append(configs[-1].grown())
    expected = asdict(model)
    if different := [
        f"--model.{name.replace('_', '-')} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in asdict(configs[-1]).items()
        if value != expected.get(name)
    ]:
        raise InputError(f"{path} has other networks; to start from it give {' '.join(different)}")
    return path, configs, tensors


def read_config(weights: str | Path) -> ModelConfig:
    """The settings of the networks. No tensor is read."""
    return _header(find_file(weights))[0]


def read_info(weights: str | Path) -> dict[str, Any]:
    """The ``info`` that `save` wrote with the weights."""
    return _header(find_file(weights))[1]


def seen_by(weights: str | Path) -> tuple[Seen, ...]:
    """What the weights were trained on, then what the weights they began with were; () where the file does not say.

    In the folder of a run, its config says where the images lie: that path holds from any working directory.
    """
    path = find_file(weights)
    seen = unseen.from_header(read_info(path))
    try:
        data = reading.read_yaml(path.parent / CONFIG_FILE).get("data")
    except InputError:  # no folder of a run
        return seen
    return (replace(seen[0], data=data), *seen[1:]) if seen and isinstance(data, str) else seen


def find_file(weights: str | Path) -> Path:
    """The file behind a name, a path or a run folder."""
    shipped = {p.stem: p for p in sorted(PRETRAINED.glob("*.safetensors"))}
    if str(weights) in shipped:  # first, so that a folder of that name does not hide them; ./NAME is the folder
        return shipped[str(weights)]
    path = Path(weights)
    if path.is_dir():
        newest = path / "weights.safetensors"
        if not newest.exists():
            raise InputError(f"{path} holds no weights.safetensors; is it the folder of a training run?")
        return newest
    if path.exists():
        return path
    names = f", or a name: {', '.join(shipped)}" if shipped else ""
    raise InputError(f"no weights {str(weights)!r}; give a .safetensors file or the folder of a run{names}")


def _header(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """The config and the ``info`` of `save`; no tensor is read."""
    try:
        header = reading.read_metadata(path)
    except InputError as err:
        raise InputError(f"{err}; weights of other programs are converted by `stylemap import`") from err
    if header.get("format") != FORMAT:
        raise InputError(f"{path} holds the weights of another program; `stylemap import` converts the published ones")
    model, info = (reading.parse_json(header.get(name, ""), f"the header of {path}") for name in ("model", "info"))
    if not isinstance(info, dict):
        raise InputError(f"{path} has a damaged header; copy it again")
    try:
        return architectures.model_config(model), info
    except InputError as err:
        raise InputError(f"{path} has a header that cannot be used: {err}") from err


def _read(path: Path) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    config, _ = _header(path)
    return config, reading.read_tensors(path)


def _has(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)
