"""Weights of the generator that are tuned for one image, as differences from its own (pivotal tuning, arXiv 2106.05744).

Among what an image is rendered from they are tensors like others, "weights.<parameter of the generator>" [N, *shape], so that the
loop, its state and interpolations need to know nothing of them. Files hold them as codes of 5 bits, deflated.
"""

import copy
import itertools
import zlib
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from stylemap.architectures.model import Model
from stylemap.errors import InputError
from stylemap.precision import in_float32

M = TypeVar("M", bound=Model)

PREFIX, CODES = "weights.", "codes"
LEVELS = 15  # codes of a row lie in -15 .. 15: images change by a seventh of what their rounding to 8 bits changes
ROUNDED = "these weights are rounded to bfloat16, which tuning cannot change; give --precision float32"


def of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The differences among tensors."""
    return {name: x for name, x in tensors.items() if name.startswith(PREFIX)}


def tunable(model: Model) -> dict[str, nn.Parameter]:
    """By name: all of the generator but its mapping network, which is not between latent and image.

    Raises:
        InputError: the weights are rounded.
    """
    if model.passes != torch.float32:
        raise InputError(ROUNDED)
    named = model.generator.named_parameters()
    return {PREFIX + name: parameter for name, parameter in named if not name.startswith("mapping.")}


class _Rendering(nn.Module):
    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
        return self.model.render_with(latent, extras)


def render(model: Model, latent: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """Images of whole latents, each by the generator with its own differences."""
    parameters, rendering, pictures = tunable(model), _Rendering(model), []
    for i in range(len(latent)):
        one = {name: x[i : i + 1] for name, x in tensors.items()}
        tuned = {name: parameters[name] + x[0] for name, x in of(one).items()}
        names = {f"model.generator.{name.removeprefix(PREFIX)}": x for name, x in tuned.items()}
        pictures.append(torch.func.functional_call(rendering, names, (latent[i : i + 1], one)))
    return torch.cat(pictures)


@torch.no_grad()
def tuned(model: M, extras: Mapping[str, Tensor]) -> M:
    """The model with the differences [1, ...] of one image, for every function that takes a model; itself if there are none."""
    if not of(extras):
        return model
    model = copy.deepcopy(model)
    parameters = tunable(model)
    for name, x in of(extras).items():
        parameters[name].add_(x[0])
    return model


# ---- what files hold


def rounded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The differences as a file gives them back."""
    return {name: codes * scale for name, (codes, scale) in _coded(tensors).items()}


@in_float32
def _coded(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """By name: whole numbers, and the step of each output channel of each sample."""
    coded = {}
    for name, x in of(tensors).items():
        axes = tuple(range(2, x.dim())) or (1,)  # a vector has one step
        step = (x.abs().amax(dim=axes, keepdim=True) / LEVELS).clamp(min=torch.finfo(x.dtype).tiny)
        coded[name] = (x / step).round(), step
    return coded


def pack(extras: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Extras of one image for a file: the codes of all differences are one deflated text of bytes."""
    coded = _coded(extras)
    others = {name: x for name, x in extras.items() if name not in coded}
    if not coded:
        return others
    codes = torch.cat([codes.flatten() for _, (codes, _) in sorted(coded.items())]).to(torch.int8)
    text = torch.frombuffer(bytearray(zlib.compress(codes.cpu().numpy().tobytes(), 9)), dtype=torch.uint8)
    return others | {CODES: text} | {name: step.flatten() for name, (_, step) in coded.items()}


def unpack(extras: Mapping[str, Tensor], model: Model) -> dict[str, Tensor]:
    """The inverse of `pack`.

    Raises:
        InputError: they are of another model, damaged, or this model's weights are rounded.
    """
    steps, others = of(extras), {name: x for name, x in extras.items() if name != CODES and not name.startswith(PREFIX)}
    if not steps and CODES not in extras:
        return others
    parameters = tunable(model)
    if not steps.keys() <= parameters.keys() or CODES not in extras or extras[CODES].dtype != torch.uint8:
        raise InputError("it holds tuned weights of another model")
    names = sorted(steps)
    counts = [parameters[name].numel() for name in names]
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(extras[CODES].numpy().tobytes(), sum(counts) + 1)  # no more, whatever the file claims
    except zlib.error as err:
        raise InputError("its tuned weights are damaged; copy it again") from err
    if len(data) != sum(counts):
        raise InputError("it holds tuned weights of another model")
    starts = itertools.accumulate(counts, initial=0)
    codes = torch.frombuffer(bytearray(data), dtype=torch.int8).float()
    for name, start, count in zip(names, starts, counts, strict=False):
        shape = parameters[name].shape
        rows = shape[0] if len(shape) > 1 else 1
        if steps[name].numel() != rows:
            raise InputError("it holds tuned weights of another model")
        table = codes[start : start + count].view(rows, -1) * steps[name].float().view(rows, 1)
        others[name] = table.view(1, *shape)
    return others
