"""``stylemap local-edit``: blend or transplant parts between photos, one pair or those of a data set."""

import argparse

import torch
from torch import Tensor

from stylemap.cli import batch_edit, options, photos, replay, selecting
from stylemap.editing import applying, blending, composing
from stylemap.editing.composing import Change
from stylemap.editing.edit import SCALE, Patch, Placement, Space, layer_count
from stylemap.editing.transplanting import Box
from stylemap.errors import InputError, shortened
from stylemap.photos.photo import Photo

WHO = "original and reference are photos"
REPEATED = ("mask", "part", "reference_parts", "half", "source", "target", "size", "shift", "scale", "flip")


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap local-edit", description="Put parts of one photo into another.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)
    add_blend(verbs)
    add_transplant(verbs)
    batch_edit.add(verbs)
    replay.add(verbs)
    arguments = parser.parse_args(argv)
    for name in REPEATED:
        if getattr(arguments, name, ()) is None:  # as a default, [] would show in the help
            setattr(arguments, name, [])
    with torch.no_grad():
        arguments.run(arguments)
    return 0


def add_blend(verbs) -> None:
    blend = verbs.add_parser("blend", help="the reference inside a mask, the original outside")
    blend.add_argument("--original", required=True, metavar="A", help="photo to edit")
    blend.add_argument(
        "--reference", required=True, action="append", metavar="B", help="may repeat, each with a place of its own"
    )
    selecting.add_options(blend, union=True)
    photos.add_options(blend, WHO, "A mask is painted on the original photo, or see --mask-on.", painted=True)
    add_common(blend)
    blend.set_defaults(run=run_blend)


def add_transplant(verbs) -> None:
    transplant = verbs.add_parser(
        "transplant",
        help="a part of the reference at another place of the original",
        description="Several parts at once: repeat the flags, the k-th of each belong together; one --reference, --shift, "
        "--scale or --flip serves all. Later parts lie over earlier ones.",
    )
    transplant.add_argument("--original", required=True, metavar="A", help="photo to edit")
    transplant.add_argument(
        "--reference", required=True, action="append", metavar="B", help="photo to take parts from; may repeat"
    )
    cells = transplant.add_argument_group("cells", "Whole cells of the stylemap.")
    for flag, name, metavar, text in (
        ("--from", "source", "Y,X", "upper left cell, reference"),
        ("--to", "target", "Y,X", "upper left cell, original"),
        ("--size", "size", "H,W", "height and width in cells"),
    ):
        cells.add_argument(flag, dest=name, action="append", type=options.pair, metavar=metavar, help=text)
    selecting.add_options(transplant, union=False)
    place = transplant.add_argument_group("to where", "With --mask or --part: one of these at least.")
    place.add_argument("--shift", action="append", type=options.pair, metavar="DY,DX", help="pixels down, right")
    place.add_argument("--scale", action="append", type=scale, metavar="TIMES", help="about the part's middle")
    place.add_argument(
        "--flip",
        action="append",
        nargs="?",
        const=True,
        type=yes_or_no,
        metavar="yes|no",
        help="left-right",
    )
    photos.add_options(transplant, WHO, "Cells and masks are on the faces.", painted=False)
    add_common(transplant)
    transplant.set_defaults(run=run_transplant)


def add_common(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--space", choices=("w", "w+"), help="w: in cells; w+, the default: follows the mask to the pixel"
    )
    verb.add_argument("--hard", action="store_true", help="take every cell the mask touches whole")
    verb.add_argument("--strength", type=options.fraction, default=1.0, help="share of the reference")
    verb.add_argument(
        "--layers", type=layers, metavar="FIRST-LAST", help="w+ only: the resized stylemaps that change, counted from 0"
    )
    verb.add_argument("--out", type=options.output, required=True, help="the picture to write")
    options.add_weights(verb)


def run_blend(arguments: argparse.Namespace) -> None:
    count = selecting.given(arguments)
    if arguments.mask and len(arguments.reference) != count:
        raise InputError(f"{len(arguments.reference)} --reference and {count} --mask; give one mask for each reference")
    check_files(arguments)
    job = Job(arguments)
    references = [job.pictures.open(path) for path in arguments.reference]
    selected = selecting.select(arguments, job.pictures, job.original, references)
    job.write([job.patch(r, mask, Placement()) for r, mask in zip(references, selected, strict=True)])


def run_transplant(arguments: argparse.Namespace) -> None:
    cells = [arguments.source, arguments.target, arguments.size]
    moves = [arguments.shift, arguments.scale, arguments.flip]
    by_mask = bool(arguments.mask or arguments.part)
    if by_mask == any(cells) or by_mask != any(moves):
        raise InputError(
            "give either --from, --to and --size (cells) or --mask and --shift (pixels), or --scale or --flip for --shift"
        )
    if by_mask:
        transplant_masks(arguments)
    else:
        transplant_cells(arguments)


