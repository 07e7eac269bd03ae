"""What describes an architecture."""

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylemap.config import ModelConfig, TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from stylemap.architectures.cycle import Cycle
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

    def build(self, config: ModelConfig, encoder: bool = True) -> "Model":
        """A model with random weights.

        Raises:
            ValueError: no encoder of an architecture that needs one.
        """
        return pkgutil.resolve_name(self.model)(config, encoder=encoder)

    def build_discriminator(self, config: ModelConfig) -> "nn.Module":
        """With random weights."""
        return pkgutil.resolve_name(self.discriminator)(config)

    def cycle_class(self) -> "type[Cycle]":
        """What trains it."""
        return pkgutil.resolve_name(self.cycle)
