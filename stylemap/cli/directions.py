"""``stylemap directions``: find directions that make faces smile, and follow them."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import images
from stylemap.cli import encoding, options, sheets
from stylemap.datasets import labels
from stylemap.datasets.labels import Question
from stylemap.editing import directions, finding_directions
from stylemap.editing.directions import Cells, Direction
from stylemap.errors import InputError
from stylemap.model import Model
from stylemap.resources import PRETRAINED

STEPS = [float(k) for k in range(-3, 4)]
MOST_STEPS = 50
STRIP_PICTURES = 2  # of a strip made while training
FILES = (".safetensors",)


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap directions", description="Directions of stylemaps: find and follow them.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)

    train = verbs.add_parser("train", help="find directions from pictures with labels")
    train.add_argument("--labels", metavar="CSV", help="file name and attributes, or a list in CelebA's layout")
    train.add_argument(
        "--attribute", nargs="+", type=question, metavar="A", help="[NAME:]ATTRIBUTE[=VALUE | !=VALUE | >NUMBER]; "
        "default: all columns of the labels"
    )  # fmt: skip
    train.add_argument("--method", choices=tuple(finding_directions.METHODS), default="means")
    train.add_argument("--conditional-on", nargs="+", type=question, metavar="A", default=[],
                       help="attributes whose directions are projected out")  # fmt: skip
    train.add_argument("--seed", type=int, default=0, help="of the choice of held-out pictures")
    train.add_argument("--strip", type=options.output, help="also draw the first pictures moved along all directions")
    train.set_defaults(run=run_train)

    pca = verbs.add_parser("pca", help="principal components of stylemaps; needs no labels")
    pca.add_argument("--components", type=int, default=8)
    pca.set_defaults(run=run_pca)
    for verb in (train, pca):
        encoding.add_options(verb)
        verb.add_argument("--out", type=_file, required=True, help=".safetensors file of directions")
        verb.add_argument("--add", action="store_true", help="keep the directions of other names that --out holds")

    apply = verbs.add_parser("apply", help="move a picture along a direction")
    apply.add_argument("--image", required=True, metavar="A")
    apply.add_argument("--direction", required=True, metavar="NAME")
    apply.add_argument("--amount", type=float, default=2.0, help="in standard deviations of pictures; may be negative")
    apply.add_argument("--mask", metavar="M", help="grey picture, white = move here")
    apply.add_argument("--cells", type=cells, metavar="Y,X,H,W", help="move this rectangle of cells alone")
    apply.add_argument("--space", choices=("w", "w+"), help="of the mask: w in cells; w+, the default, to the pixel")
    apply.add_argument("--hard", action="store_true", help="take every cell the mask touches whole")
    apply.set_defaults(run=run_apply)

    strip = verbs.add_parser("strip", help="pictures in rows, amounts in columns")
    strip.add_argument("--image", required=True, nargs="+", metavar="A")
    strip.add_argument("--direction", nargs="+", metavar="NAME", help="default: all of the file")
    strip.add_argument("--amounts", type=amounts, default=STEPS, help="-3..3, or a list like -2,0,2.5; default: -3..3")
    strip.set_defaults(run=run_strip)
    for verb in (apply, strip):
        verb.add_argument(
            "--directions", metavar="FILE", help=".safetensors or InterFaceGAN's .npy; default: the weights'"
        )
        verb.add_argument("--out", type=options.output, required=True, help="the picture to write")

    listing = verbs.add_parser("list", help="what a file holds")
    listing.add_argument("file", nargs="?", help="default: the shipped directions of --weights")
    listing.set_defaults(run=run_list)

    convert = verbs.add_parser("convert", help="from and to InterFaceGAN's .npy")
    convert.add_argument("file", help=".safetensors or .npy")
    convert.add_argument("--name", help="the direction to write as .npy; what to call one that is read")
    convert.add_argument("--out", type=lambda p: options.output(p, (*FILES, ".npy")), required=True)
    convert.set_defaults(run=run_convert)

    for verb in (train, pca, apply, strip, listing, convert):
        options.add_weights(verb)
    arguments = parser.parse_args(argv)
    with torch.no_grad():
        arguments.run(arguments)
    return 0


# ---- verbs


def run_train(arguments: argparse.Namespace) -> None:
    if arguments.images == "avatars" and (arguments.labels or not arguments.attribute):
        raise InputError("avatars know their attributes: give --attribute, such as smile glasses, and no --labels")
    if arguments.images != "avatars" and not arguments.labels:
        raise InputError("pictures need --labels, a CSV of file names and attributes; or see `stylemap directions pca`")
    kept = kept_directions(arguments)
    table = labels.read(arguments.labels) if arguments.labels else {}
    columns = next(iter(table.values()), {})
    wanted = arguments.attribute or [Question(column, column, "", "") for column in columns]
    names = [asked.name for asked in wanted]
    if len(set(names)) < len(names):
        raise InputError(f"--attribute {' '.join(names)}: one is there twice; give each a name, as in NAME:ATTRIBUTE")
    model = options.load_model(arguments)
    pictures, indices = encoding.open_pictures(arguments, model)
    if arguments.labels:
        matched = labels.match(arguments.labels, table, [pictures.name(i) for i in indices])
        looks = {i: row for i, row in zip(indices, matched, strict=True) if row}
    else:
        looks = {i: pictures.attributes(i) for i in indices}
    stylemaps, usable = encoding.encode(model, pictures, list(looks))
    rows = [looks[i] for i in usable]

    def find(asked: Question) -> Direction:
        answers, known = asked.answer(rows)
        return method(asked.name, stylemaps[known], torch.from_numpy(answers[known]), seed=arguments.seed)

    method = finding_directions.METHODS[arguments.method]
    others = [find(asked) for asked in arguments.conditional_on]
    found = [
        directions.condition(direction, [o for o in others if o.name != direction.name])
        for direction in map(find, wanted)
    ]
    directions.save(arguments.out, [*kept(found), *found])
    show(found)
    print(arguments.out)
    if arguments.strip:
        x = encoding.pixels(pictures, usable[:STRIP_PICTURES]).to(model.device)
        images.write(arguments.strip, strips(model, x, found, STEPS))
        print(arguments.strip)


def run_pca(arguments: argparse.Namespace) -> None:
    kept = kept_directions(arguments)
    model = options.load_model(arguments)
    stylemaps, _ = encoding.encode(model, *encoding.open_pictures(arguments, model))
    found = finding_directions.pca(stylemaps, arguments.components)
    directions.save(arguments.out, [*kept(found), *found])
    show(found)
    print(arguments.out)


def run_apply(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [p for p in (arguments.image, arguments.mask, arguments.directions) if p])
    if not arguments.mask and (arguments.space or arguments.hard):
        raise InputError("--space and --hard go with --mask; add it or leave them away")
    if not np.isfinite(arguments.amount):
        raise InputError(f"--amount {arguments.amount} is not a number like 2 or -1.5")
    model = options.load_model(arguments)
    if arguments.cells:
        _check_cells(arguments.cells, model)
    (direction,) = chosen(arguments, model, [arguments.direction])
    mask = options.read_mask(arguments.mask, model) if arguments.mask else None
    stylemap = model.encode(options.read_image(arguments.image, model))
    settings = {"space": arguments.space or "w+", "hard": arguments.hard, "cells": arguments.cells}
    images.write(arguments.out, directions.apply(model, stylemap, direction, arguments.amount, mask, **settings))
    print(arguments.out)


def run_strip(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], arguments.image)
    model = options.load_model(arguments)
    selected = chosen(arguments, model, arguments.direction)
    x = torch.cat([options.read_image(path, model) for path in arguments.image])
    images.write(arguments.out, strips(model, x, selected, arguments.amounts))
    print(arguments.out)


def run_list(arguments: argparse.Namespace) -> None:
    show(list(directions.load(arguments.file or shipped(arguments.weights)).values()))


def run_convert(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [arguments.file])
    if Path(arguments.file).suffix.lower() == ".npy":
        if arguments.out.suffix.lower() == ".npy":
            raise InputError("--out must end in .safetensors where a .npy is read")
        directions.save(arguments.out, [read_npy(arguments.file, options.load_model(arguments), arguments.name)])
    else:
        if arguments.out.suffix.lower() != ".npy" or not arguments.name:
            raise InputError("of a file of directions one becomes a .npy: give its --name and --out NAME.npy")
        directions.write_npy(arguments.out, pick(directions.load(arguments.file), arguments.name, arguments.file))
    print(arguments.out)


# ---- directions


def chosen(arguments: argparse.Namespace, model: Model, names: list[str] | None) -> list[Direction]:
    """The directions that are asked for; None = all. They fit the weights."""
    path = arguments.directions or shipped(arguments.weights)
    if Path(path).suffix.lower() == ".npy":
        direction = read_npy(path, model)
        found = {direction.name: direction}
    else:
        found = directions.load(path)
    selected = [pick(found, name, path) for name in names or found]
    for direction in selected:
        if tuple(direction.vector.shape) != model.config.stylemap_shape:
            raise InputError(
                f"{path} is for stylemaps {list(direction.vector.shape)}, the weights have "
                f"{list(model.config.stylemap_shape)}; find directions of these weights"
            )
    return selected


def shipped(weights: str) -> Path:
    """The directions that come with shipped weights."""
    path = PRETRAINED / "directions" / f"{weights}.safetensors"
    if not path.exists():
        raise InputError(f"no directions are shipped for the weights {weights!r}; give a file of them")
    return path


def pick(found: dict[str, Direction], name: str, path: str | Path) -> Direction:
    if name not in found:
        raise InputError(f"{path} holds no direction {name!r}; there are {', '.join(found)}")
    return found[name]


def read_npy(path: str | Path, model: Model, name: str | None = None) -> Direction:
    """A direction of InterFaceGAN's; its scale, which the file does not hold, is that of stylemaps mapped from noise."""
    shape = model.config.stylemap_shape
    vector = directions.read_npy(path, shape, name=name).vector
    draws = torch.randn(1024, model.config.stylemap_channels, generator=torch.Generator().manual_seed(0))
    mapped = options.chunked(model.map, draws.to(model.device))
    return directions.read_npy(path, shape, finding_directions.deviation(vector, mapped), name)


