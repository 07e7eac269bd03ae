"""``stylemap local-edit batch``: the published evaluation of local editing, over pairs of pictures of a data set.

Source: StyleMapGAN (arXiv 2104.14754). Parts: pictures are paired by the overlap of their part, the edit takes the union of
both parts from the reference. Halves: pairs by chance. Differences are to the pictures themselves, not to reconstructions.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from stylemap import datasets, images, sheets
from stylemap.cli import heldout, options
from stylemap.datasets import ImageFolder, parts
from stylemap.editing import masks
from stylemap.errors import InputError, shortened
from stylemap.files import write_text
from stylemap.metrics import local_editing, streams
from stylemap.metrics.local_editing import Differences, EditedPair, Task

SHOWN = 8  # pairs on a sheet
MOST_PAIRS = 2500  # every picture is compared with every other


def add(verbs) -> None:
    batch = verbs.add_parser(
        "batch",
        help="edit pairs of pictures of a data set and measure them",
        description="For each part or half: pairs of held-out pictures, their edits <n>-<part>.png, a sheet of the first, and "
        "report.json with the pairs and the mean squared differences to the original outside the mask and to the reference "
        "inside, in pixels of [-1, 1].",
    )
    batch.add_argument("--images", required=True, metavar="PATH", help="folder, zip or LMDB of pictures, or avatars")
    batch.add_argument("--all", action="store_true", help="of all pictures, not of those that training holds out")
    batch.add_argument("--parts", metavar="PATH", help="folder or zip of their label maps; avatars have their own")
    batch.add_argument(
        "--part", type=group_names, metavar="NAMES", help=f"such as nose,eye, or all of {', '.join(parts.GROUPS)}"
    )
    batch.add_argument("--half", type=half_names, metavar="NAMES", help="such as right,lower; pairs by chance")
    batch.add_argument(
        "--pairs", type=pair_count, default=250, help="for each part or half; each picture is in one pair"
    )
    batch.add_argument("--space", choices=("w", "w+"), help="by default w+ for parts and w for halves, as published")
    batch.add_argument("--soft", action="store_true", help="blend where a mask cuts a cell, instead of taking it whole")
    batch.add_argument("--out", type=Path, required=True, help="folder to write into")
    options.add_weights(batch)
    batch.set_defaults(run=run)


def group_names(text: str) -> list[str]:
    return _names(text, parts.GROUPS, "part")


def half_names(text: str) -> list[str]:
    return _names(text, masks.HALVES, "half")


def _names(text: str, known, what: str) -> list[str]:
    names = list(known) if text == "all" else list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"unknown {what} {name!r}; known are {', '.join(known)}")
    return names


def pair_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PAIRS:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a number of pairs, 1 to {MOST_PAIRS}")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    if bool(arguments.part) == bool(arguments.half):
        raise InputError("give --part or --half, one of the two")
    if arguments.parts and (arguments.half or arguments.images == "avatars"):
        raise InputError("--parts goes with --part and pictures of files; leave it out")
    if arguments.part and not arguments.parts and arguments.images != "avatars":
        raise InputError("--part needs the label maps of the pictures; add --parts")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise InputError(f"--out {arguments.out} is not a folder; name one")
    # avatars are no folder, though one may be called so
    read = [path for path in (arguments.images, arguments.parts) if path and path != "avatars"]
    options.keep_inputs([arguments.out], read)
    model = options.load_model(arguments)
    side = model.config.resolution
    pictures, tell = open_pictures(arguments, side)
    latents = streams.latents_of(model, pictures)
    if (count := len(streams.undamaged(pictures))) < 2:
        raise InputError(f"{arguments.images} has {count} picture to pair and two are needed; add some or use --all")
    tasks = find_tasks(arguments, pictures, side)
    report = {
        "weights": str(arguments.weights), "images": str(arguments.images), "resolution": side, "space": tasks[0].space,
        "hard": not arguments.soft, "parts": {},
    }  # fmt: skip
    for task in tasks:
        edits = local_editing.edits(model, pictures, latents, task, hard=not arguments.soft)
        measured = write_edits(task, edits, pictures, arguments.out)
        report["parts"][task.name] = measured
        print(f"{task.name:<12}{len(task.pairs)} pairs   MSE_src {shown(measured['mse_src'])}   "
              f"MSE_ref {shown(measured['mse_ref'])}")  # fmt: skip
    for name in ("mse_src", "mse_ref"):
        report[name] = local_editing.average(measured[name] for measured in report["parts"].values())
    write_text(arguments.out / "report.json", json.dumps(report, indent=1) + "\n")
    tell()
    print(f"{'mean':<12}MSE_src {shown(report['mse_src'])}   MSE_ref {shown(report['mse_ref'])}\n"
          f"{arguments.out / 'report.json'}")  # fmt: skip


def shown(error: float | None) -> str:
    return "  -  " if error is None else f"{error:.3f}"


def open_pictures(arguments: argparse.Namespace, side: int) -> tuple[datasets.Dataset, Callable[[], None]]:
    """Twice as many as pairs where there are, of more those whose names have the smallest hashes; and what tells of them."""
    count, weights, data = 2 * arguments.pairs, arguments.weights, arguments.images
    if not arguments.all:
        found = heldout.open_unseen([weights], data, "--images", side, count, fewer=True)
        return found.heldout, lambda: heldout.tell(weights, found)
    if data == "avatars":
        raise InputError("--all does not go with avatars, which have no end; leave it out")
    every = ImageFolder(data, side)
    pictures = every.take(count)
    return pictures, lambda: heldout.note_trained(pictures, every, data, weights)


def find_tasks(arguments: argparse.Namespace, pictures: datasets.Dataset, side: int) -> list[Task]:
    every = streams.undamaged(pictures)
    if arguments.part:
        labels = datasets.open_part_labels(pictures, arguments.parts)
        tasks = local_editing.part_tasks(labels, every, arguments.pairs, side, arguments.part)
    else:
        tasks = local_editing.half_tasks(every, arguments.pairs, side, names=arguments.half)
    return [task._replace(space=arguments.space) for task in tasks] if arguments.space else tasks


def write_edits(task: Task, edits: Iterable[EditedPair], pictures: datasets.Dataset, out: Path) -> dict:
    """Write the edits of a part and a sheet of the first; returns what the report says of it."""
    rows, compared, first = [], [], []
    for number, (pair, edit) in enumerate(zip(task.pairs, edits, strict=True)):
        images.write(out / f"{number:04d}-{task.name}.png", images.from_arrays([edit.picture]))
        compared.append(local_editing.compare(edit))
        rows.append(describe(task, pair, pictures) | errors(compared[-1:]))
        if number < SHOWN:
            first.append(edit)
    images.write(out / f"sheet-{task.name}.png", sheets.sheet(local_editing.columns(first)))
    return errors(compared) | {"pairs": rows}


def describe(task: Task, pair: tuple[int, int], pictures: datasets.Dataset) -> dict:
    row = {"original": pictures.name(pair[0]), "reference": pictures.name(pair[1])}
    return row if task.overlap is None else row | {"iou": task.overlap[pair]}


def errors(compared: list[Differences]) -> dict:
    found = local_editing.pool(compared)
    return {"mse_src": found.src, "mse_ref": found.ref}
