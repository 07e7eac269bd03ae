"""How precisely a run computes: bfloat16 passes, TF32 products."""

import contextlib
from collections.abc import Iterator

import torch

from stylemap.config import SpeedConfig
from stylemap.errors import InputError


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
