"""What a number needs beside it to be compared with another: versions, files, and libraries that may be missing."""

import hashlib
import importlib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from stylemap.errors import InputError

LIBRARIES = {  # that may be missing: module -> (distribution, the extra that installs it)
    "starlette": ("starlette", "web"),
    "uvicorn": ("uvicorn", "web"),
    "simplejpeg": ("simplejpeg", "fast"),
    "pi_heif": ("pi-heif", "heic"),
    "torch_fidelity": ("torch-fidelity", "metrics"),
    "sklearn": ("scikit-learn", "attributes"),
    "onnx": ("onnx", "onnx"),
    "onnxscript": ("onnxscript", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
}


def sha256(path: str | Path) -> str:
    """Of the bytes of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def version(distribution: str) -> str:
    """Of an installed library, as "lpips 0.1.4"."""
    return f"{distribution} {metadata.version(distribution)}"


def library(module: str) -> ModuleType:
    """Import a module of a library that only some measures need.

    Raises:
        InputError: not installed; says how to install it.
    """
    distribution, extra = LIBRARIES[module.partition(".")[0]]
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise InputError(f"needs {distribution}: pip install 'stylemap[{extra}]'") from err
