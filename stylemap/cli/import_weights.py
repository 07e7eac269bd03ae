"""``stylemap import``: weights of other programs become ours, and ours become half the size."""

import argparse
import warnings
from pathlib import Path

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import OutputFile
from stylemap.errors import InputError, Note


def import_weights(parser: Parser) -> None:
    """Convert weights of another program, or write ours again in half the size. No code in the file is run. Weights from
    --stylegan have no encoder: use `stylemap project` to find latents by optimisation, and `stylemap generate samples` to
    generate images."""
    source = parser.add_group("what to convert", "Give one of --published, --stylegan or --weights.")
    source.add_argument("--published", metavar="FILE", help="StyleMapGAN published with the paper, .pt.")
    source.add_argument(
        "--stylegan",
        metavar="FILE",
        help="StyleGAN or StyleGAN2: a network pickle of NVIDIA's programs, .pkl, or a checkpoint of rosinality's, .pt.",
    )
    flags.add(
        source, "--weights", default=None, help="Weights of this program, or the folder of a run. Use it with --half."
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="Write float16, which halves the file. With the shipped weights images change by 0.01 of 255 levels on average.",
    )
    parser.add_argument(
        "--out", required=True, type=OutputFile(".safetensors"), metavar="FILE", help="Weights to write."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint, familiarity
    from stylemap.architectures.stylemap import published
    from stylemap.architectures.vector import conversion

    sources = [x for x in (arguments.published, arguments.stylegan, arguments.weights) if x]
    if len(sources) != 1:
        raise InputError("give one of --published, --stylegan or --weights, what to convert")
    path = checkpoint.find_file(arguments.weights) if arguments.weights else sources[0]
    inputs.keep_inputs([arguments.out], [path])
    info = {"imported_from": Path(path).name}
    if arguments.weights:
        model, info = checkpoint.load_any(path), checkpoint.read_info(path)
        discriminator = checkpoint.find_discriminator(path)
    elif arguments.published:
        model, discriminator = published.load(path)
        # once, here: every edit would measure it again
        info["samples_mse"], info["samples_explained"] = familiarity.usual_of_samples(model)
    else:
        with warnings.catch_warnings(record=True) as differences:
            warnings.simplefilter("always", UserWarning)
            model, discriminator = conversion.load(path), None
        for difference in differences:
            warnings.warn(f"{path}: {difference.message}", Note, stacklevel=1)
    checkpoint.save(arguments.out, model, discriminator, info, arguments.half)
    print(f"{arguments.out}  ({model.config.resolution} px, {model.latents.words})")
