"""Settings of a StyleMapGAN."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from stylemap.config import MOST_CHANNELS, Latents, LossConfig, ModelConfig, SpeedConfig, TrainConfig, is_power_of_two
from stylemap.settings import require


@dataclass(frozen=True, kw_only=True)
class StylemapConfig(ModelConfig):
    """Generator, encoder and discriminator of a StyleMapGAN."""

    architecture: Literal["stylemap"] = "stylemap"
    """Which networks, latents and training cycle; stylegan2 and stylegan are there for comparison."""
    stylemap_size: int = 8
    """Side S of the stylemap in cells: 1, 2, 4, 8, 16 or 32; finer reconstructs better, edits smaller."""
    stylemap_channels: int = 64
    """Channels of the stylemap, and the length of z."""
    norm: Literal["layer", "instance", "batch", "group"] = "layer"
    """Before modulation; the others are the paper's ablations."""
    linear_rgb: bool = False
    """No leaky ReLU after to-RGB, which learns faster; the published networks have one."""
    light: bool = False
    """The stylemap resizer keeps stylemap_channels at every side: for 1024 px."""

    least_resolution: ClassVar[int] = 16

    def __post_init__(self):
        super().__post_init__()
        require(
            is_power_of_two(self.stylemap_size, 1, min(32, self.resolution)),
            f"model.stylemap_size {self.stylemap_size} must be 1, 2, 4, 8, 16 or 32 and at most the resolution",
        )
        self.check_range("stylemap_channels", MOST_CHANNELS)
        if self.norm == "group":
            widths = {self.channels(self.stylemap_size << i) for i in range(self.doublings + 1)}
            require(
                all(w % 8 == 0 for w in widths), f"model.norm group needs channels divisible by 8, not {sorted(widths)}"
            )
        if self.stylemap_size == 1:
            alone = self.norm == "instance" or (self.norm == "group" and self.channels(1) == 8)
            require(
                not alone, f"model.norm {self.norm} needs more than one value, but at model.stylemap_size 1 has one"
            )

    @property
    def doublings(self) -> int:
        """n = log2(R / S)."""
        return int(math.log2(self.resolution // self.stylemap_size))

    @property
    def stylemap_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return self.stylemap_channels, self.stylemap_size, self.stylemap_size

    @property
    def latents(self) -> Latents:
        return Latents(
            words=f"stylemap {self.stylemap_size}x{self.stylemap_size}",
            name="stylemap",
            places="cells",
            shape=self.stylemap_shape,
            z_channels=self.stylemap_channels,
            spatial=True,
        )


@dataclass(frozen=True)
class StylemapLoss(LossConfig):
    """Weights of the terms of the cyclic scheme (StyleMapGAN, section 3.3)."""

    discriminator_reconstruction: float = 1.0
    """The discriminator tells reconstructions from originals."""
    autoencoder_images: int = 0
    """At the start, this many images train only the image cycle, without the discriminator; 0 = none, as published."""


@dataclass(frozen=True)
class StylemapSpeed(SpeedConfig):
    """How the same training is computed."""

    checkpointing: bool = False
    """Keep only the sides of the synthesis network in memory and compute the rest again: less memory, more time."""


@dataclass(frozen=True)
class StylemapTraining(TrainConfig):
    """Training of a StyleMapGAN."""

    model: StylemapConfig = field(default_factory=StylemapConfig)
    loss: StylemapLoss = field(default_factory=StylemapLoss)
    speed: StylemapSpeed = field(default_factory=StylemapSpeed)
