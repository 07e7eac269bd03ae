"""``stylemap generate samples | reconstruct | mix``: images from seeds, of photos, and of two photos."""

import argparse
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.errors import Note

if TYPE_CHECKING:
    from torch import Tensor

MOST_TILES, GRID_PIXELS = 256, 2**24  # on a grid


def samples(parser: Parser) -> None:
    """Generate new images. Each image depends on its seed alone."""
    flags.add(parser, "--seeds", default=list(range(16)), help="Seeds, one for each image. Default: 0..15.")
    parser.add_argument(
        "--truncation",
        type=flags.FRACTION,
        default=1.0,
        metavar="X",
        help="Below 1 the images are less varied and more typical.",
    )
    flags.add_out_folder(parser, "seed0000.png and so on, and grid.png")
    flags.add(parser, "--enlarge", "--weights", "--device", "--precision")
    parser.set_defaults(run=run_samples)


@without_gradients
def run_samples(arguments: argparse.Namespace) -> None:
    from stylemap import images
    from stylemap.architectures.model import noise_of, truncate
    from stylemap.cli import loading
    from stylemap.editing import motion
    from stylemap.metrics import streams

    model = loading.load_any(arguments)
    channels, mean = model.latents.z_channels, model.mean_latent()
    enlarge = loading.Enlarging(arguments.enlarge)
    grid = Grid(arguments.out, len(arguments.seeds), 1, columns=4)
    for seeds in streams.batched(arguments.seeds, motion.frames_at_once(model)):
        z = noise_of(seeds, channels).to(model.device)
        latent = truncate(model.map(z), mean, arguments.truncation)
        pictures = model.synthesize(latent).cpu()
        for seed, picture in zip(seeds, pictures, strict=True):
            images.write(arguments.out / f"seed{seed:04d}.png", enlarge(picture[None]))
        grid.add(pictures[:, None])
    grid.write()


def reconstruct(parser: Parser) -> None:
    """Encode photos and render them again."""
    flags.add(parser, "--photos", required=True)
    flags.add_out_folder(parser, "NAME.png for each photo, grid.png and report.json")
    flags.add_framing(parser)
    flags.add(parser, "--enlarge", "--weights", "--device", "--precision")
    parser.set_defaults(run=run_reconstruct)


@without_gradients
def run_reconstruct(arguments: argparse.Namespace) -> None:
    import torch

    from stylemap import familiarity, images
    from stylemap.cli import framing, heldout, loading
    from stylemap.editing import motion
    from stylemap.metrics import streams
    from stylemap.metrics.reconstruction import mse

    model = loading.load_any(arguments)
    paths = inputs.pictures(arguments.photos)
    names = inputs.unique_names(paths, ["grid.png"])
    inputs.keep_inputs((arguments.out / f"{name}.png" for name in [*names, "grid"]), paths)
    squares = framing.Framing(arguments, model.config.resolution)
    for _ in squares.each(paths):  # all of them are good before the first is written
        pass
    errors: list[float] = []
    enlarge = loading.Enlarging(arguments.enlarge)
    grid = Grid(arguments.out, len(paths), 2, columns=8)
    for batch in streams.batched(zip(names, paths, strict=True), motion.frames_at_once(model)):
        originals = images.from_arrays([squares.open(path).pixels for _, path in batch])
        reconstructions = model.synthesize(model.encode(originals.to(model.device))).cpu()
        errors += mse(reconstructions.clamp(-1, 1), originals).tolist()
        for (name, _), picture in zip(batch, reconstructions, strict=True):
            images.write(arguments.out / f"{name}.png", enlarge(picture[None]))
        grid.add(torch.stack([originals, reconstructions], dim=1))
    grid.write()
    report = {
        "weights": str(arguments.weights),
        "range": "[-1, 1]",
        "mse": sum(errors) / len(errors),
        "images": {
            f"{name}.png": {"source": str(path), "mse": error}
            for name, path, error in zip(names, paths, errors, strict=True)
        },
    }
    files.write_text(arguments.out / "report.json", json.dumps(report, indent=2) + "\n")
    familiarity.tell(familiarity.measure(arguments.weights, model), paths, errors)
    print(f"mean squared error {report['mse']:.4f} over {len(errors)} images, pixels in [-1, 1]")
    heldout.note_trained_files(paths, arguments.weights)


def mix(parser: Parser) -> None:
    """Take the coarse layers of the stylemaps from one photo and the fine ones from another."""
    parser.add_argument("--coarse", required=True, metavar="PHOTO", help="Photo that gives the layers of --layers.")
    parser.add_argument("--fine", required=True, metavar="PHOTO", help="Photo that gives the other layers.")
    flags.add(parser, "--layers", help="Layers of --coarse to take, counted from 0, the coarsest. Default: 0..1.")
    flags.add_framing(parser)
    flags.add_out_image(parser)
    flags.add(parser, "--enlarge", "--weights", "--device", "--precision")
    parser.set_defaults(run=run_mix)


@without_gradients
def run_mix(arguments: argparse.Namespace) -> None:
    from stylemap import editing, images
    from stylemap.cli import loading

    inputs.keep_inputs([arguments.out], [arguments.coarse, arguments.fine])
    model = loading.load_model(arguments)
    layers = loading.layers_of(arguments, model) or (0, editing.mixing.COARSE)
    _, pictures = loading.read_photos([arguments.coarse, arguments.fine], model, arguments)
    coarse, fine = model.encode(pictures).split(1)
    images.write(arguments.out, loading.Enlarging(arguments.enlarge)(editing.mix(model, coarse, fine, layers)))
    print(arguments.out)


class Grid:
    """grid.png, of no more images than can be looked at.

    Args:
        total: images that are made.
        tiles: of each, such as a photo and its reconstruction.
    """

    def __init__(self, folder: Path, total: int, tiles: int, columns: int):
        self.path, self.total, self.tiles, self.columns = folder / "grid.png", total, tiles, columns
        self.kept: list[Tensor] = []

    def add(self, pictures: "Tensor") -> None:
        """[n, tiles, 3, R, R]."""
        from stylemap import images, sheets

        pixels = (images.times(pictures.shape[-1], sheets.TILE) * pictures.shape[-1]) ** 2  # of a tile on the grid
        most = min(MOST_TILES, max(self.columns, GRID_PIXELS // pixels)) // self.tiles
        self.kept += pictures[: most - len(self.kept)].clone()  # a slice would keep all of the batch

    def write(self) -> None:
        import torch

        from stylemap import images, sheets

        if len(self.kept) < self.total:
            warnings.warn(Note(f"{self.path} shows the first {len(self.kept)} of {self.total} images"), stacklevel=2)
        images.write(self.path, images.grid(images.enlarge(torch.cat(self.kept), sheets.TILE), self.columns))
        print(self.path)
