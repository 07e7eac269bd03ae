"""``stylemap morph`` and ``generate interpolate``: films from photo to photo, and expressions carried from face to face."""

import argparse
from typing import TYPE_CHECKING

from stylemap.cli import films, flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import FILMS, PICTURES, Range, real
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

ALWAYS_FILMS = (".gif", ".mp4")
EASE = "smooth"
FILM_ONLY = {"loop": False, "sheet": None, "fps": flags.FPS, "ease": EASE}  # what a single image has no use for
SHARE = Range(real(0, 1))


def path(parser: Parser) -> None:
    """Make a film from photo to photo: of the whole image, of what masks select, or part after part."""
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="Two photos or more, in the order in which they are shown."
    )
    flags.add(parser, "--mask", action="append", default=[], help="Grey image. Only what is white moves. May repeat.")
    parser.add_argument(
        "--when",
        action="append",
        default=[],
        type=SHARE,
        metavar="A..B",
        help="When a mask moves, as shares of the time from photo to photo; one for each --mask. Default: 0..1.",
    )
    parser.add_argument(
        "--rest", type=SHARE, metavar="A..B", help="When the rest of the image moves. Default: it stays as it is."
    )
    flags.add_film(parser, EASE)
    flags.add_framing(parser, "Masks lie over the whole first photo.")
    flags.add(parser, "--space", "--hard", "--weights", "--device", "--precision")
    parser.set_defaults(run=run_path)


def interpolate(parser: Parser) -> None:
    """Make a film from one photo to another, on the straight line between their stylemaps. `stylemap morph path` does more."""
    parser.add_argument("photos", nargs=2, metavar="PHOTO", help="The first photo and the last.")
    flags.add_film(parser, ease="linear")
    flags.add_framing(parser)
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(run=run_path, mask=[], when=[], rest=None, space="w", hard=False)


@without_gradients
def run_path(arguments: argparse.Namespace) -> None:
    import torch

    from stylemap.cli import loading
    from stylemap.editing import motion

    films.keep_inputs(arguments, [*arguments.photos, *arguments.mask])
    if len(arguments.photos) < 2:
        raise InputError(f"a morph needs two photos or more; name another after {arguments.photos[0]}")
    if arguments.when and len(arguments.when) != len(arguments.mask):
        raise InputError(
            f"{len(arguments.mask)} --mask and {len(arguments.when)} --when; give one --when for each mask, or none"
        )
    if not arguments.mask:
        inputs.only_with("--mask", arguments, "rest", "hard")
    model = loading.load_model(arguments)
    photos, pictures = loading.read_photos(arguments.photos, model, arguments)
    stylemaps = torch.cat([model.encode(picture) for picture in pictures.split(1)])
    masks = [loading.read_mask(path, model, photos, arguments.hard)[:1] for path in arguments.mask]
    spans = arguments.when or [(0.0, 1.0)] * len(masks)
    regions = [motion.Region(mask, *span) for mask, span in zip(masks, spans, strict=True)]
    if arguments.rest:
        regions.append(motion.Region(torch.ones_like(masks[0]), *arguments.rest))
    how = arguments.loop, films.ease(arguments), arguments.space or "w+", arguments.hard
    frames = motion.morph(model, stylemaps, arguments.frames, regions, *how)
    films.write(arguments, frames, sum(map(len, motion.timeline(len(stylemaps), arguments.frames, arguments.loop))))


def transfer(parser: Parser) -> None:
    """Carry an expression, such as a smile, from one face to another. Adds the difference between --expressive and --neutral."""
    flags.add(parser, "--original")
    parser.add_argument("--neutral", required=True, metavar="PHOTO", help="Face without the expression.")
    parser.add_argument("--expressive", required=True, metavar="PHOTO", help="The same face with the expression.")
    flags.add(parser, "--amount", default=1.0, help="Multiple of the difference to add. Below 0 adds its opposite.")
    flags.add(parser, "--mask")
    out = "Image to write. Or a film from no change to --amount: .gif or .mp4, and with --frames also .webp or .png."
    flags.add_film(parser, EASE, (*PICTURES, *ALWAYS_FILMS), out, frames=None)
    flags.add_framing(parser, "A mask lies over the whole original photo.")
    flags.add(parser, "--space", "--hard", "--weights", "--device", "--precision")
    parser.set_defaults(run=run_transfer)


@without_gradients
def run_transfer(arguments: argparse.Namespace) -> None:
    import torch

    from stylemap import images
    from stylemap.cli import loading
    from stylemap.editing import mixing, motion

    faces = [arguments.original, arguments.neutral, arguments.expressive]
    films.keep_inputs(arguments, [*faces, *([arguments.mask] if arguments.mask else [])])
    if not arguments.mask:
        inputs.only_with("--mask", arguments, "hard")
    moving = arguments.frames is not None or arguments.out.suffix.lower() in ALWAYS_FILMS
    if moving and arguments.out.suffix.lower() not in FILMS:
        raise InputError(
            f"--frames makes a film, and {arguments.out} cannot hold one; name a .gif, .webp, .png or .mp4"
        )
    for name, unset in FILM_ONLY.items():
        if not moving and getattr(arguments, name) != unset:
            raise InputError(f"--{name} goes with a film; add --frames 16, or leave --{name} out")
    model = loading.load_model(arguments)
    photos, pictures = loading.read_photos(faces, model, arguments)
    original, neutral, expressive = model.encode(pictures).split(1)
    mask = arguments.mask and loading.read_mask(arguments.mask, model, photos[:1], arguments.hard)
    space = arguments.space or "w+"

    def edit(amount: "float | Tensor") -> "Tensor":
        return mixing.transfer(model, original, neutral, expressive, amount, mask, space, arguments.hard)

    if moving:
        shares = [films.ease(arguments)(way) for way in motion.timeline(2, arguments.frames or 16, arguments.loop)]
        if arguments.loop:  # and the way back
            shares[1] = 1 - shares[1]
        amounts = arguments.amount * torch.cat(shares)
        films.write(arguments, map(edit, amounts.split(motion.frames_at_once(model))), len(amounts))
    else:
        images.write(arguments.out, loading.Enlarging(arguments.enlarge)(edit(arguments.amount)))
        print(arguments.out)
