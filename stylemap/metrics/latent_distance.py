"""How far latents lie from what the mapping network makes: "semantic quality", by a definition of this project.

The published number has no definition (a mean of 0.44 for mapped z), so it cannot be compared with this one. Here it is, in each
layer or cell of a stylemap, the Euclidean distance to the mean of mapped samples, divided by their standard deviation (the root
of their mean squared distance), and averaged over layers. Mapped samples lie at about 1; the root of their mean square is 1.
Latents far out render, but edits of them (directions, interpolations) leave the region that the generator knows.
"""

import torch
from torch import Tensor

from stylemap.architectures.model import Model, Moments
from stylemap.errors import InputError
from stylemap.metrics import streams
from stylemap.metrics.evaluation import Evaluation
from stylemap.precision import in_float32

DRAWS = 10_000  # as in the projector of StyleGAN2


@in_float32
def moments(model: Model, seed: int = 0, count: int | None = None) -> Moments:
    """Mean and deviation over ``count`` mapped z, by default DRAWS."""
    return model.moments(streams.noise(model, count or DRAWS, seed))


def distance(model: Model, latents: Tensor, spread: Moments) -> Tensor:
    """Of each latent to the mean, in deviations, averaged over layers: float64 [N].

    Raises:
        InputError: a layer that does not vary, whose deviation measures nothing.
    """
    if not (spread.deviation > 0).all():
        raise InputError("the mapping network gives the same latent for every z; these weights are not trained")
    lengths = model.latents.vectors((latents - spread.mean.to(latents.device)).cpu().double()).norm(dim=2)  # [N, L]
    return (lengths / spread.deviation).mean(dim=1)


def _latent_distance(e: Evaluation) -> tuple[float, dict]:
    spread = moments(e.model, e.seed)
    samples = streams.mapped(e.model, streams.noise(e.model, e.count, e.seed))
    of_samples = torch.cat([distance(e.model, w, spread) for w in samples])
    distances = distance(e.model, e.tensors["latent"], spread)
    details = {
        "definition": "of stylemap, see docs/metrics.md",
        "pictures": len(distances),
        "of_mapped_samples": float(of_samples.mean()),
        "largest": float(distances.max()),
        "seed": e.seed,
        "mapped": DRAWS,
    }
    return float(distances.mean()), details


METRICS = {"latent_distance": _latent_distance}
