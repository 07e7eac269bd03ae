"""``stylemap local-edit blend | transplant``: parts of one photo in another."""

import argparse
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs, selecting
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.selecting import spread
from stylemap.cli.values import Several, real, whole, yes_or_no
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.cli.retouching import Photos
    from stylemap.editing.edit import Patch, Space
    from stylemap.photos.photo import Photo

    Patches = Callable[[Photos, Photo, list[Photo]], list[Patch]]

PHOTOS = "Original and reference are photos"
COMMON = (
    "--original",
    "--reference",
    "--mask",
    "--part",
    "--part-labels",
    "--out",
    "--weights",
    "--frame",
    "--crop",
    "--device",
)


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
        parser, PHOTOS, "A mask lies over the whole original photo, unless --mask-on says otherwise.", painted=True
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
    cells = parser.add_group("cells", "Whole cells of the stylemap.")
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
    place = parser.add_group("to where", "With --mask or --part give at least one of these.")
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
    flags.add(parser, "--fit")
    flags.add(
        parser, "--layers", help="With --space w+: the resized stylemaps to change, counted from 0. Default: all."
    )
    flags.add_out_image(parser)
    flags.add(parser, "--weights", "--device", "--precision")


@without_gradients
def run_blend(arguments: argparse.Namespace) -> None:
    flag, places = selecting.places(arguments)
    count = len(arguments.reference)
    if flag == "--mask" and len(places) != count:
        raise InputError(f"{count} --reference and {len(places)} --mask; give one mask for each reference")
    places = spread(flag, places, count, "--reference")
    write_masked(arguments, flag, places, arguments.reference, [((0, 0), 1.0, False)] * count)


@without_gradients
def run_transplant(arguments: argparse.Namespace) -> None:
    cells = [arguments.cells, arguments.to_cell]
    moves = {"--shift": arguments.shift, "--scale": arguments.scale, "--flip": arguments.flip}
    by_mask = bool(arguments.mask or arguments.part)
    if by_mask == any(cells) or by_mask != any(moves.values()):
        raise InputError("give either --cells and --to-cell, or --mask or --part with --shift, --scale or --flip")
    if not by_mask:
        write_cells(arguments)
        return
    flag, places = selecting.places(arguments)
    given = {flag: places, "--reference": arguments.reference, **moves}
    defaults = {"--shift": (0, 0), "--scale": 1.0, "--flip": False}
    count = max(len(places), *map(len, moves.values()))
    places, references, *moves = (
        spread(name, values or [defaults[name]], count, "parts to move") for name, values in given.items()
    )
    write_masked(arguments, flag, places, references, list(zip(*moves, strict=True)))


def write_masked(
    arguments: argparse.Namespace, flag: str, places: list, references: list[str], moves: list[tuple]
) -> None:
    """Write the edit that takes a part of each reference.

    Args:
        flag, places: what selects the parts, see `selecting.places`.
        moves: shift, scale and flip of each part.
    """
    from stylemap.cli import loading
    from stylemap.editing.edit import Patch, Placement

    if arguments.layers and arguments.space == "w":
        raise InputError("--layers chooses among the resized stylemaps of w+; give one of the two")

    def patches(photos: "Photos", original: "Photo", opened: "list[Photo]") -> "list[Patch]":
        how = {"strength": arguments.strength, "hard": arguments.hard}
        how["layers"] = loading.layers_of(arguments, photos.model)
        masks = selecting.masks(arguments, flag, places, photos, original, opened)
        placed = zip(masks, moves, strict=True)
        return [Patch(reference=0, mask=mask, placement=Placement(*move), **how) for mask, move in placed]

    write(arguments, references, patches, arguments.space or "w+")


def write_cells(arguments: argparse.Namespace) -> None:
    """Write the edit that copies cells of references."""
    from stylemap.editing.transplanting import Box

    if not (arguments.cells and arguments.to_cell):
        raise InputError("cells need both --cells and --to-cell")
    if arguments.space or arguments.hard or arguments.layers or arguments.feather:
        raise InputError("--space, --hard, --layers and --feather go with --mask: cells are copied whole, in w")
    count = len(arguments.to_cell)
    cells = spread("--cells", arguments.cells, count, "--to-cell")
    references = spread("--reference", arguments.reference, count, "--to-cell")

    def patches(photos: "Photos", *opened: "Photo | list[Photo]") -> "list[Patch]":
        boxes = [Box(box[:2], target, box[2:]) for box, target in zip(cells, arguments.to_cell, strict=True)]
        try:
            return [box.patch(photos.model.config, arguments.strength) for box in boxes]
        except InputError as err:
            raise InputError(f"{err}; change --cells or --to-cell") from err

    write(arguments, references, patches, "w")


def write(arguments: argparse.Namespace, references: list[str], patches: "Patches", space: "Space") -> None:
    """Write the original with a patch of each reference, which ``patches`` makes of the opened photos."""
    from stylemap.cli import loading, retouching
    from stylemap.editing import applying, blending, composing

    inputs.keep_inputs([arguments.out], [arguments.original, *references, *selecting.files(arguments)])
    model = loading.load_exact(arguments) if arguments.fit else loading.load_model(arguments)
    photos = retouching.Photos(arguments, model, arguments.weights)
    opened = {arguments.original: photos.open(arguments.original)}
    opened |= {path: photos.open(path, is_reference=True) for path in dict.fromkeys(references) if path not in opened}
    photos.framing.tell()
    original, taken = opened[arguments.original], [opened[path] for path in references]

    @functools.cache
    def encode(photo: "Photo", flip: bool = False) -> "Tensor":
        image = photos.image(photo)
        return model.encode(image.flip(3) if flip else image)

    placed, start, drawing = patches(photos, original, taken), encode(original), model
    if arguments.fit:
        drawing, start = photos.fit(original, arguments.fit)
    stylemaps = [encode(photo, patch.placement.flip) for patch, photo in zip(placed, taken, strict=True)]
    known, *parts = applying.known_of(drawing, [start, *stylemaps], space, photos.how(original))
    changes = [blending.patch_change(patch, part) for patch, part in zip(placed, parts, strict=True)]
    if not all(composing.region([change], model.config.resolution).max() > 0 for change in changes):
        raise InputError("a part lies outside of the frame after the shift; shift it less")
    photos.write(arguments.out, original, applying.apply_changes(drawing, known, changes, space, photos.how(original)))
    print(arguments.out)
