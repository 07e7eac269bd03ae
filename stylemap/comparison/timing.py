"""One method on all images, timed.

The time of an image runs from the image to its latent and its reconstruction: two passes for an encoder; the start,
all steps and the last image for an optimisation. A run of two steps comes first: it allocates memory, chooses kernels and
computes mean and spread of w. Their time is reported apart, since it belongs to the weights and not to an image.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from stylemap import images
from stylemap.comparison import machine
from stylemap.comparison.contenders import Contender
from stylemap.errors import InputError
from stylemap.inversion import Inversion, Subject, Target, invert
from stylemap.inversion.methods import STATISTICS_SEED, Inputs
from stylemap.perceptual import Perceptual

WARM_STEPS = 2
PASSES = 9  # of an encoder; their median counts, since a single pass is too short to time
POINTS = 50  # of the history, about


@dataclass(frozen=True)
class Outcome:
    """The result of a method for N images, and its cost; tensors are on the CPU."""

    pictures: Tensor  # uint8 [N, R, R, 3], the latents rendered
    tensors: dict[str, Tensor]  # what they are rendered from: "latent" [N, ...], noise maps
    seconds: float  # for one image: all batches over all images
    batches: list[float]  # seconds of each
    seconds_per_step: float | None  # for one image, warm; None where there are no steps
    seconds_statistics: float | None  # mean and spread of w, not counted in the others; None where they are not needed
    memory: machine.Peak
    history: list[tuple[int, float, float]]  # (step, seconds for one image, mean squared error) of all images
    origin: dict  # see `Inversion.origin`


def time_method(
    contender: Contender,
    subject: Subject,
    photos: Tensor,
    batch: int,
    perceptual: Perceptual,
    extras: Mapping[str, Tensor] = MappingProxyType({}),
) -> Outcome:
    """Invert images, ``batch`` at once.

    Args:
        photos: [N, 3, R, R] in [-1, 1], on the CPU.
        extras: what comes with them, see `Model.extras_of`: [N, ...] each.

    Raises:
        InputError: it diverged.
    """
    given = zip(photos.split(batch), *(x.split(batch) for x in extras.values()), strict=True)
    batches = [[x.to(subject.device) for x in tensors] for tensors in given]
    parts = [Target(part, extras=dict(zip(extras, others, strict=True))) for part, *others in batches]
    for part in {len(part.images): part for part in parts}.values():  # other sizes choose other kernels
        _timed(contender, contender.shortened(WARM_STEPS), subject, part, perceptual)
    with machine.peak(subject.device) as memory:
        done = [_timed(contender, contender.method, subject, part, perceptual) for part in parts]
    inversions, seconds = zip(*done, strict=True)
    if not all(inversion.image.isfinite().all() for inversion in inversions):
        raise InputError("it diverged: an image is not finite; lower the rate")
    known = subject.known.get((contender.method.statistics_samples, STATISTICS_SEED))
    return Outcome(
        torch.cat([images.to_uint8(inversion.image).cpu() for inversion in inversions]),
        {name: torch.cat([x.tensors[name].cpu() for x in inversions]) for name in inversions[0].tensors},
        sum(seconds) / len(photos),
        list(seconds),
        sum(inversion.seconds_per_step for inversion in inversions) / len(photos) if contender.steps else None,
        known.seconds if known else None,
        memory,
        _history(inversions, len(photos)),
        inversions[0].origin,
    )


def _timed(contender: Contender, method, subject: Subject, part: Target, perceptual: Perceptual):
    """-> (inversion, seconds of the batch)."""
    start = machine.seconds(subject.device)
    inversion = invert(method, subject, [part], perceptual, every=max(1, contender.steps // POINTS))
    seconds = machine.seconds(subject.device) - start
    if contender.steps:
        return inversion, seconds
    # `invert` passes twice, to warm up
    return inversion, statistics.median(_pass(method, subject, part, perceptual) for _ in range(PASSES))


@torch.no_grad()
def _pass(method, subject: Subject, part: Target, perceptual: Perceptual) -> float:
    start = machine.seconds(subject.device)
    subject.render(method.start(Inputs(subject, [part], perceptual)))
    return machine.seconds(subject.device) - start


def _history(inversions: Sequence[Inversion], count: int) -> list[tuple[int, float, float]]:
    """Over all batches, which have rows at the same steps."""
    rows = zip(*(inversion.history for inversion in inversions), strict=True)
    return [
        (some[0].step, sum(r.seconds for r in some) / count, sum(sum(r.error) for r in some) / count) for some in rows
    ]
