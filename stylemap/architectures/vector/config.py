"""Settings of StyleGAN2 and StyleGAN."""

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from stylemap.config import Channels, Count, Latents, LossConfig, ModelConfig, TrainConfig, Weight
from stylemap.schema import Range, require, validate

FIRST_SIDE = 4  # of the constant that the generator begins with
INPUT_SIDE = 8  # of the features that structured noise replaces


@dataclass(frozen=True, kw_only=True)
class VectorConfig(ModelConfig):
    """Generator, encoder and discriminator of a model with one latent vector per layer."""

    latent_channels: Channels = 512
    """Length C of z, of w, and of the vector of each layer."""

    @property
    def layers(self) -> int:
        """L = 2 log2 R - 2: how many vectors modulate an image."""
        return 2 * int(math.log2(self.resolution)) - 2

    @property
    def noise_sides(self) -> list[int]:
        """The side of each noise map, in order."""
        return [FIRST_SIDE << (i // 2) for i in range(self.layers)]

    @property
    def latents(self) -> Latents:
        noise = {f"noise.{i}": (1, 1, side, side) for i, side in enumerate(self.noise_sides)}
        return Latents(
            words=f"{self.architecture}, {self.layers} vectors of {self.latent_channels}",
            name="latent",
            places="layers",
            shape=(self.layers, self.latent_channels),
            z_channels=self.latent_channels,
            spatial=False,
            extras=noise | {"input": (1, self.channels(INPUT_SIDE), INPUT_SIDE, INPUT_SIDE)},
        )


@dataclass(frozen=True, kw_only=True)
class StyleGAN2Config(VectorConfig):
    architecture: Literal["stylegan2"] = "stylegan2"
    """Networks to train, with their latents and training cycle. stylegan2, stylegan and sean serve for comparison."""

    @property
    def noise_sides(self) -> list[int]:
        """One layer at side 4, then two at every side."""
        return [FIRST_SIDE << ((i + 1) // 2) for i in range(self.layers - 1)]


@dataclass(frozen=True, kw_only=True)
class StyleGANConfig(VectorConfig):
    architecture: Literal["stylegan"] = "stylegan"
    """Networks to train, with their latents and training cycle. stylegan2, stylegan and sean serve for comparison."""


@dataclass(frozen=True)
class VectorLoss(LossConfig):
    """Weights of the terms of the training."""

    adversarial: Literal["nonsaturating", "relativistic", "wgan-gp"] = "nonsaturating"
    """Form of the adversarial loss. nonsaturating is the published one of StyleMapGAN and StyleGAN2. relativistic
    compares each generated image with a real one (R3GAN). It needs optim.r1_gamma, optim.r2_gamma and optim.r1_every 1.
    wgan-gp, the critic of the first StyleGAN, is for stylegan2 and stylegan. It has a gradient penalty of its own, and
    needs optim.r1_gamma 0."""


@dataclass(frozen=True)
class VectorCycleConfig:
    """How samples are made, and whether there is an encoder."""

    mixing: Annotated[float, Range(0, 1)] = 0.9
    """Style mixing: the share of samples whose finer layers take the latent of another z (StyleGAN, section 3.1)."""
    encoder: bool = True
    """Train an encoder beside the generator, as in in-domain inversion. The generator does not learn from it. With
    false, the model has no encoder, and nothing is reconstructed."""

    def __post_init__(self):
        validate(self, "vector")


@dataclass(frozen=True)
class StyleGAN2CycleConfig(VectorCycleConfig):
    """Also the penalty of path lengths."""

    path_weight: Weight = 2.0
    """Weight of the path length penalty (StyleGAN2, section 3.2). 0 means off."""
    path_every: Count = 4
    """Iterations between path length penalties. Each penalty is multiplied by this number."""


@dataclass(frozen=True)
class VectorTraining(TrainConfig):
    """Training of a generator with one latent vector per layer, and of an encoder beside it."""

    loss: VectorLoss = field(default_factory=VectorLoss)
    vector: VectorCycleConfig = field(default_factory=VectorCycleConfig)

    fixed: ClassVar[frozenset[str]] = TrainConfig.fixed | {"vector.encoder"}

    def __post_init__(self):
        super().__post_init__()
        require(
            self.loss.adversarial != "wgan-gp" or self.optim.r1_gamma == self.optim.r2_gamma == 0,
            "loss.adversarial wgan-gp has a gradient penalty of its own; give optim.r1_gamma 0 and leave optim.r2_gamma out",
        )

    @property
    def has_encoder(self) -> bool:
        return self.vector.encoder


@dataclass(frozen=True)
class StyleGANTraining(VectorTraining):
    model: StyleGANConfig = field(default_factory=StyleGANConfig)


@dataclass(frozen=True)
class StyleGAN2Training(VectorTraining):
    model: StyleGAN2Config = field(default_factory=StyleGAN2Config)
    vector: StyleGAN2CycleConfig = field(default_factory=StyleGAN2CycleConfig)

    @property
    def generator_penalty_every(self) -> int | None:
        return self.vector.path_every if self.vector.path_weight > 0 else None
