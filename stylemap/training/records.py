"""What the first process of a run writes: log, grids, states, weights, report."""

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from stylemap import checkpoint, files
from stylemap.architectures import noise
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset, stream, unseen
from stylemap.errors import InputError
from stylemap.metrics import heldout
from stylemap.training import report, state
from stylemap.training.monitor import Monitor

Metric = Callable[[nn.Module, Tensor], float]  # of the averaged model on held-out pictures uint8 [N, R, R, 3]
GRID_ROWS = 8  # held-out pictures in the grid of a tick
MOST_SAMPLES = 16  # samples whose spread is looked at


class Observer:
    """What a caller sees of a run; the default ignores it all."""

    def opened(self, training: Dataset, heldout: Dataset) -> None:
        """The pictures were found."""

    def start(self, seen: int, total: int) -> None:
        """Before the first iteration."""

    def advance(self, batch: int) -> None:
        """After every iteration; the losses are still on the device."""

    def tick(self, seen: int, values: dict[str, float]) -> None:
        """After a line of the log was written."""

    def alarm(self, text: str) -> None:
        """Something in the log gives cause for worry; one line that says what to try."""


class Records:
    """What the first process writes: log, grids, states and weights."""

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        seen: int,
        heldout: Dataset,
        observer: Observer,
        metrics: Mapping[str, Metric],
    ):
        self.config, self.run, self.observer, self.metrics = config, run, observer, metrics
        self.pictures = stream.first(heldout, config.heldout)  # uint8 [N, R, R, 3]
        rows = min(GRID_ROWS, len(self.pictures))
        self.z = noise.shown(config.seed, max(rows, MOST_SAMPLES), config.model.stylemap_channels)
        self.rows = rows
        self.monitor = Monitor(run, seen)

    def tick(self, seen: int, values: dict[str, float], trainee: state.Trainee) -> None:
        """Measure the averaged model on held-out pictures, and write it all down."""
        average, statistics = trainee.average, {}
        if average.encoder is not None:
            scores = asdict(heldout.score(average, self.pictures))
            values |= {f"heldout_{name}": value for name, value in scores.items()}
            statistics = _attempt("latent statistics", heldout.latent_statistics, average, self.pictures, {})
        if trainee.augment:
            values |= {"augment_p": trainee.augment.strength()}
        extras = {
            "sample_diversity": lambda model, pictures: heldout.diversity(model, pictures, self.z),
            **self.metrics,
        }
        for name, metric in extras.items():
            values |= {name: _attempt(name, metric, average, self.pictures, math.nan)}
        values |= {name: float(numbers.mean()) for name, numbers in statistics.items()}
        grid = heldout.picture_grid(average, self.pictures[: self.rows], self.z[: self.rows])
        for text in self.monitor.record(seen, values, grid, statistics):
            self.observer.alarm(text)
        self.observer.tick(seen, values)

    def save(self, seen: int, trainee: state.Trainee, totals: state.Totals) -> None:
        """Write the state and the averaged weights, each atomically; drop the oldest of both but the best."""
        scores = {r["images"]: r["heldout_mse"] for r in self.monitor.records if r.get("heldout_mse") is not None}
        state.save(self.run, seen, self.config, trainee, totals)
        newest = self.run / f"weights-{seen:010d}.safetensors"
        info = {"images": seen, "seed": self.config.seed, **unseen.note(trainee.seen)}
        if seen in scores:
            info["heldout_mse"] = scores[seen]  # what photos of another kind are told by
        checkpoint.save(newest, trainee.average, trainee.networks.discriminator, info)
        files.copy(newest, self.run / "weights.safetensors")
        kept = state.prune(self.run, self.config.keep_states, scores, seen)
        for old in self.run.glob("weights-*.safetensors"):
            if old.stem[8:].isdigit() and int(old.stem[8:]) <= seen and int(old.stem[8:]) not in kept.all:
                old.unlink(missing_ok=True)
        best = self.run / f"weights-{kept.best:010d}.safetensors"
        if best.exists():
            files.copy(best, self.run / "weights-best.safetensors")
        with contextlib.suppress(InputError):  # a page for people: nothing that a training should end for
            report.write(self.run)

    def last_words(self, seen: int, alarm: str) -> None:
        """Why the run ends, where people look for it."""
        self.monitor.tell(seen, alarm)
        with contextlib.suppress(InputError):
            report.write(self.run)

    def close(self) -> None:
        self.monitor.close()


def _attempt(name: str, metric: Callable, model: nn.Module, pictures: Tensor, instead):
    """What is only told must not end a training."""
    try:
        return metric(model, pictures)
    except Exception as err:  # whatever a metric of anybody's may raise
        warnings.warn(f"{name} could not be measured ({type(err).__name__}: {err})", stacklevel=2)
        return instead
