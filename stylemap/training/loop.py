"""The training loop over a stream of images, counted in images; `iterate` of the model's `Cycle` is one iteration."""

import contextlib
import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, datasets, devices, files, images, perceptual, precision, reading
from stylemap.architectures.cycle import Cycle, Pass
from stylemap.architectures.discriminator import GROUP, group_size
from stylemap.architectures.noise import noise
from stylemap.architectures.stylemap.cycle import StylemapCycle
from stylemap.architectures.vector import chance
from stylemap.architectures.vector.cycle import VectorCycle
from stylemap.config import TrainConfig
from stylemap.datasets import stream, unseen
from stylemap.errors import InputError
from stylemap.training import augment, distributed, ema, state
from stylemap.training.distributed import World
from stylemap.training.monitor import Meter
from stylemap.training.optimizers import Networks, Optimizers
from stylemap.training.records import Metric, Observer, Records
from stylemap.training.threads import Threads

CONFIG_FILE = checkpoint.CONFIG_FILE


def train(
    config: TrainConfig,
    run: Path,
    resume: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
    metrics: Mapping[str, Metric] | None = None,
) -> int:
    """Train into the folder ``run`` until ``config.images`` are seen or ``stop()`` is true; the state is saved either way.

    ``metrics`` are measured at every tick beside the scores; one that fails is told and passed over.

    Started by torchrun, all its processes train one model; the first writes, and a restarted run goes on by itself.

    Returns:
        The images seen.

    Raises:
        InputError: unusable data or device, a folder that holds another run, nothing to resume, training that diverged, or
            another process that died.
    """
    device = devices.pick(distributed.local_device(config.device))
    with distributed.joined(device) as world, precision.tf32(config.speed.tf32):
        observer = observer if observer and world.first else Observer()
        with files.owned(run) if world.first else contextlib.nullcontext():
            resume = resume or world.told(world.first and distributed.restarted(run))
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
    content = _newest(run, resume) if world.first else None
    past = world.told(content and state.Past.of(content))
    before = past.seen if past else checkpoint.seen_by(config.init_from) if config.init_from else ()
    found = unseen.open_for_training(config.data, config.model.resolution, config.heldout, before)
    if past:
        state.check_data(past, found, run)
    training, heldout = found.training, found.heldout
    observer.opened(training, heldout)
    samples = stream.shares(config.batch, world.rank, world.size, passes(config, world))
    distance = perceptual.for_training(config.loss, device)
    config = settled(config, len(training), past and past.augment)
    if world.first and (text := regrouped(config, world)):
        warnings.warn(text, stacklevel=2)
    now = unseen.Seen.of(config.data, config.heldout, training, heldout)
    trainee = replace(build(config, device, not past), seen=(now, *(before[1:] if past else before)))
    seen = _enter(run, content, past, config, trainee, world)
    speed_up(trainee.networks, config)
    cycle = cycle_of(config, trainee, distance, world, precision.pick(config.speed, device))
    places = sum(samples, [])
    batches = stream.batches(training, config.batch, config.seed, seen, config.mirror, config.workers, places, stop)
    meter = Meter(device, world, past and past.totals)
    records = Records(config, run, seen, heldout, observer, metrics) if world.first else None
    observer.start(seen, config.images)
    threads = Threads(device, world)
    with (
        contextlib.closing(threads),
        contextlib.closing(batches),
        contextlib.closing(records) if records else contextlib.nullcontext(),
    ):
        while seen < config.images:
            batch = next(batches, None)  # None: stopped while it was waited for
            if world.any(stop() or batch is None):
                break
            parts = split(batch.to(device, non_blocking=True), config, seen, samples, trainee)
            if config.optim.warmup:
                trainee.optimizers.scale_lr(min(1.0, (seen + config.batch) / config.optim.warmup))
            meter.add(cycle.iterate(parts, seen))
            threads.adjust()

            seen += config.batch
            ema.update(trainee.average, trainee.networks.model, ema.decay(seen, config.batch, config.ema))
            observer.advance(config.batch)
            if trainee.augment and due(seen, config.batch, config.augment.every):
                world.sum(trainee.augment.sums)
                trainee.augment.adjust(max(config.augment.every, config.batch))

            if due(seen, config.batch, config.tick) or seen >= config.images:
                _check_finite(meter, run, seen, records)
                values = meter.means() | {"images_per_second": meter.speed(config.batch)}  # means wait for the device
                with world.first_works():
                    if records:
                        records.tick(seen, values, trainee)
                meter.reset()
            if due(seen, config.batch, config.save_every) and seen < config.images:
                with meter.paused():
                    _check_finite(meter, run, seen, records)
                    _save(records, seen, trainee, meter, world)
        _check_finite(meter, run, seen, records)
        _save(records, seen, trainee, meter, world)
    if world.first:
        (run / distributed.MARK).unlink(missing_ok=True)
    return seen


def _save(records: "Records | None", seen: int, trainee: state.Trainee, meter: Meter, world: World) -> None:
    """Rank 0 writes, with what all processes have observed."""
    totals = meter.totals()
    if trainee.augment:
        world.sum(trainee.augment.sums)  # now with rank 0
        if not world.first:
            trainee.augment.sums.zero_()
    with world.first_works():
        if records:
            records.save(seen, trainee, totals)


