"""``stylemap local-edit batch``: the published evaluation of local editing, over pairs of images of a data set.

Source: StyleMapGAN (arXiv 2104.14754). Parts: images are paired by the overlap of their part, the edit takes the union of
both parts from the reference. Halves: pairs by chance. Differences are to the images themselves, not to reconstructions.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import Names, whole
from stylemap.errors import InputError
from stylemap.files import write_text

if TYPE_CHECKING:
    from stylemap.datasets import Dataset
    from stylemap.metrics.local_editing import EditedPair, Errors, Task

SHEET_PAIRS = 8
MOST_PAIRS = 2500  # every image is compared with every other


def batch(parser: Parser) -> None:
    """Edit pairs of held-out images, for each part or half. Writes the edits N-PART.png, a sheet of the first, and report.json
    with the mean squared differences to the original outside of the mask and to the reference inside it, for pixels in
    [-1, 1]."""
    flags.add(parser, "--data", required=True)
    parser.add_argument(
        "--all", action="store_true", help="Use all images, also those that the weights were trained on."
    )
    flags.add(parser, "--part-labels")
    parser.add_argument(
        "--part", type=Names(flags.PARTS, "part"), metavar="NAMES", help="Parts to take from the reference."
    )
    parser.add_argument(
        "--half",
        type=Names(flags.HALVES, "half"),
        metavar="NAMES",
        help="Halves to take from the reference. Images are paired at random.",
    )
    flags.add(
        parser, "--pairs", type=whole(1, MOST_PAIRS), help="Pairs for each part or half. Each image is in one pair."
    )
    flags.add(
        parser,
        "--space",
        help="Space to blend in. w blends whole cells, w+ follows the mask. Default: w+ for parts, w for halves, as published.",
    )
    parser.add_argument(
        "--soft", action="store_true", help="Blend the cells at the edge of a mask, instead of taking them whole."
    )
    flags.add_out_folder(parser)
    flags.add(parser, "--weights", "--device")
    flags.add(parser, "--precision", default="float32")
    parser.set_defaults(run=run)


@without_gradients
def run(arguments: argparse.Namespace) -> None:
    from stylemap.cli import loading
    from stylemap.metrics import local_editing, streams

    if bool(arguments.part) == bool(arguments.half):
        raise InputError("give --part or --half, one of the two")
    if arguments.part_labels and (arguments.half or arguments.data == "avatars"):
        raise InputError("--part-labels goes with --part and images from files; leave it out")
    if arguments.part and not arguments.part_labels and arguments.data != "avatars":
        raise InputError("--part needs the label maps of the images; add --part-labels")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise InputError(f"--out {arguments.out} is not a folder; name one")
    # avatars are no folder, though one may be called so
    read = [path for path in (arguments.data, arguments.part_labels) if path and path != "avatars"]
    inputs.keep_inputs([arguments.out], read)
    model = loading.load_model(arguments)
    side = model.config.resolution
    pictures, tell = open_pictures(arguments, side)
    encoded = streams.encoded(model, pictures)
    if (count := len(streams.undamaged(pictures))) < 2:
        raise InputError(f"{arguments.data} has {count} image to pair, and a pair needs two; add images or use --all")
    tasks = find_tasks(arguments, pictures, side)
    parts = {}
    for task in tasks:
        edits = local_editing.edits(model, pictures, encoded, task, hard=not arguments.soft)
        parts[task.name] = write_edits(task, edits, pictures, arguments.out)
        print_errors(task.name, f"{len(task.pairs)} pairs   ", parts[task.name])
    report = {
        "weights": str(arguments.weights),
        "images": str(arguments.data),
        "resolution": side,
        "space": tasks[0].space,
        "hard": not arguments.soft,
        "parts": parts,
        **{name: local_editing.average(part[name] for part in parts.values()) for name in ("mse_src", "mse_ref")},
    }
    write_text(arguments.out / "report.json", json.dumps(report, indent=1) + "\n")
    tell()
    print_errors("mean", "", report)
    print(arguments.out / "report.json")


def print_errors(name: str, count: str, errors: dict[str, float | None]) -> None:
    src, ref = ("  -  " if errors[key] is None else f"{errors[key]:.3f}" for key in ("mse_src", "mse_ref"))
    print(f"{name:<12}{count}MSE_src {src}   MSE_ref {ref}")


def open_pictures(arguments: argparse.Namespace, side: int) -> "tuple[Dataset, Callable[[], None]]":
    """The images to pair, and a function that says what they are to the weights.

    They are two for each pair, or all if there are fewer. Of more images they are those whose names have the smallest hashes.
    """
    from stylemap.cli import heldout
    from stylemap.datasets import ImageFolder

    count, weights, data = 2 * arguments.pairs, arguments.weights, arguments.data
    if not arguments.all:
        unseen = heldout.open_unseen([weights], data, side, count, fewer=True)
        return unseen.heldout, lambda: heldout.tell(weights, unseen)
    if data == "avatars":
        raise InputError("--all does not go with avatars, which have no end; leave it out")
    every = ImageFolder(data, side)
    pictures = every.take(count)
    return pictures, lambda: heldout.note_trained(pictures, every, data, weights)


def find_tasks(arguments: argparse.Namespace, pictures: "Dataset", side: int) -> "list[Task]":
    from stylemap import datasets
    from stylemap.metrics import local_editing, streams

    every = streams.undamaged(pictures)
    if arguments.part:
        labels = datasets.open_part_labels(pictures, arguments.part_labels)
        tasks = local_editing.part_tasks(labels, every, arguments.pairs, side, arguments.part)
    else:
        tasks = local_editing.half_tasks(every, arguments.pairs, side, names=arguments.half)
    return [task._replace(space=arguments.space) for task in tasks] if arguments.space else tasks


def write_edits(task: "Task", edits: "Iterable[EditedPair]", pictures: "Dataset", out: Path) -> dict:
    """Write the edits of a part and a sheet of the first. Returns what the report says of it."""
    from stylemap import images, sheets
    from stylemap.metrics import local_editing

    rows, compared, first = [], [], []
    for number, (pair, edit) in enumerate(zip(task.pairs, edits, strict=True)):
        images.write(out / f"{number:04d}-{task.name}.png", images.from_arrays([edit.picture]))
        compared.append(local_editing.compare(edit))
        row = dict(zip(("original", "reference"), map(pictures.name, pair), strict=True))
        overlap = {} if task.overlap is None else {"iou": task.overlap[pair]}
        rows.append(row | overlap | errors(local_editing.pool(compared[-1:])))
        if number < SHEET_PAIRS:
            first.append(edit)
    images.write(out / f"sheet-{task.name}.png", sheets.sheet(local_editing.columns(first)))
    return errors(local_editing.pool(compared)) | {"pairs": rows}


def errors(pooled: "Errors") -> dict[str, float | None]:
    return {"mse_src": pooled.src, "mse_ref": pooled.ref}
