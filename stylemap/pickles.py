"""Read pickles and files of torch.save without running anything that they name.

A pickle is a program that may call whatever it can name. Here it can name only the entries of one list. Each entry is harmless
code of this file, which turns an object into a holder of what the object was made of. Nothing is imported. The source code
inside of StyleGAN2-ADA pickles stays a string.

The program is checked before it runs, and what it makes is counted, so that a small file cannot become large.

PyTorch's own restricted reader, ``torch.load(weights_only=True)``, does not replace this module. It does not read plain pickles.
It does not verify checksums, so a damaged number is loaded without a word. And it bounds nothing: a file of 400 bytes may ask it
for a bytearray of many GiB.
"""

import contextlib
import io
import math
import mmap
import os
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylemap import files
from stylemap.errors import InputError, out_of_memory, quoted

MOST_STEPS = 1 << 20  # of a program; the largest network pickles have some 100,000
MOST_CALLS = 1 << 17
MOST_NUMBERS = 1 << 27  # of networks that are to be converted, 512 MiB; the largest that are published have 100 million
CALLS = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "INST", "OBJ", "PERSID", "BINPERSID"})
ZIP = b"PK\x03\x04"
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)  # what torch.save began with before PyTorch 1.6
LEGACY_VERSION = 1001
KINDS = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


class Refused(pickle.UnpicklingError):
    """The pickle names something that is not on the list, or makes too much."""


class _Stateful:
    """What the file calls keeps the state that it would have been given; None if none."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Holder(_Stateful, dict):
    """An object of the file: its state in ``state``, its items as a dict."""


class Array(_Stateful):
    """A numpy array or dtype of the file: what it would have been called with, and its state.

    numpy's own classes take no part, because nobody promises what they do with a malicious state.
    """

    def __init__(self, *arguments: Any):
        self.arguments = arguments


def load(path: str | Path) -> Any:
    """Read a pickle or a file of torch.save: objects become `Holder`, arrays `Array` (see `numbers`), tensors are on the CPU.

    Raises:
        InputError: the file is missing or damaged, names something that is not on the list, or would become much larger.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is a folder, not a checkpoint" if Path(path).is_dir() else f"{path}: no such file")
    try:
        return content(path)
    except Refused as err:
        raise InputError(f"{path} {err}; nothing in it was run") from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror or err}; check the path") from err
    except Exception as err:  # damage comes out as nearly any type
        if out_of_memory(err):
            raise  # nothing is wrong with the file
        raise InputError(f"{path} is damaged or not a checkpoint ({type(err).__name__}); copy it again") from err


def save(path: Path, content: Any) -> None:
    """Write a file of torch.save, whole or not at all.

    Raises:
        InputError: the disk cannot take it.
    """
    with files.atomic(path) as temporary:
        try:
            with open(temporary, "wb") as file:  # given a path, torch writes its name into the file
                torch.save(content, file)
        except RuntimeError as err:  # torch's zip writer reports a full disk in its own way
            raise OSError(0, f"writing failed, is the disk full? ({str(err).splitlines()[0]})") from err


