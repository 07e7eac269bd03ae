"""The configs that are measured."""

from dataclasses import replace
from pathlib import Path

import yaml

from stylemap import architectures
from stylemap.config import TrainConfig

DEFAULT = str(Path(__file__).resolve().parents[1] / "configs/avatars32.yaml")


def read(path: str) -> TrainConfig:
    """A recipe, as the command line reads it, but never with LPIPS: its weights are a download, and float32 only."""
    config = architectures.train_config(yaml.safe_load(Path(path).read_text()))
    if config.loss.perceptual_network == "lpips":
        return replace(config, loss=replace(config.loss, perceptual_network="discriminator"))
    return config
