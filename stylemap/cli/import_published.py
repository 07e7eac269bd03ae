"""``stylemap import``: weights published with the paper -> our weights file."""

import argparse
from pathlib import Path

from stylemap import checkpoint, published
from stylemap.cli import options


def main(argv: list[str]) -> int:
    parser = options.Parser(prog="stylemap import", description="Convert a published checkpoint; no code in it is run.")
    parser.add_argument("--published", required=True, metavar="CHECKPOINT", help="the .pt file as downloaded")
    parser.add_argument("--out", required=True, type=_safetensors, help="the .safetensors file to write")
    arguments = parser.parse_args(argv)
    model, discriminator = published.load(arguments.published)
    checkpoint.save(arguments.out, model, discriminator, {"imported_from": Path(arguments.published).name})
    print(
        f"{arguments.out}  ({model.config.resolution} px, stylemap {model.config.stylemap_size} x {model.config.stylemap_size})"
    )
    return 0


def _safetensors(path: str) -> Path:
    if not path.endswith(".safetensors"):
        raise argparse.ArgumentTypeError(f"{path!r} must end in .safetensors")
    return Path(path)
