"""Settings."""

from dataclasses import dataclass, field
from typing import Literal

from stylemap.config import Latents, LossConfig, ModelConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class RegionsConfig(ModelConfig):
    architecture: Literal["regions"] = "regions"
    """Which networks."""
    code: int = 6
    """Length of a vector."""

    @property
    def latents(self) -> Latents:
        return Latents(f"2 regions of {self.code}", "code", "regions", (2, self.code), self.code, spatial=False)


@dataclass(frozen=True)
class RegionsLoss(LossConfig):
    balance: float = 0.1
    """Weight of the difference between the two vectors."""


@dataclass(frozen=True)
class RegionsTraining(TrainConfig):
    model: RegionsConfig = field(default_factory=RegionsConfig)
    loss: RegionsLoss = field(default_factory=RegionsLoss)
