"""``stylemap directions``: find directions that make faces smile, and follow them."""

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs, terminal
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import PICTURES, Numbers, OutputFile, Parsed, whole
from stylemap.errors import InputError, Note

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.architectures.stylemap.model import StylemapModel
    from stylemap.datasets import Dataset
    from stylemap.datasets.labels import Question, Value
    from stylemap.editing.directions import Direction

    Columns = Callable[[Sequence[int]], Mapping[str, Sequence[Value]]]

STEPS = [float(k) for k in range(-3, 4)]
MOST_STEPS = 50
STRIP_PICTURES = 2  # of a strip made while training
METHODS = ("means", "logistic", "svm")
DIRECTION_FILE = OutputFile(".safetensors")


def question(text: str) -> "Question":
    """What an attribute asks; imports data sets for a question only."""
    from stylemap.datasets.labels import Question

    return Question.parse(text)


QUESTION = Parsed(question)


def train(parser: Parser) -> None:
    """Find directions from images with labels. Each attribute gives a direction from the images without it to those with it."""
    parser.add_argument(
        "--labels",
        metavar="CSV",
        help="Table of file names and attributes, or a list in CelebA's layout. Avatars need none.",
    )
    parser.add_argument(
        "--attribute",
        nargs="+",
        type=QUESTION,
        metavar="A",
        help="Attributes, such as smile, hair=black, hair!=black or old:age>60, where old is the name that the direction gets. "
        "Default: all columns of numbers.",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="means",
        help="How to find a direction: by the difference of the means, or as the normal of a classifier, logistic or svm, which "
        "needs scikit-learn.",
    )
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
    flags.add(parser, "--precision", default="float32")


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
        "The mask lies over the whole photo, unless --mask-on says otherwise.",
        painted=True,
    )
    flags.add(parser, "--directions")
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device", "--precision")
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
    flags.add_framing(parser)
    flags.add(parser, "--directions")
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(run=run_strip)


def listing(parser: Parser) -> None:
    """Show what a file of directions holds."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="File of directions. Default: the directions shipped with the weights."
    )
    flags.add(parser, "--weights")
    parser.set_defaults(run=run_list)


def convert(parser: Parser) -> None:
    """Convert a direction from InterFaceGAN's .npy, or to it."""
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


# ---- finding


@without_gradients
def run_train(arguments: argparse.Namespace) -> None:
    import torch

    from stylemap import images
    from stylemap.cli import heldout, loading
    from stylemap.editing import directions, finding_directions

    if arguments.data == "avatars" and (arguments.labels or not arguments.attribute):
        raise InputError("avatars know their attributes: give --attribute, such as smile glasses, and no --labels")
    if arguments.data != "avatars" and not arguments.labels:
        raise InputError("images need --labels, a CSV of file names and attributes; or see `stylemap directions pca`")
    kept = check_files(arguments)
    model = loading.load_model(arguments)
    everything = open_data(arguments, model)
    dataset, columns_of = labelled(everything, arguments.labels)
    questions = arguments.attribute or every_column(columns_of(range(len(dataset))))
    names = [question.name for question in questions]
    if len(set(names)) < len(names):
        raise InputError(f"--attribute {' '.join(names)}: one is given twice; give each a name, as in NAME:ATTRIBUTE")
    stylemaps, usable = encode(model, dataset)
    columns = columns_of(usable)

    def find(question: "Question") -> "Direction":
        answers, known = question.answer(columns)
        positive = torch.from_numpy(answers[known])
        return finding_directions.find(question.name, stylemaps[known], positive, arguments.method, seed=arguments.seed)

    others = [find(question) for question in arguments.conditional_on]
    found = [
        directions.condition(direction, [other for other in others if other.name != direction.name])
        for direction in map(find, questions)
    ]
    save(arguments.out, kept, found)
    heldout.note_trained(dataset, everything, arguments.data, arguments.weights)
    if arguments.strip:
        x = images.from_arrays(dataset[i] for i in usable[:STRIP_PICTURES]).to(model.device)
        images.write(arguments.strip, strips(model, x, found, STEPS))
        print(arguments.strip)


