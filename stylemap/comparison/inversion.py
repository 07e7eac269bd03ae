"""The comparison of inversions: the same images through every method, one row each, kept in a folder as they are finished."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from stylemap import files, images, sheets
from stylemap.comparison import quality, results, showing, timing
from stylemap.comparison.contenders import Contender
from stylemap.comparison.quality import Inverted
from stylemap.inversion import Subject
from stylemap.metrics import reconstruction
from stylemap.metrics.evaluation import Reference
from stylemap.perceptual import Perceptual

RESULT, TABLE, PLOT, SHEET, ROWS = "result.json", "table.md", "plot.png", "sheet.webp", "rows"
TRADEOFF, TRADEOFF_PLOT = "tradeoff.md", "tradeoff.png"
SHOWN = 8  # images in the sheet


@dataclass(frozen=True)
class Benchmark:
    """What all rows have in common."""

    originals: Tensor  # uint8 [N, R, R, 3]
    subjects: Mapping[str, Subject]  # by kind of weights
    perceptual: Perceptual
    reference: Reference  # what interpolations are compared with
    batch: int  # images at once
    about: dict  # everything else the rows depend on, for JSON: weights, data, machine
    out: Path
    labels: Tensor | None = None  # uint8 [N, R, R], the parts of the images, if they are known

    def compare(self, chosen: Sequence[Contender], report: Callable[[dict], None] = lambda row: None) -> list[dict]:
        """Run what is not done yet, in the given order; ``report`` gets every row. The row of a method that fails says
        why; the others go on, and the next call tries it again."""
        rows = []
        with tqdm(chosen, unit=" runs", disable=None, leave=False) as bar:
            for contender in bar:
                bar.set_description(contender.title)
                rows.append(self.row(contender))
                report(rows[-1])
        return compared(rows)

    def row(self, contender: Contender) -> dict:
        """Of this call or of an earlier one."""
        if (row := self.finished(contender)) is not None:
            return row
        about = {"key": self.key(contender), "title": contender.title, "steps": contender.steps, **contender.settings}
        row = results.measured(about, lambda: self.measure(contender))
        if "failed" not in row:
            results.write_json(self.note(contender), row, indent=None)  # last, as it says that the strip is there
        return row

    def measure(self, contender: Contender) -> dict:
        """Invert all images, and keep the strip of those that the sheet shows."""
        subject = self.subjects[contender.kind]
        photos = images.from_uint8(self.originals)
        extras = subject.model.extras_of(self.labels)
        outcome = timing.time_method(contender, subject, photos, self.batch, self.perceptual, extras)
        labels = None if self.labels is None else self.labels.numpy().__getitem__
        evaluation = Inverted(subject.model, self.reference, self.originals, labels=labels, outcome=outcome)
        measures = quality.measure(evaluation)
        images.write(self.strip(contender), _strip(outcome.pictures[:SHOWN]))
        return {
            "seconds": outcome.seconds,
            "seconds_of_batches": outcome.batches,
            "seconds_per_step": outcome.seconds_per_step,
            "seconds_statistics": outcome.seconds_statistics,
            "memory_mib": outcome.memory.mib,
            "memory": outcome.memory.how,
            **measures,
            "errors": evaluation.once(reconstruction.errors)[0].tolist(),
            "origin": outcome.origin,
            "history": outcome.history,
        }

    def key(self, contender: Contender) -> str:
        """Hash of everything that the row depends on."""
        labels = None if self.labels is None else results.digest(self.labels)
        others = [contender.settings, self.batch, quality.METRICS, labels]
        return results.row_key(self.about, contender.kind, self.originals, *others)

    def note(self, contender: Contender) -> Path:
        return self.out / ROWS / f"{contender.slug}.json"

    def strip(self, contender: Contender) -> Path:
        """The first images, one below the other, as the method made them."""
        return self.out / ROWS / f"{contender.slug}.png"

    def finished(self, contender: Contender) -> dict | None:
        """The row of an earlier call."""
        row = results.read_finished(self.note(contender), "key", self.key(contender))
        return row if self.strip(contender).is_file() else None

    def write(self, chosen: Sequence[Contender], rows: list[dict], notes: Sequence[str]) -> str:
        """All files of results; returns the table with what is to be said below it."""
        text = showing.table(rows, self.about, self.batch, len(self.originals), notes)
        sizes = {"batch": self.batch, "pictures": len(self.originals)}
        results.write_json(self.out / RESULT, {**self.about, **sizes, "rows": rows, "notes": list(notes)})
        files.write_text(self.out / TABLE, text)
        files.write_bytes(self.out / PLOT, showing.plot(rows))
        files.write_text(self.out / TRADEOFF, showing.tradeoff(rows, notes))
        files.write_bytes(self.out / TRADEOFF_PLOT, showing.tradeoff_plot(rows))
        columns = {"original": self.originals[:SHOWN]}
        for contender in longest(chosen):
            if self.finished(contender):
                columns[contender.title] = _cut(self.strip(contender), self.originals.shape[1])
        images.write(self.out / SHEET, sheets.sheet({title: images.from_uint8(x) for title, x in columns.items()}))
        return text


def compared(rows: list[dict]) -> list[dict]:
    """With "speedup" over the slowest and "encoders": how many passes of the first encoder fit into the time."""
    done = [row for row in rows if "seconds" in row]
    slowest = max((row["seconds"] for row in done), default=None)
    encoder = next((row["seconds"] for row in done if row["name"] == "encoder"), None)

    def ratios(seconds: float) -> dict:
        return {"speedup": slowest / seconds, "encoders": encoder and seconds / encoder}

    return [row | ratios(row["seconds"]) if "seconds" in row else row for row in rows]


def longest(chosen: Sequence[Contender]) -> list[Contender]:
    """Of every name the one with the most steps, in the order of the names."""
    names = dict.fromkeys(contender.name for contender in chosen)
    return [max((c for c in chosen if c.name == name), key=lambda c: c.steps) for name in names]


def _strip(pictures: Tensor) -> Tensor:
    """uint8 [N, R, R, 3] -> [3, N R, R]."""
    return images.from_uint8(pictures.flatten(0, 1)[None])[0]


def _cut(path: Path, side: int) -> Tensor:
    with Image.open(path) as strip:
        return torch.from_numpy(np.array(strip)).unflatten(0, (-1, side))
