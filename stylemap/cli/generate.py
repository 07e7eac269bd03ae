"""``stylemap generate``: samples, reconstruct, interpolate, mix."""

import argparse
import json
import warnings
from pathlib import Path

import torch

from stylemap import editing, familiarity, files, images, sheets
from stylemap.architectures.model import noise_of, truncate
from stylemap.cli import films, heldout, inputs, options
from stylemap.editing import motion
from stylemap.errors import InputError, Note
from stylemap.metrics import streams
from stylemap.metrics.reconstruction import mse

MOST_TILES, GRID_PIXELS = 256, 2**24  # of grid.png


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap generate", description="Make pictures with trained weights.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=options.Parser)

    samples = verbs.add_parser("samples", help="pictures of nobody")
    samples.add_argument("--seeds", type=options.integers, default="0-15", help="picture k depends on its seed alone")
    samples.add_argument("--truncation", type=options.fraction, default=1.0, help="below 1: less varied, more typical")
    samples.add_argument("--out", type=Path, required=True, help="folder: seed0000.png ..., grid.png")
    samples.set_defaults(run=run_samples)

    reconstruct = verbs.add_parser("reconstruct", help="encode photos and render them again")
    reconstruct.add_argument("--images", nargs="+", required=True, metavar="PATH", help="pictures, or folders of them")
    reconstruct.add_argument("--out", type=Path, required=True, help="folder: <name>.png ..., grid.png, report.json")
    reconstruct.set_defaults(run=run_reconstruct)

    interpolate = verbs.add_parser("interpolate", help="a film from one photo to another; `stylemap morph` does more")
    interpolate.add_argument("--from", dest="start", required=True, metavar="A")
    interpolate.add_argument("--to", dest="end", required=True, metavar="B")
    films.add_options(interpolate, ease="linear")
    interpolate.add_argument("--out", type=films.output, required=True, help=films.OUT)
    interpolate.set_defaults(run=run_interpolate)

    mix = verbs.add_parser("mix", help="coarse layers of one photo, fine ones of another")
    mix.add_argument("--coarse", required=True, metavar="A")
    mix.add_argument("--fine", required=True, metavar="B")
    mix.add_argument(
        "--layers",
        type=layer_range,
        default=str(editing.mixing.COARSE),
        help="what comes from A: so many layers, the coarsest first, or these like 2-3, counted from 0",
    )
    mix.add_argument("--out", type=options.output, required=True, help="the picture to write")
    mix.set_defaults(run=run_mix)

    for verb in (samples, reconstruct, mix):
        options.add_enlarge(verb)
    for verb in (samples, reconstruct, interpolate, mix):
        options.add_weights(verb)
    arguments = parser.parse_args(argv)
    with torch.no_grad():
        arguments.run(arguments)
    return 0


def run_samples(arguments: argparse.Namespace) -> None:
    model = options.load_any(arguments)
    channels, mean = model.latents.z_channels, model.mean_latent()
    enlarge = options.Enlarging(arguments.enlarge)
    grid = Grid(arguments.out, len(arguments.seeds), 1, columns=4)
    for seeds in streams.batched(arguments.seeds, motion.frames_at_once(model)):
        z = noise_of(seeds, channels).to(model.device)
        latent = truncate(model.map(z), mean, arguments.truncation)
        pictures = model.synthesize(latent).cpu()
        for seed, picture in zip(seeds, pictures, strict=True):
            images.write(arguments.out / f"seed{seed:04d}.png", enlarge(picture[None]))
        grid.add(pictures[:, None])
    grid.write()


