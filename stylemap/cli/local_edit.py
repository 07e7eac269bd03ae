"""``stylemap local-edit blend | transplant``: parts of one photo in another."""

import argparse

from stylemap.cli import flags, inputs, selecting
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import Several, real, whole, yes_or_no
from stylemap.errors import InputError

PHOTOS = "Original and reference are photos"
COMMON = ("--original", "--reference", "--mask", "--part", "--part-labels", "--out", "--weights", "--align", "--device")


def blend(parser: Parser) -> None:
    """Take the reference inside a mask and the original outside of it."""
    flags.add(parser, "--original")
    parser.add_argument(
        "--reference",
        required=True,
        action="append",
        metavar="PHOTO",
        help="Photo to take from. May repeat, each with a mask, part or half of its own.",
    )
    selecting.add_flags(parser, union=True)
    flags.add_alignment(
        parser, PHOTOS, "A mask lies over the whole original photo, if --mask-on does not say otherwise.", painted=True
    )
    add_blending(parser)
    parser.show_common(*COMMON, "--half", "--strength", "--paste-back")
    parser.set_defaults(run=run_blend)


def transplant(parser: Parser) -> None:
    """Put a part of the reference at another place of the original. For several parts, repeat the flags: the first of
    each belong together, then the second, and so on. A single --reference, --shift, --scale or --flip applies to all parts. Later
    parts lie over earlier ones."""
    flags.add(parser, "--original")
    parser.add_argument(
        "--reference", required=True, action="append", metavar="PHOTO", help="Photo to take parts from. May repeat."
    )
    cells = parser.add_argument_group("cells", "Whole cells of the stylemap.")
    flags.add(
        cells,
        "--cells",
        action="append",
        default=[],
        type=flags.CELLS,
        help="Cells of the reference to take: top, left, height, width.",
    )
    cells.add_argument(
        "--to-cell",
        action="append",
        default=[],
        type=Several(whole(0, flags.FARTHEST), "3,4"),
        metavar="Y,X",
        help="Cell of the original that the top left one goes to.",
    )
    selecting.add_flags(parser, union=False)
    place = parser.add_argument_group("to where", "With --mask or --part give at least one of these.")
    place.add_argument(
        "--shift",
        action="append",
        default=[],
        type=Several(flags.PIXELS, "3,-4"),
        metavar="DY,DX",
        help="Move the part by pixels, down and right.",
    )
    place.add_argument(
        "--scale",
        action="append",
        default=[],
        type=real(0.25, 4),
        metavar="X",
        help="Enlarge the part about its middle.",
    )
    place.add_argument(
        "--flip",
        action="append",
        default=[],
        nargs="?",
        const=True,
        type=yes_or_no,
        metavar="yes|no",
        help="Mirror the part, left to right.",
    )
    flags.add_alignment(parser, PHOTOS, "Cells and masks lie over the faces that are cut out.", painted=False)
    add_blending(parser)
    parser.show_common(*COMMON, "--cells", "--to-cell", "--shift", "--scale", "--flip")
    parser.set_defaults(run=run_transplant)


def add_blending(parser: Parser) -> None:
    """The flags of both verbs that say how parts are laid over the original."""
    flags.add(parser, "--space", "--hard")
    parser.add_argument(
        "--strength", type=flags.FRACTION, default=1.0, metavar="X", help="Share of the reference in the edit."
    )
    flags.add(
        parser, "--layers", help="With --space w+: the resized stylemaps to change, counted from 0. Default: all."
    )
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device")


@without_gradients
def run_blend(arguments: argparse.Namespace) -> None:
    from stylemap.cli.patching import Patching
    from stylemap.editing.edit import Placement

    count = selecting.given(arguments)
    if arguments.mask and len(arguments.reference) != count:
        raise InputError(f"{len(arguments.reference)} --reference and {count} --mask; give one mask for each reference")
    check_files(arguments)
    job = Patching(arguments)
    references = [job.pictures.open(path) for path in arguments.reference]
    selected = selecting.select(arguments, job.pictures, job.original, references)
    job.write([job.patch(r, mask, Placement()) for r, mask in zip(references, selected, strict=True)])


@without_gradients
def run_transplant(arguments: argparse.Namespace) -> None:
    cells = [arguments.cells, arguments.to_cell]
    moves = [arguments.shift, arguments.scale, arguments.flip]
    by_mask = bool(arguments.mask or arguments.part)
    if by_mask == any(cells) or by_mask != any(moves):
        raise InputError("give either --cells and --to-cell, or --mask or --part with --shift, --scale or --flip")
    if by_mask:
        transplant_masks(arguments)
    else:
        transplant_cells(arguments)


def transplant_masks(arguments: argparse.Namespace) -> None:
    from stylemap.cli.patching import Patching
    from stylemap.editing.edit import Placement

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
    job = Patching(arguments)
    opened = {path: job.pictures.open(path) for path in dict.fromkeys(names)}
    references = [opened[path] for path in names]
    selected = selecting.select(arguments, job.pictures, job.original, references)
    job.write([job.patch(*part) for part in zip(references, selected, placements, strict=True)])


def transplant_cells(arguments: argparse.Namespace) -> None:
    from stylemap.cli.patching import Patching
    from stylemap.editing.composing import Change
    from stylemap.editing.transplanting import Box

    if not (arguments.cells and arguments.to_cell):
        raise InputError("cells need both --cells and --to-cell")
    if arguments.space or arguments.hard or arguments.layers or arguments.feather:
        raise InputError("--space, --hard, --layers and --feather go with --mask: cells are copied whole, in w")
    count = len(arguments.to_cell)
    cells = selecting.spread("--cells", arguments.cells, count, "--to-cell")
    names = selecting.spread("--reference", arguments.reference, count, "--to-cell")
    check_files(arguments)
    job = Patching(arguments, space="w")
    boxes = [Box(box[:2], target, box[2:]) for box, target in zip(cells, arguments.to_cell, strict=True)]
    try:
        patches = [box.patch(job.model.config, arguments.strength) for box in boxes]
    except InputError as err:
        raise InputError(f"{err}; change --cells or --to-cell") from err
    references = [job.pictures.open(path) for path in names]
    job.write([Change(patch, job.maps(r)) for r, patch in zip(references, patches, strict=True)])


def check_files(arguments: argparse.Namespace) -> None:
    inputs.keep_inputs([arguments.out], [arguments.original, *arguments.reference, *selecting.files(arguments)])