@without_gradients
def run_pca(arguments: argparse.Namespace) -> None:
    from stylemap.cli import loading
    from stylemap.editing import finding_directions

    kept = check_files(arguments)
    model = loading.load_model(arguments)
    stylemaps, _ = encode(model, open_data(arguments, model))
    save(arguments.out, kept, finding_directions.pca(stylemaps, arguments.components))


def check_files(arguments: argparse.Namespace) -> "list[Direction]":
    """The directions that ``--add`` keeps. InputError if anything else would be written over."""
    from stylemap import checkpoint
    from stylemap.cli import direction_files

    read = [checkpoint.find_file(arguments.weights), getattr(arguments, "labels", None)]
    read += [arguments.data if arguments.data != "avatars" else None]
    written = [arguments.out, getattr(arguments, "strip", None)]
    inputs.keep_inputs(filter(None, written), filter(None, read))
    replaced = direction_files.read_replaced(arguments.out)
    return list(replaced.values()) if arguments.add else []


def open_data(arguments: argparse.Namespace, model: "StylemapModel") -> "Dataset":
    """The first ``--count`` images of the data."""
    from stylemap.datasets import Avatars, ImageFolder

    side = model.config.resolution
    if arguments.data == "avatars":
        return Avatars(side, count=arguments.count or flags.AVATARS)
    everything = ImageFolder(arguments.data, side)
    return everything.subset(everything.names[: arguments.count])


def labelled(dataset: "Dataset", table: str | None) -> "tuple[Dataset, Columns]":
    """The images that have labels, and a function of their indices: attribute -> its value for each of them.

    Args:
        table: a file of labels; None: drawn faces, which know theirs.
    """
    from stylemap.datasets import labels

    if table is None:

        def attributes(indices: Sequence[int]) -> "dict[str, list[Value]]":
            faces = [dataset.attributes(i) for i in indices]
            return {name: [face[name] for face in faces] for name in faces[0]}

        return dataset, attributes
    names = [dataset.name(i) for i in range(len(dataset))]
    columns = labels.read(table, names)
    matched = labels.match(table, columns.rows, names)
    rows = {name: row for name, row in zip(names, matched, strict=True) if row is not None}
    dataset = dataset.subset(list(rows))
    return dataset, lambda indices: columns.select([rows[dataset.name(i)] for i in indices])


def every_column(columns: "Mapping[str, Sequence[Value]]") -> "list[Question]":
    """A question for each column that can be asked as it is. A line tells of the others.

    Raises:
        InputError: there is none.
    """
    from stylemap.datasets.labels import Question

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


def encode(model: "StylemapModel", dataset: "Dataset") -> "tuple[Tensor, list[int]]":
    """Stylemaps [N, C, S, S] on the CPU of the images that are not damaged, and their indices."""
    from stylemap.metrics import streams

    stylemaps = streams.latents_of(model, dataset)
    usable = streams.undamaged(dataset)  # known when all were read
    return stylemaps[usable], usable


def save(out: Path, kept: "list[Direction]", found: "list[Direction]") -> None:
    """Write and print directions that were found, and keep those of other names."""
    from stylemap.editing import directions

    names = {direction.name for direction in found}
    directions.save(out, [*(direction for direction in kept if direction.name not in names), *found])
    print_table(found)
    print(out)


# ---- following


@without_gradients
def run_apply(arguments: argparse.Namespace) -> None:
    from stylemap.cli import direction_files, loading, retouching
    from stylemap.editing import applying, directions
    from stylemap.editing.edit import Edit, Push

    inputs.keep_inputs([arguments.out], filter(None, (arguments.original, arguments.mask, arguments.directions)))
    if not arguments.mask:
        inputs.only_with("--mask", arguments, "space", "hard")
    model = loading.load_model(arguments)
    if arguments.cells:
        try:
            directions.check_cells(arguments.cells, model.config.stylemap_size)
        except InputError as err:
            raise InputError(f"{err}; change --cells") from err
    (direction,) = direction_files.choose(arguments, model, [arguments.direction])
    photos = retouching.Photos(arguments, model, arguments.weights)
    original = photos.open(arguments.original)
    photos.framing.tell()
    mask = photos.mask(arguments.mask, original, arguments.hard) if arguments.mask else None
    push = Push(direction=direction, amount=arguments.amount, cells=arguments.cells, mask=mask, hard=arguments.hard)
    edit = Edit(
        space=(arguments.space or "w+") if arguments.mask else "w", pushes=(push,)
    )  # without a mask both are one
    edited = applying.apply(model, edit, model.encode(photos.image(original)), {}, photos.how(original))
    photos.write(arguments.out, original, edited)
    print(arguments.out)


