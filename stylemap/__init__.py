"""StyleMapGAN: a GAN whose latent is a small map, with an encoder that finds the map of a real photo in one pass."""

import importlib

__version__ = "0.1.0"
_EDITING = ("Box", "Placement", "Region", "blend", "interpolate", "mix", "morph", "transfer", "transplant")

_HOMES = {
    "InputError": "stylemap.errors",
    "Model": "stylemap.architectures.model",
    "load": "stylemap.checkpoint",
    "truncate": "stylemap.architectures.model",
} | dict.fromkeys(_EDITING, "stylemap.editing")
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """The public names, imported when asked for: what needs no torch, such as reading data, must not wait for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
