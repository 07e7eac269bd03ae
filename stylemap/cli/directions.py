"""``stylemap directions``: find directions that make faces smile, and follow them."""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs, terminal
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import PICTURES, Numbers, OutputFile, Parsed, whole
from stylemap.datasets import labels
from stylemap.datasets.labels import Question, Value
from stylemap.errors import InputError, Note

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.architectures.stylemap.model import StylemapModel
    from stylemap.editing.directions import Direction

STEPS = [float(k) for k in range(-3, 4)]
MOST_STEPS = 50
STRIP_PICTURES = 2  # of a strip made while training
METHODS = ("means", "logistic", "svm")
DIRECTION_FILE = OutputFile(".safetensors")
QUESTION = Parsed(Question.parse)


def train(parser: Parser) -> None:
    """Find directions from images with labels."""
    parser.add_argument(
        "--labels", metavar="CSV", help="Table of file names and attributes, or a list in CelebA's layout."
    )
    parser.add_argument(
        "--attribute",
        nargs="+",
        type=QUESTION,
        metavar="A",
        help="Attributes, each written as [NAME:]ATTRIBUTE[=VALUE | !=VALUE | >NUMBER]. Default: all columns of numbers.",
    )
    parser.add_argument("--method", choices=METHODS, default="means", help="How to find a direction.")
    parser.add_argument(
        "--conditional-on",
        nargs="+",
        type=QUESTION,
        metavar="A",
        default=[],
        help="Attributes to keep unchanged: their directions are projected out of the others.",
    )
    flags.add(parser, "--seed", help="Seed of the choice of held-out images.")
    parser.add_argument(
        "--strip",
        type=OutputFile(*PICTURES),
        metavar="IMAGE",
        help="Also write the first images, moved along all directions.",
    )
    add_finding(parser)
    parser.set_defaults(run=run_train)


def pca(parser: Parser) -> None:
    """Find principal components of stylemaps. Needs no labels."""
    parser.add_argument(
        "--components",
        type=whole(1, 100_000),
        default=8,
        metavar="N",
        help="Number of components, those of the largest variance first.",
    )
    add_finding(parser)
    parser.set_defaults(run=run_pca)


def add_finding(parser: Parser) -> None:
    """The flags of verbs that find directions."""
    flags.add(parser, "--data", required=True)
    flags.add(parser, "--count", help=f"Take the first N images of the data. Default: all; of avatars {flags.AVATARS}.")
    parser.add_argument(
        "--out", type=DIRECTION_FILE, required=True, metavar="FILE", help=".safetensors file of directions to write."
    )
    parser.add_argument("--add", action="store_true", help="Keep the directions of other names that --out holds.")
    flags.add(parser, "--weights", "--device")


def apply(parser: Parser) -> None:
    """Move a photo along a direction."""
    flags.add(parser, "--original")
    flags.add(parser, "--direction", required=True)
    flags.add(parser, "--amount", default=2.0, help="Standard deviations to go. Below 0 goes the other way.")
    flags.add(parser, "--mask")
    flags.add(parser, "--cells", type=flags.CELLS, help="Change only these cells: top, left, height, width.")
    flags.add(parser, "--space", "--hard")
    flags.add_alignment(
        parser,
        "The original is a photo",
        "The mask lies over the whole photo, if --mask-on does not say otherwise.",
        painted=True,
    )
    flags.add(parser, "--directions")
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device")
    parser.set_defaults(run=run_apply)


def strip(parser: Parser) -> None:
    """Show photos in rows, and amounts of a direction in columns."""
    flags.add(parser, "--photos", required=True)
    flags.add(parser, "--direction", nargs="+", help="Names of directions. Default: all of the file.")
    parser.add_argument(
        "--amounts",
        type=Numbers(flags.AMOUNT, MOST_STEPS),
        default=STEPS,
        metavar="LIST",
        help="Amounts to show, in standard deviations. Default: -3..3.",
    )
    flags.add(parser, "--directions")
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device")
    parser.set_defaults(run=run_strip)


def listing(parser: Parser) -> None:
    """Show what a file of directions holds."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="File of directions. Default: the directions shipped with the weights."
    )
    flags.add(parser, "--weights")
    parser.set_defaults(run=run_list)


def convert(parser: Parser) -> None:
    """Convert from and to InterFaceGAN's .npy."""
    parser.add_argument("file", metavar="FILE", help="File to convert: .safetensors or .npy.")
    parser.add_argument("--name", help="Name of the direction to write as .npy, or a name for the one that is read.")
    parser.add_argument(
        "--out",
        type=OutputFile(".safetensors", ".npy"),
        required=True,
        metavar="FILE",
        help="File to write: .npy from a .safetensors, or .safetensors from a .npy.",
    )
    flags.add(parser, "--weights", "--device")
    parser.set_defaults(run=run_convert)


