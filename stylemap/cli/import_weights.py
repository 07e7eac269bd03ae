"""``stylemap import``: weights of other programs -> our weights file."""

import argparse
import sys
import warnings
from pathlib import Path

from stylemap import checkpoint
from stylemap.architectures.stylemap import published
from stylemap.architectures.vector import conversion
from stylemap.cli import options, terminal


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap import",
        description="Convert a checkpoint of another program; no code in it is run.",
        epilog="What --stylegan reads has no encoder: `stylemap project` optimises latents, `stylemap generate samples` "
        "draws pictures.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--published", metavar="CHECKPOINT", help="a StyleMapGAN published with the paper, .pt")
    source.add_argument(
        "--stylegan",
        metavar="FILE",
        help="a StyleGAN or StyleGAN2: a network pickle of NVIDIA's programs, .pkl, or a checkpoint of rosinality's, .pt",
    )
    parser.add_argument("--out", required=True, type=_safetensors, help="the .safetensors file to write")
    arguments = parser.parse_args(argv)
    path = arguments.published or arguments.stylegan
    options.keep_inputs([arguments.out], [path])
    if arguments.published:
        model, discriminator = published.load(path)
    else:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", UserWarning)
            model, discriminator = conversion.load(path), None
        for warning in found:
            print(terminal.one_line(f"note: {path}: {warning.message}"), file=sys.stderr)
    checkpoint.save(arguments.out, model, discriminator, {"imported_from": Path(path).name})
    print(f"{arguments.out}  ({model.config.resolution} px, {model.latents.words})")
    return 0


def _safetensors(path: str) -> Path:
    if not path.endswith(".safetensors"):
        raise argparse.ArgumentTypeError(f"{path!r} must end in .safetensors")
    return Path(path)