def content(path: str | Path) -> Any:
    """As `load`, but raises the error of whatever is damaged, and `Refused`."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return _load(file, size, Allowance(size))


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


def floats(values: Mapping[Any, Any]) -> dict[Any, Tensor]:
    """The numbers of a network by name, float32.

    Raises:
        InputError: more than `MOST_NUMBERS`, or some that are not finite.
        ValueError: as `numbers`.
    """
    tensors, left = {}, MOST_NUMBERS
    for name, value in values.items():
        tensor = numbers(value).detach()
        left -= tensor.numel()
        if left < 0:
            raise InputError(f"it has more than {MOST_NUMBERS:,} numbers")
        tensors[name] = tensor.float()
        if not tensors[name].isfinite().all():
            raise InputError(f"{quoted(name)} holds numbers that are not finite")
    return tensors


def _array(data: bytes, dtype: Array, shape: tuple, order: str) -> np.ndarray:
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        raise ValueError("the shape is not a tuple of whole numbers")  # a product of bytes is bytes
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


# ---- files


class Allowance:
    """The bytes that a program may still take for copies. What the file itself holds is not counted."""

    def __init__(self, size: int):
        self.left = 4 * size + (64 << 20)

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise Refused("holds a program whose result would be much larger than the file")


def _load(file: BinaryIO, size: int, allowance: Allowance) -> Any:
    """A file of torch.save of either format, or a plain pickle."""
    start = file.read(len(LEGACY))
    file.seek(0)
    if start.startswith(ZIP):
        return _zipped(file, size, allowance)
    with contextlib.ExitStack() as stack:
        if not isinstance(file, io.BytesIO):  # reads no more than there is, whatever length is asked for
            file = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _legacy(file, size, allowance) if start == LEGACY else _run(file, allowance)


def _zipped(file: BinaryIO, size: int, allowance: Allowance) -> Any:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or sum(e.file_size for e in entries) > size:
            raise Refused("holds compressed or overlapping entries, which torch.save does not write")
        root = next(e.filename.removesuffix("data.pkl") for e in entries if re.fullmatch("[^/]+/data.pkl", e.filename))
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("numbers in another order")
        storages: dict[str, Tensor] = {}

        def storage(kind: torch.dtype, key: str, count: int) -> Tensor:
            if key not in storages:
                storages[key] = _flat(archive.read(f"{root}data/{key}"), kind, count)  # checks the checksum too
            return storages[key]

        return _run(io.BytesIO(archive.read(f"{root}data.pkl")), allowance, storage)


def _legacy(file: BinaryIO, size: int, allowance: Allowance) -> Any:
    """Files from before PyTorch 1.6: three pickles of the format, one of the objects, one of storage names, then numbers."""
    _, version, system = (_run(file, allowance) for _ in range(3))
    if version != LEGACY_VERSION or not system["little_endian"]:
        raise ValueError("another format")
    storages: dict[str, Tensor] = {}

    def storage(kind: torch.dtype, key: str, count: int) -> Tensor:
        if key not in storages:
            if not 0 <= count <= size:
                raise ValueError(f"{count} numbers in {size} bytes")
            allowance.take(count * kind.itemsize)
            storages[key] = torch.empty(count, dtype=kind)  # filled below
        return storages[key]

    content, keys = _run(file, allowance, storage), _run(file, allowance)
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        kind = storages[key].dtype
        storages[key].copy_(_flat(file.read(min(count, size) * kind.itemsize), kind, len(storages[key])))
    if len(storages) > len(set(keys)):
        raise ValueError("a tensor without numbers")
    return content


def _flat(data: bytes, kind: torch.dtype, count: int) -> Tensor:
    if len(data) != count * kind.itemsize:
        raise ValueError(f"{len(data)} bytes for {count} numbers")
    flat = torch.empty(count, dtype=kind)  # memory of torch's: from other addresses, sums are rounded otherwise
    return flat.copy_(torch.frombuffer(bytearray(data), dtype=kind)) if data else flat


# ---- programs


def _run(file: BinaryIO, allowance: Allowance, storage: Callable | None = None) -> Any:
    """Run the pickle that begins here. Afterwards the file stands behind it."""
    start, calls, tuples = file.tell(), 0, _Tuples()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        calls += opcode.name in CALLS
        tuples.follow(opcode, argument)
        # the index of a memo is taken for the length of an array
        index = argument if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") else 0
        if max(step, index) >= MOST_STEPS or calls > MOST_CALLS:
            raise Refused("holds a program that is too long for a checkpoint")
    file.seek(start)
    return _Reader(file, allowance, storage).load()


class _Tuples:
    """How large the tuples of a program are.

    A tuple that holds another tuple twice, which holds another twice, and so on, has exponentially many items. As the key of a
    dict it would be hashed for ever.
    """

    def __init__(self):
        self.stack: list[int | None] = []  # values in each object, tuples in tuples counted too; None = a mark
        self.memo: dict[int, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Raises `Refused`; IndexError or KeyError of a damaged program."""
        name, stack = opcode.name, self.stack
        if name.endswith("PUT") or name == "MEMOIZE":
            self.memo[len(self.memo) if argument is None else int(argument)] = stack[-1] or 1
        elif name.endswith("GET"):
            stack.append(self.memo[int(argument)])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(None)
        else:
            taken = list(opcode.stack_before)
            values = []
            if pickletools.stackslice in taken:
                while (value := stack.pop()) is not None:
                    values.append(value)
                taken = taken[: taken.index(pickletools.markobject)]
            values += [stack.pop() or 1 for _ in taken]
            size = 1 + sum(values) if name.startswith("TUPLE") else 1
            if size > MOST_STEPS:
                raise Refused("holds a program whose result would be much larger than the file")
            stack += [size for _ in opcode.stack_after]


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, allowance: Allowance, storage: Callable | None):
        super().__init__(file)
        self.known, self.storage = _known(allowance), storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            # repr, and not all of it: a name may hold line breaks and be as long as the file
            raise Refused(f"holds {f'{module}.{name}'[:200]!r}, which no network needs")
        return self.known[module, name]

    def persistent_load(self, reference: Any) -> Tensor:
        name, kind, key, _, count, *view = reference
        if name != "storage" or self.storage is None or view not in ([], [None]):
            raise ValueError("a reference to something other than a storage")
        return self.storage(kind, key, count)


