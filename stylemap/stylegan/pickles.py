"""Reading network pickles without running anything they name.

A pickle is a program that may call whatever it can name. Here it can name only the entries of one explicit list, and each of
them is harmless code of this file: objects become inert holders of what they were made of. Nothing is imported, and the source
code that StyleGAN2-ADA pickles carry stays a string.
"""

import io
import math
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylemap.errors import InputError


class Refused(pickle.UnpicklingError):
    """The pickle names something that is not on the list."""


class Holder(dict):
    """An object of the file: the state it would have been given in ``state`` (None if none), its items as a dict."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Array:
    """A numpy array or dtype of the file: what it would have been called with and the state it would have been given.

    numpy's own classes are left out of it, since what they make of a malicious state is not for us to vouch for.
    """

    state: Any = None

    def __init__(self, *arguments: Any):
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load(path: str | Path) -> Any:
    """What a pickle holds: objects as `Holder`, arrays as `Array` (see `numbers`), torch's tensors as tensors on the CPU.

    Raises:
        InputError: it names something that is not on the list, or is damaged.
    """
    try:
        with open(path, "rb") as f:
            return _Reader(f).load()
    except Refused as err:
        raise InputError(f"{path} holds {err}, which no network needs; nothing in it was run") from err
    except Exception as err:  # damage comes out as nearly any type
        raise InputError(f"{path} is damaged or no network pickle ({type(err).__name__}); copy it again") from err


def numbers(value: Any) -> Tensor:
    """The tensor behind an array, scalar or tensor of the file.

    Raises:
        ValueError: it holds no numbers, or not as many as its shape says.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        return torch.tensor(value)
    if not isinstance(value, Array) or not isinstance(value.state, tuple) or len(value.state) != 5:
        raise ValueError(f"{type(value).__name__} where an array was expected")
    _, shape, dtype, fortran, data = value.state
    return torch.from_numpy(_array(data, dtype, shape, "F" if fortran else "C"))


def _array(data: bytes, dtype: Array, shape: tuple, order: str) -> np.ndarray:
    flat = np.frombuffer(data, _dtype(dtype))
    if len(flat) != math.prod(shape):
        raise ValueError(f"{len(flat)} numbers for the shape {shape}")
    native = flat.astype(flat.dtype.newbyteorder("="))  # a copy: what numpy reads from bytes cannot be written to
    return np.ascontiguousarray(native.reshape(shape, order=order)).reshape(shape)


def _dtype(dtype: Array) -> str:
    code, order = dtype.arguments[0], dtype.state[1]
    if order not in ("<", ">", "|", "=") or not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
        raise ValueError(f"numbers of type {code!r}")
    return order + code


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BufferedIOBase):
        super().__init__(file)
        self.known = _known()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            # repr, and not all of it: a name may hold line breaks and be as long as the file
            raise Refused(repr(f"{module}.{name}"[:200]))
        return self.known[module, name]


def _known() -> dict[tuple[str, str], Callable]:
    """Everything a pickle may name. Made anew for every file, since a pickle may also set attributes of what it names."""

    class Object(Holder):
        pass

    class Numbers(Array):
        pass

    def persistent(meta: dict) -> Holder:
        made = Object()
        made.state = meta["state"]
        return made

    def storage(data: bytes) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its type, which is torch's own business
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)

    def tensor(storage: Any, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
        return torch._utils._rebuild_tensor(storage, offset, size, stride)

    def parameter(data: Any, *_: Any) -> Any:
        return data

    def reconstruct(*_: Any) -> Array:
        return Numbers()  # its state comes later

    def contiguous(data: bytes, dtype: Array, shape: tuple, order: str) -> Array:
        made = Numbers()
        made.state = (1, shape, dtype, order == "F", data)
        return made

    def scalar(dtype: Array, data: bytes) -> bool | int | float:
        return _array(data, dtype, (), "C").item()

    def latin1(text: str, *_: Any) -> bytes:
        return text.encode("latin1")

    def items(values: list = ()) -> list:
        return list(values)

    def empty() -> bytes:
        return b""

    known = {
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): items,
        ("__builtin__", "set"): items,
        ("_codecs", "encode"): latin1,
        ("builtins", "bytes"): empty,
        ("__builtin__", "bytes"): empty,
        ("dnnlib.util", "EasyDict"): Object,
        ("dnnlib.tflib.network", "Network"): Object,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): persistent,
        ("torch.storage", "_load_from_bytes"): storage,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("numpy", "ndarray"): Numbers,
        ("numpy", "dtype"): Numbers,
    }
    for core in ("numpy.core", "numpy._core"):
        known[f"{core}.multiarray", "_reconstruct"] = reconstruct
        known[f"{core}.multiarray", "scalar"] = scalar
        known[f"{core}.numeric", "_frombuffer"] = contiguous
    return known
