"""The comparison of local edits: the same parts of the same held-out images, edited by every method, in place and moved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import charts, files, images, sheets
from stylemap.charts import Axis, Series
from stylemap.comparison import results, showing
from stylemap.comparison.contenders import SEAN, Contender
from stylemap.comparison.editors import FIRST_SIDE, Edit, Job, editor_of, placed
from stylemap.comparison.results import NONE, markdown, number, standard_error
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.metrics import classifier, detectability, local_editing, pairing, streams
from stylemap.metrics.detectability import Detectability
from stylemap.metrics.evaluation import RANGE
from stylemap.perceptual import Perceptual

RESULT, TABLE, PLOT, SHEET, EDITS = "result.json", "table.md", "plot.png", "sheet.webp", "edits"
KINDS = ("in place", "moved")
# In place of those of `contenders`. Image2StyleGAN++ fits every edit anew, so it takes fewer steps than published.
DEFAULT = (
    *("encoder", "hybrid:steps=50", "stylemap:steps=1000", "pivotal", "structured-noise"),
    *("image2stylegan++:steps=1000:noise_steps=1000", "in-domain", "encoder@vectors", "encoder@sean"),
)
# From images, and from reconstructions by the same method.
DETECTED = {"detectability": "detectability ↓", "edit_detectability": "detectability of the edit ↓"}
MEASURES = {"mse_src": "MSE_src ↓", "mse_ref": "MSE_ref ↓"} | DETECTED
MOVED = ("nose", "eye", "eyebrow", "ear", "lip")  # parts that have a place
SHOWN = 4  # edits of each kind in the sheet
PLOT_SIZE = (1100, 560)  # pixels


@dataclass(frozen=True)
class Plan:
    """Edits of two halves of the images, which share no image: one to train the detector, one to judge."""

    halves: Mapping[str, tuple[list[Edit], list[Edit]]]  # by kind

    def edits(self, kind: str) -> list[Edit]:
        return [*self.halves[kind][0], *self.halves[kind][1]]


def plan(labels: Tensor | None, count: int, side: int, step: int, most: int, seed: int) -> Plan:
    """The edits of ``count`` images.

    Args:
        labels: of parts, uint8 [N, R, R]; None edits halves of the image.
        step: pixels that parts are moved by, whole cells of every method.
        most: edits of each kind, spread over the parts.

    Raises:
        InputError: too few images or edits for a detector.
    """
    order = np.random.default_rng([seed, streams.CHOICE]).permutation(count).tolist()
    steps = [(0, step), (step, 0), (0, -step), (-step, 0)]
    halves: dict[str, list[list[Edit]]] = {kind: [] for kind in KINDS}
    for subset in (sorted(order[: count // 2]), sorted(order[count // 2 :])):
        for kind in KINDS:
            edits: list[Edit] = []
            for task in _tasks(labels, subset, side, seed, MOVED if kind == "moved" else None, most):
                for a, b in task.pairs:
                    mask, shift = task.mask(a, b), (0, 0)
                    if kind == "moved":
                        shift = steps[len(edits) % len(steps)]
                        mask = torch.maximum(mask, placed(mask, shift, side))
                    edits.append(Edit(task.name, a, b, mask, shift))
            halves[kind].append(edits)
    if min(len(edits) for pair in halves.values() for edits in pair) < detectability.LEAST:
        raise InputError(f"each half needs {detectability.LEAST} edits of each kind; raise --count or --edits")
    return Plan({kind: (first, second) for kind, (first, second) in halves.items()})


def step_of(subjects: Iterable[Subject], side: int) -> int:
    """How far parts are moved, in pixels: the least that is whole cells of every stylemap, and of inputs of side 8."""
    cells = [subject.latents.shape[-1] for subject in subjects if subject.latents.spatial]
    return side // min([FIRST_SIDE, *cells])


def _tasks(labels, subset, side, seed, names, most) -> list[local_editing.Task]:
    """Half of the edits of a kind, as many of each part."""
    if labels is None:
        every = local_editing.half_tasks(subset, len(subset), side, seed)
    else:
        every = local_editing.part_tasks(
            lambda i: labels[i].numpy(), subset, len(subset), side, *([names] if names else [])
        )
        every = [
            t._replace(pairs=[p for p in t.pairs if t.overlap and t.overlap[p] > 0]) for t in every
        ]  # both have it
    some = [task for task in every if task.pairs]
    return [task._replace(pairs=task.pairs[: max(1, most // 2 // len(some))]) for task in some]


@dataclass(frozen=True)
class Benchmark:
    """What all rows have in common."""

    originals: Tensor  # uint8 [N, R, R, 3]
    labels: Tensor | None  # of parts, uint8 [N, R, R]
    plan: Plan
    subjects: Mapping[str, Subject]  # by kind of weights
    perceptual: Perceptual
    batch: int
    seed: int
    about: dict  # everything else the rows depend on, for JSON: weights, data, machine
    out: Path

    def compare(self, chosen: Sequence[Contender], report: Callable[[dict], None] = lambda row: None) -> list[dict]:
        """Run what is not done yet. The row of a method that fails says why, and the next call tries it again."""
        rows = []
        for contender in chosen:
            rows.append(self.row(contender))
            report(rows[-1])
        return rows

    def row(self, contender: Contender) -> dict:
        """Of this call or of an earlier one."""
        key, note = self.key(contender), self.folder(contender) / "row.json"
        if row := results.read_finished(note, "key", key):
            return row
        subject = self.subjects[contender.kind]
        about = {"key": key, "title": contender.title, "how": editor_of(contender, subject).words, **contender.settings}
        job = self.job(contender)
        row = results.measured(about, lambda: self.measures(job))
        if "failed" not in row:
            results.write_json(note, row)
        return row

    def measures(self, job: Job) -> dict:
        """The numbers of a row."""
        kinds = {kind: self.measure(job, kind) for kind in KINDS}
        return {"seconds": kinds[KINDS[0]]["seconds"], "kinds": kinds}

    def job(self, contender: Contender) -> Job:
        return Job(
            contender,
            self.subjects[contender.kind],
            self.perceptual,
            self.originals,
            self.labels,
            self.batch,
            self.folder(contender),
            self.key(contender, edits=False),
        )

    def measure(self, job: Job, kind: str) -> dict:
        edits = self.plan.edits(kind)
        pictures, seconds = job.run(edits, kind.replace(" ", "-"))
        errors = [self.errors(edit, picture) for edit, picture in zip(edits, pictures.numpy(), strict=True)]
        measured: dict = {"seconds": seconds, "edits": len(edits)}
        for k, name in enumerate(("mse_src", "mse_ref")):
            by_image: dict[int, list[float]] = {}
            for edit, error in zip(edits, errors, strict=True):
                if error[k] is not None:
                    by_image.setdefault(edit.source, []).append(error[k])
            means = [float(np.mean(values)) for values in by_image.values()]
            measured[name], measured[f"{name}_error"] = float(np.mean(means)), standard_error(means)
        sources = [edit.source for edit in edits]
        for name, unedited in zip(DETECTED, (self.originals[sources], job.remade(sources)), strict=True):
            found = self.detectability(unedited, pictures, len(self.plan.halves[kind][0]), job.subject.device)
            measured |= {name: found.judged, f"{name}_error": found.error, f"{name}_fitted": found.fitted}
        return measured

    def detectability(self, unedited: Tensor, edited: Tensor, split: int, device: torch.device) -> Detectability:
        """Of uint8 [n, R, R, 3], the first ``split`` to train the detector and the others to judge."""
        fitted, judged = (
            tuple(classifier.reduced(x[part]) for x in (unedited, edited))
            for part in (slice(split), slice(split, None))
        )
        return detectability.detectability(fitted, judged, self.seed, device)

    def errors(self, edit: Edit, picture: np.ndarray) -> tuple[float | None, float | None]:
        """(MSE_src, MSE_ref) of one edit; None where there is no pixel to compare."""
        mask = edit.mask[0, 0].numpy() > 0.5
        reference = _placed(self.originals, edit)
        sums = (
            pairing.squared_errors(picture, self.originals[edit.source].numpy(), ~mask),
            pairing.squared_errors(picture, reference, mask),
        )
        src, ref = (error / count if count else None for error, count in sums)
        return src, ref

    def key(self, contender: Contender, edits: bool = True) -> str:
        """Hash of everything that the row depends on.

        Args:
            edits: False for what is the same whatever is edited.
        """
        planned = [edit.plain for kind in KINDS for edit in self.plan.edits(kind)] if edits else None
        return results.row_key(self.about, contender.kind, self.originals, contender.settings, self.batch, planned)

    def folder(self, contender: Contender) -> Path:
        return self.out / EDITS / f"{contender.slug}-{contender.kind}"

    def write(self, chosen: Sequence[Contender], rows: list[dict], notes: Sequence[str]) -> str:
        """All files of results; returns the table with what is to be said below it."""
        text = table(rows, [*self.remarks(rows), *notes])
        results.write_json(self.out / RESULT, {**self.about, "rows": rows, "notes": list(notes)})
        files.write_text(self.out / TABLE, text)
        files.write_bytes(self.out / PLOT, plot(rows))
        done = [one for one, row in zip(chosen, rows, strict=True) if "failed" not in row]
        images.write(self.out / SHEET, self.sheet(done))
        return text

    def sheet(self, done: Sequence[Contender]) -> Tensor:
        """Some edits of each kind, spread over the parts, with their inputs."""
        columns: dict[str, list[Tensor]] = {"original": [], "reference": [], "mask": []}
        for kind in KINDS:
            edits = self.plan.edits(kind)
            places = np.linspace(0, len(edits) - 1, min(SHOWN, len(edits))).astype(int).tolist()
            for edit in (edits[k] for k in places):
                columns["original"].append(self.originals[edit.source])
                columns["reference"].append(self.originals[edit.reference])
                columns["mask"].append((255 * edit.mask[0, 0, ..., None]).to(torch.uint8).expand(-1, -1, 3))
            for contender in done:
                pictures, _ = self.job(contender).run(edits, kind.replace(" ", "-"))  # kept
                columns.setdefault(contender.title, []).extend(pictures[places])
        return sheets.sheet({title: images.from_uint8(torch.stack(x)) for title, x in columns.items()})

    def remarks(self, rows: list[dict]) -> list[str]:
        """One line each: what the numbers mean here."""
        counts = " and ".join(f"{len(self.plan.edits(kind))} {kind}" for kind in KINDS)
        what = "halves" if self.labels is None else "parts"
        shift = max(max(map(abs, edit.shift)) for edit in self.plan.edits("moved"))
        done = [row for row in rows if "failed" not in row]
        return [
            *showing.setting(self.about, self.batch, len(self.originals)),
            f"Edits of {what}: {counts}; moved ones by {shift} pixels. Pixels in {RANGE}.",
            "±: standard error over images; of detectability, over the judged images by resampling.",
            "Detectability: average precision of a classifier that tells edits from images; of the edit: from reconstructions by "
            "the same method. 0.5 is chance; in brackets on the edits it was trained on.",
            "Time is for one edit, from two images to the edited one.",
            *(f"{row['title']} is given the part labels of both images." for row in done if row["weights"] == SEAN),
            *showing.circumstances(done, self.about["machine"]),
        ]


def _placed(originals: Tensor, edit: Edit) -> np.ndarray:
    """The reference where it goes, uint8 [R, R, 3]."""
    picture = originals[edit.reference].permute(2, 0, 1)[None].float()
    return placed(picture, edit.shift, originals.shape[1])[0].permute(1, 2, 0).to(torch.uint8).numpy()


def table(rows: list[dict], notes: Sequence[str]) -> str:
    """Markdown: the rows, and below what they were measured with."""
    header = [
        "method",
        "weights",
        "edit",
        "seconds",
        *(f"{kind}: {title}" for kind in KINDS for title in MEASURES.values()),
    ]
    lines = []
    for row in rows:
        line = [row["title"], row["weights"], row["how"]]
        if "failed" in row:
            line.append(f"failed: {row['failed']}")
            lines.append(line + [NONE] * (len(header) - len(line)))
            continue
        line.append(number(row["seconds"]))
        for found in (row["kinds"][kind] for kind in KINDS):
            for name in MEASURES:
                value, error = found[name], found[f"{name}_error"]
                if name in DETECTED:
                    line.append(f"{value:.3f} ± {error:.3f} ({found[f'{name}_fitted']:.2f})")
                else:
                    line.append(f"{number(value)} ± {number(error, 2)}")
        lines.append(line)
    return markdown(header, lines, notes)


def plot(rows: list[dict]) -> bytes:
    """A PNG file with a panel for each kind: the error outside the mask against that inside, a mark for each method."""
    figure, panels = charts.new_figure(*PLOT_SIZE, 1, len(KINDS))
    for axes, kind in zip(panels, KINDS, strict=True):
        done = [(row["title"], row["kinds"][kind]) for row in rows if "failed" not in row]
        series = [Series(title, (), [(found["mse_src"], found["mse_ref"])]) for title, found in done]
        across, up = Axis("MSE_src: outside the mask", True), Axis("MSE_ref: inside the mask", True)
        charts.plot(axes, f"Edits {kind}", across, up, series, legend=kind == KINDS[-1])
    return charts.png(figure)
