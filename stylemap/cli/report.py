"""``stylemap report``: a run as one page for the browser."""

from pathlib import Path

from stylemap.cli.parsing import Parser
from stylemap.training import report


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="stylemap report",
        description="Write report.html into the folder of a run: scores, pictures and curves on one page, for the browser.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a training run, finished or not")
    arguments = parser.parse_args(argv)
    print(report.write(arguments.run))
    return 0
