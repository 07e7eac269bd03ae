"""How far latents lie from what the mapping network makes: "semantic quality", by a definition of this project.

The number was named without a definition (a mean of 0.44 for mapped z), so it cannot be compared with this one. Here: in each
layer, or cell of a stylemap, the Euclidean distance to the mean of mapped samples over their standard deviation (the root of
their mean squared distance), averaged over layers. Mapped samples lie at about 1, in the root of the mean square exactly.
Latents far out render, but edits of them (directions, interpolations) leave what the generator knows.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from stylemap.errors import InputError
from stylemap.metrics import streams
from stylemap.metrics.evaluation import Cache, Evaluation, Metric
from stylemap.precision import in_float32

DRAWS = 10_000  # as in the projector of StyleGAN2


class Spread(NamedTuple):
    mean: Tensor  # [L, C]
    deviation: Tensor  # [L], of the distance to it


def layers(latents: Tensor) -> Tensor:
    """Stylemaps [N, C, S, S] -> [N, S S, C], a layer for each cell; [N, L, C] stays as it is.

    Raises:
        ValueError: neither.
    """
    if latents.ndim == 4:
        return latents.flatten(2).transpose(1, 2)
    if latents.ndim == 3:
        return latents
    raise ValueError(f"latents must be [N, C, S, S] or [N, L, C], not {list(latents.shape)}")


@in_float32
def mapped(model, seed: int = 0, count: int | None = None) -> Spread:
    """Mean and deviation over ``count`` mapped z, by default DRAWS."""
    count = count or DRAWS
    z = streams.noise(model, count, seed)
    mean = sum(layers(w).cpu().double().sum(dim=0) for w in streams.mapped(model, z)) / count
    square = sum((layers(w).cpu().double() - mean).square().sum(dim=(0, 2)) for w in streams.mapped(model, z)) / count
    return Spread(mean, square.sqrt())


def distance(latents: Tensor, spread: Spread) -> Tensor:
    """Of each latent to the mean, in deviations, averaged over layers: float64 [N].

    Raises:
        InputError: a layer that does not vary, whose deviation measures nothing.
    """
    if not (spread.deviation > 0).all():
        raise InputError("the mapping network gives the same latent for every z; these weights are not trained")
    lengths = (layers(latents).cpu().double() - spread.mean).norm(dim=2)  # [N, L]
    return (lengths / spread.deviation).mean(dim=1)


def _latent_distance(e: Evaluation) -> tuple[float, dict]:
    spread = e.reference.models.setdefault(e.model, Cache()).once(mapped, e.model, e.seed)
    samples = streams.mapped(e.model, streams.noise(e.model, e.count, e.seed))
    of_samples = torch.cat([distance(w, spread) for w in samples])
    distances = distance(e.tensors["latent"], spread)
    details = {
        "definition": "of stylemap, see docs/metrics.md",
        "pictures": len(distances),
        "of_mapped_samples": float(of_samples.mean()),
        "largest": float(distances.max()),
        "seed": e.seed,
        "mapped": DRAWS,
    }
    return float(distances.mean()), details


METRICS = {"latent_distance": Metric("lower", "", _latent_distance)}
