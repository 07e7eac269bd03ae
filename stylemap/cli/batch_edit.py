"""``stylemap local-edit batch``: the published evaluation of local editing, over pairs of pictures of a data set.

Source: StyleMapGAN (arXiv 2104.14754). Parts: pictures are paired by the overlap of their part, the edit takes the union of
both parts from the reference. Halves: pairs by chance. Differences are to the pictures themselves, not to reconstructions.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import datasets, images, sheets
from stylemap.cli import options
from stylemap.datasets import Avatars, ImageFolder, folder, parts
from stylemap.editing import blend, masks, pairing
from stylemap.errors import InputError
from stylemap.files import write_text
from stylemap.model import Model

PAIRING_SIDE = 256  # pixels, of the part masks that are compared
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
        raise argparse.ArgumentTypeError(f"{options.shortened(text)!r} is not a number of pairs, 1 to {MOST_PAIRS}")
    return int(text)


@dataclass(frozen=True)
class Task:
    """The edits of one part or half."""

    name: str
    pairs: list[tuple[int, int]]
    overlap: list[float] | None  # of the parts of each pair, None for halves
    mask: Callable[[int, int], Tensor]  # of a pair, [1, 1, R, R], values 0 and 1


def run(arguments: argparse.Namespace) -> None:
    if bool(arguments.part) == bool(arguments.half):
        raise InputError("give --part or --half, one of the two")
    if arguments.parts and (arguments.half or arguments.images == "avatars"):
        raise InputError("--parts goes with --part and pictures of files; leave it away")
    if arguments.part and not arguments.parts and arguments.images != "avatars":
        raise InputError("--part needs the label maps of the pictures; add --parts")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise InputError(f"--out {arguments.out} is not a folder; name one")
    # avatars are no folder, though one may be called so
    read = [path for path in (arguments.images, arguments.parts) if path and path != "avatars"]
    options.keep_inputs([arguments.out], read)
    model = options.load_model(arguments)
    side = model.config.resolution
    pictures = open_pictures(arguments, side)
    count = min(arguments.pairs, len(pictures) // 2)
    if count == 0:
        raise InputError(
            f"{arguments.images} has {len(pictures)} picture to pair and two are needed; add some or use --all"
        )
    label = labels_of(pictures, arguments.parts)
    tasks = part_tasks(arguments.part, label, len(pictures), count, side) if arguments.part else None
    tasks = tasks or [half_task(name, len(pictures), count, side) for name in arguments.half]
    space = arguments.space or ("w+" if arguments.part else "w")
    stylemaps = encode(model, pictures)
    report = {
        "weights": str(arguments.weights), "images": str(arguments.images), "resolution": side, "space": space,
        "hard": not arguments.soft, "parts": {},
    }  # fmt: skip
    for task in tasks:
        measured = edit(task, model, pictures, stylemaps, space, not arguments.soft, arguments.out)
        report["parts"][task.name] = measured
        print(f"{task.name:<12}{len(task.pairs)} pairs   MSE_src {shown(measured['mse_src'])}   "
              f"MSE_ref {shown(measured['mse_ref'])}")  # fmt: skip
    for name in ("mse_src", "mse_ref"):
        values = [measured[name] for measured in report["parts"].values() if measured[name] is not None]
        report[name] = float(np.mean(values)) if values else None
    write_text(arguments.out / "report.json", json.dumps(report, indent=1) + "\n")
    print(f"{'mean':<12}MSE_src {shown(report['mse_src'])}   MSE_ref {shown(report['mse_ref'])}\n"
          f"{arguments.out / 'report.json'}")  # fmt: skip


def shown(error: float | None) -> str:
    return "  -  " if error is None else f"{error:.3f}"


def open_pictures(arguments: argparse.Namespace, side: int) -> datasets.Pictures:
    """Twice as many as pairs where there are; of more, those whose names have the smallest hashes."""
    if arguments.images == "avatars":
        return Avatars(side, count=2 * arguments.pairs, split="heldout")
    if not arguments.all:
        return datasets.split(arguments.images, side, 2 * arguments.pairs)[1]
    every = ImageFolder(arguments.images, side)
    names = folder.smallest_hashes([every.name(i) for i in range(len(every))], 2 * arguments.pairs)
    return ImageFolder(arguments.images, side, sorted(names))


def labels_of(pictures: datasets.Pictures, path: str | None) -> Callable[[int], np.ndarray]:
    """What gives the part labels of picture i, uint8 [H, W]."""
    if isinstance(pictures, Avatars):
        return pictures.parts
    labels = parts.PartLabels(path) if path else None
    return lambda i: labels.labels(pictures.name(i))


def part_tasks(names: list[str], labels: Callable[[int], np.ndarray], size: int, count: int, side: int) -> list[Task]:
    """Labels are read twice, once small to compare them and once for the masks of an edit: memory stays small."""
    compared = min(side, PAIRING_SIDE)
    small = np.empty((len(names), size, -(-(compared**2) // 8)), np.uint8)  # a bit a pixel
    for i in range(size):
        label = labels(i)
        for k, name in enumerate(names):
            small[k, i] = np.packbits((masks.from_parts(label, parts.GROUPS[name], compared) > 0.5).numpy())
    tasks = []
    for name, packed in zip(names, small, strict=True):
        own = np.unpackbits(packed, axis=1).view(bool)
        scores = pairing.iou(own, own)
        pairs = pairing.pair(scores, count)

        def mask(a: int, b: int, ids=parts.GROUPS[name]) -> Tensor:
            union = masks.union(*(masks.from_parts(labels(i), ids, side) for i in (a, b)))
            return (union > 0.5).float()

        tasks.append(Task(name, pairs, [float(scores[p]) for p in pairs], mask))
    return tasks


def half_task(name: masks.Half, size: int, count: int, side: int) -> Task:
    half = (masks.half(name, side) > 0.5).float()
    return Task(name, pairing.pair_by_chance(size, count), None, lambda a, b: half)


def encode(model: Model, pictures: datasets.Pictures) -> Tensor:
    """The stylemaps of all, on the CPU: they are small."""
    found = []
    for start in range(0, len(pictures), options.BATCH):
        batch = [torch.from_numpy(pictures[i]) for i in range(start, min(start + options.BATCH, len(pictures)))]
        found.append(model.encode(images.from_uint8(torch.stack(batch)).to(model.device)).cpu())
    return torch.cat(found)


def edit(
    task: Task, model: Model, pictures: datasets.Pictures, stylemaps: Tensor, space: str, hard: bool, out: Path
) -> dict:
    """Write the edits of a part and a sheet of the first; returns what the report says of it."""
    rows, outside, inside = [], [], []
    for start in range(0, len(task.pairs), options.BATCH):
        chunk = task.pairs[start : start + options.BATCH]
        selected = torch.cat([task.mask(*pair) for pair in chunk]).to(model.device)
        first, second = (stylemaps[[pair[k] for pair in chunk]].to(model.device) for k in (0, 1))
        made = images.to_uint8(blend(model, first, second, selected, space, hard)).cpu()
        for k, (a, b) in enumerate(chunk):
            where, picture = selected[k, 0].cpu().numpy() > 0.5, made[k].numpy()
            outside.append(pairing.squared_errors(picture, pictures[a], ~where))
            inside.append(pairing.squared_errors(picture, pictures[b], where))
            images.write(out / f"{start + k:04d}-{task.name}.png", images.from_uint8(made[k : k + 1]))
            rows.append(describe(task, start + k, pictures, outside[-1], inside[-1]))
        if start == 0:
            images.write(out / f"sheet-{task.name}.png", sheet(chunk[:SHOWN], pictures, selected, made))
    return {"mse_src": pairing.pooled(outside), "mse_ref": pairing.pooled(inside), "pairs": rows}


def describe(
    task: Task, number: int, pictures: datasets.Pictures, outside: tuple[float, int], inside: tuple[float, int]
) -> dict:
    a, b = task.pairs[number]
    row = {"original": pictures.name(a), "reference": pictures.name(b)}
    if task.overlap is not None:
        row["iou"] = task.overlap[number]
    for name, (error, values) in (("mse_src", outside), ("mse_ref", inside)):
        row[name] = error / values if values else None  # nothing is outside or inside
    return row


def sheet(pairs: list[tuple[int, int]], pictures: datasets.Pictures, selected: Tensor, made: Tensor) -> Tensor:
    originals, references = (
        images.from_uint8(torch.stack([torch.from_numpy(pictures[pair[k]]) for pair in pairs])) for k in (0, 1)
    )
    shown = selected[: len(pairs)].cpu().expand(-1, 3, -1, -1) * 2 - 1
    edits = images.from_uint8(made[: len(pairs)])
    return sheets.sheet({"original": originals, "reference": references, "mask": shown, "edit": edits})
