"""``stylemap directions``: find directions that make faces smile, and follow them."""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, images, sheets
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import direction_files, encoding, heldout, options, photos, terminal
from stylemap.datasets import labels
from stylemap.datasets.labels import Columns, Question, Value
from stylemap.editing import applying, directions, finding_directions
from stylemap.editing.blending import in_space, push_change
from stylemap.editing.directions import Cells, Direction
from stylemap.editing.edit import AMOUNT, Push
from stylemap.errors import InputError, Note, shortened

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
    train.add_argument("--seed", type=options.seed, default=0, help="of the choice of held-out pictures")
    train.add_argument("--strip", type=options.output, help="also draw the first pictures moved along all directions")
    train.set_defaults(run=run_train)

    pca = verbs.add_parser("pca", help="principal components of stylemaps; needs no labels")
    pca.add_argument("--components", type=int, default=8, help="how many, those of the largest variance first")
    pca.set_defaults(run=run_pca)
    for verb in (train, pca):
        encoding.add_options(verb)
        verb.add_argument("--out", type=_file, required=True, help=".safetensors file of directions")
        verb.add_argument("--add", action="store_true", help="keep the directions of other names that --out holds")

    apply = verbs.add_parser("apply", help="move a picture along a direction")
    apply.add_argument("--image", required=True, metavar="A", help="photo to change")
    apply.add_argument("--direction", required=True, metavar="NAME", help="see `stylemap directions list`")
    apply.add_argument(
        "--amount", type=options.amount, default=2.0, help="in standard deviations of pictures; may be negative"
    )
    apply.add_argument("--mask", metavar="M", help="grey picture, white = move here")
    apply.add_argument("--cells", type=cells, metavar="Y,X,H,W", help="move this rectangle of cells alone")
    apply.add_argument("--space", choices=("w", "w+"), help="of the mask: w in cells; w+, the default, to the pixel")
    apply.add_argument("--hard", action="store_true", help="take every cell the mask touches whole")
    photos.add_options(
        apply, "the picture is a photo", "The mask is painted on the photo, or see --mask-on.", painted=True
    )
    apply.set_defaults(run=run_apply)

    strip = verbs.add_parser("strip", help="pictures in rows, amounts in columns")
    strip.add_argument("--image", required=True, nargs="+", metavar="A", help="photos, a row each")
    strip.add_argument("--direction", nargs="+", metavar="NAME", help="default: all of the file")
    strip.add_argument(
        "--amounts", type=amounts, default="-3..3", help="a range of whole numbers, or a list like -2,0,2.5"
    )
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
    convert.add_argument("--out", type=lambda p: options.output(p, (*FILES, ".npy")), required=True,
                         help="the .npy to write of a .safetensors, or the other way round")  # fmt: skip
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
    check_files(arguments)
    kept = direction_files.kept_directions(arguments)
    model = options.load_model(arguments)
    pictures, indices = encoding.open_pictures(arguments, model)
    if arguments.labels:
        names = [pictures.name(i) for i in indices]
        matched = labels.match(arguments.labels, labels.read(arguments.labels, names), names)
        rows = {i: row for i, row in zip(indices, matched, strict=True) if row is not None}
        wanted = arguments.attribute or every_column(Columns(list(rows.values())))
    else:
        rows, wanted = {i: pictures.attributes(i) for i in indices}, arguments.attribute
    names = [asked.name for asked in wanted]
    if len(set(names)) < len(names):
        raise InputError(f"--attribute {' '.join(names)}: one is given twice; give each a name, as in NAME:ATTRIBUTE")
    stylemaps, usable = encoding.encode(model, pictures, list(rows))
    columns = Columns([rows[i] for i in usable])

    def find(asked: Question) -> Direction:
        answers, known = asked.answer(columns)
        labels = torch.from_numpy(answers[known])
        return finding_directions.find(asked.name, stylemaps[known], labels, arguments.method, seed=arguments.seed)

    others = [find(asked) for asked in arguments.conditional_on]
    found = [
        directions.condition(direction, [o for o in others if o.name != direction.name])
        for direction in map(find, wanted)
    ]
    directions.save(arguments.out, [*kept(found), *found])
    show(found)
    heldout.note_trained(pictures, pictures, arguments.images, arguments.weights)
    print(arguments.out)
    if arguments.strip:
        x = images.from_arrays(pictures[i] for i in usable[:STRIP_PICTURES]).to(model.device)
        images.write(arguments.strip, strips(model, x, found, STEPS))
        print(arguments.strip)


def every_column(columns: Mapping[str, Sequence[Value]]) -> list[Question]:
    """A question for each column that can be asked as it is. A line tells of the others.

    Raises:
        InputError: there is none.
    """
    kinds = {name: {value for value in columns[name] if value is not None} for name in columns}
    words = [name for name, values in kinds.items() if any(isinstance(value, str) for value in values)]
    constant = [name for name, values in kinds.items() if name not in words and len(values) < 2]
    wanted = [Question(name, name, "", "") for name in kinds if name not in (*words, *constant)]
    if not wanted:
        example = next(iter(words), "NAME")
        raise InputError(
            f"no column of the labels holds numbers that differ; ask for words, as in --attribute {example}=VALUE"
        )
    for what, names in (("words; ask for one with --attribute NAME=VALUE", words), ("one value", constant)):
        if names:
            warnings.warn(
                f"passed over {', '.join(names)}, which hold{'s' * (len(names) == 1)} {what}", Note, stacklevel=2
            )
    return wanted


