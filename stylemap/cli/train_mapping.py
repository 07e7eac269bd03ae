"""``stylemap train-mapping``: teach the mapping network alone, so that samples look like the images that the encoder knows."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import OutputFile, whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.architectures.stylemap.model import StylemapModel

COMPARED = 1000  # stylemaps of each kind in the distance that is printed
LINES = 10  # of a training


def train_mapping(parser: Parser) -> None:
    """Train a mapping network alone. Samples then look like the images that the encoder knows. Use it after a training
    with --loss.autoencoder-images, which leaves the mapping network untrained. It takes minutes on a CPU, because it
    looks at stylemaps instead of images. Reconstructions and edits stay as they are. Ctrl-C stops early and keeps the result."""
    flags.add(parser, "--weights", "--device")
    flags.add(parser, "--data", help="Training images. Default: those that the weights were trained on.")
    flags.add(parser, "--count", default=32_000, help="Number of training images to encode.")
    parser.add_argument(
        "--iterations", type=whole(1, 10_000_000), default=8000, metavar="N", help="Steps of the training."
    )
    parser.add_argument(
        "--batch", type=whole(4, 65536), default=512, metavar="N", help="Number of stylemaps in a step."
    )
    flags.add(parser, "--seed")
    flags.add(parser, "--workers", default=0)
    parser.add_argument(
        "--out", required=True, type=OutputFile(".safetensors"), metavar="FILE", help="Weights to write."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from stylemap import checkpoint
    from stylemap.cli import heldout, loading
    from stylemap.cli.running import Stop
    from stylemap.metrics import streams
    from stylemap.training import mapping

    inputs.keep_inputs([arguments.out], [checkpoint.find_file(arguments.weights)])
    model = loading.load_model(arguments)
    discriminator = checkpoint.find_discriminator(arguments.weights)
    split = heldout.open_unseen([arguments.weights], arguments.data, model.config.resolution)
    training, unseen = (
        streams.latents_of(model, data, streams.choose(len(data), count, arguments.seed), arguments.workers)
        for data, count in ((split.training, arguments.count), (split.heldout, COMPARED))
    )
    before = _distance(model, unseen)
    print(f"distance between stylemaps of samples and of {len(unseen)} held-out images: {before:.3f}", flush=True)
    model = mapping.with_flow(model, training, arguments.seed)
    config = mapping.MappingTraining(
        iterations=arguments.iterations,
        batch=arguments.batch,
        examine_every=min(500, max(1, arguments.iterations // LINES)),  # a line shows what was examined last
        seed=arguments.seed,
    )
    with Stop() as stop, tqdm(total=config.iterations, unit="step", disable=None, dynamic_ncols=True) as bar:

        def advance(done: int) -> None:
            bar.update()
            if done % max(1, config.iterations // LINES) == 0:
                tqdm.write(f"{done:>9} steps  distance {_distance(model, unseen):.3f}")
                sys.stdout.flush()

        done = mapping.train_mapping(model, training, unseen, config, advance, stop)
    if not done:
        raise InputError("stopped before the first step; nothing was written")
    info = checkpoint.read_info(arguments.weights)
    checkpoint.save(arguments.out, model, discriminator, info | {"mapping": asdict(config) | {"iterations": done}})
    print(f"{arguments.out}  ({done} steps)")


def _distance(model: "StylemapModel", encoded: "Tensor") -> float:
    """Sliced Wasserstein distance between the stylemaps of images and of as many samples, in standard deviations."""
    import torch

    from stylemap.metrics import streams, swd

    mapped = torch.cat([w.cpu() for w in streams.mapped(model, streams.noise(model, len(encoded)))])
    deviation = encoded.std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-4)
    return swd.sliced((mapped / deviation).flatten(1), (encoded / deviation).flatten(1))
