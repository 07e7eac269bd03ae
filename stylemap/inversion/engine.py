"""The one loop of all methods that optimise: Adam on some of the tensors, phase after phase."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stylemap.errors import InputError
from stylemap.inversion import projector
from stylemap.inversion.subject import Tensors

BETAS, EPS = (0.9, 0.999), 1e-8  # of Adam, in all of the methods


@dataclass(frozen=True)
class Phase:
    """Steps of Adam on some tensors. Functions of t get the share of the steps that are done, in [0, 1)."""

    name: str
    steps: int
    rates: dict[str, float]
    """Full learning rate by tensor; other tensors stand still."""
    loss: Callable[[Tensors, Tensor], Tensor]
    """The tensors and their images [N, 3, R, R] -> [N]."""
    schedule: Callable[[float], float] = lambda t: 1.0
    """Factor of the full rate."""
    latent_noise: Callable[[float], float] = lambda t: 0.0
    """Standard deviation of the noise that is added to the latent before it is rendered."""
    regulariser: Callable[[Tensors, int], Tensor] | None = None
    """The tensors and the step of the phase -> [N], added to the loss. It does not tell how good the images are."""
    standardise: bool = False
    """Bring the noise maps that are optimised back to mean 0 and variance 1 after every step."""
    begin: Callable[[Tensors], Tensors] | None = None
    """The tensors -> others that join them before the first step."""


@dataclass(frozen=True)
class Stopping:
    """When an image is done before all steps are taken; it then stays as it is. Off by default."""

    error: float | None = None
    """Mean squared error, pixels in [-1, 1], at which an image is good enough."""
    patience: int | None = None
    """Steps in which the loss, without the regulariser, has not become lower by ``gain``."""
    gain: float = 0.01
    """Share of the lowest loss so far."""


class HistoryRow(NamedTuple):
    """A line of the history: the images before a step, with the noise on their latents."""

    phase: str
    step: int  # of all phases, from 0
    seconds: float  # from the start
    loss: list[float]  # of each image, without the regulariser
    error: list[float]  # mean squared error to the targets, pixels in [-1, 1]
    regulariser: list[float]  # of each image; 0 where there is none


@dataclass
class State:
    """Everything that a resumed run needs to be the same run to the last bit: tensors and plain values.

    The next steps change these tensors: save or copy them.
    """

    tensors: Tensors
    phase: int = 0
    step: int = 0  # of the phase
    adam: dict[str, Any] | None = None
    history: list[HistoryRow] = field(default_factory=list)
    ran: int = 0  # steps of all phases; fewer than planned where a phase stopped early
    seconds: float = 0.0
    cold: tuple[int, float] = (0, 0.0)  # steps and seconds of warming up
    lowest: Tensor | None = None  # float64 [N], lowest loss of each image in the phase
    lowest_at: Tensor | None = None  # [N], its step
    done: Tensor | None = None  # bool [N]

    def plain(self) -> dict[str, Any]:
        """For `torch.save`, to be read with weights_only."""
        return {**vars(self), "history": [tuple(row) for row in self.history]}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "State":
        """The inverse of `plain`.

        Raises:
            TypeError, ValueError: ``plain`` holds something else.
        """
        state = cls(**{**plain, "history": [HistoryRow(*row) for row in plain["history"]]})
        samples = {len(x) for x in state.tensors.values() if torch.is_tensor(x) and x.isfinite().all()}
        if len(samples) != 1 or not all(map(torch.is_tensor, state.tensors.values())):
            raise ValueError("it holds something else than finite numbers of the same images")
        if not all(type(number) is int and number >= 0 for number in (state.phase, state.step, state.ran)):
            raise ValueError("it does not say how far it is")
        return state

    def to(self, device: torch.device) -> "State":
        """The same on another device; Adam's moments go where they are loaded."""
        done = None if self.done is None else self.done.to(device)
        return replace(self, tensors={name: x.to(device) for name, x in self.tensors.items()}, done=done)


@dataclass(frozen=True)
class Problem:
    """What is optimised."""

    phases: list[Phase]
    render: Callable[[Tensors], Tensor]
    error: Callable[[Tensor], Tensor]  # images -> [N]
    seed: int = 0  # of the noise on the latent


# The state after a step and the images before it.
Tick = Callable[[State, Tensor], None]


def optimise(
    problem: Problem, state: State, stopping: Stopping | None = None, every: int = 10, tick: Tick | None = None
) -> State:
    """Run all phases from a state on. The state is changed and returned.

    No image depends on the others: losses are summed, Adam works on single numbers, and the noise on the latents is the same for
    all. At the first step of a phase, at every ``every``-th and at the last, a row is added to the history, `Stopping` is checked
    and ``tick`` is called; the last two do not count into the time.
    """
    total = sum(phase.steps for phase in problem.phases)
    before = sum(phase.steps for phase in problem.phases[: state.phase])
    with tqdm(total=total, initial=before + state.step, unit=" steps", leave=False, disable=None) as bar:
        while state.phase < len(problem.phases):
            _run(problem, state, before, stopping or Stopping(), every, tick, bar)
            before += problem.phases[state.phase].steps
            bar.update(before - bar.n)
            state.phase, state.step, state.adam = state.phase + 1, 0, None
            state.lowest = state.lowest_at = state.done = None
    return state


