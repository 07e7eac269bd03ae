"""Perceptual path length (StyleGAN, Karras et al. 2019, arXiv 1812.04948, section 4.1): how evenly images change."""

import itertools
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.architectures.model import interpolate
from stylemap.metrics import streams
from stylemap.metrics.evaluation import Compute, Evaluation
from stylemap.perceptual.network import shrink
from stylemap.precision import in_float32

EPSILON = 1e-4
LOWEST, HIGHEST = 1, 99  # percentiles; values outside are discarded
COMPARED_SIDE = 256  # pixels; larger images are averaged down
PATHS = 3  # use of the seed, see `streams`
Space, Sampling = Literal["z", "w"], Literal["full", "end"]


class PathLength(NamedTuple):
    mean: float
    deviation: float  # of the lengths that are kept
    kept: int  # their number


def ppl(
    model,
    distance: Callable[[Tensor, Tensor], Tensor],
    count: int,
    space: Space = "w",
    sampling: Sampling = "full",
    seed: int = 0,
) -> PathLength:
    """The mean of ``distance(image(t), image(t + epsilon)) / epsilon^2`` over random paths, epsilon = 1e-4.

    Noise maps are drawn for every path, and both of its ends have the same. StyleGAN2-ADA's ppl2_wend is space "w",
    sampling "end"; images of aligned faces are not cropped here.

    Args:
        distance: images [N, 3, R, R] in about [-1, 1], twice, -> [N]; the published is LPIPS.
        space: "z" goes along the sphere between two z and maps, "w" straight between two mapped latents (stylemaps before
            they are resized).
        sampling: "full" anywhere on the path, "end" at its start.
    """
    lengths = path_lengths(model, distance, count, space, sampling, seed)
    kept = trimmed(lengths)
    return PathLength(float(kept.mean()), float(kept.std(correction=0)), len(kept))


@in_float32
@torch.no_grad()
def path_lengths(
    model,
    distance: Callable[[Tensor, Tensor], Tensor],
    count: int,
    space: Space,
    sampling: Sampling,
    seed: int = 0,
) -> Tensor:
    """Of every path, float64 [count]; see `ppl`."""
    first, second = streams.noise(model, 2 * count, seed, PATHS).unflatten(0, (count, 2)).unbind(dim=1)
    t = torch.from_numpy(np.random.default_rng([seed, PATHS, 1]).random(count))
    t = t if sampling == "full" else torch.zeros_like(t)
    size = max(1, streams.per_pass(model.config.resolution) // 2)
    measured = []
    for paths in streams.progress(torch.arange(count).split(size), None, f"path length, {space} {sampling}"):
        a, b, start = first[paths], second[paths], t[paths]
        if space == "z":
            # In float64 up to the end, as a step is so small.
            z = torch.cat([slerp(a.double(), b.double(), at) for at in (start, start + EPSILON)])
            latents = model.map(z.float().to(model.device))
        else:
            a, b = (model.map(x.to(model.device)) for x in (a, b))
            start = start.float().to(a)
            latents = torch.cat([interpolate(a, b, at) for at in (start, start + EPSILON)])
        # both ends of a path have its noise: only the latent changes
        maps = streams.noise_maps(model, paths.tolist() * 2, seed, PATHS + 1)
        pictures = shrink(model.synthesize(latents, **maps), COMPARED_SIDE)
        measured.append(distance(*pictures.chunk(2)).cpu().double() / EPSILON**2)
    return torch.cat(measured)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From the direction of a to that of b along the sphere of radius sqrt(C), where standard normal z lie. [N, C] twice, [N].

    The published one has radius 1, for mapping networks that scale z themselves, as all here do.
    """
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    angle = torch.acos((a * b).sum(dim=1, keepdim=True).clamp(-1, 1)) * t[:, None]
    across = F.normalize(b - (a * b).sum(dim=1, keepdim=True) * a, dim=1)
    return (a * angle.cos() + across * angle.sin()) * a.shape[1] ** 0.5


def trimmed(lengths: Tensor) -> Tensor:
    """Those from the 1st percentile (the value at or below it) to the 99th (at or above it)."""
    low = np.percentile(lengths.numpy(), LOWEST, method="lower")
    high = np.percentile(lengths.numpy(), HIGHEST, method="higher")
    return lengths[(lengths >= low) & (lengths <= high)]


def _of_paths(space: Space, sampling: Sampling) -> Compute:
    def compute(e: Evaluation) -> tuple[float, dict]:
        network = e.reference.lpips
        result = ppl(e.model, network.distance, e.count, space, sampling, seed=e.seed)
        details = {
            "paths": e.count,
            "kept": result.kept,
            "deviation": result.deviation,
            "epsilon": EPSILON,
            "crop": False,
        }
        return result.mean, details | {"seed": e.seed} | network.origin

    return compute


METRICS = {
    f"ppl_{space}{sampling}": _of_paths(space, sampling)
    for space, sampling in itertools.product(get_args(Space), get_args(Sampling))
}
