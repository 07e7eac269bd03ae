"""The folders that come with the project, inside an installed package or beside it in a checkout; and the cache folder."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str, package: Path = _PACKAGE) -> Path:
    """Look inside the package first: beside an installed package, other packages may have folders of the same name."""
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


PRETRAINED = folder("pretrained")  # <name>.safetensors with <name>.md, its model card
CONFIGS = folder("configs")  # <recipe>.yaml
OPERATORS = folder("op")  # of `operators`


def cache_folder() -> Path:
    """Of downloads, measurements and built kernels: $STYLEMAP_CACHE, else $XDG_CACHE_HOME/stylemap, else ~/.cache/stylemap."""
    if folder := os.environ.get("STYLEMAP_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylemap"
