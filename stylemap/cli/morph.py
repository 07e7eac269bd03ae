"""``stylemap morph``: films in which pictures turn into one another, and expressions carried from face to face."""

import argparse
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from stylemap import images, video
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import films, options
from stylemap.editing import mixing, motion
from stylemap.errors import InputError, shortened
from stylemap.photos import formats

ALWAYS_FILMS = (".gif", ".mp4")
EASE = "smooth"
# options that a single picture has no use for, and what they are when not given
FILM_ONLY = {"loop": False, "sheet": None, "fps": films.FPS, "ease": EASE}


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap morph", description="Films of pictures that turn into one another.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)

    path = verbs.add_parser("path", help="from photo to photo: whole, inside masks, or part after part")
    path.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="two or more, in the order in which they are shown"
    )
    path.add_argument(
        "--mask", action="append", default=[], metavar="M", help="only what is white moves; may repeat, see --when"
    )
    path.add_argument(
        "--when",
        action="append",
        default=[],
        type=span,
        metavar="START,END",
        help="one for each --mask: when it moves, as shares of the time from picture to picture, 0,1 if none is given",
    )
    path.add_argument(
        "--rest", type=span, metavar="START,END", help="when what no mask has moved follows; else it stays"
    )
    path.add_argument("--out", type=films.output, required=True, help=films.OUT)
    films.add_options(path, ease=EASE)
    path.set_defaults(run=run_path)

    transfer = verbs.add_parser("transfer", help="what one face has and another has not, added to a third")
    transfer.add_argument("--target", required=True, metavar="A", help="photo to change")
    transfer.add_argument("--neutral", required=True, metavar="B", help="a face without it, say without a smile")
    transfer.add_argument("--expressive", required=True, metavar="C", help="the same face with it")
    transfer.add_argument(
        "--amount", type=options.amount, default=1.0, help="of the difference; above 1 more, below 0 its opposite"
    )
    transfer.add_argument("--mask", metavar="M", help="grey picture, white = where it is added")
    transfer.add_argument(
        "--out",
        type=lambda p: options.output(p, (*formats.FORMATS, *ALWAYS_FILMS)),
        required=True,
        help="a picture; a film from nothing to --amount as .gif, .mp4, or with --frames also .webp or .png",
    )
    films.add_options(transfer, ease=EASE, frames=None)
    transfer.set_defaults(run=run_transfer)

    for verb in (path, transfer):
        verb.add_argument(
            "--space", choices=("w", "w+"), default="w+", help="w: in cells; w+: follows masks to the pixel"
        )
        verb.add_argument("--hard", action="store_true", help="take every cell a mask touches whole")
        options.add_weights(verb)
    arguments = parser.parse_args(argv)
    with torch.no_grad():
        arguments.run(arguments)
    return 0


def span(text: str) -> tuple[float, float]:
    """ "0,0.5" -> (0.0, 0.5)."""
    try:
        start, end = (float(part) for part in text.split(","))
    except ValueError:
        start = end = math.nan
    if not 0 <= start < end <= 1:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a start and a later end from 0 to 1 like 0,0.5")
    return start, end


def run_path(arguments: argparse.Namespace) -> None:
    options.keep_inputs(films.outputs(arguments), [*arguments.pictures, *arguments.mask])
    films.check(arguments)
    if len(arguments.pictures) < 2:
        raise InputError(f"a morph needs two pictures or more; name another after {arguments.pictures[0]}")
    if arguments.when and len(arguments.when) != len(arguments.mask):
        raise InputError(
            f"{len(arguments.mask)} --mask and {len(arguments.when)} --when; give one --when for each mask, or none"
        )
    if not arguments.mask and (arguments.rest or arguments.hard):
        raise InputError(f"{'--rest' if arguments.rest else '--hard'} goes with --mask; add one or leave it out")
    model = options.load_model(arguments)
    photos = options.read_photos(arguments.pictures, model, arguments.weights)
    stylemaps = torch.cat([model.encode(photo) for photo in photos.split(1)])
    frames = motion.morph(
        model,
        stylemaps,
        arguments.frames,
        regions(arguments, model),
        arguments.loop,
        films.EASES[arguments.ease],
        arguments.space,
        arguments.hard,
    )
    films.write(arguments, frames, motion.timeline(len(stylemaps), arguments.frames, arguments.loop))


def regions(arguments: argparse.Namespace, model: StylemapModel) -> list[motion.Region]:
    """Of the masks, and of the rest."""
    spans = arguments.when or [(0.0, 1.0)] * len(arguments.mask)
    selected = [options.read_mask(path, model, arguments.pictures, arguments.hard) for path in arguments.mask]
    found = [motion.Region(mask, *when) for mask, when in zip(selected, spans, strict=True)]
    if arguments.rest:
        found.append(motion.Region(torch.ones_like(found[0].mask), *arguments.rest))
    return found


def run_transfer(arguments: argparse.Namespace) -> None:
    inputs = [arguments.target, arguments.neutral, arguments.expressive, arguments.mask]
    options.keep_inputs(films.outputs(arguments), [path for path in inputs if path])
    films.check(arguments)
    if arguments.hard and not arguments.mask:
        raise InputError("--hard goes with --mask; add one or leave it out")
    moving = arguments.frames is not None or arguments.out.suffix.lower() in ALWAYS_FILMS
    if moving and arguments.out.suffix.lower() not in video.FORMATS:
        raise InputError(f"--frames makes a film, which {arguments.out} cannot be; name a .gif, .webp, .png or .mp4")
    for name, unset in FILM_ONLY.items():
        if not moving and getattr(arguments, name) != unset:
            raise InputError(f"--{name} goes with a film; add --frames 16, or leave --{name} away")
    model = options.load_model(arguments)
    photos = options.read_photos(inputs[:3], model, arguments.weights)
    target, neutral, expressive = model.encode(photos).split(1)
    mask = arguments.mask and options.read_mask(arguments.mask, model, [arguments.target], arguments.hard)

    def edit(amount: float | Tensor) -> Tensor:
        return mixing.transfer(model, target, neutral, expressive, amount, mask, arguments.space, arguments.hard)

    if not moving:
        picture = edit(arguments.amount)
        enlarge = options.Enlarging(arguments.size and images.times(picture.shape[-1], arguments.size), "--size 1")
        images.write(arguments.out, enlarge(picture))
        print(arguments.out)
        return
    ways = motion.timeline(2, arguments.frames or 16, arguments.loop)
    films.write(arguments, rising(edit, ways, arguments, model), ways)


def rising(edit, ways: list[Tensor], arguments: argparse.Namespace, model: StylemapModel) -> Iterator[Tensor]:
    """The frames from nothing to the whole amount, and with a second way back."""
    for back, way in enumerate(ways):
        share = films.EASES[arguments.ease](way)
        for part in (1 - share if back else share).split(motion.frames_at_once(model)):
            yield edit(arguments.amount * part)
