"""The folders that come with the project: inside an installed package, beside the package in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str, package: Path = _PACKAGE) -> Path:
    """Look inside the package first: beside an installed package, other packages may have folders of the same name."""
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


PRETRAINED = folder("pretrained")  # <name>.safetensors with <name>.md, its model card
CONFIGS = folder("configs")  # <recipe>.yaml
OPERATORS = folder("op")  # of `operators`
