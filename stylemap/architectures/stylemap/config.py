"""Settings of a StyleMapGAN."""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from stylemap.config import (
    Channels,
    Latents,
    LossConfig,
    ModelConfig,
    SpeedConfig,
    TrainConfig,
    Weight,
    is_power_of_two,
)
from stylemap.schema import Range, require


@dataclass(frozen=True, kw_only=True)
class StylemapConfig(ModelConfig):
    """Generator, encoder and discriminator of a StyleMapGAN."""

    architecture: Literal["stylemap"] = "stylemap"
    """Networks to train, with their latents and training cycle. stylegan2, stylegan and sean serve for comparison."""
    stylemap_size: int = 8
    """Side S of the stylemap in cells: 1, 2, 4, 8, 16 or 32. A larger map reconstructs better, but edits show more."""
    stylemap_channels: Channels = 64
    """Number of channels of the stylemap, and the length of z."""
    mapping: Literal["mlp", "flow"] = "mlp"
    """Mapping network, which makes a stylemap of z. mlp is the published one, which learns with the generator. flow is what
    `stylemap train-mapping` trains alone."""
    norm: Literal["layer", "instance", "batch", "group"] = "layer"
    """Normalisation before modulation. layer is the published one. The others are ablations of the paper."""
    linear_rgb: bool = False
    """Leave out the leaky ReLU after to-RGB. The network then learns faster. The published networks have it."""
    light: bool = False
    """Light generator for 1024 px: the stylemap resizer keeps stylemap_channels at every side."""
    rgb_skips: int = 0
    """Number of lower sides that also make an image, which is enlarged and added to the next (StyleGAN2, section 4.1).
    0 is published. Networks that grow need one for each doubling."""

    least_resolution: ClassVar[int] = 16

    def __post_init__(self):
        super().__post_init__()
        require(
            is_power_of_two(self.stylemap_size, 1, min(32, self.resolution)),
            f"model.stylemap_size {self.stylemap_size} must be 1, 2, 4, 8, 16 or 32 and at most the resolution",
        )
        require(
            0 <= self.rgb_skips <= self.doublings,
            f"model.rgb_skips {self.rgb_skips} must lie in 0..{self.doublings}, the number of doublings from "
            "model.stylemap_size to model.resolution",
        )
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
    def layers(self) -> int:
        """2 n + 2: how many resized stylemaps w+ has."""
        return 2 * self.doublings + 2

    def sides(self, most: int) -> list[int]:
        """S, 2 S, 4 S ... up to R or ``most``; at least S."""
        sides = [self.stylemap_size << i for i in range(self.doublings + 1)]
        return [side for side in sides if side <= max(most, self.stylemap_size)]

    @property
    def skipped(self) -> range:
        """Which sides S << i below R make an image that is added: the last ``rgb_skips`` of i = 0..n - 1."""
        return range(self.doublings - self.rgb_skips, self.doublings)

    @property
    def stylemap_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return self.stylemap_channels, self.stylemap_size, self.stylemap_size

    def grown(self) -> "StylemapConfig":
        return replace(self, resolution=2 * self.resolution, rgb_skips=self.rgb_skips + 1)

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

    discriminator_reconstruction: Weight = 1.0
    """Weight of the adversarial loss by which the discriminator learns to tell reconstructions from real images."""
    autoencoder_images: Annotated[int, Range(0)] = 0
    """For this many images at the start, train only the reconstruction of images, without the discriminator. It then
    begins with the layers of the encoder. 0 means none, as published."""
    discriminator_images: Annotated[int, Range(0)] = 0
    """For this many images after that, only the discriminator learns. Then generator and encoder meet one that knows
    something. 0 means none, as published."""
    transplants: float = 0.0
    """Share of the reconstructions that are transplants: a part of another image is laid over the stylemaps, in w+ or w,
    at any place and size, and the target is the same done to the pixels. Transplants then work at places where no
    training image has such a part. 0 means none, as published."""

    def __post_init__(self):
        super().__post_init__()
        require(0 <= self.transplants <= 1, f"loss.transplants {self.transplants} must lie in 0..1")


@dataclass(frozen=True)
class StylemapSpeed(SpeedConfig):
    """How the training is computed."""

    checkpointing: bool = False
    """Keep less of the synthesis network in memory, and compute it again for the backward pass. It takes less memory
    and more time."""


@dataclass(frozen=True)
class StylemapTraining(TrainConfig):
    """Training of a StyleMapGAN."""

    model: StylemapConfig = field(default_factory=StylemapConfig)
    loss: StylemapLoss = field(default_factory=StylemapLoss)
    speed: StylemapSpeed = field(default_factory=StylemapSpeed)

    def __post_init__(self):
        super().__post_init__()
        require(
            self.model.mapping == "mlp" or self.init_from is not None,
            "model.mapping flow is not trained here: `stylemap train-mapping` makes one, and init_from starts from it",
        )
