"""Settings that every architecture has: each with its default, its unit, and what 0 or None mean.

An architecture adds its own in subclasses (`stylemap.architectures`). Defaults are the published settings for 256 px, with two
exceptions: the perceptual network, because LPIPS needs a download, and the ramp of the running average.

The dataclasses are frozen and check themselves, so a config that exists can run. Quantities of training are counted in
images, not in iterations, so that they mean the same at every batch size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from stylemap.schema import Range, require, validate

MOST_CHANNELS = 4096  # published networks have at most 1,024
MOST_LAYERS = 64  # of the mapping network
MOST_IMAGES = 1 << 20  # of a batch
MOST_WORKERS = 1024

Channels = Annotated[int, Range(1, MOST_CHANNELS)]
Count = Annotated[int, Range(1)]
Weight = Annotated[float, Range(0)]
Positive = Annotated[float, Range(above=0)]
Precision = Literal["auto", "float32", "bfloat16"]
Decay = Annotated[float, Range(0, below=1)]


def is_power_of_two(value: int, low: int, high: int) -> bool:
    return low <= value <= high and value & (value - 1) == 0


@dataclass(frozen=True)
class Latents:
    """What the latents of a model are. P is the number of places: of cells in a stylemap, of layers in W+."""

    words: str
    """For people: "stylemap 8x8"."""
    name: str
    """One latent, in the names of measurements: "stylemap"."""
    places: str
    """What its places are called: "cells", "layers"."""
    shape: tuple[int, ...]
    """Of one latent: (C, S, S) or (P, C)."""
    z_channels: int
    """Length of z."""
    spatial: bool
    """Its places lie in the image, so that an edit under a mask makes sense."""
    extras: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """What else makes an image, by name, and the shape for one sample: noise maps "noise.0" (1, 1, s, s), "input"."""

    @property
    def count(self) -> int:
        """P."""
        return self.shape[1] * self.shape[2] if self.spatial else self.shape[0]

    @property
    def noise_shapes(self) -> list[tuple[int, ...]]:
        """(1, 1, s, s) of each noise map, in order; [] where a model has none."""
        return [shape for name, shape in self.extras.items() if name.startswith("noise.")]

    def vectors(self, latents):
        """Latents [N, *shape] -> [N, P, C], a vector for each place.

        Raises:
            ValueError: another shape.
        """
        if tuple(latents.shape[1:]) != self.shape:
            raise ValueError(f"latents must be [N, {', '.join(map(str, self.shape))}], not {list(latents.shape)}")
        return latents.flatten(2).transpose(1, 2) if self.spatial else latents


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What the networks look like; stored in every weights file. Each architecture has a subclass."""

    architecture: str = ""
    """Networks to train, with their latents and training cycle. stylegan2, stylegan and sean serve for comparison."""
    resolution: int = 256
    """Side R of the images in pixels. It must be a power of two, at most 1024."""
    channel_base: Annotated[int, Range(1, MOST_CHANNELS * 1024)] = 32768
    """Sets the width of the networks: at side r they have min(channel_max, channel_base // r) channels. If you halve
    both settings, the networks are 4 times smaller."""
    channel_max: Channels = 512
    """Most channels at any side."""
    mapping_layers: Annotated[int, Range(1, MOST_LAYERS)] = 8
    """Linear layers of the mapping network, which maps z to the latent."""
    mapping_lr_mul: Positive = 0.01
    """Learning rate of the mapping network, as a multiple of optim.lr."""

    least_resolution: ClassVar[int] = 8
    labelled: ClassVar[bool] = False
    """Whether the networks see images with their part labels."""

    def __post_init__(self):
        validate(self, "model")
        least = self.least_resolution
        require(
            is_power_of_two(self.resolution, least, 1024),
            f"model.resolution {self.resolution} must be a power of two from {least} to 1024",
        )
        require(
            self.channel_base >= self.resolution,
            f"model.channel_base {self.channel_base} must be at least the resolution {self.resolution}",
        )

    @property
    def latents(self) -> Latents:
        """What the latents of such a model are."""
        raise NotImplementedError

    def grown(self) -> "ModelConfig":
        """The config of twice the resolution whose networks can start from weights of this one."""
        return replace(self, resolution=2 * self.resolution)

    def channels(self, side: int) -> int:
        """Feature channels at a side."""
        return min(self.channel_max, self.channel_base // side)


@dataclass(frozen=True)
class OptimConfig:
    """Adam for all three networks, and the gradient penalty."""

    lr: Positive = 0.002
    """Learning rate of Adam, for all networks."""
    discriminator_lr_mul: Positive = 1.0
    """Learning rate of the discriminator, as a multiple of optim.lr. 1 is the published value. Try 2 if the generator
    can already draw when the discriminator begins."""
    beta1: Decay = 0.0
    """Beta 1 of Adam: decay of the running mean of gradients. 0 means no running mean."""
    beta2: Decay = 0.99
    """Beta 2 of Adam: decay of the running mean of squared gradients."""
    warmup: Annotated[int, Range(0)] = 0
    """The learning rate rises from 0 over this many images. 0 means no warmup, as published."""
    clip: Weight = 0.0
    """Largest norm of the gradient of a network. Larger gradients are scaled down to it. 0 means off, as published."""
    r1_gamma: Weight | None = 10.0
    """Weight of R1, the gradient penalty on real images. 0 means off. null takes 0.0002 R^2 / batch, which is a start
    for other resolutions and batches."""
    r1_every: Count = 16
    """Iterations between gradient penalties. Each penalty is a step of its own, and is multiplied by this number. 1
    means a penalty in every iteration, which is slower."""
    r2_gamma: Weight = 0.0
    """Weight of R2, the gradient penalty on samples and reconstructions. R3GAN uses it with the relativistic loss. 0
    means off, as published."""
    freeze_d: Annotated[int, Range(0)] = 0
    """Number of first layers of the discriminator that do not learn. from-RGB is the first, and each block is one more.
    Use it with init_from, if you have few images."""

    def __post_init__(self):
        validate(self, "optim")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of one cycle. A term with weight 0 has no effect, but is still computed and reported."""

    generator_adversarial: Weight = 1.0
    """Weight of the adversarial loss of samples, by which the generator learns to fool the discriminator."""
    latent_reconstruction: Weight = 1.0
    """Weight of the latent reconstruction: the encoder must find the latent that a sample was made from."""
    image_reconstruction: Weight = 1.0
    """Weight of the mean squared error between an image x and its reconstruction G(E(x)), for pixels in [-1, 1]."""
    perceptual: Weight = 1.0
    """Weight of the perceptual distance between an image and its reconstruction. See loss.perceptual_network."""
    encoder_adversarial: Weight = 1.0
    """Weight of the adversarial loss of reconstructions, by which the encoder learns to fool the discriminator."""
    adversarial: Literal["nonsaturating", "relativistic"] = "nonsaturating"
    """Form of the adversarial loss. nonsaturating is the published one. relativistic compares each generated image with
    a real one (R3GAN). It needs optim.r1_gamma, optim.r2_gamma and optim.r1_every 1."""
    perceptual_network: Literal["lpips", "discriminator", "none"] = "discriminator"
    """Network of the perceptual distance. lpips is the published one, and needs the VGG-16 weights of torchvision.
    discriminator takes the features of the discriminator, and needs no download. none switches the term off."""
    vgg: str | None = None
    """Path of vgg16-397923af.pth, for perceptual_network lpips. null looks in the cache of torch."""

    def __post_init__(self):
        validate(self, "loss")


@dataclass(frozen=True)
class EmaConfig:
    """The running average of generator and encoder that is evaluated and shipped."""

    half_life: Weight = 11_085
    """Half-life of the running average of the weights, in images. The default is the published decay, 0.999 per
    iteration of 16 images."""
    ramp: Positive | None = 0.05
    """The half-life is at most this share of the images seen, so that the average forgets the start. null means off, as
    published."""

    def __post_init__(self):
        validate(self, "ema")


@dataclass(frozen=True)
class SpeedConfig:
    """How the training is computed. None of these settings changes what is learned."""

    precision: Precision = "auto"
    """Number format of the passes through the networks. auto takes bfloat16 on GPUs that have it, and on CPUs that have
    it where a short measurement shows that it is faster. A run that goes on keeps what it took. Losses, gradient
    penalties and weights stay float32."""
    tf32: bool = True
    """Allow TF32 on NVIDIA GPUs, which rounds the factors of float32 products to 10 bits. It is faster."""
    compile: bool = False
    """Compile the generator and the encoder with torch.compile. This takes minutes at the start. The discriminator is
    not compiled, because its gradient penalty cannot be."""

    def __post_init__(self):
        validate(self, "speed")


@dataclass(frozen=True)
class AugmentConfig:
    """Random transforms of what the discriminator sees, so that it cannot learn a small data set by heart."""

    mode: Literal["auto", "none", "fixed", "adaptive"] = "auto"
    """Augmentation of what the discriminator sees. adaptive raises p while the discriminator is too sure, and else
    lowers it. fixed keeps augment.p. auto takes adaptive for fewer than 20,000 training images, and else none. The
    published trainings have none."""
    blit: bool = True
    """Include flips, quarter turns, and shifts by whole pixels."""
    geometry: bool = True
    """Include scaling, rotation, stretching, and shifts by fractions of a pixel."""
    colour: bool = True
    """Include changes of brightness, contrast, hue and saturation, and inverted lightness."""
    flip: bool = True
    """Include flips in blit. Set it to false for images that must never be seen mirrored, such as writing."""
    p: float = 0.0
    """Probability of each transform. In mode adaptive, this is the value at the start."""
    target: Annotated[float, Range(above=-1, below=1)] = 0.6
    """p rises while the mean sign of the discriminator's outputs on training images is above this, and else falls. It
    lies between -1 and 1."""
    speed: Positive = 500_000
    """Number of images in which p can rise from 0 to 1."""
    every: Count = 256
    """Number of images between changes of p."""
    limit: Annotated[float, Range(above=0, most=1)] = 0.8
    """Largest p. The default is the value of the paper. If p comes nearer to 1, generated images show the
    transforms."""

    def __post_init__(self):
        validate(self, "augment")
        require(0 <= self.p <= self.limit, f"augment.p {self.p} must lie in 0..augment.limit, which is {self.limit}")
        require(self.mode != "fixed" or self.p > 0, "augment.mode fixed needs augment.p above 0, or choose none")
        groups = self.blit or self.geometry or self.colour
        require(self.mode == "none" or groups, "augment needs blit, geometry or colour, or augment.mode none")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run, except for where it is written. Each architecture has a subclass."""

    data: str = "avatars"
    """Data set to train on: a folder, zip or LMDB of images, or avatars, the faces that this project draws. Write
    ./avatars for a folder of that name."""
    heldout: Count = 256
    """Number of held-out images. They are measured, and never trained on. They come from the folder val/ if there is
    one. Otherwise they are at most a tenth of the data set."""
    mirror: bool = True
    """Mirror every training image with probability one half."""
    images: Count = 5_000_000
    """Length of the training: the number of training images to see, with repetitions. The paper compares models after 5
    million, and its published weights saw 20 million."""
    batch: Annotated[int, Range(1, MOST_IMAGES)] = 16
    """Number of images per iteration, over all processes."""
    batch_gpu: Count | None = None
    """Most images that one process computes at once. A smaller number takes less memory and more time. The result is
    the same if it is a multiple of 4 and model.norm is not batch. null means all at once."""
    seed: Annotated[int, Range(0)] = 0
    """Seed of the initial weights, of the order of the images, and of all noise."""
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    ema: EmaConfig = field(default_factory=EmaConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    init_from: str | None = None
    """Weights to start from, for fine-tuning: the name of shipped ones, a .safetensors file, or the folder of a run.
    Weights of half the resolution grow: the first images are theirs, enlarged. null starts from random weights. See
    also optim.freeze_d."""
    tick: Count = 4_000
    """Number of images between measurements. Each measurement writes a line of the log, scores of held-out images, and
    an image grid."""
    save_every: Count = 40_000
    """Number of images between saved states. A state is about 4 times as large as the weights file."""
    keep_states: Count = 3
    """Number of states to keep. The newest are kept. An older one is used if the newest is damaged."""
    workers: Annotated[int, Range(0, MOST_WORKERS)] = 2
    """Number of processes that load images. 0 loads them in the training process."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1 or mps. auto takes a GPU if there is one."""

    fixed: ClassVar[frozenset[str]] = frozenset({"heldout", "mirror", "seed", "init_from", "optim.freeze_d"})
    """What a run cannot change when it goes on, besides its model: the order and the split of the data, and what
    mattered only at the beginning."""

    def __post_init__(self):
        validate(self)
        require(self.data != "", "data is empty; name a folder, a zip, or avatars")  # a path to here, otherwise
        require(
            self.augment.mode != "adaptive" or self.loss.adversarial == "nonsaturating",
            "augment.mode adaptive goes by what the nonsaturating loss makes of real images; with loss.adversarial "
            f"{self.loss.adversarial} choose fixed or none",
        )

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder is trained."""
        return True

    @property
    def label_path(self) -> str | None:
        """Folder or zip with the part labels of the images; None = there are none, or the images come with them."""
        return None

    @property
    def generator_penalty_every(self) -> int | None:
        """Iterations between penalties of the generator, each a step of its own; None where there are none."""
        return None

    @property
    def r1_gamma(self) -> float:
        """``optim.r1_gamma``, or for None the heuristic of StyleGAN2-ADA (appendix C): 0.0002 R^2 / batch."""
        gamma = self.optim.r1_gamma
        return 0.0002 * self.model.resolution**2 / self.batch if gamma is None else gamma
