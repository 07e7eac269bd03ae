"""images -> latent, image, history, seconds per step: the same for all methods."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from stylemap.architectures.model import Model
from stylemap.errors import InputError
from stylemap.inversion import engine, losses
from stylemap.inversion.engine import Problem, Row, State, Stopping, Tick
from stylemap.inversion.losses import Target
from stylemap.inversion.methods import Method, Setting
from stylemap.inversion.subject import Subject, Tensors
from stylemap.perceptual import Perceptual
from stylemap.precision import in_float32


@dataclass(frozen=True)
class Inversion:
    """What was found for N images."""

    latent: Tensor
    """Stylemaps [N, C, S, S], or W+ [N, L, C], of which all layers are equal where w was optimised."""
    image: Tensor
    """[N, 3, R, R], about [-1, 1], of the latent and everything in ``extras``."""
    extras: Tensors
    """Of what else the image is made, by name: noise maps "noise.0" ... [N, 1, s, s], "input" [N, C', 8, 8]."""
    error: Tensor
    """[N], mean squared error of the image, clamped, to the targets where their masks are; pixels in [-1, 1]."""
    history: list[Row]
    steps: int
    """That were taken; 0 of an encoder."""
    seconds: float
    """All steps; of an encoder, one pass."""
    seconds_per_step: float
    """Of the whole batch, when warm. Of an encoder, of a pass."""
    seconds_statistics: float
    """For mean and spread of w, which can be kept; 0 where they were known or are not needed."""
    origin: dict
    """The method, its knobs, its source, the perceptual network, and how many numbers each tensor has that makes an image."""

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
    """Latents of images, found in float32 whatever autocast the caller has opened.

    Args:
        model: a `Subject` keeps the statistics of w from one call to the next.
        images: [N, 3, R, R] in [-1, 1], on the model's device; or targets with masks, the losses of which are added: one with a
            mask for an image with a hole, two for a crossover.
        state: goes on from it.
        stopping, every, tick: see `engine.optimise`.

    Raises:
        InputError: a method that needs another generator, or a model without an encoder; a loss that is not finite.
        ValueError: targets of different shapes.
    """
    subject = model if isinstance(model, Subject) else Subject(model)
    targets = [Target(images)] if isinstance(images, Tensor) else list(images)
    check(method, subject)
    _check_targets(subject, targets)
    setting = Setting(subject, targets, perceptual)
    known = len(subject.known)
    start = method.start(setting)
    phases = [phase for phase in method.phases(setting, start) if phase.steps]
    spent = sum(found.seconds for found in list(subject.known.values())[known:])

    def error(images: Tensor) -> Tensor:
        clamped = images.clamp(-1, 1)
        return torch.stack([losses.squared_error(clamped, t.images, t.mask) for t in targets]).mean(dim=0)

    if phases:
        problem = Problem(phases, subject.render, error, method.seed)
        state = engine.optimise(problem, state or State(start), stopping, every, tick)
        seconds, per_step = state.seconds, engine.seconds_per_step(state)
    else:
        state = State(start)
        seconds = per_step = _seconds(lambda: method.start(setting), subject)
    found = {name: x.detach() for name, x in state.tensors.items()}
    shown = found if getattr(method, "render_noise", True) else {k: x for k, x in found.items() if k == "latent"}
    with torch.no_grad():
        image = subject.render(shown)
    return Inversion(
        subject.tiled(found["latent"]).contiguous(),
        image,
        {name: x for name, x in shown.items() if name != "latent"},
        error(image),
        state.history,
        state.ran,
        seconds,
        per_step,
        spent,
        describe(method, perceptual) | {"numbers": {name: shown[name][0].numel() for name in subject.rendered(shown)}},
    )


def render(model: Model, latent: Tensor, extras: Tensors) -> Tensor:
    """The images of an `Inversion`, from what it holds: [N, 3, R, R]."""
    with torch.no_grad():
        return Subject(model).render({"latent": latent, **extras})


def describe(method: Method, perceptual: Perceptual) -> dict:
    """For the record."""
    about = {"method": type(method).__name__, "source": method.source, "knobs": asdict(method)}
    return about | {"perceptual": perceptual.origin if method.perceptual else None}


def check(method: Method, subject: Subject) -> None:
    """InputError if the method is not for this kind of generator."""
    if method.latents == "vectors" and subject.latents.spatial:
        raise InputError(
            "it needs a generator with one vector per layer (stylegan2 or stylegan), and these weights have stylemaps; take "
            "encoder, hybrid or stylemap, or other weights"
        )
    if method.latents == "stylemaps" and not subject.latents.spatial:
        raise InputError(
            "it needs stylemaps, and these weights have one vector per layer; take w or w+, or other weights"
        )


def _check_targets(subject: Subject, targets: list[Target]) -> None:
    if not targets or any(t.images.shape != targets[0].images.shape for t in targets):
        raise ValueError(f"targets must have images of one shape, not {[list(t.images.shape) for t in targets]}")
    side, samples = subject.model.config.resolution, len(targets[0].images)
    if targets[0].images.shape[1:] != (3, side, side):
        raise ValueError(f"images must be [N, 3, {side}, {side}], not {list(targets[0].images.shape)}")
    for mask in (t.mask for t in targets if t.mask is not None):
        if tuple(mask.shape) not in {(1, 1, side, side), (samples, 1, side, side)}:
            raise ValueError(f"a mask must be [{samples} or 1, 1, {side}, {side}], not {list(mask.shape)}")


def _seconds(function, subject: Subject) -> float:
    """Of a second call, until the device is done with it."""
    start = time.perf_counter()
    function()["latent"].sum().item()
    return time.perf_counter() - start