def transplant_masks(arguments: argparse.Namespace) -> None:
    places = selecting.given(arguments)
    moves = {"--shift": arguments.shift, "--scale": arguments.scale, "--flip": arguments.flip}
    count = max(places, *map(len, moves.values()))
    kind = "mask" if arguments.mask else "part"
    setattr(arguments, kind, selecting.spread(f"--{kind}", getattr(arguments, kind), count, "parts to move"))
    names = selecting.spread("--reference", arguments.reference, count, "parts to move")
    shifts, scales, flips = (
        selecting.spread(flag, values or [default], count, "parts to move")
        for (flag, values), default in zip(moves.items(), ((0, 0), 1.0, False), strict=True)
    )
    placements = [Placement(*where) for where in zip(shifts, scales, flips, strict=True)]
    check_files(arguments)
    job = Job(arguments)
    opened = {path: job.pictures.open(path) for path in dict.fromkeys(names)}
    references = [opened[path] for path in names]
    selected = selecting.select(arguments, job.pictures, job.original, references)
    job.write([job.patch(*part) for part in zip(references, selected, placements, strict=True)])


def transplant_cells(arguments: argparse.Namespace) -> None:
    if not (arguments.source and arguments.target and arguments.size):
        raise InputError("cells need all three of --from, --to and --size")
    if arguments.space or arguments.hard or arguments.layers or arguments.feather:
        raise InputError("--space, --hard, --layers and --feather go with --mask: cells are copied whole, in w")
    count = len(arguments.target)
    sources, sizes, names = (
        selecting.spread(flag, values, count, "--to")
        for flag, values in (
            ("--from", arguments.source),
            ("--size", arguments.size),
            ("--reference", arguments.reference),
        )
    )
    check_files(arguments)
    job = Job(arguments, space="w")
    boxes = [Box(*corners) for corners in zip(sources, arguments.target, sizes, strict=True)]
    try:
        patches = [box.patch(job.model.config, arguments.strength) for box in boxes]
    except InputError as err:
        raise InputError(f"{err}; change --from, --to or --size") from err
    references = [job.pictures.open(path) for path in names]
    job.write([Change(patch, job.maps(r)) for r, patch in zip(references, patches, strict=True)])


class Job:
    """What both verbs need: the model, the photos and the settings that the flags name."""

    def __init__(self, arguments: argparse.Namespace, space: Space = "w+"):
        if arguments.layers and arguments.space == "w":
            raise InputError("--layers chooses among the resized stylemaps of w+; leave it or --space w away")
        self.arguments, self.space = arguments, arguments.space or space
        self.model = options.load_model(arguments)
        most = layer_count(self.model.config)
        if arguments.layers and arguments.layers[1] > most:
            raise InputError(f"--layers: these weights have the resized stylemaps 0-{most - 1}")
        self.pictures = photos.open_photos(arguments, self.model, arguments.weights)
        self.original = self.pictures.open(arguments.original)

    def encode(self, photo: Photo) -> Tensor:
        return self.model.encode(self.pictures.image(photo))

    def maps(self, reference: Photo) -> list[Tensor]:
        return blending.in_space(self.model, self.encode(reference), self.space)

    def patch(self, reference: Photo, mask: Tensor, placement: Placement) -> Change:
        settings = self.arguments
        patch = Patch(
            reference=0,
            mask=mask,
            placement=placement,
            strength=settings.strength,
            hard=settings.hard,
            layers=settings.layers,
        )
        if placement.flip:
            turned = self.model.encode(self.pictures.image(reference).flip(3))
            change = Change(patch, blending.mirrored(self.model, turned, self.space))
        else:
            change = Change(patch, self.maps(reference))
        if not composing.region([change], self.model.config.resolution).max() > 0:
            raise InputError("a part leaves the frame altogether; shift it less")
        return change

    def write(self, changes: list[Change]) -> None:
        edited = applying.apply_changes(self.model, self.maps(self.original), changes, self.space, self.pictures.paste)
        self.pictures.write(self.arguments.out, self.original, edited)
        print(self.arguments.out)


def check_files(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [arguments.original, *arguments.reference, *selecting.files(arguments)])


def layers(text: str) -> tuple[int, int]:
    """ "0-3" -> (0, 4), the first and one past the last."""
    first, dash, last = text.partition("-")
    try:
        low, high = int(first), int(last if dash else first)
    except ValueError:
        low, high = 0, -1
    if not 0 <= low <= high:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} are no layers like 0-3 or 2")
    return low, high + 1


def scale(text: str) -> float:
    """How many times as large."""
    try:
        return Placement(scale=float(text)).scale
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{shortened(text)!r} is not a number from {SCALE.least} to {SCALE.most}"
        ) from None


def yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is neither yes nor no")
    return text == "yes"