def run_pca(arguments: argparse.Namespace) -> None:
    check_files(arguments)
    kept = direction_files.kept_directions(arguments)
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
    model = options.load_model(arguments)
    if arguments.cells:
        try:
            directions.check_cells(arguments.cells, model.config.stylemap_size)
        except InputError as err:
            raise InputError(f"{err}; change --cells") from err
    (direction,) = direction_files.chosen(arguments, model, [arguments.direction])
    pictures = photos.open_photos(arguments, model, arguments.weights)
    original = pictures.open(arguments.image)
    mask = pictures.mask(arguments.mask, original, arguments.hard) if arguments.mask else None
    # without a mask both spaces are one
    space = (arguments.space or "w+") if arguments.mask else "w"

    def maps_of(w: Tensor) -> list[Tensor]:
        return in_space(model, w, space)

    stylemap = model.encode(pictures.image(original))
    step = Push(direction=direction, amount=arguments.amount, cells=arguments.cells, mask=mask, hard=arguments.hard)
    change = push_change(step, stylemap, maps_of)
    edited = applying.apply_changes(model, maps_of(stylemap), [change], space, pictures.paste)
    pictures.write(arguments.out, original, edited)
    print(arguments.out)


def run_strip(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], arguments.image)
    model = options.load_model(arguments)
    selected = direction_files.chosen(arguments, model, arguments.direction)
    x = options.read_photos(arguments.image, model, arguments.weights)
    images.write(arguments.out, strips(model, x, selected, arguments.amounts))
    print(arguments.out)


def run_list(arguments: argparse.Namespace) -> None:
    show(list(directions.load(arguments.file or direction_files.shipped(arguments.weights)).values()))


def run_convert(arguments: argparse.Namespace) -> None:
    if Path(arguments.file).suffix.lower() == ".npy":
        options.keep_inputs([arguments.out], [arguments.file, checkpoint.find(arguments.weights)])
        direction_files.check_overwriting(arguments.out)
        if arguments.out.suffix.lower() == ".npy":
            raise InputError("--out must end in .safetensors where a .npy is read")
        directions.save(
            arguments.out, [direction_files.read_npy(arguments.file, options.load_model(arguments), arguments.name)]
        )
    else:
        if arguments.out.suffix.lower() != ".npy" or not arguments.name:
            raise InputError("of a file of directions one becomes a .npy: give its --name and --out NAME.npy")
        options.keep_inputs([arguments.out], [arguments.file])
        directions.write_npy(
            arguments.out, direction_files.pick(directions.load(arguments.file), arguments.name, arguments.file)
        )
    print(arguments.out)


# ---- directions


def check_files(arguments: argparse.Namespace) -> None:
    """InputError if what a verb that finds directions reads would be written over."""
    read = [checkpoint.find(arguments.weights), getattr(arguments, "labels", None)]
    read += [arguments.images if arguments.images != "avatars" else None]
    written = [arguments.out, getattr(arguments, "strip", None)]
    options.keep_inputs([path for path in written if path], [path for path in read if path])
    direction_files.check_overwriting(arguments.out)


def show(found: list[Direction]) -> None:
    """A line for each direction; accuracies are of held-out pictures."""
    names = [terminal.one_line(d.name) for d in found]
    width = max(map(len, names))
    print(f"{'':<{width}}  method    pictures  positive  accuracy  balanced  baseline  explained  scale")
    for name, d in zip(names, found, strict=True):
        o = d.origin
        shares = (o.positive, o.accuracy, o.balanced_accuracy, o.baseline, o.explained)
        cells = "".join(
            f"{'-' if s is None else f'{s:.1%}':>{w}}" for s, w in zip(shares, (8, 10, 10, 10, 11), strict=True)
        )
        without = terminal.one_line(f"  without {', '.join(o.conditional_on)}") if o.conditional_on else ""
        print(f"{name:<{width}}  {terminal.one_line(o.method):<9}{o.pictures:>9}  {cells}{d.scale:>7.3g}{without}")


def strips(model: StylemapModel, x: Tensor, selected: list[Direction], steps: list[float]) -> Tensor:
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
    valid = all(abs(step) <= AMOUNT.most for step in found)  # NaN is not
    if not 1 <= len(found) <= MOST_STEPS or len(set(found)) < len(found) or not valid:
        known = f"-3..3 or -2,0,2, {MOST_STEPS} at most and none beyond {AMOUNT.most:g}"
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} are not amounts like {known}")
    return found


def question(text: str) -> Question:
    """ "hair_colour=black" and the like."""
    try:
        return Question.parse(text)
    except InputError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def cells(text: str) -> Cells:
    """ "5,2,2,4" -> (5, 2, 2, 4)."""
    return options.whole_numbers(text, 4, "y,x,height,width in cells, like 5,2,2,4")


def _file(path: str) -> Path:
    return options.output(path, FILES)
