"""What the scripts in ``data/`` that prepare a published data set have in common: flags and errors."""

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from stylemap import cli
from stylemap.cli import preparing
from stylemap.cli.parsing import Parser
from stylemap.datasets.parts import PartLabels
from stylemap.datasets.parts.preparing import prepare_parts


def parser(name: str, description: str) -> Parser:
    """The flags of all; `preparing.write_zip` reads most of them."""
    parser = Parser(f"python data/{name}/prepare.py", description)
    parser.add_argument("source", metavar="SOURCE", help="Archive as downloaded, or the folder it was unpacked into.")
    parser.add_argument("--partial", action="store_true", help="Take an incomplete archive for what it holds.")
    preparing.add_flags(parser)
    return parser


def script(verb: Callable[..., None]) -> Callable[..., int]:
    """Make ``main(argv=None, ...)`` of ``verb(argv, ...)``, with the exit codes of the command line."""

    @functools.wraps(verb)
    def main(argv: list[str] | None = None, *given) -> int:
        return cli.answered(lambda: verb(sys.argv[1:] if argv is None else argv, *given) or 0)

    return main


def label_maps(labels: PartLabels, places: Mapping[str, str], out: Path, workers: int) -> None:
    """`prepare_parts` under a progress bar, like `preparing.write_zip`."""
    with preparing.packing_bar("label maps", out) as bar:
        content = prepare_parts(labels, places, out, workers, bar)
    print(f"{out}  ({out.stat().st_size / 1e6:.1f} MB)\n{len(content['images'])} label maps")
    if content["left_out"]:
        print(f"{len(content['left_out'])} left out, the first: {content['left_out'][0]['why']}")
