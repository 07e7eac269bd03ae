"""The parts of StyleGAN2's projector (arXiv 1912.04958, appendix D): schedules, and noise maps that stay noise.

Schedules are functions of t, the share of the steps that are done, in [0, 1].
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.precision import in_float32

LAST_SIDE = 8  # of the pyramids
EPS = 1e-12  # below any variance of noise


def rate(t: float, rampup: float = 0.05, rampdown: float = 0.25) -> float:
    """Share of the full learning rate: linear from 0 up, flat, half a cosine down to 0.

    Args:
        rampup, rampdown: shares of the steps, at the beginning and at the end; 0 = none.
    """
    up = min(1.0, t / rampup) if rampup else 1.0
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / rampdown)) if rampdown else 1.0
    return up * down


def latent_noise(t: float, factor: float = 0.05, ramp: float = 0.75) -> float:
    """Standard deviation of the noise on the latent, in spreads of w: from ``factor`` at t = 0 down to 0 at ``ramp``."""
    return factor * max(0.0, 1 - t / ramp) ** 2 if ramp else 0.0


@in_float32
def correlation(maps: list[Tensor]) -> Tensor:
    """How much neighbours in the maps have in common: 0 for a map without, 2 per level for a constant 1.

    Of each map and of its averages over 2 x 2 pixels down to side 8, the squared mean product with the map shifted cyclically by
    one pixel, in x and in y; summed over everything.

    Args:
        maps: [N, 1, s, s] each.

    Returns:
        [N], so that no image depends on others in its batch.
    """
    total = maps[0].new_zeros(len(maps[0]))
    for level in maps:
        while True:
            for axis in (2, 3):
                total = total + (level * level.roll(1, axis)).mean(dim=(1, 2, 3)).square()
            if level.shape[-1] <= LAST_SIDE:
                break
            level = F.avg_pool2d(level, 2)
    return total


def standardise(noise: Tensor) -> Tensor:
    """[N, 1, s, s] -> the same with mean 0 and mean square 1 in every map; a constant map becomes 0."""
    centred = noise - noise.mean(dim=(1, 2, 3), keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(dim=(1, 2, 3), keepdim=True) + EPS)