# ---- work


@without_gradients
def run_train(arguments: argparse.Namespace) -> None:
    import torch

    from stylemap import images
    from stylemap.cli import direction_files, encoding, heldout, loading
    from stylemap.editing import directions, finding_directions

    if arguments.data == "avatars" and (arguments.labels or not arguments.attribute):
        raise InputError("avatars know their attributes: give --attribute, such as smile glasses, and no --labels")
    if arguments.data != "avatars" and not arguments.labels:
        raise InputError("images need --labels, a CSV of file names and attributes; or see `stylemap directions pca`")
    check_files(arguments)
    kept = direction_files.kept_directions(arguments)
    model = loading.load_model(arguments)
    pictures, indices = encoding.open_pictures(arguments, model)
    if arguments.labels:
        names = [pictures.name(i) for i in indices]
        table = labels.read(arguments.labels, names)
        matched = labels.match(arguments.labels, table.rows, names)
        rows = {i: row for i, row in zip(indices, matched, strict=True) if row is not None}
        questions = arguments.attribute or every_column(table.select(list(rows.values())))
        indices = list(rows)
    else:
        questions = arguments.attribute
    names = [asked.name for asked in questions]
    if len(set(names)) < len(names):
        raise InputError(f"--attribute {' '.join(names)}: one is given twice; give each a name, as in NAME:ATTRIBUTE")
    stylemaps, usable = encoding.encode(model, pictures, indices)
    if arguments.labels:
        columns = table.select([rows[i] for i in usable])
    else:
        faces = [pictures.attributes(i) for i in usable]
        columns = {attribute: [face[attribute] for face in faces] for attribute in faces[0]}

    def find(asked: Question) -> "Direction":
        answers, known = asked.answer(columns)
        labels = torch.from_numpy(answers[known])
        return finding_directions.find(asked.name, stylemaps[known], labels, arguments.method, seed=arguments.seed)

    others = [find(asked) for asked in arguments.conditional_on]
    fitted = [
        directions.condition(direction, [o for o in others if o.name != direction.name])
        for direction in map(find, questions)
    ]
    directions.save(arguments.out, [*kept(fitted), *fitted])
    show(fitted)
    heldout.note_trained(pictures, pictures, arguments.data, arguments.weights)
    print(arguments.out)
    if arguments.strip:
        x = images.from_arrays(pictures[i] for i in usable[:STRIP_PICTURES]).to(model.device)
        images.write(arguments.strip, strips(model, x, fitted, STEPS))
        print(arguments.strip)


def every_column(columns: Mapping[str, Sequence[Value]]) -> list[Question]:
    """A question for each column that can be asked as it is. A line tells of the others.

    Raises:
        InputError: there is none.
    """
    kinds = {name: {value for value in columns[name] if value is not None} for name in columns}
    words = [name for name, values in kinds.items() if any(isinstance(value, str) for value in values)]
    constant = [name for name, values in kinds.items() if name not in words and len(values) < 2]
    questions = [Question(name, name, "", "") for name in kinds if name not in (*words, *constant)]
    if not questions:
        example = next(iter(words), "NAME")
        raise InputError(
            f"no column of the labels holds numbers that differ; choose a word, as in --attribute {example}=VALUE"
        )
    for what, names in (("words; choose a word with --attribute NAME=VALUE", words), ("one value only", constant)):
        if names:
            warnings.warn(f"skipped {', '.join(names)}, which hold{'s' * (len(names) == 1)} {what}", Note, stacklevel=2)
    return questions


@without_gradients
def run_pca(arguments: argparse.Namespace) -> None:
    from stylemap.cli import direction_files, encoding, loading
    from stylemap.editing import directions, finding_directions

    check_files(arguments)
    kept = direction_files.kept_directions(arguments)
    model = loading.load_model(arguments)
    stylemaps, _ = encoding.encode(model, *encoding.open_pictures(arguments, model))
    components = finding_directions.pca(stylemaps, arguments.components)
    directions.save(arguments.out, [*kept(components), *components])
    show(components)
    print(arguments.out)


