"""How precisely a run computes: bfloat16 passes, TF32 products, and what is float32 whatever the passes are."""

import contextlib
import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from stylemap.config import SpeedConfig
from stylemap.errors import InputError

AUTOCAST_DEVICES = ("cpu", "cuda", "mps")


def pick(config: SpeedConfig, device: torch.device) -> torch.dtype:
    """The type of the networks' passes on a device.

    Raises:
        InputError: bfloat16 on a GPU without it.
    """
    if config.precision == "float32":
        return torch.float32
    has_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if config.precision == "auto":
        return torch.bfloat16 if has_it else torch.float32
    if device.type == "cuda" and not has_it:
        raise InputError("this GPU has no bfloat16; give --speed.precision float32")
    return torch.bfloat16


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Set for the time of a run whether NVIDIA GPUs may round the factors of float32 products; restored afterwards."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32" if allowed else "ieee"
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


# ---- float32, whatever the passes are


def full(x: Tensor) -> Tensor:
    """The tensor in float32 where autocast has made it bfloat16 or float16."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


@contextlib.contextmanager
def float32() -> Iterator[None]:
    """No autocast reaches inside, whoever opened it."""
    reaching = [device for device in AUTOCAST_DEVICES if torch.is_autocast_enabled(device)]
    for device in reaching:
        torch.set_autocast_enabled(device, False)
    try:
        yield
    finally:
        for device in reaching:
            torch.set_autocast_enabled(device, True)


def in_float32(function: Callable) -> Callable:
    """Decorate a loss, a measure or a perceptual network: it takes bfloat16 and float16 in float32, and computes in `float32`.

    Arguments are tensors, lists of them, or anything else.
    """

    def taken(x):
        if isinstance(x, Tensor):
            return full(x)
        return [taken(each) for each in x] if isinstance(x, list) else x

    @functools.wraps(function)
    def inside(*args, **kwargs):
        with float32():
            return function(*map(taken, args), **{name: taken(x) for name, x in kwargs.items()})

    return inside
