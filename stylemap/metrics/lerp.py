"""Interpolations of encoded test pictures: FID_lerp is their FID against training ones (StyleMapGAN, arXiv 2104.14754).

It asks whether pictures between two real ones are pictures too, which random samples say nothing about.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from stylemap.metrics import streams


def draw(size: int, count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of ``size`` latents and where between them: first [count], second [count], amount [count] in [0, 1).

    Each index is drawn from all with replacement, so that a latent may meet itself, and the amount of the first is uniform; as
    published, but for the random numbers themselves.
    """
    rng = np.random.default_rng([seed, streams.PAIRS])
    first, second = torch.from_numpy(rng.integers(0, size, (count, 2))).unbind(dim=1)
    return first, second, torch.from_numpy(rng.random(count, np.float32))


@torch.no_grad()
def interpolations(model, latents: Tensor, count: int, seed: int = 0) -> Iterator[Tensor]:
    """Batches of ``amount * first + (1 - amount) * second``, rendered, as 8 bits hold them: uint8 [n, R, R, 3].

    Args:
        latents: of the test pictures, [N, C, S, S] (before they are resized) or [N, L, C].
    """
    drawn = [x.split(streams.per_pass(model.config.resolution)) for x in draw(len(latents), count, seed)]
    parts = list(zip(*drawn, strict=True))
    for first, second, amount in streams.progress(parts, None, "interpolations"):
        weight = amount.view(-1, *[1] * (latents.ndim - 1))
        yield streams.rendered(model, torch.lerp(latents[second], latents[first], weight).to(model.device))