def _known(allowance: Allowance) -> dict[tuple[str, str], Any]:
    """Everything that a pickle may name. Made anew for each file, because a pickle may set attributes of what it names."""

    def counted(kind: type) -> type:
        class Counted(kind):
            def __init__(self, items: Any = ()):
                allowance.take(100 * len(items))
                super().__init__(items)

        return Counted

    objects, array = counted(Holder), type("Array", (Array,), {})

    def persistent(meta: dict) -> Holder:
        return _with_state(objects(), meta["state"])

    def inner(data: bytes) -> Any:
        allowance.take(3 * len(data))
        return _load(io.BytesIO(data), len(data), allowance)

    def tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
        return torch.as_strided(storage, size, stride, offset)

    def contiguous(data: bytes, dtype: Array, shape: tuple, order: str) -> Array:
        return _with_state(array(), (1, shape, dtype, order == "F", data))

    def scalar(dtype: Array, data: bytes) -> bool | int | float:
        return _array(data, dtype, (), "C").item()

    def latin1(text: str, *_: Any) -> bytes:
        allowance.take(len(text))
        return text.encode("latin1")

    def items(values: Any = ()) -> list:
        allowance.take(8 * len(values))
        return list(values)

    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): counted(OrderedDict),
        ("_codecs", "encode"): latin1,
        ("argparse", "Namespace"): objects,
        ("dnnlib.util", "EasyDict"): objects,
        ("dnnlib.tflib.network", "Network"): objects,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): persistent,
        ("torch.storage", "_load_from_bytes"): inner,
        ("torch._utils", "_rebuild_tensor"): tensor,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        ("torch", "Size"): lambda values=(): tuple(items(values)),
        ("numpy", "ndarray"): array,
        ("numpy", "dtype"): array,
    }
    known |= {("torch", name): kind for name, kind in KINDS.items()}
    for builtins in ("builtins", "__builtin__"):
        known |= {(builtins, "set"): items, (builtins, "bytes"): lambda: b""}
    for core in ("numpy.core", "numpy._core"):
        known[f"{core}.multiarray", "_reconstruct"] = lambda *_: array()  # its state comes later
        known[f"{core}.multiarray", "scalar"] = scalar
        known[f"{core}.numeric", "_frombuffer"] = contiguous
    return known


def _with_state(made: _Stateful, state: Any) -> Any:
    made.state = state
    return made
