"""StyleMapGAN: a GAN whose latent is a small map, with an encoder that finds the map of a real photo in one pass.

`__init__.pyi` lists the public names; they are imported when they are first used.
"""

import ast
import importlib
from pathlib import Path

__version__ = "0.1.0"

# What needs no torch, such as reading data, does not wait for it. The list has one place, and type checkers read it too.
_HOMES = {
    alias.asname or alias.name: (f"stylemap.{statement.module}", alias.name)
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text()).body
    if isinstance(statement, ast.ImportFrom)
    for alias in statement.names
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, original = _HOMES[name]
    return getattr(importlib.import_module(module), original)


def __dir__() -> list[str]:
    return ["__version__", *__all__]
