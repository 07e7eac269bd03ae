"""The comparison of inversions: the same pictures through every method, one row each, kept in a folder as they are finished."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from stylemap import files, images, reading, sheets
from stylemap.comparison import contenders, machine, quality, showing, timing
from stylemap.comparison.contenders import Contender
from stylemap.comparison.quality import Inverted
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.metrics import reconstruction
from stylemap.metrics.evaluation import Reference
from stylemap.perceptual import Perceptual

RESULT, TABLE, PLOT, SHEET, ROWS = "result.json", "table.md", "plot.png", "sheet.webp", "rows"
SHOWN = 8  # pictures in the sheet


@dataclass(frozen=True)
class Benchmark:
    """What all rows have in common."""

    originals: Tensor  # uint8 [N, R, R, 3]
    subjects: Mapping[str, Subject]  # by kind of weights
    perceptual: Perceptual
    reference: Reference  # what interpolations are compared with
    batch: int  # pictures at once
    about: dict  # everything else the rows depend on, for JSON: weights, data, machine
    out: Path

    def compare(self, chosen: Sequence[Contender], told: Callable[[dict], None] = lambda row: None) -> list[dict]:
        """Run what is not done yet, in the given order; ``told`` gets every row. A method that fails has a row that says why, and
        is tried again by the next call; the others go on."""
        rows = []
        with tqdm(chosen, unit=" runs", disable=None, leave=False) as bar:
            for contender in bar:
                bar.set_description(contender.title)
                rows.append(self.row(contender))
                told(rows[-1])
        return compared(rows)

    def row(self, contender: Contender) -> dict:
        """Of this call or of an earlier one."""
        key = self.key(contender)
        if (row := self.written(contender, key)) is not None:
            return row
        about = {"key": key, "title": contender.title, "steps": contender.steps, **contenders.describe(contender)}
        load, date = machine.load(), datetime.datetime.now(datetime.timezone.utc)
        subject = self.subjects[contender.kind]
        try:
            photos = images.from_uint8(self.originals)
            outcome = timing.run(contender, subject, photos, self.batch, self.perceptual)
            evaluation = Inverted(subject.model, self.reference, self.originals, outcome=outcome)
            measures = quality.measure(evaluation)
        except (InputError, RuntimeError, MemoryError) as err:  # RuntimeError: torch, out of memory too
            return about | {"failed": next(iter(str(err).splitlines()), type(err).__name__)}
        row = about | {
            "seconds": outcome.seconds,
            "seconds_of_batches": outcome.batches,
            "seconds_per_step": outcome.seconds_per_step,
            "seconds_statistics": outcome.seconds_statistics,
            "date": date.isoformat(timespec="seconds"),
            "load_before": load,
            "load_after": machine.load(),
            "memory_mib": outcome.memory.mib,
            "memory": outcome.memory.how,
            **measures,
            "errors": evaluation.once(reconstruction.errors)[0].tolist(),
            "origin": outcome.origin,
            "history": outcome.history,
        }
        images.write(self.strip(contender), _strip(outcome.pictures[:SHOWN]))
        files.write_text(self.note(contender), json.dumps(row) + "\n")  # last, as it says that the strip is there
        return row

    def key(self, contender: Contender) -> str:
        """Of everything the row depends on; where the weights lie is none of it."""
        weights = {kind: {**note, "given": None, "doubt": None} for kind, note in self.about["weights"].items()}
        content = [contenders.describe(contender), self.batch, self.about | {"weights": weights}, _hash(self.originals)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def note(self, contender: Contender) -> Path:
        return self.out / ROWS / f"{contender.slug}.json"

    def strip(self, contender: Contender) -> Path:
        """The first pictures, one below the other, as the method made them."""
        return self.out / ROWS / f"{contender.slug}.png"

    def written(self, contender: Contender, key: str) -> dict | None:
        try:
            row = reading.read_json(self.note(contender))
        except InputError:
            return None
        return row if row.get("key") == key and self.strip(contender).is_file() else None

    def write(self, chosen: Sequence[Contender], rows: list[dict], notes: Sequence[str]) -> str:
        """All files of results; returns the table with what is to be said below it."""
        text = showing.table(rows, self.about, self.batch, len(self.originals), notes)
        result = {
            **self.about,
            "batch": self.batch,
            "pictures": len(self.originals),
            "rows": rows,
            "notes": list(notes),
        }
        files.write_text(self.out / RESULT, json.dumps(result, indent=1, allow_nan=False) + "\n")
        files.write_text(self.out / TABLE, text)
        files.write_bytes(self.out / PLOT, showing.plot(rows))
        columns = {"original": self.originals[:SHOWN]}
        for contender in longest(chosen):
            if (path := self.strip(contender)).is_file() and self.written(contender, self.key(contender)):
                columns[contender.title] = _cut(path, self.originals.shape[1])
        images.write(self.out / SHEET, sheets.sheet({title: images.from_uint8(x) for title, x in columns.items()}))
        return text


def compared(rows: list[dict]) -> list[dict]:
    """With "speedup" over the slowest and "encoders": how many passes of the first encoder fit into the time."""
    done = [row for row in rows if "seconds" in row]
    slowest = max((row["seconds"] for row in done), default=None)
    encoder = next((row["seconds"] for row in done if row["name"] == "encoder"), None)
    return [
        row
        if "seconds" not in row
        else row | {"speedup": slowest / row["seconds"], "encoders": encoder and row["seconds"] / encoder}
        for row in rows
    ]


def longest(chosen: Sequence[Contender]) -> list[Contender]:
    """Of every name the one with the most steps, in the order of the names."""
    found: dict[str, Contender] = {}
    for contender in chosen:
        if contender.name not in found or found[contender.name].steps < contender.steps:
            found[contender.name] = contender
    return list(found.values())


def _hash(pictures: Tensor) -> str:
    return hashlib.sha256(pictures.numpy().tobytes()).hexdigest()


def _strip(pictures: Tensor) -> Tensor:
    """uint8 [N, R, R, 3] -> [3, N R, R]."""
    return images.from_uint8(pictures.flatten(0, 1)[None])[0]


def _cut(path: Path, side: int) -> Tensor:
    with Image.open(path) as strip:
        return torch.from_numpy(np.array(strip)).unflatten(0, (-1, side))