@without_gradients
def run_strip(arguments: argparse.Namespace) -> None:
    from stylemap import images
    from stylemap.cli import direction_files, loading

    inputs.keep_inputs([arguments.out], arguments.photos)
    model = loading.load_model(arguments)
    chosen = direction_files.choose(arguments, model, arguments.direction)
    _, x = loading.read_photos(arguments.photos, model, arguments)
    images.write(arguments.out, strips(model, x, chosen, arguments.amounts))
    print(arguments.out)


def strips(model: "StylemapModel", x: "Tensor", chosen: "list[Direction]", amounts: list[float]) -> "Tensor":
    """[3, H, W]: for each direction a sheet, the images [N, 3, R, R] in rows, the amounts in columns."""
    import torch

    from stylemap import sheets
    from stylemap.cli import loading
    from stylemap.editing import directions

    stylemap = model.encode(x)
    blocks = []
    for direction in chosen:
        columns = {"photo": x}
        for amount in amounts:
            moved = directions.move(stylemap, direction, amount)
            columns[f"{direction.name} {amount:+g}"] = loading.chunked(model.synthesize, moved).clamp(-1, 1)
        blocks.append(sheets.sheet(columns))
    return torch.cat(blocks, dim=1)


# ---- files


def run_list(arguments: argparse.Namespace) -> None:
    from stylemap.cli import direction_files
    from stylemap.editing import directions

    print_table(list(directions.load(arguments.file or direction_files.find_shipped(arguments.weights)).values()))


def print_table(directions: "list[Direction]") -> None:
    """A line for each direction; accuracies are of held-out images."""
    names = [terminal.one_line(direction.name) for direction in directions]
    width = max(map(len, names))
    row = f"{{:<{width}}}  {{:<9}}{{:>9}}{{:>10}}{{:>10}}{{:>10}}{{:>10}}{{:>11}}{{:>7}}{{}}"
    titles = ("method", "images", "positive", "accuracy", "balanced", "baseline", "explained", "scale")
    print(row.format("", *titles, ""))
    for name, direction in zip(names, directions, strict=True):
        o = direction.origin
        shares = (o.positive, o.accuracy, o.balanced_accuracy, o.baseline, o.explained)
        cells = ("-" if share is None else f"{share:.1%}" for share in shares)
        without = f"  without {', '.join(o.conditional_on)}" if o.conditional_on else ""
        scale, method = f"{direction.scale:.3g}", terminal.one_line(o.method)
        print(row.format(name, method, o.pictures, *cells, scale, terminal.one_line(without)))


@without_gradients
def run_convert(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint
    from stylemap.cli import direction_files, loading
    from stylemap.editing import directions

    to_npy = arguments.out.suffix.lower() == ".npy"
    if Path(arguments.file).suffix.lower() == ".npy":
        inputs.keep_inputs([arguments.out], [arguments.file, checkpoint.find_file(arguments.weights)])
        direction_files.read_replaced(arguments.out)
        if to_npy:
            raise InputError("--out must end in .safetensors when a .npy is read")
        model = loading.load_model(arguments)
        directions.save(arguments.out, [direction_files.read_npy(arguments.file, model, arguments.name)])
    else:
        if not to_npy or not arguments.name:
            raise InputError("a .npy holds one direction; give its --name, and --out NAME.npy")
        inputs.keep_inputs([arguments.out], [arguments.file])
        stored = directions.load(arguments.file)
        directions.write_npy(arguments.out, direction_files.pick(stored, arguments.name, arguments.file))
    print(arguments.out)