def kept_directions(arguments: argparse.Namespace):
    """A function of new directions: those that ``--out`` holds already and keeps."""
    old = directions.load(arguments.out) if arguments.add and arguments.out.exists() else {}
    return lambda new: [d for name, d in old.items() if name not in {n.name for n in new}]


def show(found: list[Direction]) -> None:
    """A line for each direction; accuracies are of held-out pictures."""
    width = max(len(d.name) for d in found)
    print(f"{'':<{width}}  method    pictures  positive  accuracy  balanced  baseline  explained  scale")
    for d in found:
        o = d.origin
        shares = (o.positive, o.accuracy, o.balanced_accuracy, o.baseline, o.explained)
        cells = "".join(
            f"{'-' if s is None else f'{s:.1%}':>{w}}" for s, w in zip(shares, (8, 10, 10, 10, 11), strict=True)
        )
        without = f"  without {', '.join(o.conditional_on)}" if o.conditional_on else ""
        print(f"{d.name:<{width}}  {o.method:<9}{o.pictures:>9}  {cells}{d.scale:>7.3g}{without}")


def strips(model: Model, x: Tensor, selected: list[Direction], steps: list[float]) -> Tensor:
    """[3, H, W]: for each direction a sheet, the pictures [N, 3, R, R] in rows, the amounts in columns."""
    stylemap = model.encode(x)
    blocks = []
    for direction in selected:
        columns = {"picture": x}
        for amount in steps:
            moved = directions.move(stylemap, direction, amount)
            columns[f"{direction.name} {amount:+g}"] = options.chunked(model.synthesize, moved).clamp(-1, 1)
        blocks.append(sheets.sheet(columns))
    return torch.cat(blocks, dim=1)


# ---- flags


def amounts(text: str) -> list[float]:
    """ "-3..3" -> [-3, -2 .. 3]; "-2,0.5" -> [-2, 0.5]."""
    try:
        if ".." in text:
            low, high = (int(part) for part in text.split(".."))
            found = [float(i) for i in range(low, min(high, low + MOST_STEPS) + 1)]
        else:
            found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not 1 <= len(found) <= MOST_STEPS or len(set(found)) < len(found) or not np.isfinite(found).all():
        raise argparse.ArgumentTypeError(f"{text!r} are not amounts like -3..3 or -2,0,2, {MOST_STEPS} at most")
    return found


def question(text: str) -> Question:
    """ "hair_colour=black" and the like."""
    try:
        return Question.parse(text)
    except InputError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def cells(text: str) -> Cells:
    """ "5,2,2,4" -> (5, 2, 2, 4)."""
    try:
        y, x, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not y,x,height,width in cells, like 5,2,2,4") from None
    return y, x, height, width


def _file(path: str) -> Path:
    return options.output(path, FILES)


def _check_cells(selected: Cells, model: Model) -> None:
    try:
        directions.inside(selected, model.config.stylemap_size)
    except ValueError as err:
        raise InputError(f"{err}; change --cells") from err
