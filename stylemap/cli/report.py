"""``stylemap report``: a run as one page for the browser."""

import argparse
from pathlib import Path

from stylemap.cli.parsing import Parser


def report(parser: Parser) -> None:
    """Write report.html into the folder of a run: scores, images and curves on one page, for the browser."""
    parser.add_argument("folder", metavar="RUN", type=Path, help="Folder of a training run, finished or not.")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap.training import report

    print(report.write(arguments.folder))
