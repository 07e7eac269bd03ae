"""kernels.cpp, the kernels for CPUs: built when they are first needed, and kept in the cache folder.

A library belongs to its source, its compiler, and the instructions of its processor. No version of PyTorch is part of it, because
it takes plain memory: it needs no header of PyTorch, and is built in 2 seconds instead of 30. It shares PyTorch's threads (both
load the same libgomp).
"""

import ctypes
import functools
import hashlib
import os
import shlex
import subprocess
import threading
import warnings
from ctypes import c_double, c_int, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from stylemap import files, resources
from stylemap.errors import InputError, Note, brief

OPERATORS = ("upfirdn2d",)
TYPES = (torch.float32, torch.bfloat16, torch.float64)
SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
PATIENCE_S = 300.0  # for a compiler, on a busy machine

_SIGNATURE = [c_void_p, c_void_p, ctypes.POINTER(c_double), c_int, *[c_int64] * 9, c_int]
_lock = threading.Lock()  # of threads that need the kernels at once, one builds them


def functions() -> dict | None:
    """The kernel of upfirdn2d for each type; None where they cannot be built, kept or loaded, after a warning the first time."""
    with _lock:
        found = _functions()
    return found if isinstance(found, dict) else None


def fault() -> str | None:
    """Why there are no kernels, as the compiler or the system says it; None: there are."""
    with _lock:
        found = _functions()
    return found if isinstance(found, str) else None


@functools.cache
def _functions() -> dict | str:
    try:
        library = ctypes.CDLL(str(_build()))
    # RuntimeError: there is no home folder
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as err:
        said = brief(err.stderr if isinstance(err, subprocess.CalledProcessError) else err)
        if _is_news(f"{type(err).__name__} {_compiler()}", said):
            warnings.warn(f"no kernels for this CPU, so PyTorch's operations serve: {said}", Note, stacklevel=2)
        return said
    found = {dtype: getattr(library, f"upfirdn2d_{str(dtype).removeprefix('torch.')}") for dtype in TYPES}
    for function in found.values():
        function.argtypes, function.restype = _SIGNATURE, None
    return found


def _build() -> Path:
    """The library's file in the cache folder. Processes that build at once each write their own, and put it in place whole."""
    compiler = [*_compiler(), *FLAGS]
    # The macros tell the compiler's version, and every instruction that -march=native stands for.
    macros = _run([*compiler, "-dM", "-E", "-x", "c++", os.devnull])
    key = hashlib.sha256(b"\0".join([SOURCE.read_bytes(), shlex.join(compiler).encode(), macros.encode()])).hexdigest()
    path = resources.cache_folder() / f"kernels-{key[:16]}.so"
    if not path.exists():
        with files.atomic(path) as temporary:
            _run([*compiler, "-o", str(temporary), str(SOURCE)])
    return path


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CXX") or "c++")


def _is_news(cause: str, said: str) -> bool:
    """Whether nobody was told of the cause yet, which the cache folder remembers. All is news where it cannot."""
    try:
        folder = resources.cache_folder()
        files.make_folder(folder, exist_ok=True)
        with open(folder / f"no-kernels-{hashlib.sha256(cause.encode()).hexdigest()[:16]}.txt", "x") as file:
            file.write(f"{said}\n")
    except FileExistsError:
        return False
    except (OSError, RuntimeError, InputError):
        pass
    return True


def _run(command: list[str]) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE_S
    ).stdout


def upfirdn2d(x: Tensor, taps: list[float], up: int, down: int, before: int, height: int, width: int) -> Tensor:
    """See `registered`."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, c, h, w = x.shape
    y = torch.empty(n, c, height, width, dtype=x.dtype, memory_format=torch.channels_last)
    line, threads = (c_double * len(taps))(*taps), torch.get_num_threads()
    sizes = (n, h, w, c, height, width, up, down, before)
    functions()[x.dtype](x.data_ptr(), y.data_ptr(), line, len(taps), *sizes, threads)
    return y
