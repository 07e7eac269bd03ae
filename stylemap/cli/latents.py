"""``stylemap latents morph | edit | exchange``: edits of the latents that `stylemap project` finds."""

import argparse
from typing import TYPE_CHECKING

from stylemap.cli import films, flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import Numbers, OutputFile, Range, real, whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from stylemap.architectures.model import Model
    from stylemap.inversion.latents import SavedLatent

FILMS = (".gif", ".webp", ".mp4")
LAYERS = Numbers(whole(0, 63))
LATENT = "Latent: .safetensors or .npy of `stylemap project`, or .npy of another program for the same weights."


def morph(parser: Parser) -> None:
    """Make a film from one latent to another, on the straight line."""
    add_latents(parser, "first", "second")
    add_film(parser, frames=50)
    parser.set_defaults(run=run_morph)


def edit(parser: Parser) -> None:
    """Move a latent along a boundary file, such as InterFaceGAN's, and show the way."""
    add_latents(parser, "first")
    parser.add_argument(
        "--boundary",
        required=True,
        metavar="NPY",
        help="File with a direction: one for all layers, one for each layer, or one for stylemaps.",
    )
    parser.add_argument(
        "--amounts",
        type=Range(real(-1e6, 1e6)),
        default=(-3.0, 3.0),
        metavar="A..B",
        help="First and last amount, in units of the latent. Default: -3..3.",
    )
    flags.add(parser, "--layers", type=LAYERS, metavar="LIST")
    add_film(parser, frames=10)
    parser.set_defaults(run=run_edit)


def exchange(parser: Parser) -> None:
    """Give each of two latents some layers of the other."""
    add_latents(parser, "first", "second")
    flags.add(
        parser,
        "--layers",
        type=LAYERS,
        metavar="LIST",
        help="Layers to exchange, counted from 0. Default: 3 and 4, as published.",
    )
    flags.add_out_folder(parser, "first and second, each as .png, .npy and .safetensors")
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(run=run_exchange)


def add_latents(parser: Parser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, metavar="LATENT", help=LATENT if name == "first" else "The other latent.")


def add_film(parser: Parser, frames: int) -> None:
    flags.add(parser, "--frames", default=frames, type=whole(2, 10_000), help="Frames, both ends included.")
    flags.add(parser, "--fps")
    parser.add_argument(
        "--out",
        type=OutputFile(*FILMS, ".png"),
        required=True,
        metavar="FILM",
        help="Film to write, or .png for all frames on one sheet.",
    )
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(enlarge=None, sheet=None)


@without_gradients
def run_morph(arguments: argparse.Namespace) -> None:
    from stylemap.cli import loading

    model = loading.load_any(arguments)
    write_way(arguments, model, *read(arguments, model, "first", "second"))


@without_gradients
def run_edit(arguments: argparse.Namespace) -> None:
    from stylemap.cli import loading
    from stylemap.inversion import latents

    model = loading.load_any(arguments)
    (start,) = read(arguments, model, "first")
    boundary = latents.read_boundary(arguments.boundary, model)
    check_layers(arguments.layers, start)
    moved = (latents.move(start.latent, boundary, amount, arguments.layers) for amount in arguments.amounts)
    write_way(arguments, model, *(latents.SavedLatent(latent, start.extras, {}) for latent in moved))


@without_gradients
def run_exchange(arguments: argparse.Namespace) -> None:
    from stylemap import images
    from stylemap.cli import loading
    from stylemap.inversion import latents

    model = loading.load_any(arguments)
    pair = read(arguments, model, "first", "second")
    layers = list(latents.EXCHANGED) if arguments.layers is None else arguments.layers
    check_layers(layers, pair[0])
    exchanged = latents.exchange(pair[0].latent, pair[1].latent, layers)
    written = [arguments.out / f"{name}{suffix}" for name in ("first", "second") for suffix in latents.SUFFIXES]
    inputs.keep_inputs(written, [arguments.first, arguments.second])
    for name, latent, before in zip(("first", "second"), exchanged, pair, strict=True):
        info = {"exchanged": layers, "of": [arguments.first, arguments.second]}
        # those of the latent that keeps most of its layers
        info |= {key: before.info[key] for key in ("weights_sha256",) if key in before.info}
        result = latents.SavedLatent(latent, before.extras, info)
        images.write(arguments.out / f"{name}.png", result.image(model))
        for suffix in latents.SUFFIXES:
            latents.write(arguments.out / f"{name}{suffix}", result)
        print(arguments.out / f"{name}.png")


def read(arguments: argparse.Namespace, model: "Model", *names: str) -> "list[SavedLatent]":
    """The latents that these arguments name."""
    from stylemap import checkpoint, provenance
    from stylemap.inversion import latents

    digest = provenance.sha256(checkpoint.find_file(arguments.weights))
    return [latents.read(getattr(arguments, name), model, digest) for name in names]


def check_layers(layers: list[int] | None, latent: "SavedLatent") -> None:
    """InputError if the latent has no such layers."""
    if layers is None:
        return
    if latent.latent.dim() != 3:
        raise InputError("--layers goes with latents that have layers; these weights have stylemaps")
    if max(layers) >= latent.latent.shape[1]:
        raise InputError(f"--layers must lie in 0..{latent.latent.shape[1] - 1} for these weights")


def write_way(arguments: argparse.Namespace, model: "Model", first: "SavedLatent", last: "SavedLatent") -> None:
    """Write what lies between two latents, as a film or on one sheet."""
    import torch

    from stylemap import images, video
    from stylemap.inversion import latents

    batches = latents.morph(model, first, last, torch.linspace(0, 1, arguments.frames))
    if arguments.out.suffix.lower() in FILMS:
        films.write(arguments, batches, arguments.frames)
        return
    images.write(arguments.out, video.contact_sheet((images.enlarge(b, images.SEEN) for b in batches), columns=10))
    print(arguments.out)
