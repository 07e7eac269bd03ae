"""An architecture is a folder: its settings, its networks, its model and the cycle that trains it.

The table below is the only place that knows all of them. To add one, write a folder and add its line to the table. Nothing here
imports torch, so that settings and help texts stay fast.
"""

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylemap.config import ModelConfig, TrainConfig
from stylemap.errors import InputError, quoted
from stylemap.schema import flat, names, parse, require

if TYPE_CHECKING:
    from stylemap.architectures.cycle import Cycle
    from stylemap.architectures.discriminator import Discriminator
    from stylemap.architectures.model import Model


@dataclass(frozen=True)
class Architecture:
    """Its settings, and where its networks are. The settings need no torch, so the networks are imported when they are used."""

    config: type[ModelConfig]
    training: type[TrainConfig]
    """Its field ``model`` is a ``config``."""
    model: str
    """The class of `Model`, as "module:class"; called with a ``config``, and ``encoder=False`` for one without an encoder."""
    cycle: str
    """The class of `Cycle`, likewise."""
    discriminator: str = "stylemap.architectures.discriminator:Discriminator"
    """The class of the discriminator, likewise; called with a ``config``."""


ARCHITECTURES = {
    "stylemap": "stylemap.architectures.stylemap:ARCHITECTURE",
    "stylegan2": "stylemap.architectures.vector:STYLEGAN2",
    "stylegan": "stylemap.architectures.vector:STYLEGAN",
    "sean": "stylemap.architectures.sean:ARCHITECTURE",
}
DEFAULT = "stylemap"


def find(name: str) -> Architecture:
    """The description of an architecture.

    Raises:
        InputError: there is no such architecture.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise InputError(f"model.architecture: {quoted(name)} is not one of {', '.join(ARCHITECTURES)}")
    return pkgutil.resolve_name(ARCHITECTURES[name])


def of(config: ModelConfig) -> Architecture:
    """The architecture that a config belongs to."""
    return find(config.architecture)


def build(config: ModelConfig, encoder: bool = True) -> "Model":
    """The model of a config, with random weights.

    Args:
        encoder: False leaves it out.

    Raises:
        ValueError: no encoder of an architecture that needs one.
    """
    return pkgutil.resolve_name(of(config).model)(config, encoder=encoder)


def build_discriminator(config: ModelConfig) -> "Discriminator":
    """The discriminator of a config, with random weights."""
    return pkgutil.resolve_name(of(config).discriminator)(config)


def cycle_class(config: ModelConfig) -> "type[Cycle]":
    """What trains the model of a config."""
    return pkgutil.resolve_name(of(config).cycle)


def model_config(settings: dict) -> ModelConfig:
    """The config that `dataclasses.asdict` made these settings of. What is missing gets its default.

    Raises:
        InputError: an unknown architecture or setting, or a value that does not fit.
    """
    require(isinstance(settings, dict), f"model must be a group of settings, not {quoted(settings)}")
    name = settings.get("architecture", DEFAULT)
    config = find(name).config
    refuse_foreign((f"model.{setting}" for setting in settings), name)
    return parse(config, settings, "model")


def train_config(settings: dict) -> TrainConfig:
    """The config of a training, from settings as a recipe has them. What is missing gets its default.

    Raises:
        InputError: an unknown architecture or setting, or a value that does not fit.
    """
    require(isinstance(settings, dict), f"the file must hold a group of settings, not {quoted(settings)}")
    model = settings.get("model", {})
    name = model.get("architecture", DEFAULT) if isinstance(model, dict) else DEFAULT
    training = find(name).training
    refuse_foreign(flat(settings), name)
    return parse(training, settings)


def refuse_foreign(settings: Iterable[str], name: str) -> None:
    """Raise an InputError for the first of these settings, such as "model.norm", that only other architectures have."""
    known = names(find(name).training)
    for setting in settings:
        if setting not in known:
            owners = [other for other in ARCHITECTURES if setting in names(find(other).training)]
            if owners:
                raise InputError(
                    f"{setting} is a setting of model.architecture {' and '.join(owners)}, not of {name}; leave it out"
                )
