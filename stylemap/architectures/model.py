"""What every model can do, whatever its latents are."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stylemap.config import Latents, ModelConfig, SpeedConfig
from stylemap.errors import InputError

MAPPED = 256  # z that are mapped at once
FAR_BEYOND = 16.0  # the largest value of images that have none below 0: these are pixels of 0..255
HOW = "stylemap.read_image reads files, stylemap.from_uint8 takes pixels [N, H, W, 3] of 0..255"


class Moments(NamedTuple):
    """Of the latents that some z map to."""

    mean: Tensor
    """[1, *shape]."""
    deviation: Tensor
    """float64 [P], on the CPU: at each place the root of the mean squared distance from the mean, summed over the C numbers."""


class Model(nn.Module):
    """Encode images into latents, render latents to images. Each architecture has a subclass.

    Images are [N, 3, R, R] in [-1, 1], latents [N, *latents.shape], z [N, latents.z_channels] standard normal. Wrong shapes raise
    ValueError.

    Attributes:
        generator: with parts ``mapping`` and ``synthesis``.
        encoder: None where the weights have none.
        goes_with: verbs for weights of vectors or codes, which have no places to edit.
        passes: the number format of the passes through encoder, resizer and synthesis. Images and latents are float32.
    """

    passes = torch.float32
    goes_with = "stylemap project, evaluate, generate samples, generate reconstruct and train --init-from"

    config: ModelConfig
    generator: nn.Module
    encoder: nn.Module | None

    @property
    def latents(self) -> Latents:
        """What the latents are."""
        return self.config.latents

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.generator.parameters()).dtype

    def encode(self, images: Tensor) -> Tensor:
        """Images -> latents, in one pass.

        Raises:
            InputError: the model has no encoder.
        """
        raise NotImplementedError

    def synthesize(self, latent: Tensor) -> Tensor:
        """Latents -> images, about [-1, 1] (not clamped)."""
        raise NotImplementedError

    def map(self, z: Tensor) -> Tensor:
        """z -> latents."""
        raise NotImplementedError

    def mean_latent(self) -> Tensor:
        """[1, *shape]: what truncation pulls towards; no gradient."""
        raise NotImplementedError

    def extras_of(self, labels: Tensor | None) -> dict[str, Tensor]:
        """What `encode` and `render_with` take besides images and latents, by name, of the part labels uint8 [N, R, R] of images.

        Raises:
            InputError: a model that needs labels gets none.
        """
        return {}

    def render_with(self, latent: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
        """Latents and what else makes their images -> images.

        Args:
            extras: by name, as ``latents.extras`` has them; those that are not given are the model's own.
        """
        return self.synthesize(latent)

    def spread_out(self, latent: Tensor) -> Tensor:
        """A latent that is the same at all places, [N, 1, C] -> [N, *shape]; a whole latent as it is."""
        return latent

    def own_noise(self) -> list[Tensor]:
        """The noise maps that are added where none are given, [1, 1, s, s] each; [] where the model has no noise inputs."""
        return []

    def input_of(self, latent: Tensor) -> Tensor:
        """Latents -> [N, C', 8, 8], the features that enter the first layer at side 8: the extra "input" that changes nothing.

        Raises:
            InputError: the generator takes no input.
        """
        raise InputError(
            f"structured noise needs a generator with noise maps; these weights have a {self.latents.words}"
        )

    @torch.no_grad()
    def mean_mapped(self, z: Tensor) -> Tensor:
        """[1, *shape]: the mean of what ``z`` maps to."""
        check_shape("z", z, (self.latents.z_channels,))
        parts = z.to(self.device, self.dtype).split(MAPPED)
        return sum((self.map(part).sum(dim=0, keepdim=True) for part in parts), torch.zeros(())) / len(z)

    @torch.no_grad()
    def moments(self, z: Tensor) -> Moments:
        """Mean and deviation of what ``z`` maps to."""
        mean = self.mean_mapped(z)
        distance = sum(
            self.latents.vectors(self.map(part) - mean).cpu().double().square().sum(dim=(0, 2))
            for part in z.to(self.device, self.dtype).split(MAPPED)
        )
        return Moments(mean, (distance / len(z)).sqrt())

    def statistics(self, samples: int = 10_000, seed: int = 0) -> Moments:
        """`moments` of ``samples`` z, which are drawn on the CPU, so that they are the same on every device."""
        rng = torch.Generator().manual_seed(seed)
        return self.moments(torch.randn(samples, self.latents.z_channels, generator=rng))

    def last_doubling(self) -> nn.Module | None:
        """The part that stands for the time of the passes, see `precision.pays`; None: float32 is taken without a measurement."""
        return None

    def compute_in(self, kind: torch.dtype) -> None:
        """Change the number format of the passes. There is no way back: the weights are rounded, and cannot be saved or trained.

        Raises:
            InputError: models of this architecture compute in float32 alone.
        """
        raise InputError(f"a {self.config.architecture} model computes in float32 alone; give --precision float32")

    def grow_from(self, old: "Model") -> None:
        """Begin with the weights of a model of half the resolution, whose ``config.grown()`` this config is.

        The images of a latent are then the old ones enlarged, and the latent of an image is the old one of its half.

        Raises:
            InputError: models of this architecture cannot grow, or need more channels for it.
        """
        raise InputError(f"a {self.config.architecture} model cannot start from weights of another resolution")

    def compilable(self) -> list[nn.Module]:
        """The modules that training may compile: of those, nothing is differentiated twice."""
        return [] if self.encoder is None else [self.encoder]

    def speed_up(self, speed: SpeedConfig) -> None:
        """Prepare for a training that is to be computed like that."""
        if speed.compile:
            for module in self.compilable():
                module.compile()


def noise_of(seeds: Sequence[int], length: int) -> Tensor:
    """z [N, length] of samples that are known by their seeds: each is the same whatever the others are."""
    return torch.from_numpy(
        np.stack([np.random.default_rng(seed).standard_normal(length, np.float32) for seed in seeds])
    )


def truncate(latent: Tensor, mean: Tensor, psi: float) -> Tensor:
    """``mean + psi (latent - mean)``: less varied, more typical samples for psi < 1 (StyleGAN, appendix B)."""
    return torch.lerp(mean, latent, psi)


def interpolate(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """The straight way from ``first`` to ``second``, [N, ...] each: where each of them is after its share [N] of it."""
    return torch.lerp(first, second, share.view(-1, *[1] * (first.dim() - 1)))


def check_tensor(name: str, x: object) -> None:
    """TypeError unless ``x`` is a tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, not {type(x).__module__}.{type(x).__qualname__}")


def check_shape(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    """ValueError unless ``x`` is [N, *shape]; TypeError unless it is a tensor."""
    check_tensor(name, x)
    if x.dim() != len(shape) + 1 or tuple(x.shape[1:]) != shape:
        raise ValueError(f"{name} must be [N, {', '.join(map(str, shape))}], not {list(x.shape)}")


def check_images(images: Tensor, side: int, values: bool) -> None:
    """ValueError unless ``images`` are [N, 3, side, side]; TypeError unless they are a tensor of floats.

    Args:
        values: also refuse pixels of 0..255, which waits for the device. Values somewhat beyond [-1, 1] are allowed, as
            generators give them.
    """
    try:
        check_shape("images", images, (3, side, side))
        if not images.is_floating_point():
            raise TypeError(f"images must be floats in [-1, 1], not {images.dtype}")
        if values and not images.is_meta and images.numel() and images.amin() >= 0 and images.amax() > FAR_BEYOND:
            raise ValueError(f"images must lie in [-1, 1], and these reach up to {float(images.amax()):g}")
    except (TypeError, ValueError) as err:
        raise type(err)(f"{err}; {HOW}") from None
