"""Means of the terms, and what a tick writes: a line of log.jsonl, TensorBoard and an image grid."""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import summary

from stylemap import files, images
from stylemap.architectures.cycle import Terms
from stylemap.errors import InputError
from stylemap.training.alarms import alarms
from stylemap.training.board import Board
from stylemap.training.distributed import ALONE, World
from stylemap.training.log import read_log
from stylemap.training.state import Totals

BINS = 64  # of histograms


class Meter:
    """Mean of every term since the last tick, and the first one that was not finite, without waiting for the device."""

    def __init__(
        self, terms: tuple[str, ...], device: torch.device, world: World = ALONE, totals: Totals | None = None
    ):
        """
        Args:
            terms: the names of all terms, in the order of the cycle.
            totals: what came before a stop between two ticks.
        """
        self.terms, self.device, self.world = terms, device, world
        self.reset()
        before = [(totals or {}).get(name, (0.0, 0)) for name in terms]
        self.sums = torch.tensor([total for total, _ in before], device=device)
        self.counts = [n for _, n in before]

    def reset(self) -> None:
        self.started = time.perf_counter()
        self.iterations = 0  # of this process
        self.sums = torch.zeros(len(self.terms), device=self.device)
        self.counts = [0] * len(self.terms)
        self.failed_at = torch.full((len(self.terms),), math.inf, device=self.device)  # iteration since the last tick

    def add(self, terms: Terms) -> None:
        zero = self.sums.new_zeros(())
        values = torch.stack([terms.get(name, zero).float() for name in self.terms])
        self.sums += values
        self.failed_at = torch.where(values.isfinite(), self.failed_at, self.failed_at.clamp(max=self.iterations))
        self.counts = [n + (name in terms) for n, name in zip(self.counts, self.terms, strict=True)]
        self.iterations += 1

    def totals(self) -> Totals:
        """Term -> (its sum, the mean of the processes; of how many iterations), of the terms that occurred."""
        sums = (self.world.sum(self.sums.clone()) / self.world.size).tolist()
        return {name: (s, n) for name, s, n in zip(self.terms, sums, self.counts, strict=True) if n}

    def means(self) -> dict[str, float]:
        """Over all processes, of the terms that occurred."""
        return {name: total / n for name, (total, n) in self.totals().items()}

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The time within does not count as training."""
        start = time.perf_counter()
        yield
        self.started += time.perf_counter() - start

    def speed(self, batch: int) -> float:
        """Images per second since the last tick, or since this process began."""
        return self.iterations * batch / (time.perf_counter() - self.started)

    def failure(self) -> str | None:
        """The name of the term that was not finite first (in time, then in the order of the cycle) in any process, or None."""
        failed = self.world.minimum(self.failed_at.clone()).tolist()
        first = min(range(len(self.terms)), key=failed.__getitem__)
        return self.terms[first] if failed[first] < math.inf else None


class Monitor:
    """Writes the records of a run folder. A resumed run drops what was logged after the state that it resumes."""

    def __init__(self, run: Path, seen: int):
        self.run = run
        self.log = run / "log.jsonl"
        self.grids = run / "grids"
        self.records = self._forget_after(seen)
        with self._writing():
            self.board = Board(run / "tensorboard", seen)

    def record(self, seen: int, values: dict[str, float], grid: Tensor, statistics: dict[str, Tensor]) -> list[str]:
        """One tick: a line of JSON, scalars, histograms and a sheet [3, H, W]. Returns the alarms that it gives cause for.

        Raises:
            InputError: the disk is full, or cannot be written for another reason.
        """
        values = {name: value if math.isfinite(value) else None for name, value in values.items()}  # JSON has no NaN
        texts = alarms([*self.records, {"images": seen, **values}])
        with self._writing():
            self._append(seen, values, texts)
            for name, value in values.items():
                if value is not None:
                    self.board.add(seen, summary.scalar(name, value))
            for name, numbers in statistics.items():
                self.board.add(seen, summary.histogram(name, numbers.numpy(), bins=BINS))
            images.write(self.grids / f"{seen:010d}.png", grid)
            pixels = images.to_uint8(grid[None])[0].numpy()
            self.board.add(seen, summary.image("grid", pixels, dataformats="HWC"))
            self.board.flush()
        return texts

    def add_alarm(self, seen: int, text: str) -> None:
        """An alarm between two ticks, a line of its own."""
        with self._writing():
            self._append(seen, {}, [text])
            self.board.flush()

    def _append(self, seen: int, values: dict, texts: list[str]) -> None:
        """If a kill cuts the line short, `read_log` passes over it."""
        record = {"images": seen, **values} | ({"alarms": texts} if texts else {})
        self.records.append(record)
        files.append(self.log, json.dumps(record) + "\n")
        for text in texts:
            self.board.add(seen, summary.text("alarms", text))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # every tick was flushed, and a broken disk was reported then
            self.board.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            raise InputError(
                f"cannot write the log of {self.run}: {err.strerror or err}; free some space, then go on with --resume"
            ) from err

    def _forget_after(self, seen: int) -> list[dict]:
        """Returns the ticks that stay."""
        kept = [record for record in read_log(self.log) if record["images"] <= seen]
        if self.log.exists():
            files.write_text(self.log, "".join(json.dumps(record) + "\n" for record in kept))
        files.remove_temporary(self.grids)
        for grid in self.grids.glob("*.png"):
            if grid.stem.isdigit() and int(grid.stem) > seen:
                grid.unlink()
        return kept
