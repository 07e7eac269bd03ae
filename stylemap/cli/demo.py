"""``stylemap demo``: train on drawn faces from scratch, then reconstruct and edit faces that training never saw."""

import argparse
import contextlib
from pathlib import Path

from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.errors import InputError


def demo(parser: Parser) -> None:
    """Train on drawn faces from scratch, then reconstruct and edit faces that training never saw."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="FOLDER", help="Folder for the run and the images."
    )
    parser.add_argument(
        "--config", default="avatars32", metavar="RECIPE", help="Recipe to train with. Its data must be avatars."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from stylemap import checkpoint
    from stylemap.cli import demonstration
    from stylemap.metrics import heldout

    folder = arguments.out / "run"
    if stopped := train_unless_done(folder, arguments.config):
        return stopped
    model = checkpoint.load(folder)
    scores = heldout.score(model, demonstration.heldout_of(model))
    models = {"trained here, from scratch": (model, arguments.out)}
    with contextlib.suppress(InputError):  # a checkout may have been stripped of them
        shipped = checkpoint.load(flags.DEFAULT_WEIGHTS)
        models["the same with the shipped weights, which trained longer"] = (shipped, arguments.out / "shipped")
    for title, (one, out) in models.items():
        print(f"\n{title}:")
        for name, path in demonstration.write_sheets(one, out).items():
            print(f"  {name:<15}{path}")
    print(
        f"\nheld-out faces: mean squared error {scores.mse:.4f} (pixels in [-1, 1]), {scores.psnr:.2f} dB, "
        f"{scores.explained:.1%} of the pixel variance explained"
    )
    return 0


def train_unless_done(folder: Path, recipe: str) -> int:
    """Train, or go on where an earlier demo was stopped. Returns an exit code other than 0 if it was stopped again."""
    from stylemap import checkpoint
    from stylemap.cli import running, train

    begun = (folder / checkpoint.CONFIG_FILE).exists()
    config = train.resolve([], folder) if begun else train.resolve([recipe])
    if config.data != "avatars" or config.model.stylemap_size < 8:
        raise InputError(
            f"the demo edits drawn faces in maps of 8 x 8 cells or finer, which the recipe {recipe!r} does not train"
        )
    return running.train(config, folder, resume=begun)
