"""The training loop, flat, over a stream of images. Everything is counted in images; a cycle of phases is one iteration."""

import contextlib
import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from stylemap import architectures, checkpoint, devices, files, perceptual, precision
from stylemap.architectures.cycle import Cycle
from stylemap.config import TrainConfig
from stylemap.datasets import labelled, stream, unseen
from stylemap.errors import Note
from stylemap.training import augment, batching, distributed, ema, state
from stylemap.training.distributed import World
from stylemap.training.monitor import Meter
from stylemap.training.optimizers import Networks, Optimizers
from stylemap.training.records import Metric, Observer, Records
from stylemap.training.threads import Threads


def train(
    config: TrainConfig,
    run: Path,  # the folder that everything is written into
    resume: bool = False,  # go on from the newest state in it
    observer: Observer | None = None,  # is told how far the run is
    stop: Callable[[], bool] = lambda: False,  # asked before every iteration; the state is saved when it says yes
    metrics: Mapping[str, Metric] | None = None,  # measured at every tick; a failure is only a warning
) -> int:
    """Train until ``config.images`` images are seen or ``stop()`` is true. Returns the images seen.

    If torchrun started this process, all its processes train one model. The first one writes, and a restarted run resumes.

    Raises:
        InputError: unusable data or device, a folder that holds another run, nothing to resume, training that diverged, or
            another process that died.
    """
    device = devices.pick(distributed.local_device(config.device))
    with (
        distributed.joined(device) as world,
        precision.tf32(config.speed.tf32),
        files.owned(run) if world.first else contextlib.nullcontext(),
    ):
        resume = resume or world.broadcast(world.first and distributed.restarted(run))
        observer = observer if observer and world.first else Observer()
        return _train(config, run, resume, observer, stop, metrics or {}, device, world)


def _train(
    config: TrainConfig,
    run: Path,
    resume: bool,
    observer: Observer,
    stop: Callable[[], bool],
    metrics: Mapping[str, Metric],
    device: torch.device,
    world: World,
) -> int:
    # State to go on from.
    content = state.load_for(run, resume) if world.first else None
    past = world.broadcast(content and state.Past.of(content))
    seen = past.images if past else 0

    # Data: what earlier trainings of these weights have seen is never held out.
    earlier = past.seen if past else checkpoint.seen_by(config.init_from) if config.init_from else ()
    split = unseen.open_for_training(config.data, config.model.resolution, config.heldout, earlier)
    if past:
        state.check_data(past, split, run)
    pictures, held_out = (
        labelled(images, config.label_path) if config.model.labelled else images
        for images in (split.training, split.heldout)
    )
    config = augment.choose_mode(config, len(split.training), past and past.augment)
    observer.opened(split.training, split.heldout)
    if world.first and (text := batching.small_groups_warning(config, world)):
        warnings.warn(text, stacklevel=3)

    # Networks, optimisers, and the cycle that trains them.
    distance = perceptual.for_training(config.loss, device)  # before the run folder is made: its weights may be missing
    trained_on = unseen.Seen.of(config.data, config.heldout, split.training, split.heldout)
    trainee = replace(build(config, device, not past), seen=(trained_on, *(earlier[1:] if past else earlier)))
    if past:
        state.restore(content or state.load(state.path(run, seen)), config, trainee, world.first)
    config, kind = choose_precision(config, trainee, device, world, past and past.precision)
    trainee.networks.model.speed_up(config.speed)
    cycle = cycle_of(config, trainee, distance, world, kind)

    # Records, and the stream of batches.
    meter = Meter(cycle.terms, device, world, past and past.totals)
    records = Records(config, run, seen, held_out, trainee, world, observer, metrics)
    places = batching.assign_places(config.batch, world.rank, world.size, batching.count_passes(config, world))
    batches = stream.batches(
        pictures, config.batch, config.seed, seen, config.mirror, config.workers, sum(places, []), stop
    )
    threads = Threads(device, world)
    observer.start(seen, config.images)
    with contextlib.closing(threads), contextlib.closing(batches), contextlib.closing(records):
        while seen < config.images:
            # The next batch; None if the run was stopped while it waited.
            images = next(batches, None)
            if world.any(images is None or stop()):
                break

            # One iteration: generator, encoder and discriminator.
            if config.optim.warmup:
                trainee.optimizers.scale_lr(min(1.0, (seen + config.batch) / config.optim.warmup))
            passes = batching.split(images.to(device, non_blocking=True), config, seen, places, trainee)
            meter.add(cycle.iterate(passes, seen))
            seen += config.batch

            # Running average, strength of the augmentation, threads.
            ema.update(trainee.average, trainee.networks.model, ema.decay(seen, config.batch, config.ema))
            if trainee.augment and due(seen, config.batch, config.augment.every):
                world.sum(trainee.augment.sums)
                trainee.augment.adjust(max(config.augment.every, config.batch))
            threads.adjust()
            observer.advance(config.batch)

            # A line of the log with held-out scores, and a state with weights and report.
            if due(seen, config.batch, config.tick) or seen >= config.images:
                records.tick(seen, meter)
            if due(seen, config.batch, config.save_every) and seen < config.images:
                records.save(seen, meter)
        records.save(seen, meter)
    if world.first:
        distributed.release(run)
    return seen


def choose_precision(
    config: TrainConfig, trainee: state.Trainee, device: torch.device, world: World, before: str | None = None
) -> tuple[TrainConfig, torch.dtype]:
    """Replace ``speed.precision`` auto by what is faster here, which all processes share, and give the type that it names.

    Args:
        before: of the run that goes on, which keeps it. Runs on CPUs that noted auto were float32.
    """
    if before == "bfloat16" and not precision.has_bfloat16(device):
        warnings.warn("the run goes on in float32, because there is no bfloat16 here", Note, stacklevel=3)
        before = "float32"
    asked = config.speed.precision if config.speed.precision != "auto" or before is None else before
    part = None if before else trainee.networks.model.last_doubling()
    kind = world.broadcast(precision.pick(asked, device, part if world.first else None, learning=True))
    name = str(kind).removeprefix("torch.")
    return replace(config, speed=replace(config.speed, precision=name)), kind


def cycle_of(
    config: TrainConfig,
    trainee: state.Trainee,
    distance: perceptual.Distance | None,
    world: World = distributed.ALONE,
    kind: torch.dtype = torch.float32,
) -> Cycle:
    """The phases that train the model of this config, in passes of type ``kind``."""
    cycle = architectures.cycle_class(config.model)
    return cycle(trainee.networks, trainee.optimizers, config, distance, trainee.augment, world, kind)


def build(config: TrainConfig, device: torch.device, new: bool = True) -> state.Trainee:
    """Networks with the initial weights of the seed or of ``init_from``, their running average, and the optimisers.

    A run that goes on takes its weights from its state, so ``new=False`` does not ask for ``init_from``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        networks = Networks(config)
        if new and config.init_from is not None:
            checkpoint.load_into(config.init_from, networks.model, networks.discriminator)
    networks = networks.to(device)
    average = copy.deepcopy(networks.model).eval().requires_grad_(False)
    augmented = config.augment.mode in ("fixed", "adaptive")
    return state.Trainee(
        networks,
        average,
        Optimizers.build(networks, config),
        augment.Augment(config.augment, device) if augmented else None,
    )


def due(seen: int, batch: int, every: int) -> bool:
    """Whether the last ``batch`` of ``seen`` images passed a multiple of ``every``."""
    return seen // every > (seen - batch) // every
