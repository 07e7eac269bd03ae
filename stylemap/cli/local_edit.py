"""``stylemap local-edit``: blend or transplant parts between photos."""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import editing
from stylemap.cli import options, photos
from stylemap.editing import masks
from stylemap.editing.transplanting import translate
from stylemap.errors import InputError
from stylemap.model import Model


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap local-edit", description="Put parts of one photo into another.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)

    blend = verbs.add_parser("blend", help="the reference inside a mask, the original outside")
    blend.add_argument("--original", required=True, metavar="A", help="photo to edit")
    blend.add_argument(
        "--reference", required=True, action="append", metavar="B", help="may repeat, each with a --mask"
    )
    blend.add_argument(
        "--mask", required=True, action="append", metavar="M", help="grey picture, white = the reference"
    )
    photos.add_options(blend, painted=True)
    blend.set_defaults(run=run_blend)

    transplant = verbs.add_parser("transplant", help="a part of the reference at another place of the original")
    transplant.add_argument("--original", required=True, metavar="A", help="photo to edit")
    transplant.add_argument("--reference", required=True, metavar="B")
    transplant.add_argument(
        "--from", dest="source", type=options.pair, metavar="Y,X", help="upper left cell, reference"
    )
    transplant.add_argument("--to", dest="target", type=options.pair, metavar="Y,X", help="upper left cell, original")
    transplant.add_argument("--size", type=options.pair, metavar="H,W", help="height and width in cells")
    transplant.add_argument("--mask", metavar="M", help="instead of cells: grey picture, white = the part to take")
    transplant.add_argument("--shift", type=options.pair, metavar="DY,DX", help="with --mask: pixels down and right")
    photos.add_options(transplant, painted=False)
    transplant.set_defaults(run=run_transplant)

    for verb in (blend, transplant):
        verb.add_argument(
            "--space", choices=("w", "w+"), help="w: in cells; w+, the default: follows the mask to the pixel"
        )
        verb.add_argument("--hard", action="store_true", help="take every cell the mask touches whole")
        verb.add_argument("--strength", type=options.fraction, default=1.0, help="share of the reference")
        verb.add_argument("--out", type=options.output, required=True, help="the picture to write")
        options.add_weights(verb)
    arguments = parser.parse_args(argv)
    with torch.no_grad():
        arguments.run(arguments)
    return 0


def run_blend(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [arguments.original, *arguments.reference, *arguments.mask])
    if len(arguments.reference) != len(arguments.mask):
        raise InputError(
            f"{len(arguments.reference)} --reference and {len(arguments.mask)} --mask; give one mask for each reference"
        )
    model = options.load_model(arguments)
    pictures = photos.open_photos(arguments, model)
    original = model.encode(pictures.original(arguments.original))
    references = [model.encode(pictures.reference(path)) for path in arguments.reference]
    selected = [pictures.mask(path) for path in arguments.mask]
    edit = editing.blend(
        model, original, references, selected, arguments.space or "w+", arguments.hard, arguments.strength
    )
    regions = [touched(mask, model, arguments.hard) for mask in selected]
    pictures.write(arguments.out, edit, torch.cat(regions).amax(0, keepdim=True))
    print(arguments.out)


def run_transplant(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [p for p in (arguments.original, arguments.reference, arguments.mask) if p])
    cells = [arguments.source, arguments.target, arguments.size]
    by_mask = arguments.mask is not None
    if by_mask == any(cell is not None for cell in cells) or by_mask != (arguments.shift is not None):
        raise InputError("give either --from, --to and --size (cells) or --mask and --shift (pixels)")
    if not by_mask and None in cells:
        raise InputError("cells need all three of --from, --to and --size")
    if not by_mask and (arguments.space or arguments.hard):
        raise InputError("--space and --hard go with --mask: cells are copied whole, in w")
    model = options.load_model(arguments)
    pictures = photos.open_photos(arguments, model)
    original = model.encode(pictures.original(arguments.original))
    reference = model.encode(pictures.reference(arguments.reference))
    if by_mask:
        mask = pictures.mask(arguments.mask)
        where = {"mask": mask, "shift": arguments.shift}
        region = touched(translate(mask, *arguments.shift), model, arguments.hard)
    else:
        box = editing.Box(arguments.source, arguments.target, arguments.size)
        try:
            box.check(model.config.stylemap_size)
        except ValueError as err:
            raise InputError(f"{err}; change --from, --to or --size") from err
        where = {"boxes": [box]}
        region = within(box, model)
    edit = editing.transplant(
        model,
        original,
        reference,
        **where,
        space=arguments.space or "w+",
        hard=arguments.hard,
        strength=arguments.strength,
    )
    pictures.write(arguments.out, edit, region)
    print(arguments.out)


def touched(mask: Tensor, model: Model, hard: bool) -> Tensor:
    """Where an edit by a mask is seen, [1, 1, R, R] in [0, 1]: with ``hard``, in every cell that the mask touches."""
    if not hard:
        return mask
    cells = masks.resize(mask, model.config.stylemap_size, hard)
    return torch.maximum(mask, F.interpolate(cells, model.config.resolution))


def within(box: editing.Box, model: Model) -> Tensor:
    """Where the cells of a box go, [1, 1, R, R]."""
    size = model.config.stylemap_size
    cells = torch.zeros(1, 1, size, size)
    (y, x), (height, width) = box.target, box.size
    cells[..., y : y + height, x : x + width] = 1
    return F.interpolate(cells, model.config.resolution)