def settled(config: TrainConfig, count: int, before: str | None = None) -> TrainConfig:
    """With the augmentation that suits ``count`` training images, where the config leaves it open.

    Args:
        before: what a run that goes on has decided.
    """
    if config.augment.mode != "auto":
        return config
    suits = augment.preset(count).mode if config.loss.adversarial == "nonsaturating" else "none"
    return replace(config, augment=replace(config.augment, mode=before or suits))


def passes(config: TrainConfig, world: World) -> int:
    """In how many equal passes a process computes its share of a batch: as few as ``batch_gpu`` allows, but with groups of
    samples that D compares left whole where that can be.

    Raises:
        InputError: the processes cannot share the batch evenly.
    """
    if config.batch % world.size:
        raise InputError(
            f"batch {config.batch} cannot be shared by {world.size} processes; make it a multiple of {world.size}"
        )
    share = config.batch // world.size
    most = min(config.batch_gpu or share, share)
    sizes = [size for size in range(most, 0, -1) if share % size == 0]
    group = group_size(config.batch)
    return share // next((size for size in sizes if size % group == 0), sizes[0])


def regrouped(config: TrainConfig, world: World) -> str | None:
    """A line where the discriminator compares smaller groups of pictures than in the whole batch, or none; else None."""
    size = config.batch // world.size // passes(config, world)
    ours, whole = group_size(size), group_size(config.batch)
    if ours == 1:
        return (
            f"with {size} picture{'s' * (size > 1)} at once the discriminator compares no pictures with one another, and cannot "
            f"see that samples are alike; take multiples of {GROUP} for --batch, and for --batch-gpu"
        )
    if ours == whole:
        return None
    return (
        f"with {size} pictures at once the discriminator compares groups of {ours} instead of {whole}, which is another training "
        f"than with all {config.batch} at once; multiples of {whole} per pass and process are the same"
    )


def split(real: Tensor, config: TrainConfig, seen: int, samples: list[list[int]], trainee: state.Trainee) -> list[Pass]:
    """uint8 [N, R, R, 3] of this process, and the noise that belongs to its samples, pass by pass."""
    real, where, channels = images.from_uint8(real), (config.seed, seen, config.batch), config.model.stylemap_channels
    z = noise(*where, channels)
    draws = trainee.augment and augment.draw(*where)
    chances = None
    if config.model.architecture != "stylemap":
        chances = chance.draw(*where, channels, trainee.networks.generator.layers, config.vector.mixing)
    return [
        Pass(
            part,
            z[:, places].to(real.device, non_blocking=True),
            draws and draws.take(places).to(real.device),
            chances and chances.take(places).to(real.device),
        )
        for part, places in zip(real.chunk(len(samples)), samples, strict=True)
    ]


def cycle_of(
    config: TrainConfig,
    trainee: state.Trainee,
    distance: perceptual.Distance | None,
    world: World = distributed.ALONE,
    kind: torch.dtype = torch.float32,
) -> Cycle:
    """The phases that train the model of this config, in passes of type ``kind``."""
    cycle = StylemapCycle if config.model.architecture == "stylemap" else VectorCycle
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


def speed_up(networks: Networks, config: TrainConfig) -> None:
    """Compile and checkpoint as the config says.

    The discriminator stays as it is, and so do vector-latent generators: their penalties need a second derivative.
    """
    compiled = [networks.encoder] if networks.encoder is not None else []
    if config.model.architecture == "stylemap":
        networks.generator.synthesis.checkpointing = config.speed.checkpointing
        compiled += [networks.generator.resizer, networks.generator.synthesis]
    if config.speed.compile:
        for module in compiled:
            module.compile()


def due(seen: int, batch: int, every: int) -> bool:
    """Whether the last ``batch`` of ``seen`` images passed a multiple of ``every``."""
    return seen // every > (seen - batch) // every


def _newest(run: Path, resume: bool) -> dict | None:
    """The newest state of the run to go on with; None if there is none, or it was killed before its first.

    Raises:
        InputError: the folder holds a run, and is not to be gone on with.
    """
    if not resume and ((run / CONFIG_FILE).exists() or state.paths(run)):
        raise InputError(f"{run} holds another run; add --resume to go on with it, or give another --out")
    return state.load_newest(run) if state.begun(run) else None


def _enter(
    run: Path, content: dict | None, past: state.Past | None, config: TrainConfig, trainee: state.Trainee, world: World
) -> int:
    """Make the run folder, or restore its state, in every process. Returns the images seen."""
    if past:
        state.restore(content or state.load(state.path(run, past.images)), config, trainee)
        if trainee.augment and not world.first:
            trainee.augment.sums.zero_()  # the state has those of all processes
    if world.first:
        distributed.claim(run)
        # from any working directory the run goes on, and finds its pictures
        placed = replace(config, data=datasets.absolute(config.data))
        files.write_text(run / CONFIG_FILE, reading.to_yaml(asdict(placed)))
        if not state.paths(run):
            state.save(run, 0, config, trainee)  # from here on, every kill leaves something to resume
    return past.images if past else 0


def _check_finite(meter: Meter, run: Path, seen: int, records: Records | None) -> None:
    if term := meter.failure():
        text = (
            f"{term} became infinite or NaN before image {seen}; nothing of it was saved: go on from the last good state "
            f"with --out {run} --resume and a lower --optim.lr or a higher --optim.r1_gamma"
        )
        if records:
            records.last_words(seen, text)
        raise InputError(text)