def seconds_per_step(state: State) -> float:
    """Of the whole batch, without the first step, which allocates memory and chooses kernels."""
    cold_steps, cold_seconds = state.cold
    if state.ran > cold_steps:
        return (state.seconds - cold_seconds) / (state.ran - cold_steps)
    return state.seconds / max(1, state.ran)


def _run(
    problem: Problem, state: State, before: int, stopping: Stopping, every: int, tick: Tick | None, bar: tqdm
) -> None:
    phase = problem.phases[state.phase]
    if phase.begin and state.step == 0:
        state.tensors = state.tensors | phase.begin(state.tensors)
    leaves = {name: state.tensors[name].detach().requires_grad_() for name in phase.rates}
    adam = _adam(phase, leaves, state.adam)
    first = state.step
    finished = state.done is not None and bool(state.done.all())
    clock = time.perf_counter()
    while state.step < phase.steps and not finished:
        t = state.step / phase.steps
        for group in adam.param_groups:
            group["lr"] = phase.rates[group["name"]] * phase.schedule(t)
        tensors = state.tensors | leaves
        seeds = problem.seed, state.phase, state.step
        noisy = tensors | {"latent": _noisy(tensors["latent"], phase.latent_noise(t), seeds)}
        images = problem.render(noisy)
        losses = phase.loss(noisy, images)
        regulariser = phase.regulariser(noisy, state.step) if phase.regulariser else torch.zeros_like(losses)
        _step(adam, leaves, losses + regulariser, state.done, phase.standardise)
        state.step, state.ran = state.step + 1, state.ran + 1
        begins = state.step == first + 1
        due = state.step == 1 or state.step % every == 0 or state.step == phase.steps
        if not (begins or due):
            continue
        # waits for the device
        values = losses.tolist(), problem.error(images.detach()).tolist(), regulariser.tolist()
        now = time.perf_counter()
        state.seconds += now - clock
        if begins:
            state.cold = (state.cold[0] + 1, state.cold[1] + now - clock)
        if due:
            if not np.isfinite(values[0] + values[2]).all():
                raise InputError(
                    f"{phase.name} diverged by step {state.step}: the loss is not finite; lower the learning rate"
                )
            state.history.append(HistoryRow(phase.name, before + state.step - 1, state.seconds, *values))
            state.tensors = state.tensors | {name: x.detach() for name, x in leaves.items()}
            state.adam = adam.state_dict()
            finished = _check_done(state, stopping)
            bar.update(before + state.step - bar.n)
            bar.set_postfix(mse=f"{np.mean(values[1]):.4f}", refresh=False)
            if tick:
                tick(state, images.detach())
        clock = time.perf_counter()


def _adam(phase: Phase, leaves: Tensors, saved: dict[str, Any] | None) -> torch.optim.Adam:
    groups: Iterable[dict[str, Any]] = [{"params": [x], "name": name} for name, x in leaves.items()]
    adam = torch.optim.Adam(groups, lr=0.0, betas=BETAS, eps=EPS)
    if saved is not None:
        adam.load_state_dict(saved)
    return adam


def _step(adam: torch.optim.Adam, leaves: Tensors, losses: Tensor, done: Tensor | None, standardise: bool) -> None:
    # not backward(), which would also fill the gradients of the networks
    gradients = torch.autograd.grad(losses.sum(), list(leaves.values()))
    before = {name: x.detach().clone() for name, x in leaves.items()} if done is not None else {}
    for leaf, gradient in zip(leaves.values(), gradients, strict=True):
        leaf.grad = gradient
    adam.step()
    with torch.no_grad():
        for name, x in leaves.items():
            if standardise and name.startswith("noise."):
                x.copy_(projector.standardise(x))
        # last, so that images that are done stay the same to the last bit
        if done is not None:
            for name, old in before.items():
                leaves[name].copy_(torch.where(done.view(-1, *[1] * (old.dim() - 1)), old, leaves[name]))


def _noisy(latent: Tensor, deviation: float, seeds: tuple[int, ...]) -> Tensor:
    """The latent with noise that is a pure function of the seeds and the same for every image, whatever its place in a batch."""
    if not deviation:
        return latent
    drawn = np.random.default_rng(seeds).standard_normal((1, *latent.shape[1:]), np.float32)
    return latent + deviation * torch.from_numpy(drawn).to(latent)


def _check_done(state: State, stopping: Stopping) -> bool:
    """Note which images are done; whether all are."""
    if stopping.error is None and stopping.patience is None:
        return False
    loss, error = (torch.tensor(x, dtype=torch.float64) for x in (state.history[-1].loss, state.history[-1].error))
    if state.lowest is None or state.lowest_at is None:
        state.lowest, state.lowest_at = torch.full_like(loss, math.inf), torch.zeros(len(loss), dtype=torch.int64)
    better = loss < (1 - stopping.gain) * state.lowest
    state.lowest = torch.where(better, loss, state.lowest)
    state.lowest_at = torch.where(better, state.step, state.lowest_at)
    done = torch.zeros(len(loss), dtype=torch.bool) if state.done is None else state.done.cpu()
    if stopping.error is not None:
        done = done | (error <= stopping.error)
    if stopping.patience is not None:
        done = done | (state.step - state.lowest_at >= stopping.patience)
    state.done = done.to(state.tensors["latent"].device)
    return bool(done.all())
