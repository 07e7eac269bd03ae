"""Which kernels the operators take: one setting, from the environment or from Python.

    auto        cpp, which was measured to be faster (docs/performance.md); on GPUs the reference, as nothing was measured there
    reference   PyTorch's own operations, everywhere
    triton      `gpu` for tensors on NVIDIA and AMD GPUs, where Triton is installed
    cpp         kernels.cpp for tensors on the CPU, see `native`

A choice is a preference. Where a kernel cannot serve, the reference does: in other memory than channels_last, in other types, on
other devices, and where the kernels cannot be built.
"""

import contextlib
import functools
import importlib.util
import os
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from stylemap.errors import InputError, Note

from . import native

CHOICES = ("auto", "reference", "triton", "cpp")
VARIABLE = "STYLEMAP_KERNELS"
TRITON_TYPES = (torch.float32, torch.float16, torch.bfloat16)

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


def serve(operator: str, *tensors: Tensor) -> bool:
    """Whether a kernel takes these tensors [N, C, H, W], which must be of one type and on one device."""
    x, choice = tensors[0], chosen()
    if x.device.type == "cpu" and choice in ("auto", "cpp"):
        possible = operator in native.OPERATORS and x.dtype in native.TYPES
    elif choice == "triton":
        possible = x.dtype in TRITON_TYPES and (x.device.type == "cuda" or interpreted())
    else:
        return False
    # torch.func gives no memory formats, an exported graph must run where this package is not, and torch.jit asks for PyTorch's
    # own operators.
    if torch._C._are_functorch_transforms_active() or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return False
    if torch.autograd.forward_ad._current_level >= 0:  # the kernels have no tangents
        return False
    return (
        possible
        and x.numel() > 0
        and all(y.dtype == x.dtype and y.device == x.device for y in tensors)
        and all(y.is_contiguous(memory_format=torch.channels_last) for y in tensors)
        and _built(choice)
    )


def on_cpu() -> str:
    """The kernels that serve there: cpp or reference."""
    return "cpp" if chosen() in ("auto", "cpp") and _built("cpp") else "reference"


def interpreted() -> bool:
    """Whether Triton's kernels run on the CPU, in its interpreter: much slower, to test them."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _built(choice: str) -> bool:
    return _triton() if choice == "triton" else native.functions() is not None


# What `torch.compiler.assume_constant_result` does, which would import PyTorch's compiler for it, in a second.
_built._dynamo_marked_constant = True  # type: ignore[attr-defined]


@functools.cache
def _triton() -> bool:
    there = importlib.util.find_spec("triton") is not None
    if not there:
        warnings.warn("Triton is not installed, so PyTorch's operations serve", Note, stacklevel=2)
    return there


def _checked(choice: str) -> str:
    if choice not in CHOICES:
        raise InputError(f"there are no kernels {choice!r}; {VARIABLE} is one of {', '.join(CHOICES)}")
    return choice
