"""``stylemap latents``: what is done with the latents that `stylemap project` finds: morph, semantic edits, exchange."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, images, provenance, video
from stylemap.architectures.model import Model
from stylemap.cli import options
from stylemap.errors import InputError
from stylemap.inversion import latents
from stylemap.inversion.latents import SavedLatent

FILMS = (".gif", ".webp", ".mp4")
MOST_FRAMES = 10_000


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap latents", description="Edit latents: .safetensors or .npy of `stylemap project`, or "
                            ".npy of other programs for the same weights.")  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)

    morph = verbs.add_parser("morph", help="a film from one latent to another, on the straight line")
    morph.add_argument("first", metavar="A", help="latent of the first picture")
    morph.add_argument("second", metavar="B", help="and of the last")
    morph.set_defaults(run=run_morph, frames=50)

    edit = verbs.add_parser("edit", help="along a boundary file, such as InterFaceGAN's")
    edit.add_argument("first", metavar="A", help="latent")
    edit.add_argument("--boundary", required=True, metavar="B.npy", help="a direction for each layer, one for all layers, or "
                      "one of a stylemap's shape")  # fmt: skip
    edit.add_argument("--span", type=span, default="-3,3", help="first and last amount, in units of the latent")
    edit.add_argument("--layers", type=options.integers, help="move these alone, such as 2-5; default: all")
    edit.set_defaults(run=run_edit, frames=10)

    for verb in (morph, edit):
        verb.add_argument(
            "--frames", type=options.number, default=verb.get_default("frames"), help="pictures, both ends included"
        )
        verb.add_argument("--fps", type=float, default=12.5, help="frames per second of a film, 0.1 to 50")
        verb.add_argument(
            "--out", type=output, required=True, help="a film, .gif, .webp or .mp4; or all frames on one .png"
        )

    exchange = verbs.add_parser("exchange", help="each of two latents with some layers of the other")
    exchange.add_argument("first", metavar="A", help="latent")
    exchange.add_argument("second", metavar="B", help="latent")
    exchange.add_argument("--layers", type=options.integers, default=",".join(map(str, latents.EXCHANGED)),
                          help="that are exchanged, such as 2-5")  # fmt: skip
    exchange.add_argument(
        "--out", type=Path, required=True, help="folder: first and second, each .png, .npy, .safetensors"
    )
    exchange.set_defaults(run=run_exchange)

    for verb in (morph, edit, exchange):
        options.add_weights(verb)
    arguments = parser.parse_args(argv)
    with torch.no_grad():
        arguments.run(arguments)
    return 0


def output(path: str) -> Path:
    return options.output(path, (*FILMS, ".png"))


def span(text: str) -> tuple[float, float]:
    """ "-3,3" -> (-3.0, 3.0)."""
    try:
        first, last = (float(part) for part in text.split(","))
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers like -3,3")
    return first, last


def run_morph(arguments: argparse.Namespace) -> None:
    check(arguments)
    model = options.load_any(arguments)
    first, second = read(arguments, model, "first", "second")
    show(arguments, latents.morph(model, first, second, torch.linspace(0, 1, arguments.frames)))


def run_edit(arguments: argparse.Namespace) -> None:
    check(arguments)
    model = options.load_any(arguments)
    (found,) = read(arguments, model, "first")
    boundary = latents.read_boundary(arguments.boundary, model)
    check_layers(arguments.layers, found)
    ends = [
        SavedLatent(latents.move(found.latent, boundary, a, arguments.layers), found.extras, {}) for a in arguments.span
    ]
    show(arguments, latents.morph(model, *ends, torch.linspace(0, 1, arguments.frames)))


def run_exchange(arguments: argparse.Namespace) -> None:
    model = options.load_any(arguments)
    pair = read(arguments, model, "first", "second")
    check_layers(arguments.layers, pair[0])
    made = latents.exchange(pair[0].latent, pair[1].latent, arguments.layers)
    written = [arguments.out / f"{name}{suffix}" for name in ("first", "second") for suffix in latents.SUFFIXES]
    options.keep_inputs(written, [arguments.first, arguments.second])
    for name, latent, found in zip(("first", "second"), made, pair, strict=True):
        info = {"exchanged": arguments.layers, "of": [arguments.first, arguments.second]}
        # those of the latent that keeps most of its layers
        info |= {name: found.info[name] for name in ("weights_sha256",) if name in found.info}
        result = SavedLatent(latent, found.extras, info)
        images.write(arguments.out / f"{name}.png", result.image(model))
        for suffix in latents.SUFFIXES:
            latents.write(arguments.out / f"{name}{suffix}", result)
        print(arguments.out / f"{name}.png")


def read(arguments: argparse.Namespace, model: Model, *names: str) -> list[SavedLatent]:
    """The latents given by these arguments."""
    digest = provenance.sha256(checkpoint.find(arguments.weights))
    return [latents.read(getattr(arguments, name), model, digest) for name in names]


def check(arguments: argparse.Namespace) -> None:
    if not 2 <= arguments.frames <= MOST_FRAMES:
        raise InputError(f"--frames {arguments.frames} must lie in 2 .. {MOST_FRAMES}")
    if not video.SLOWEST <= arguments.fps <= video.FASTEST:
        raise InputError(f"--fps {arguments.fps:g} must lie in {video.SLOWEST} .. {video.FASTEST}")


def check_layers(layers: list[int] | None, found: SavedLatent) -> None:
    if layers is None:
        return
    if found.latent.dim() != 3:
        raise InputError("--layers goes with latents that have layers; these weights have stylemaps")
    if min(layers) < 0 or max(layers) >= found.latent.shape[1]:
        raise InputError(f"--layers must lie in 0..{found.latent.shape[1] - 1} for these weights")


def show(arguments: argparse.Namespace, frames: Iterable[Tensor]) -> None:
    frames = (images.enlarge(batch, images.SEEN) for batch in frames)
    if arguments.out.suffix.lower() in FILMS:
        video.write(arguments.out, frames, arguments.fps)
    else:
        images.write(arguments.out, video.contact_sheet(frames, columns=10))
    print(arguments.out)
