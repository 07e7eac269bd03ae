"""The training loop: the cyclic scheme over a stream of images, counted in images."""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from stylemap import checkpoint, datasets, devices, files, images
from stylemap.config import TrainConfig
from stylemap.datasets import stream
from stylemap.errors import InputError
from stylemap.model import Model
from stylemap.training import ema, evaluate, perceptual, state, steps
from stylemap.training.monitor import Meter, Monitor
from stylemap.training.steps import Networks, Optimizers

GRID_ROWS = 8  # held-out pictures in the grid of a tick
CONFIG_FILE = "config.yaml"


class Observer:
    """What a caller sees of a run; the default ignores it all."""

    def start(self, seen: int, total: int) -> None:
        """Before the first iteration."""

    def advance(self, batch: int) -> None:
        """After every iteration; the losses are still on the device."""

    def tick(self, seen: int, values: dict[str, float]) -> None:
        """After a line of the log was written."""


def train(
    config: TrainConfig,
    run: Path,
    resume: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train into the folder ``run`` until ``config.images`` are seen or ``stop()`` is true; the state is saved either way.

    Returns:
        The images seen.

    Raises:
        InputError: unusable data or device, a folder that holds another run, nothing to resume, or training that diverged.
    """
    observer = observer or Observer()
    device = devices.pick(config.device)
    training, heldout = datasets.open_split(config.data, config.model.resolution, config.heldout)
    perceptual_term = perceptual.build(config.loss, device)
    networks, average, optimizers = build(config, device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.owned(run))
        seen = _enter(run, resume, config, networks, average, optimizers)
        examination = Examination(config, heldout)
        batches = stream.batches(training, config.batch, config.seed, seen, config.mirror, config.workers)
        meter = Meter(device)
        monitor = stack.enter_context(contextlib.closing(Monitor(run, seen)))
        observer.start(seen, config.images)
        while seen < config.images and not stop():
            real = images.from_uint8(next(batches).to(device, non_blocking=True))
            z = noise(config.seed, seen, config.batch, config.model.stylemap_channels).to(device)

            terms, stylemap, fake = steps.generator_step(networks, optimizers, z[0], config.loss)
            terms |= steps.latent_step(networks, optimizers, stylemap, fake, config.loss)
            more, reconstruction = steps.discriminator_step(networks, optimizers, real, z[1], config.loss)
            terms |= more
            if config.optim.r1_gamma > 0 and seen // config.batch % config.optim.r1_every == 0:
                terms |= steps.r1_step(networks, optimizers, real, config.optim)
            terms |= steps.image_step(networks, optimizers, real, reconstruction, perceptual_term, config.loss)

            seen += config.batch
            ema.update(average, networks.model, ema.decay(seen, config.batch, config.ema))
            meter.add(terms)
            observer.advance(config.batch)

            if due(seen, config.batch, config.tick) or seen >= config.images:
                _check_finite(meter, run, seen)
                values = meter.means() | {"images_per_second": meter.speed(config.batch)}  # means wait for the device
                values |= examination.scores(average)
                monitor.record(seen, values, examination.grid(average))
                observer.tick(seen, values)
                meter.reset()
            if due(seen, config.batch, config.save_every) and seen < config.images:
                _check_finite(meter, run, seen)
                save(run, seen, config, networks, average, optimizers)
        _check_finite(meter, run, seen)
        save(run, seen, config, networks, average, optimizers)
    return seen


class Examination:
    """Held-out pictures and fixed noise, looked at the same way at every tick."""

    def __init__(self, config: TrainConfig, heldout: datasets.Pictures):
        self.pictures = stream.first(heldout, config.heldout)  # uint8 [N, R, R, 3]
        rows = min(GRID_ROWS, len(self.pictures))
        self.z = noise(config.seed, 0, rows, config.model.stylemap_channels)[0]

    def scores(self, average: Model) -> dict[str, float]:
        return {f"heldout_{name}": value for name, value in asdict(evaluate.score(average, self.pictures)).items()}

    def grid(self, average: Model) -> Tensor:
        return evaluate.picture_grid(average, self.pictures[: len(self.z)], self.z.to(average.device))


def build(config: TrainConfig, device: torch.device) -> tuple[Networks, Model, Optimizers]:
    """Networks with the initial weights of the seed, their running average, and the optimisers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        networks = Networks(config.model)
    networks = networks.to(device)
    average = copy.deepcopy(networks.model).eval().requires_grad_(False)
    return networks, average, Optimizers.build(networks, config.optim)


def noise(seed: int, seen: int, batch: int, channels: int) -> Tensor:
    """The z of an iteration as a pure function of where it is: [2, batch, channels], for the steps of G and of D."""
    return torch.from_numpy(np.random.default_rng([seed, seen]).standard_normal((2, batch, channels), np.float32))


def due(seen: int, batch: int, every: int) -> bool:
    """Whether the last ``batch`` of ``seen`` images passed a multiple of ``every``."""
    return seen // every > (seen - batch) // every


def save(run: Path, seen: int, config: TrainConfig, networks: Networks, average: Model, optimizers: Optimizers) -> None:
    """Write the state and the averaged weights, each atomically; the oldest of both go."""
    state.save(run, seen, config, networks, average, optimizers)
    info = {"images": seen, "data": config.data, "seed": config.seed}
    for name in (f"weights-{seen:010d}.safetensors", "weights.safetensors"):
        checkpoint.save(run / name, average, networks.discriminator, info)
    numbered = sorted(p for p in run.glob("weights-*.safetensors") if p.stem <= f"weights-{seen:010d}")
    for old in numbered[: -config.keep_states]:
        old.unlink(missing_ok=True)


def _enter(
    run: Path, resume: bool, config: TrainConfig, networks: Networks, average: Model, optimizers: Optimizers
) -> int:
    """Make the run folder, or restore its newest state. Returns the images seen."""
    if resume and state.begun(run):
        seen = state.restore(state.load_newest(run), config, networks, average, optimizers)
    elif not resume and ((run / CONFIG_FILE).exists() or state.paths(run)):
        raise InputError(f"{run} holds another run; add --resume to go on with it, or give another --out")
    else:
        seen = 0  # also where a run was killed before its first state
    files.write_text(run / CONFIG_FILE, yaml.safe_dump(asdict(config), sort_keys=False))
    if not state.paths(run):
        state.save(run, 0, config, networks, average, optimizers)  # from here on, every kill leaves something to resume
    return seen


def _check_finite(meter: Meter, run: Path, seen: int) -> None:
    if term := meter.failure():
        raise InputError(
            f"{term} became infinite or NaN before image {seen}; nothing of it was saved: go on from the last good state "
            f"with --out {run} --resume and a lower --optim.lr or a higher --optim.r1_gamma"
        )
