"""Settings of SEAN."""

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from stylemap.config import (
    Channels,
    Decay,
    Latents,
    LossConfig,
    ModelConfig,
    OptimConfig,
    Positive,
    TrainConfig,
    Weight,
)
from stylemap.schema import Range, require

PARTS = 19  # of `datasets.parts.Part`, which is not imported here: help texts wait for no image library
FIRST_SIDE = 8  # of the mask that the generator begins with


@dataclass(frozen=True, kw_only=True)
class SeanConfig(ModelConfig):
    """Style encoder, generator and discriminators of a SEAN."""

    architecture: Literal["sean"] = "sean"
    """Networks to train, with their latents and training cycle. stylegan2, stylegan and sean serve for comparison."""
    code_channels: Channels = 512
    """Length C of the style code of a part."""
    mask_channels: Channels = 128
    """Features between the mask and the gamma and beta that it gives."""
    plain_blocks: Annotated[int, Range(0)] = 1
    """Number of last blocks that the mask alone modulates, without style codes. 1 is published, for 256 px."""
    patch_layers: Annotated[int, Range(2, 6)] = 4
    """Layers of each of the two patch discriminators. Each but the last halves the side. 4 is published, for 256 px."""

    least_resolution: ClassVar[int] = FIRST_SIDE
    labelled: ClassVar[bool] = True
    mapping_layers: ClassVar[int] = 0  # there is no z
    mapping_lr_mul: ClassVar[float] = 0.0

    def __post_init__(self):
        super().__post_init__()
        require(
            self.plain_blocks < len(self.sides),
            f"model.plain_blocks {self.plain_blocks} must be less than {len(self.sides)}, the number of blocks",
        )

    @property
    def sides(self) -> list[int]:
        """The side of each block, in order."""
        return [FIRST_SIDE << i for i in range(int(math.log2(self.resolution // FIRST_SIDE)) + 1)]

    @property
    def latents(self) -> Latents:
        return Latents(
            words=f"sean, {PARTS} codes of {self.code_channels}",
            name="code",
            places="parts",
            shape=(PARTS, self.code_channels),
            z_channels=0,
            spatial=False,
            extras={"masks": (PARTS, self.resolution, self.resolution)},
        )


@dataclass(frozen=True)
class SeanLoss(LossConfig):
    """Weights of the terms of the training (SEAN, appendix; SPADE, section 3)."""

    image_reconstruction: Weight = 0.0
    """Weight of the mean squared error between an image x and its reconstruction G(E(x)), for pixels in [-1, 1]. 0 is
    published, with a perceptual term."""
    feature_matching: Weight = 10.0
    """Weight of the mean absolute difference between the discriminators' features of an image and its reconstruction."""
    perceptual: Weight = 10.0
    """Weight of the perceptual distance between an image and its reconstruction. See loss.perceptual_network."""
    adversarial: Literal["hinge"] = "hinge"
    """Form of the adversarial loss. sean has the hinge loss alone."""
    perceptual_network: Literal["lpips", "none"] = "none"
    """Network of the perceptual distance. lpips needs the VGG-16 weights of torchvision. none switches the term off."""

    generator_adversarial: ClassVar[float] = 0.0  # there are no samples
    latent_reconstruction: ClassVar[float] = 0.0


@dataclass(frozen=True)
class SeanOptim(OptimConfig):
    """Adam. Spectral norm takes the place of a gradient penalty."""

    lr: Positive = 0.0001
    """Learning rate of Adam, for generator and encoder."""
    discriminator_lr_mul: Positive = 4.0
    """Learning rate of the discriminators, as a multiple of optim.lr (TTUR)."""
    beta1: Decay = 0.5
    """Beta 1 of Adam: decay of the running mean of gradients. 0 means no running mean."""
    beta2: Decay = 0.999
    """Beta 2 of Adam: decay of the running mean of squared gradients."""
    r1_gamma: Weight | None = 0.0
    """Weight of R1, the gradient penalty on real images. 0 means off."""


@dataclass(frozen=True)
class SeanTraining(TrainConfig):
    """Training of a SEAN on images with part labels."""

    part_labels: str | None = None
    """Folder or zip with the part labels of the images, as `stylemap data prepare` makes them. Avatars have their own."""
    model: SeanConfig = field(default_factory=SeanConfig)
    loss: SeanLoss = field(default_factory=SeanLoss)
    optim: SeanOptim = field(default_factory=SeanOptim)

    def __post_init__(self):
        super().__post_init__()
        require(
            self.data == "avatars" or self.part_labels is not None,
            "model.architecture sean learns from images with part labels; give part_labels, a folder or zip of them",
        )
        require(
            self.data != "avatars" or self.part_labels is None,
            "part_labels goes with images of files; avatars have their own labels",
        )
        require(
            self.augment.mode not in ("fixed", "adaptive"),
            "model.architecture sean has no augmentation, which would move images away from their masks; "
            "give augment.mode none",
        )
        require(
            self.optim.r1_gamma == self.optim.r2_gamma == 0,
            "model.architecture sean has spectral norm and no gradient penalty; give optim.r1_gamma 0 and optim.r2_gamma 0",
        )

    @property
    def label_path(self) -> str | None:
        return self.part_labels
