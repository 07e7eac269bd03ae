"""Stylemaps of several sides, trained with the same settings: reconstructions and edits by side (an ablation of StyleMapGAN)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from stylemap import architectures, charts, checkpoint, datasets, files, images, provenance, reading, sheets
from stylemap.charts import Axis, Series
from stylemap.comparison import results
from stylemap.comparison.results import markdown, number
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset
from stylemap.errors import InputError
from stylemap.metrics import local_editing, streams
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.schema import differences
from stylemap.training import augment, state

RESULT, TABLE, PLOT = "ablation.json", "table.md", "plot.png"
SHEET, EDITS, MEASURES = "sheet.webp", "edits.webp", "measures"
METRICS = {  # name -> title in table and plot
    "mse": "MSE ↓",
    "psnr": "PSNR, dB ↑",
    "mse_src": "MSE_src ↓",
    "mse_ref": "MSE_ref ↓",
    "swd_lerp": "SWD_lerp ↓",
}
PLOTTED = {
    "mse": "MSE of reconstructions",
    "mse_src": "MSE_src: edits, outside the mask",
    "mse_ref": "MSE_ref: edits, inside the mask",
    "swd_lerp": "SWD_lerp of interpolations",
}
# Settings that may change without making another run. Whether the data is the same, going on and measuring find out.
BOOKKEEPING = ("data", "tick", "save_every", "keep_states", "workers", "device")
SHOWN = 6  # images in the sheets
SHEET_PARTS = ("skin", "nose", "eye", "lip", "hair", "cloth")
PANEL = (560, 360)  # pixels
WIDE = 5  # an axis is logarithmic if its largest value is that many times its smallest
Status = Literal["new", "unfinished", "finished", "busy"]


@dataclass(frozen=True)
class Run:
    side: int  # of the stylemap, S
    seed: int
    folder: Path
    config: TrainConfig

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def known_config(self) -> TrainConfig:
        """The config in the folder, with which the run was started."""
        return architectures.train_config(reading.read_yaml(self.folder / checkpoint.CONFIG_FILE))

    def status(self) -> Status:
        """The state of the folder; "busy" where a living process trains in it.

        Raises:
            InputError: the folder holds another run.
        """
        begun = (self.folder / checkpoint.CONFIG_FILE).is_file()
        if begun:
            self._check_config()
            weights = self.folder / "weights.safetensors"
            if weights.is_file() and state.images_seen(self.folder) >= self.config.images:
                return "finished"
        if (self.folder / ".lock").exists():
            try:
                with files.owned(self.folder):
                    pass
            except InputError:
                return "busy"
        return "unfinished" if begun else "new"

    def _check_config(self) -> None:
        try:
            known = self.known_config
        except InputError as err:
            raise InputError(f"{self.folder} holds no run that can be continued ({err}); give another --out") from err
        changed = {
            n: (old, new)
            for n, (old, new) in differences(known, self.config).items()
            if n not in BOOKKEEPING and new != "auto"  # a run notes what it chose
        }
        if changed:
            settings = ", ".join(f"{name} {old} instead of {new}" for name, (old, new) in changed.items())
            raise InputError(f"{self.folder} holds another run: {settings}; give another --out or the same settings")


def runs(config: TrainConfig, sides: Sequence[int], seeds: Sequence[int], out: Path) -> list[Run]:
    """A run for every side and seed, the first seed of all sides first. Their folders may exist.

    Raises:
        InputError: a side that does not fit, or a folder that holds another run.
    """
    training, _ = datasets.open_split(config.data, config.model.resolution, config.heldout)
    config = augment.choose_mode(config, len(training))
    chosen = []
    for seed in seeds:
        for side in sides:
            of_run = replace(config, seed=seed, model=replace(config.model, stylemap_size=side))
            chosen.append(Run(side, seed, out / f"side{side}-seed{seed}", of_run))
            chosen[-1].status()
    return chosen


@dataclass(frozen=True)
class Measuring:
    """How finished runs are measured."""

    reference: Reference
    heldout: Dataset
    pairs: int  # edits of a part, at most
    out: Path

    def measure(self, run: Run) -> dict:
        """name of a metric -> value, of this call or of an earlier one for the same weights."""
        about = {
            "weights_sha256": provenance.sha256(run.folder / "weights.safetensors"),
            "count": self.reference.count,
            "pairs": self.pairs,
            "seed": self.reference.seed,
            "heldout": len(self.heldout),
            "device": str(self.reference.device),
            "threads": torch.get_num_threads(),
        }
        file = self.out / MEASURES / f"{run.name}.json"
        if known := results.read_finished(file, "about", about):
            return known
        evaluation = self.evaluation(run)
        measured = {name: evaluation.measure(name) for name in METRICS}
        row = {
            "side": run.side,
            "seed": run.seed,
            "about": about,
            "images": state.images_seen(run.folder),
            **{name: result.value for name, result in measured.items()},
            "details": {name: result.details for name, result in measured.items()},
        }
        results.write_json(file, row)
        return row

    def evaluation(self, run: Run) -> Evaluation:
        model = checkpoint.load(run.folder, self.reference.device)
        return Evaluation(
            model, self.reference, self.heldout, self.pairs, datasets.open_part_labels(self.heldout, None)
        )

    def sheets(self, finished: Sequence[Run]) -> tuple[Tensor, Tensor]:
        """Reconstructions, and edits of several parts: a column for each side, all of the first seed that has it."""
        by_side = {run.side: run for run in reversed(finished)}
        originals = images.from_arrays([self.heldout[i] for i in range(min(SHOWN, len(self.heldout)))])
        reconstructions: dict[str, Tensor] = {"original": originals}
        edited: dict[str, Tensor] = {}
        for side, run in sorted(by_side.items()):
            evaluation = self.evaluation(run)
            pictures = streams.reconstructions(evaluation.model, {"latent": evaluation.latents[: len(originals)]})
            reconstructions[f"side {side}"] = images.from_uint8(torch.cat(list(pictures)))
            columns = local_editing.columns(self.sheet_edits(evaluation))
            edit = columns.pop("edit")
            edited = {**columns, **edited, f"side {side}": edit}
        return sheets.sheet(reconstructions), sheets.sheet(edited)

    def sheet_edits(self, evaluation: Evaluation) -> list[local_editing.EditedPair]:
        """One of each of SHEET_PARTS, or of each half. It is the middle one of all pairs: the first ones are so alike that an
        edit would change nothing."""
        tasks = local_editing.tasks(evaluation, range(len(self.heldout)), self.pairs)
        tasks = [task for task in tasks if task.name in SHEET_PARTS] or tasks
        middle = [task._replace(pairs=[task.pairs[len(task.pairs) // 2]]) for task in tasks[:SHOWN]]
        return [
            e for task in middle for e in local_editing.edits(evaluation.model, self.heldout, evaluation.encoded, task)
        ]


def by_side(measures: Sequence[dict]) -> dict[int, list[dict]]:
    """The measures of each side, ascending."""
    return {side: [m for m in measures if m["side"] == side] for side in sorted({m["side"] for m in measures})}


def table(measures: Sequence[dict], notes: Sequence[str]) -> str:
    """Markdown: the mean over seeds, and in brackets each seed."""
    rows = []
    for side, group in by_side(measures).items():
        row = [f"{side} x {side}", ", ".join(str(m["seed"]) for m in group)]
        for name in METRICS:
            values = [m[name] for m in group if m[name] is not None]
            each = f" ({', '.join(map(number, values))})" if len(values) > 1 else ""
            row.append(number(local_editing.average(values)) + each)
        rows.append(row)
    return markdown(["stylemap", "seeds", *METRICS.values()], rows, notes)


def plot(measures: Sequence[dict]) -> bytes:
    """A PNG file with a panel for each of PLOTTED over the side. The line is the mean of the seeds, dots are the seeds."""
    groups = by_side(measures)
    across = Axis("side of the stylemap; line: mean, dots: seeds", True, [(side, str(side)) for side in groups])
    figure, panels = charts.new_figure(2 * PANEL[0], 2 * PANEL[1], 2, 2)
    for axes, (name, title) in zip(panels, PLOTTED.items(), strict=True):
        known = {side: [m[name] for m in group if m[name] is not None] for side, group in groups.items()}
        mean = [(side, local_editing.average(values)) for side, values in known.items() if values]
        each = [(side, value) for side, values in known.items() for value in values]
        values = [value for _, value in each if value > 0]
        wide = bool(values) and max(values) > WIDE * min(values)
        title += " (logarithmic)" * wide
        charts.plot(axes, title, across, Axis("", wide), [Series(title, mean, each)], legend=False)
    return charts.png(figure)


def write(
    measures: Sequence[dict], about: dict, notes: Sequence[str], pictures: tuple[Tensor, Tensor], out: Path
) -> str:
    """All files of results; returns the table."""
    text = table(measures, notes)
    results.write_json(out / RESULT, {**about, "notes": list(notes), "runs": list(measures)})
    files.write_text(out / TABLE, text)
    files.write_bytes(out / PLOT, plot(measures))
    for name, picture in zip((SHEET, EDITS), pictures, strict=True):
        images.write(out / name, picture)
    return text