@without_gradients
def run_apply(arguments: argparse.Namespace) -> None:
    from stylemap.cli import direction_files, loading, retouching
    from stylemap.editing import applying, directions
    from stylemap.editing.blending import in_space, push_change
    from stylemap.editing.edit import Push

    inputs.keep_inputs([arguments.out], [p for p in (arguments.original, arguments.mask, arguments.directions) if p])
    if not arguments.mask:
        inputs.only_with("--mask", arguments, "space", "hard")
    model = loading.load_model(arguments)
    if arguments.cells:
        try:
            directions.check_cells(arguments.cells, model.config.stylemap_size)
        except InputError as err:
            raise InputError(f"{err}; change --cells") from err
    (direction,) = direction_files.chosen(arguments, model, [arguments.direction])
    pictures = retouching.Photos(arguments, model, arguments.weights)
    original = pictures.open(arguments.original)
    mask = pictures.mask(arguments.mask, original, arguments.hard) if arguments.mask else None
    # without a mask both spaces are one
    space = (arguments.space or "w+") if arguments.mask else "w"

    def maps_of(w: "Tensor") -> "list[Tensor]":
        return in_space(model, w, space)

    stylemap = model.encode(pictures.image(original))
    step = Push(direction=direction, amount=arguments.amount, cells=arguments.cells, mask=mask, hard=arguments.hard)
    change = push_change(step, stylemap, maps_of)
    edited = applying.apply_changes(model, maps_of(stylemap), [change], space, pictures.paste)
    pictures.write(arguments.out, original, edited)
    print(arguments.out)


@without_gradients
def run_strip(arguments: argparse.Namespace) -> None:
    from stylemap import images
    from stylemap.cli import direction_files, loading

    inputs.keep_inputs([arguments.out], arguments.photos)
    model = loading.load_model(arguments)
    selected = direction_files.chosen(arguments, model, arguments.direction)
    x = loading.read_photos(arguments.photos, model, arguments.weights)
    images.write(arguments.out, strips(model, x, selected, arguments.amounts))
    print(arguments.out)


def run_list(arguments: argparse.Namespace) -> None:
    from stylemap.cli import direction_files
    from stylemap.editing import directions

    show(list(directions.load(arguments.file or direction_files.shipped(arguments.weights)).values()))


@without_gradients
def run_convert(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint
    from stylemap.cli import direction_files, loading
    from stylemap.editing import directions

    if Path(arguments.file).suffix.lower() == ".npy":
        inputs.keep_inputs([arguments.out], [arguments.file, checkpoint.find_file(arguments.weights)])
        direction_files.check_overwriting(arguments.out)
        if arguments.out.suffix.lower() == ".npy":
            raise InputError("--out must end in .safetensors when a .npy is read")
        directions.save(
            arguments.out, [direction_files.read_npy(arguments.file, loading.load_model(arguments), arguments.name)]
        )
    else:
        if arguments.out.suffix.lower() != ".npy" or not arguments.name:
            raise InputError("a .npy holds one direction; give its --name, and --out NAME.npy")
        inputs.keep_inputs([arguments.out], [arguments.file])
        directions.write_npy(
            arguments.out, direction_files.pick(directions.load(arguments.file), arguments.name, arguments.file)
        )
    print(arguments.out)


# ---- directions


def check_files(arguments: argparse.Namespace) -> None:
    """InputError if what a verb that finds directions reads would be written over."""
    from stylemap import checkpoint
    from stylemap.cli import direction_files

    read = [checkpoint.find_file(arguments.weights), getattr(arguments, "labels", None)]
    read += [arguments.data if arguments.data != "avatars" else None]
    written = [arguments.out, getattr(arguments, "strip", None)]
    inputs.keep_inputs([path for path in written if path], [path for path in read if path])
    direction_files.check_overwriting(arguments.out)


def show(rows: "list[Direction]") -> None:
    """A line for each direction; accuracies are of held-out images."""
    names = [terminal.one_line(d.name) for d in rows]
    width = max(map(len, names))
    print(f"{'':<{width}}  method      images  positive  accuracy  balanced  baseline  explained  scale")
    for name, d in zip(names, rows, strict=True):
        o = d.origin
        shares = (o.positive, o.accuracy, o.balanced_accuracy, o.baseline, o.explained)
        cells = "".join(
            f"{'-' if s is None else f'{s:.1%}':>{w}}" for s, w in zip(shares, (8, 10, 10, 10, 11), strict=True)
        )
        without = terminal.one_line(f"  without {', '.join(o.conditional_on)}") if o.conditional_on else ""
        print(f"{name:<{width}}  {terminal.one_line(o.method):<9}{o.pictures:>9}  {cells}{d.scale:>7.3g}{without}")


def strips(model: "StylemapModel", x: "Tensor", selected: "list[Direction]", steps: list[float]) -> "Tensor":
    """[3, H, W]: for each direction a sheet, the images [N, 3, R, R] in rows, the amounts in columns."""
    import torch

    from stylemap import sheets
    from stylemap.cli import loading
    from stylemap.editing import directions

    stylemap = model.encode(x)
    blocks = []
    for direction in selected:
        columns = {"photo": x}
        for amount in steps:
            moved = directions.move(stylemap, direction, amount)
            columns[f"{direction.name} {amount:+g}"] = loading.chunked(model.synthesize, moved).clamp(-1, 1)
        blocks.append(sheets.sheet(columns))
    return torch.cat(blocks, dim=1)
