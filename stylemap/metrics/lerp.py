"""Interpolations of held-out images, which FID_lerp compares with training images (StyleMapGAN, arXiv 2104.14754).

It asks whether images between two real ones are real too, which random samples say nothing about.
"""

from collections.abc import Callable, Iterator

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
def interpolations(
    tensors: dict[str, Tensor], render: Callable[[dict[str, Tensor]], Tensor], count: int, side: int, seed: int = 0
) -> Iterator[Tensor]:
    """Batches of ``amount * first + (1 - amount) * second``, rendered, as 8 bits hold them: uint8 [n, R, R, 3].

    Everything that the images are made of is interpolated, so that the ends are the reconstructions.

    Args:
        tensors: of the test images, [N, ...] each: latents (stylemaps before they are resized), and noise maps if there are.
        render: such tensors -> images.
        side: R.
    """
    (size,) = {len(x) for x in tensors.values()}
    parts = list(zip(*(x.split(streams.per_pass(side)) for x in draw(size, count, seed)), strict=True))
    for first, second, amount in streams.progress(parts, None, "interpolations"):

        def between(x: Tensor, first=first, second=second, amount=amount) -> Tensor:
            return torch.lerp(x[second], x[first], amount.view(-1, *[1] * (x.ndim - 1)))

        yield render({name: between(x) for name, x in tensors.items()})
