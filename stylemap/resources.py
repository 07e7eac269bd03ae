"""Where the folders are that come with the project: inside the package when it is installed, beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str, package: Path = _PACKAGE) -> Path:
    """Inside first: beside an installed package lie those of others, and the names are common ones."""
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


PRETRAINED = folder("pretrained")  # <name>.safetensors with <name>.md, its model card
CONFIGS = folder("configs")  # <recipe>.yaml
OPERATORS = folder("op")  # of `operators`
