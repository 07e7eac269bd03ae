"""What a run tells about itself: log.jsonl, TensorBoard and picture grids."""

import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from stylemap import files, images
from stylemap.training.steps import TERMS, Terms


class Meter:
    """Mean of every loss term since the last tick, and the first one that was not finite, without waiting for the GPU."""

    def __init__(self, device: torch.device):
        self.device = device
        self.reset()

    def reset(self) -> None:
        self.started = time.perf_counter()
        self.iterations = 0
        self.sums = torch.zeros(len(TERMS), device=self.device)
        self.counts = torch.zeros(len(TERMS))
        self.failed_at = torch.full((len(TERMS),), math.inf, device=self.device)  # iteration since the last tick

    def add(self, terms: Terms) -> None:
        self.counts += torch.tensor([float(name in terms) for name in TERMS])
        zero = self.sums.new_zeros(())
        values = torch.stack([terms.get(name, zero).float() for name in TERMS])
        self.sums += values
        failed = torch.where(values.isfinite(), math.inf, float(self.iterations))
        self.failed_at = torch.minimum(self.failed_at, failed)
        self.iterations += 1

    def means(self) -> dict[str, float]:
        """Of the terms that occurred."""
        sums = self.sums.tolist()
        return {name: s / n for name, s, n in zip(TERMS, sums, self.counts.tolist(), strict=True) if n}

    def speed(self, batch: int) -> float:
        """Images per second since the last tick."""
        return self.iterations * batch / (time.perf_counter() - self.started)

    def failure(self) -> str | None:
        """The name of the term that was not finite first (in time, then in the order of the cycle), or None."""
        failed = self.failed_at.tolist()
        first = min(range(len(TERMS)), key=failed.__getitem__)
        return TERMS[first] if failed[first] < math.inf else None


class Monitor:
    """Writes the records of a run folder; one that goes on drops what was logged after the state it goes on from."""

    def __init__(self, run: Path, seen: int):
        self.log = run / "log.jsonl"
        self.grids = run / "grids"
        self._forget_after(seen)
        self.board = SummaryWriter(run / "tensorboard", purge_step=seen + 1)

    def record(self, seen: int, values: dict[str, float], grid: Tensor) -> None:
        """One tick: a line of JSON, scalars, and a sheet [3, H, W]."""
        with open(
            self.log, "a"
        ) as f:  # one short write: a kill leaves at most a half line, which `read_log` passes over
            f.write(json.dumps({"images": seen, **values}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, seen)
        images.write(self.grids / f"{seen:010d}.png", grid)
        self.board.add_image("grid", images.to_uint8(grid[None])[0], seen, dataformats="HWC")
        self.board.flush()

    def close(self) -> None:
        self.board.close()

    def _forget_after(self, seen: int) -> None:
        if self.log.exists():
            kept = [json.dumps(r) + "\n" for r in read_log(self.log) if r["images"] <= seen]
            files.write_text(self.log, "".join(kept))
        for grid in self.grids.glob("*.png"):
            if grid.stem.isdigit() and int(grid.stem) > seen:
                grid.unlink()


def read_log(path: Path) -> list[dict]:
    """The ticks of a ``log.jsonl``; a line cut short by a kill is passed over."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
