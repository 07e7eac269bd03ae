"""Where the files that come with the project are: beside the package in a checkout, inside it when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / name


PRETRAINED = _folder("pretrained")  # <name>.safetensors with <name>.md, its model card
CONFIGS = _folder("configs")  # <recipe>.yaml
