"""``stylemap import``: weights of other programs -> our weights file."""

import argparse
import warnings
from pathlib import Path

from stylemap.cli import inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import OutputFile
from stylemap.errors import InputError, Note


def import_weights(parser: Parser) -> None:
    """Convert weights of another program. No code in the file is run. Weights from --stylegan have no encoder: use
    `stylemap project` to find latents by optimisation, and `stylemap generate samples` to generate images."""
    source = parser.add_group("what to convert", "Give one of --published or --stylegan.")
    source.add_argument("--published", metavar="FILE", help="StyleMapGAN published with the paper, .pt.")
    source.add_argument(
        "--stylegan",
        metavar="FILE",
        help="StyleGAN or StyleGAN2: a network pickle of NVIDIA's programs, .pkl, or a checkpoint of rosinality's, .pt.",
    )
    parser.add_argument(
        "--out", required=True, type=OutputFile(".safetensors"), metavar="FILE", help="Weights to write."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint
    from stylemap.architectures.stylemap import published
    from stylemap.architectures.vector import conversion

    if bool(arguments.published) == bool(arguments.stylegan):
        raise InputError("give one of --published or --stylegan, the file to convert")
    path = arguments.published or arguments.stylegan
    inputs.keep_inputs([arguments.out], [path])
    if arguments.published:
        model, discriminator = published.load(path)
    else:
        with warnings.catch_warnings(record=True) as differences:
            warnings.simplefilter("always", UserWarning)
            model, discriminator = conversion.load(path), None
        for difference in differences:
            warnings.warn(f"{path}: {difference.message}", Note, stacklevel=1)
    checkpoint.save(arguments.out, model, discriminator, {"imported_from": Path(path).name})
    print(f"{arguments.out}  ({model.config.resolution} px, {model.latents.words})")