def run_reconstruct(arguments: argparse.Namespace) -> None:
    model = options.load_any(arguments)
    paths = inputs.pictures(arguments.images)
    names = inputs.unique_names(paths, ["grid.png"])
    options.keep_inputs((arguments.out / f"{name}.png" for name in [*names, "grid"]), paths)
    for path in paths:  # all of them are good before the first is written
        images.read(path, model.config.resolution)
    errors: list[float] = []
    enlarge = options.Enlarging(arguments.enlarge)
    grid = Grid(arguments.out, len(paths), 2, columns=8)
    for batch in streams.batched(zip(names, paths, strict=True), motion.frames_at_once(model)):
        originals = torch.cat([images.read(path, model.config.resolution) for _, path in batch])
        reconstructions = model.synthesize(model.encode(originals.to(model.device))).cpu()
        errors += mse(reconstructions.clamp(-1, 1), originals).tolist()
        for (name, _), picture in zip(batch, reconstructions, strict=True):
            images.write(arguments.out / f"{name}.png", enlarge(picture[None]))
        grid.add(torch.stack([originals, reconstructions], dim=1))
    grid.write()
    per_image = {
        f"{name}.png": {"source": str(path), "mse": e} for name, path, e in zip(names, paths, errors, strict=True)
    }
    report = {
        "weights": str(arguments.weights),
        "range": "[-1, 1]",
        "mse": sum(errors) / len(errors),
        "images": per_image,
    }
    files.write_text(arguments.out / "report.json", json.dumps(report, indent=2) + "\n")
    options.tell_unfamiliar(familiarity.of(arguments.weights, model), paths, errors)
    print(f"mean squared error {report['mse']:.4f} over {len(errors)} images, pixels in [-1, 1]")
    heldout.note_trained_files(paths, arguments.weights)


def run_interpolate(arguments: argparse.Namespace) -> None:
    options.keep_inputs(films.outputs(arguments), [arguments.start, arguments.end])
    films.check(arguments)
    model = options.load_model(arguments)
    stylemaps = model.encode(options.read_photos([arguments.start, arguments.end], model, arguments.weights))
    ease = films.EASES[arguments.ease]
    frames = motion.morph(model, stylemaps, arguments.frames, loop=arguments.loop, ease=ease, space="w")
    films.write(arguments, frames, motion.timeline(2, arguments.frames, arguments.loop))


def run_mix(arguments: argparse.Namespace) -> None:
    options.keep_inputs([arguments.out], [arguments.coarse, arguments.fine])
    model = options.load_model(arguments)
    layers = 2 * model.config.doublings + 2
    first, end = arguments.layers
    if end > layers:
        raise InputError(f"--layers must lie in 0..{layers - 1} or be a number up to {layers} for these weights")
    photos = options.read_photos([arguments.coarse, arguments.fine], model, arguments.weights)
    coarse, fine = model.encode(photos).split(1)
    mixed = editing.mix(model, coarse, fine, (first, end))
    images.write(arguments.out, options.Enlarging(arguments.enlarge)(mixed))
    print(arguments.out)


def layer_range(text: str) -> tuple[int, int]:
    """ "2" -> (0, 2), so many; "2-3" -> (2, 4), these."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of layers nor a range like 2-3")
    return (int(first), int(last) + 1) if dash else (0, int(first))


class Grid:
    """grid.png, of no more pictures than can be looked at, whatever there are.

    Args:
        total: pictures that are made.
        tiles: of each, such as a photo and its reconstruction.
    """

    def __init__(self, folder: Path, total: int, tiles: int, columns: int):
        self.path, self.total, self.tiles, self.columns = folder / "grid.png", total, tiles, columns
        self.shown: list[torch.Tensor] = []

    def add(self, pictures: torch.Tensor) -> None:
        """[n, tiles, 3, R, R]."""
        pixels = (images.times(pictures.shape[-1], sheets.TILE) * pictures.shape[-1]) ** 2  # of a tile on the grid
        most = min(MOST_TILES, max(self.columns, GRID_PIXELS // pixels)) // self.tiles
        self.shown += pictures[: most - len(self.shown)].clone()  # a slice would keep all of the batch

    def write(self) -> None:
        if len(self.shown) < self.total:
            warnings.warn(Note(f"{self.path} shows the first {len(self.shown)} of {self.total} pictures"), stacklevel=2)
        tiles = images.enlarge(torch.cat(self.shown), sheets.TILE)
        images.write(self.path, images.grid(tiles, self.columns))
        print(self.path)
