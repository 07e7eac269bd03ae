"""images -> latent, image, history, seconds per step: the same for all methods."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylemap.architectures.model import Model
from stylemap.inversion import engine, losses, tuning
from stylemap.inversion.engine import HistoryRow, Problem, State, Stopping, Tick
from stylemap.inversion.losses import Target
from stylemap.inversion.methods import Inputs, Method
from stylemap.inversion.subject import Subject, Tensors
from stylemap.perceptual import Perceptual
from stylemap.precision import in_float32


@dataclass(frozen=True)
class Inversion:
    """The latents of N images."""

    latent: Tensor
    """Stylemaps [N, C, S, S], or W+ [N, L, C], with equal layers if w was optimised."""
    image: Tensor
    """[N, 3, R, R], about [-1, 1], of the latent and everything in ``extras``."""
    extras: Tensors
    """What else the image is rendered from, by name: noise maps "noise.0" ... [N, 1, s, s], "input" [N, C', 8, 8], differences of
    weights "weights.*" [N, ...], rounded as files hold them."""
    error: Tensor
    """[N], mean squared error of the image, clamped, to the targets where their masks are; pixels in [-1, 1]."""
    history: list[HistoryRow]
    steps: int
    """The number of steps taken; 0 for an encoder."""
    seconds: float
    """Of all steps; for an encoder, of one pass."""
    seconds_per_step: float
    """Of the whole batch, when warm; for an encoder, of one pass."""
    seconds_statistics: float
    """Of computing mean and spread of w; 0 if they were known or are not needed."""
    rounding: Tensor | None
    """[N], mean squared change of the image by rounding differences of weights; None where there are none."""
    origin: dict[str, Any]
    """The method, its knobs, its source, the perceptual network, and the size of each tensor that an image is rendered from."""

    @property
    def tensors(self) -> Tensors:
        """Everything that the image is rendered from."""
        return {"latent": self.latent, **self.extras}


@in_float32
def invert(
    method: Method,
    model: Model | Subject,
    images: Tensor | Sequence[Target],
    perceptual: Perceptual,
    state: State | None = None,
    stopping: Stopping | None = None,
    every: int = 10,
    tick: Tick | None = None,
) -> Inversion:
    """Find the latents of images, in float32 whatever precision surrounds the call.

    Args:
        model: a `Subject` keeps the statistics of w from one call to the next.
        images: [N, 3, R, R] in [-1, 1], on the model's device; or targets with masks, whose losses are added: one target with a
            mask for an image with a hole, two for a crossover.
        state: the run goes on from it.
        stopping, every, tick: see `engine.optimise`.

    Raises:
        InputError: a method that needs another generator, or a model without an encoder; a loss that is not finite.
        ValueError: targets of different shapes.
    """
    subject = model if isinstance(model, Subject) else Subject(model)
    targets = [Target(images)] if isinstance(images, Tensor) else list(images)
    method = method.for_latents(subject.latents)
    _validate_targets(subject, targets)
    inputs = Inputs(subject, targets, perceptual)
    known = len(subject.known)
    start = method.start(inputs)
    phases = [phase for phase in method.phases(inputs, start) if phase.steps]
    seconds_statistics = sum(statistics.seconds for statistics in list(subject.known.values())[known:])

    def error(images: Tensor) -> Tensor:
        clamped = images.clamp(-1, 1)
        return torch.stack([losses.squared_error(clamped, t.images, t.mask) for t in targets]).mean(dim=0)

    if phases:
        problem = Problem(phases, subject.render, error, method.seed)
        state = engine.optimise(problem, state or State(start), stopping, every, tick)
        seconds, per_step = state.seconds, engine.seconds_per_step(state)
    else:
        state = State(start)
        seconds = per_step = _seconds(lambda: method.start(inputs))
    tensors = {name: x.detach() for name, x in state.tensors.items()}
    if not method.render_noise:
        tensors = {"latent": tensors["latent"]}
    with torch.no_grad():
        image, rounding = subject.render(tensors), None
        if tuning.of(tensors):
            exact, tensors = image, tensors | tuning.rounded(tensors)
            image = subject.render(tensors)
            rounding = losses.squared_error(image, exact)
    sizes = {name: tensors[name][0].numel() for name in subject.rendered(tensors)}
    return Inversion(
        subject.model.spread_out(tensors.pop("latent")).contiguous(),
        image,
        tensors,
        error(image),
        state.history,
        state.ran,
        seconds,
        per_step,
        seconds_statistics,
        rounding,
        method.origin(perceptual) | {"numbers": sizes},
    )


def render(model: Model, latent: Tensor, extras: Tensors) -> Tensor:
    """The images of an `Inversion`: [N, 3, R, R]."""
    with torch.no_grad():
        return Subject(model).render({"latent": latent, **extras})


def _validate_targets(subject: Subject, targets: list[Target]) -> None:
    if not targets or any(t.images.shape != targets[0].images.shape for t in targets):
        raise ValueError(f"targets must have images of one shape, not {[list(t.images.shape) for t in targets]}")
    side, samples = subject.model.config.resolution, len(targets[0].images)
    if targets[0].images.shape[1:] != (3, side, side):
        raise ValueError(f"images must be [N, 3, {side}, {side}], not {list(targets[0].images.shape)}")
    for mask in (t.mask for t in targets if t.mask is not None):
        if tuple(mask.shape) not in {(1, 1, side, side), (samples, 1, side, side)}:
            raise ValueError(f"a mask must be [{samples} or 1, 1, {side}, {side}], not {list(mask.shape)}")


def _seconds(function: Callable[[], Tensors]) -> float:
    """Of a second call, until the device has finished it."""
    start = time.perf_counter()
    function()["latent"].sum().item()
    return time.perf_counter() - start
