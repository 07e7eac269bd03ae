"""Which kernels the operators take: one setting, from the environment or from Python.

    auto        cpp, which was measured to be faster (docs/performance.md); the reference on GPUs, where nothing was measured yet
    reference   PyTorch's own operations, everywhere
    cpp         kernels.cpp for tensors on the CPU, see `native`

A choice is a preference. Where a kernel cannot serve, the reference does: in other memory than channels_last, in other types than
float32, float64 and bfloat16, on other devices, and where the kernels cannot be built.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor

from stylemap.errors import InputError

from . import native

CHOICES = ("auto", "reference", "cpp")
VARIABLE = "STYLEMAP_KERNELS"

_chosen: str | None = None  # None: as the environment says


def chosen() -> str:
    """The setting: what `using` says, else the environment, else auto.

    Raises:
        InputError: the environment names no kernels.
    """
    return _chosen or _checked(os.environ.get(VARIABLE) or "auto")


@contextlib.contextmanager
def using(choice: str) -> Iterator[None]:
    """Take these kernels inside, in all threads of the process.

    Raises:
        InputError: there are none of this name.
    """
    global _chosen
    before, _chosen = _chosen, _checked(choice)
    try:
        yield
    finally:
        _chosen = before


def serve(x: Tensor) -> bool:
    """Whether a kernel takes this tensor [N, C, H, W]."""
    if chosen() == "reference" or x.device.type != "cpu" or x.dtype not in native.TYPES:
        return False
    # torch.func gives no memory formats, an exported graph must run where this package is not, and torch.jit asks for PyTorch's
    # own operators.
    if torch._C._are_functorch_transforms_active() or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return False
    return x.numel() > 0 and x.is_contiguous(memory_format=torch.channels_last) and _built()


def _built() -> bool:
    return native.functions() is not None


# What `torch.compiler.assume_constant_result` does, which would import PyTorch's compiler for it, in a second.
_built._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _checked(choice: str) -> str:
    if choice not in CHOICES:
        raise InputError(f"there are no kernels {choice!r}; {VARIABLE} is one of {', '.join(CHOICES)}")
    return choice
