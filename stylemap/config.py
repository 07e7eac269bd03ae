"""Every knob: its default, unit, and what 0 or None mean.

Defaults are the published 256 px settings but for two: the perceptual network, since LPIPS needs a download, and the ramp of
the running average.

The dataclasses are frozen and check themselves, so a config that exists is a config that can run. Quantities of training
are counted in images, never in iterations, so that they mean the same at every batch size.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Literal

from stylemap.settings import check, check_kinds, from_dict

WIDEST = 4096  # channels; nothing that is published has more than 1,024
DEEPEST = 64  # layers of the mapping network
MOST_AT_ONCE = 1 << 20  # images of a batch
MOST_WORKERS = 1024


def _power_of_two(value: int, low: int, high: int) -> bool:
    return low <= value <= high and value & (value - 1) == 0


@dataclass(frozen=True)
class ModelConfig:
    """What the networks look like; stored in every weights file."""

    resolution: int = 256
    """Side R of the images in pixels: 16, 32, ... 1024."""
    stylemap_size: int = 8
    """Side S of the stylemap in cells: 1, 2, 4, 8, 16 or 32; finer reconstructs better, edits smaller."""
    stylemap_channels: int = 64
    """Channels of the stylemap, and the length of z."""
    channel_base: int = 32768
    """Features at side r: min(channel_max, channel_base // r); with both halved the networks are 4 times smaller."""
    channel_max: int = 512
    """Cap of the features at small sides."""
    mapping_layers: int = 8
    """Linear layers from z to the stylemap."""
    mapping_lr_mul: float = 0.01
    """Learning rate of the mapping network relative to the rest."""
    norm: Literal["layer", "instance", "batch", "group"] = "layer"
    """Before modulation; the others are the paper's ablations."""
    linear_rgb: bool = False
    """No leaky ReLU after to-RGB, which learns faster; the published networks have one."""
    light: bool = False
    """The stylemap resizer keeps stylemap_channels at every side: for 1024 px."""
    architecture: Literal["stylemap", "stylegan2", "stylegan"] = "stylemap"
    """The others are the vector-latent generators it is compared with: stylemap_channels is the width of their latent, and
    stylemap_size is not used."""

    def __post_init__(self):
        check_kinds(self)
        self._check_vectors()
        least = 16 if self.architecture == "stylemap" else 8
        check(
            _power_of_two(self.resolution, least, 1024),
            f"model.resolution {self.resolution} must be a power of two from {least} to 1024",
        )
        check(
            _power_of_two(self.stylemap_size, 1, min(32, self.resolution)),
            f"model.stylemap_size {self.stylemap_size} must be 1, 2, 4, 8, 16 or 32 and at most the resolution",
        )
        most = {
            "stylemap_channels": WIDEST,
            "channel_base": WIDEST * 1024,
            "channel_max": WIDEST,
            "mapping_layers": DEEPEST,
        }
        for name, limit in most.items():
            value = getattr(self, name)
            check(1 <= value <= limit, f"model.{name} {value} must lie in 1..{limit}")
        check(
            self.channel_base >= self.resolution,
            f"model.channel_base {self.channel_base} must be at least the resolution {self.resolution}",
        )
        check(self.mapping_lr_mul > 0, f"model.mapping_lr_mul {self.mapping_lr_mul} must be positive")
        if self.norm == "group":
            widths = {self.channels(self.stylemap_size << i) for i in range(self.doublings + 1)}
            check(
                all(w % 8 == 0 for w in widths), f"model.norm group needs channels divisible by 8, not {sorted(widths)}"
            )

        if self.stylemap_size == 1:
            alone = self.norm == "instance" or (self.norm == "group" and self.channels(1) == 8)
            check(not alone, f"model.norm {self.norm} needs more than one value, but at model.stylemap_size 1 has one")

    def _check_vectors(self) -> None:
        if self.architecture == "stylemap":
            return
        for name in ("norm", "linear_rgb", "light"):
            check(
                getattr(self, name) == getattr(ModelConfig, name),
                f"model.{name} belongs to model.architecture stylemap, not to {self.architecture}; leave it out",
            )

    @property
    def doublings(self) -> int:
        """n = log2(R / S)."""
        return int(math.log2(self.resolution // self.stylemap_size))

    @property
    def stylemap_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return self.stylemap_channels, self.stylemap_size, self.stylemap_size

    def channels(self, side: int) -> int:
        """Feature channels at a side."""
        return min(self.channel_max, self.channel_base // side)

    @classmethod
    def from_dict(cls, saved: dict) -> "ModelConfig":
        """Rebuild from ``asdict``, also of an older version: what it did not know gets its default.

        Raises:
            InputError: a setting this version does not know, or a value that does not fit.
        """
        return from_dict(cls, saved, "model.")


@dataclass(frozen=True)
class OptimConfig:
    """Adam for all three networks, and the gradient penalty."""

    lr: float = 0.002
    """Learning rate."""
    beta1: float = 0.0
    """Decay of the running mean of gradients; 0 = none."""
    beta2: float = 0.99
    """Decay of the running mean of squared gradients."""
    warmup: int = 0
    """Images over which the learning rate rises from 0; 0 = none, as published."""
    clip: float = 0.0
    """Largest norm of a network's gradient, longer ones are scaled down to it; 0 = off, as published."""
    r1_gamma: float | None = 10.0
    """Strength of the gradient penalty on real images; 0 = off; null = 0.0002 R^2 / batch, a start for other sizes."""
    r1_every: int = 16
    """Iterations between penalties, each a step of its own and made that much stronger; 1 = at every iteration, and slower."""
    r2_gamma: float = 0.0
    """The same on samples and reconstructions (R3GAN uses it with the relativistic loss); 0 = off, as published."""
    freeze_d: int = 0
    """First layers of the discriminator, from-RGB and blocks, that do not learn: for fine-tuning on few images."""

    def __post_init__(self):
        check_kinds(self)
        check(self.lr > 0, f"optim.lr {self.lr} must be positive")
        check(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, "optim.beta1 and optim.beta2 must lie in [0, 1)")
        for name in ("warmup", "clip", "r2_gamma", "freeze_d"):
            check(getattr(self, name) >= 0, f"optim.{name} {getattr(self, name)} must not be negative")
        check(self.r1_gamma is None or self.r1_gamma >= 0, f"optim.r1_gamma {self.r1_gamma} must not be negative")
        check(self.r1_every >= 1, f"optim.r1_every {self.r1_every} must be at least 1")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of one cycle; 0 leaves a term without effect, though it is still computed and reported."""

    generator_adversarial: float = 1.0
    """Samples fool the discriminator."""
    latent_reconstruction: float = 1.0
    """The encoder finds the stylemap a sample was made from."""
    image_reconstruction: float = 1.0
    """Mean squared error of G(E(x)), images in [-1, 1]."""
    perceptual: float = 1.0
    """See perceptual_network."""
    encoder_adversarial: float = 1.0
    """Reconstructions fool the discriminator."""
    discriminator_reconstruction: float = 1.0
    """The discriminator tells reconstructions from originals."""
    adversarial: Literal["nonsaturating", "relativistic", "wgan-gp"] = "nonsaturating"
    """As published, or each fake against a real image (R3GAN), which wants r1_gamma and r2_gamma with r1_every 1. wgan-gp:
    the critic of the first StyleGAN, for vector-latent generators; it has a gradient penalty of its own in every step."""
    autoencoder_images: int = 0
    """For so many images at the start only the image cycle learns, without the discriminator; 0 = none, as published."""
    perceptual_network: Literal["lpips", "discriminator", "none"] = "discriminator"
    """As published: lpips, which needs torchvision's VGG-16 weights; discriminator compares its own features, needs nothing."""
    vgg: str | None = None
    """Path of vgg16-397923af.pth; None looks in torch's cache."""

    def __post_init__(self):
        check_kinds(self)
        for f in fields(self):
            value = getattr(self, f.name)
            check(isinstance(value, str) or value is None or value >= 0, f"loss.{f.name} {value} must not be negative")


@dataclass(frozen=True)
class VectorConfig:
    """What only the vector-latent generators are trained with (model.architecture stylegan2 or stylegan)."""

    mixing: float = 0.9
    """Share of samples whose finer layers take the latent of another z (StyleGAN, section 3.1)."""
    path_weight: float = 2.0
    """Strength of the path length penalty of stylegan2 (StyleGAN2, section 3.2); 0 = off."""
    path_every: int = 4
    """Iterations between path length penalties (each is made that much stronger)."""
    encoder: bool = True
    """Train an encoder beside the generator, which does not learn from it (in-domain inversion); false = there is none, and
    nothing is reconstructed."""

    def __post_init__(self):
        check_kinds(self)
        check(0 <= self.mixing <= 1, f"vector.mixing {self.mixing} must lie in 0..1")
        check(self.path_weight >= 0, f"vector.path_weight {self.path_weight} must not be negative")
        check(self.path_every >= 1, f"vector.path_every {self.path_every} must be at least 1")


@dataclass(frozen=True)
class EmaConfig:
    """The running average of generator and encoder that is evaluated and shipped."""

    half_life: float = 11_085
    """Images after which an old weight counts half; as published: 0.999 per iteration of 16."""
    ramp: float | None = 0.05
    """The half-life is at most this share of the images seen, so that the average forgets the start; None = off, as published."""

    def __post_init__(self):
        check_kinds(self)
        check(self.half_life >= 0, f"ema.half_life {self.half_life} must not be negative")
        check(self.ramp is None or self.ramp > 0, f"ema.ramp {self.ramp} must be positive, or null for none")


@dataclass(frozen=True)
class SpeedConfig:
    """How the same training is computed: none of these is part of what is learned."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the networks' passes; losses, gradient penalties and weights stay float32. auto: bfloat16 on GPUs that have it."""
    tf32: bool = True
    """Let NVIDIA GPUs round the factors of float32 products to 10 bits."""
    compile: bool = False
    """Compile generator and encoder (minutes at the start); the discriminator's penalty cannot be."""
    checkpointing: bool = False
    """Keep only the sides of the synthesis network in memory and compute the rest again: less memory, more time."""

    def __post_init__(self):
        check_kinds(self)


@dataclass(frozen=True)
class AugmentConfig:
    """What the discriminator sees is transformed at random, so that it cannot learn a small data set by heart."""

    mode: Literal["auto", "none", "fixed", "adaptive"] = "auto"
    """auto: adaptive for less than 20,000 training images, else none; the published trainings have none.
    fixed: each transform is applied with probability p; adaptive: p follows how sure the discriminator is."""
    blit: bool = True
    """Flips, quarter turns and shifts by whole pixels."""
    geometry: bool = True
    """Scaling, rotation, stretching and shifts by fractions of a pixel."""
    colour: bool = True
    """Brightness, contrast, inverted lightness, hue and saturation."""
    flip: bool = True
    """Flips in blit; off for pictures that must never be seen mirrored, such as writing."""
    p: float = 0.0
    """The probability of each transform: for good where mode is fixed, at the start where it is adaptive."""
    target: float = 0.6
    """Mean sign of the discriminator's verdicts on training images, -1 to 1; p rises while it is above."""
    speed: float = 500_000
    """Images in which p can go from 0 to 1."""
    every: int = 256
    """Images between adjustments of p."""
    limit: float = 0.8
    """p stays at or below (the paper's value); nearer to 1 the transforms leak into what is generated."""

    def __post_init__(self):
        check_kinds(self)
        check(0 < self.limit <= 1, f"augment.limit {self.limit} must lie above 0 and be at most 1")
        check(0 <= self.p <= self.limit, f"augment.p {self.p} must lie in 0..augment.limit, which is {self.limit}")
        check(self.mode != "fixed" or self.p > 0, "augment.mode fixed needs augment.p above 0, or choose none")
        check(-1 < self.target < 1, f"augment.target {self.target} must lie between -1 and 1")
        check(self.speed > 0, f"augment.speed {self.speed} must be positive")
        check(self.every >= 1, f"augment.every {self.every} must be at least 1")
        groups = self.blit or self.geometry or self.colour
        check(self.mode == "none" or groups, "augment needs blit, geometry or colour, or augment.mode none")


VECTORS_LACK = ("loss.discriminator_reconstruction", "loss.autoencoder_images", "speed.checkpointing")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run, but for where it is written."""

    data: str = "avatars"
    """A folder or zip of images, or "avatars": the faces this project draws (./avatars is a folder of that name)."""
    heldout: int = 256
    """Images kept from training to measure on (of a small folder at most a tenth)."""
    mirror: bool = True
    """Every image is flipped with probability one half."""
    images: int = 5_000_000
    """Training images to see; the paper compares at 5 M, the published weights saw 20 M."""
    batch: int = 16
    """Images per iteration, over all processes."""
    batch_gpu: int | None = None
    """Most images that a process computes at once; a larger share is done in several passes, with the same result where a pass
    holds a multiple of 4 images, which the discriminator compares, and model.norm is not batch. null = all at once."""
    seed: int = 0
    """Of the initial weights, the order of the data and all noise."""
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    vector: VectorConfig = field(default_factory=VectorConfig)
    ema: EmaConfig = field(default_factory=EmaConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    init_from: str | None = None
    """Weights to start from (a name, .safetensors file or run) instead of random ones, for fine-tuning; see optim.freeze_d."""
    tick: int = 4_000
    """Images between lines of the log, held-out scores and picture grids."""
    save_every: int = 40_000
    """Images between saved states; a state is about 4 times the weights file."""
    keep_states: int = 3
    """Newest states kept on disk; the older ones are for when the newest is damaged."""
    workers: int = 2
    """Processes that load images; 0 = load in the training process."""
    device: str = "auto"
    """One of auto, cpu, cuda, cuda:1, mps."""

    def __post_init__(self):
        check_kinds(self)
        check(self.data != "", "data is empty; name a folder, a zip, or avatars")  # a path to here, otherwise
        for name in ("heldout", "images", "batch", "tick", "save_every", "keep_states"):
            check(getattr(self, name) >= 1, f"{name} {getattr(self, name)} must be at least 1")
        check(self.batch_gpu is None or self.batch_gpu >= 1, f"batch_gpu {self.batch_gpu} must be at least 1, or null")
        check(
            self.augment.mode != "adaptive" or self.loss.adversarial == "nonsaturating",
            "augment.mode adaptive goes by what the nonsaturating loss makes of real images; with loss.adversarial "
            f"{self.loss.adversarial} choose fixed or none",
        )
        check(self.batch <= MOST_AT_ONCE, f"batch {self.batch} must be at most {MOST_AT_ONCE}")
        check(0 <= self.workers <= MOST_WORKERS, f"workers {self.workers} must lie in 0..{MOST_WORKERS}")
        check(self.seed >= 0, f"seed {self.seed} must not be negative")
        self._check_architecture()

    def _check_architecture(self) -> None:
        """What the training of this architecture knows nothing of stays at its default."""
        architecture = self.model.architecture
        path, wgan = ("vector.path_weight", "vector.path_every"), self.loss.adversarial == "wgan-gp"
        strange = {
            "stylemap": ("vector.mixing", *path, "vector.encoder"),
            "stylegan2": VECTORS_LACK,
            "stylegan": (*VECTORS_LACK, *path),
        }[architecture]
        for name in strange:
            group, knob = name.split(".")
            values = getattr(self, group)
            check(
                getattr(values, knob) == getattr(type(values), knob),
                f"{name} means nothing to model.architecture {architecture}; leave it out",
            )
        check(
            not wgan or architecture != "stylemap",
            "loss.adversarial wgan-gp is for model.architecture stylegan2 or stylegan, not for stylemap",
        )
        check(
            not wgan or self.optim.r1_gamma == self.optim.r2_gamma == 0,
            "loss.adversarial wgan-gp has a gradient penalty of its own; give optim.r1_gamma 0 and leave optim.r2_gamma out",
        )

    @property
    def path_penalty(self) -> bool:
        """Whether the lengths of paths are penalised."""
        return self.model.architecture == "stylegan2" and self.vector.path_weight > 0

    @property
    def r1_gamma(self) -> float:
        """``optim.r1_gamma``, or for None the heuristic of StyleGAN2-ADA (appendix C): 0.0002 R^2 / batch."""
        gamma = self.optim.r1_gamma
        return 0.0002 * self.model.resolution**2 / self.batch if gamma is None else gamma

    @classmethod
    def from_dict(cls, saved: dict) -> "TrainConfig":
        """Rebuild from ``asdict``, also of an older version: what it did not know gets its default.

        Raises:
            InputError: a setting this version does not know, or a value that does not fit.
        """
        return from_dict(cls, saved)
