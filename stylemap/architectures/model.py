"""What every model is, whichever its latents are: a generator and an encoder with their config."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from stylemap.config import ModelConfig

MAPPED = 256  # z that are mapped at once
FAR_BEYOND = 16.0  # the largest value of images that have none below 0: these are pixels of 0..255
HOW = "stylemap.read_image reads files, stylemap.from_uint8 takes pixels [N, H, W, 3] of 0..255"


class Model(nn.Module):
    """Encode images into latents, render latents to images. The architectures' models have the methods.

    Attributes:
        generator: with parts ``mapping`` and ``synthesis``.
        encoder: None where the weights have none.
    """

    config: ModelConfig
    generator: nn.Module
    encoder: nn.Module | None

    @property
    def device(self) -> torch.device:
        return self.generator.synthesis.constant.device


def noise_of(seeds: Sequence[int], length: int) -> Tensor:
    """z [N, length] of samples that are known by their seeds: each is the same whatever the others are."""
    return torch.from_numpy(
        np.stack([np.random.default_rng(seed).standard_normal(length, np.float32) for seed in seeds])
    )


@torch.no_grad()
def mean_mapped(model: Model, z: Tensor) -> Tensor:
    """[1, ...]: the mean of what ``z`` [N, C] maps to, MAPPED at a time."""
    check_shape("z", z, (model.config.stylemap_channels,))
    return sum(model.map(part).sum(dim=0, keepdim=True) for part in z.split(MAPPED)) / len(z)


def truncate(stylemap: Tensor, mean: Tensor, psi: float) -> Tensor:
    """``mean + psi (stylemap - mean)``: less varied, more typical samples for psi < 1 (StyleGAN, appendix B)."""
    return torch.lerp(mean, stylemap, psi)


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
