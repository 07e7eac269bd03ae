"""The schedules of StyleGAN2's projector (arXiv 1912.04958, appendix D), of the share t of the steps that are done."""

import math


def rate(t: float, rampup: float = 0.05, rampdown: float = 0.25) -> float:
    """Share of the full learning rate at t in [0, 1]: linear from 0 up, flat, half a cosine down to 0.

    Args:
        rampup, rampdown: shares of the steps, at the beginning and at the end; 0 = none.
    """
    up = min(1.0, t / rampup) if rampup else 1.0
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / rampdown)) if rampdown else 1.0
    return up * down


def latent_noise(t: float, factor: float = 0.05, ramp: float = 0.75) -> float:
    """Standard deviation of the noise on the latent, in spreads of w: from ``factor`` at t = 0 down to 0 at ``ramp``."""
    return factor * max(0.0, 1 - t / ramp) ** 2 if ramp else 0.0
