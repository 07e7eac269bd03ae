"""What a run writes into its folder, and what its caller is told."""

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor, nn

from stylemap import checkpoint, datasets, files, reading
from stylemap.architectures import chance
from stylemap.architectures.cycle import Cycle
from stylemap.checkpoint import CONFIG_FILE
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset, stream, unseen
from stylemap.errors import InputError
from stylemap.metrics import heldout
from stylemap.training import distributed, report, state
from stylemap.training.distributed import World
from stylemap.training.monitor import Meter, Monitor

Metric = Callable[
    [nn.Module, Tensor], float
]  # of the averaged model on held-out images uint8 [N, R, R, 3], or 4 with labels
GRID_ROWS = 8  # held-out images in the grid of a tick
MOST_SAMPLES = 16  # samples whose spread is looked at


class Observer:
    """What a caller sees of a run; the default ignores it all."""

    def opened(self, training: Dataset, heldout: Dataset) -> None:
        """The images were found."""

    def start(self, seen: int, total: int) -> None:
        """Before the first iteration."""

    def advance(self, batch: int) -> None:
        """After every iteration; the losses are still on the device."""

    def tick(self, seen: int, values: dict[str, float]) -> None:
        """After a line of the log was written."""

    def alarm(self, text: str) -> None:
        """Something in the log gives cause for worry; one line that says what to try."""


class Records:
    """What a run writes into its folder: config, log, grids, states, weights and report.

    Every process holds one, as all of them have a part in the means. The first alone measures and writes; the others wait.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        seen: int,
        heldout: Dataset,
        trainee: state.Trainee,
        world: World,
        observer: Observer,
        metrics: Mapping[str, Metric],
    ):
        self.config, self.run, self.trainee, self.world = config, run, trainee, world
        self.observer, self.metrics = observer, metrics
        if not world.first:
            return
        distributed.claim(run)
        # With absolute paths the run goes on from any working directory.
        paths = {"data": config.data} | ({"part_labels": config.label_path} if config.label_path else {})
        placed = replace(config, **{name: datasets.absolute(path) for name, path in paths.items()})
        files.write_text(run / CONFIG_FILE, reading.to_yaml(asdict(placed)))
        if not state.paths(run):
            state.save(run, 0, config, trainee)  # from here on, every kill leaves something to resume
        self.images = stream.first_images(heldout, config.heldout)  # uint8 [N, R, R, 3], or 4 with labels
        self.rows = min(GRID_ROWS, len(self.images))
        self.z = chance.of_grid(config, max(self.rows, MOST_SAMPLES))
        self.monitor = Monitor(run, seen)

    def tick(self, seen: int, meter: Meter) -> None:
        """Write the means since the last tick, and what the averaged model makes of held-out images."""
        self._check_finite(seen, meter)
        values = meter.means()  # waits for the device, and so must come before the clock is read
        values["images_per_second"] = meter.speed(self.config.batch)
        with self.world.first_works():
            if self.world.first:
                self._measure(seen, values)
        meter.reset()

    def save(self, seen: int, meter: Meter) -> None:
        """Write state, weights and report. Takes no part in the measured speed."""
        with meter.paused():
            self._check_finite(seen, meter)
            totals = meter.totals()
            if self.trainee.augment:
                self.world.sum(self.trainee.augment.sums)  # now with the first process
                if not self.world.first:
                    self.trainee.augment.sums.zero_()
            with self.world.first_works():
                if self.world.first:
                    self._write(seen, totals)

    def close(self) -> None:
        if self.world.first:
            self.monitor.close()

    def _check_finite(self, seen: int, meter: Meter) -> None:
        term = meter.failure()
        if term is None:
            return
        text = (
            f"{term} became infinite or NaN before image {seen}; nothing of it was saved: go on from the last good state "
            f"with --out {self.run} --resume and a lower --optim.lr or a higher --optim.r1-gamma"
        )
        if self.world.first:
            self.monitor.add_alarm(seen, text)
            self._report()
        raise InputError(text)

    def _measure(self, seen: int, values: dict[str, float]) -> None:
        average, statistics = self.trainee.average, {}
        if average.encoder is not None:
            scores = asdict(heldout.score(average, self.images))
            values |= {f"heldout_{name}": value for name, value in scores.items()}
            statistics = _attempt("latent statistics", heldout.latent_statistics, average, self.images, {})
        if self.trainee.augment:
            values["augment_p"] = self.trainee.augment.strength()
        metrics = dict(self.metrics)
        if self.config.model.latents.z_channels:  # else there are no samples
            metrics = {"sample_diversity": lambda *given: heldout.diversity(*given, self.z)} | metrics
        for name, metric in metrics.items():
            values[name] = _attempt(name, metric, average, self.images, math.nan)
        values |= {name: float(numbers.mean()) for name, numbers in statistics.items()}
        grid = heldout.picture_grid(average, self.images[: self.rows], self.z[: self.rows])
        for text in self.monitor.record(seen, values, grid, statistics):
            self.observer.alarm(text)
        self.observer.tick(seen, values)

    def _write(self, seen: int, totals: state.Totals) -> None:
        """The state and the averaged weights, each atomically. The oldest of both are removed, but not the best."""
        measured = [r for r in self.monitor.records if r.get("heldout_mse") is not None]
        scores = {r["images"]: r["heldout_mse"] for r in measured}
        state.save(self.run, seen, self.config, self.trainee, totals)
        newest = self.run / f"weights-{seen:010d}.safetensors"
        info = {"images": seen, "seed": self.config.seed, **unseen.to_header(self.trainee.seen)}
        if measured:  # the newest; `familiarity` compares photos with it
            info |= {name: measured[-1].get(name) for name in ("heldout_mse", "heldout_explained")}
        of_use = Cycle.knows_images(self.config, self.trainee.optimizers)
        discriminator = self.trainee.networks.discriminator if of_use else None  # random weights are not
        checkpoint.save(newest, self.trainee.average, discriminator, info)
        files.copy(newest, self.run / "weights.safetensors")
        best, kept = state.prune(self.run, self.config.keep_states, scores, seen)
        for old in self.run.glob("weights-*.safetensors"):
            if old.stem[8:].isdigit() and int(old.stem[8:]) <= seen and int(old.stem[8:]) not in kept:
                old.unlink(missing_ok=True)
        if (weights := self.run / f"weights-{best:010d}.safetensors").exists():
            files.copy(weights, self.run / "weights-best.safetensors")
        self._report()

    def _report(self) -> None:
        with contextlib.suppress(InputError):  # a page for people must not end a training
            report.write(self.run)


def _attempt(name: str, metric: Callable, model: nn.Module, pictures: Tensor, instead):
    """Measure, or warn and return ``instead``: a number in the log must not end a training."""
    try:
        return metric(model, pictures)
    except Exception as err:  # a caller's metric may raise anything
        warnings.warn(f"{name} could not be measured ({type(err).__name__}: {err})", stacklevel=2)
        return instead
