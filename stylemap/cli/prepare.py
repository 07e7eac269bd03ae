"""``stylemap data prepare``: images of any kind -> one zip to train on."""

import argparse

from stylemap.cli import flags, preparing
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole


def prepare(parser: Parser) -> None:
    """Make one zip of square images of one size, in parallel. If it is killed, run the same command again to continue."""
    parser.add_argument("source", metavar="SOURCE", help="Folder, zip or LMDB of images.")
    flags.add(
        parser, "--heldout", type=whole(0), default=0, help="Images to put into val/, which training measures on."
    )
    parser.add_argument(
        "--test", type=whole(0), default=0, metavar="N", help="Images to put into test/, to measure on at the end."
    )
    preparing.add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap.datasets.sources import open_source

    source = open_source(arguments.source, arguments.resolution)
    preparing.write_zip(source, arguments.out, None, arguments, (arguments.heldout, arguments.test))
