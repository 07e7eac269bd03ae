"""``stylemap data prepare``: pictures of any kind -> one zip to train on. Also what the scripts in ``data/`` call."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from stylemap import naming, parallel
from stylemap.cli import parsing
from stylemap.datasets import preparing
from stylemap.datasets.packing import unfinished
from stylemap.datasets.sources import Source, open_source

NAMED = 5  # files left out that are spelled out


def main(argv: list[str]) -> int:
    parser = parsing.Parser(
        prog="stylemap data prepare",
        description="Make one zip of square pictures of one size, in parallel. The same command goes on after a kill.",
    )
    parser.add_argument("source", metavar="SRC", help="a folder, zip or LMDB of pictures")
    parser.add_argument("--out", type=zip_path, required=True, metavar="X.zip", help="the zip to write")
    parser.add_argument("--holdout", type=int, default=0, metavar="N", help="pictures to put into val/, measured on")
    parser.add_argument("--test", type=int, default=0, metavar="N", help="pictures to put into test/, for the end")
    add_options(parser)
    arguments = parser.parse_args(argv)
    source = open_source(arguments.source, arguments.resolution)
    return run(source, arguments.out, None, arguments, (arguments.holdout, arguments.test))


def add_options(parser: argparse.ArgumentParser, resolution: int = 256) -> None:
    """The flags that `run` reads."""
    parser.add_argument("--resolution", type=int, default=resolution, metavar="R", help="side in pixels")
    parser.add_argument("--pad", action="store_true", help="keep the whole picture, on white; default: central square")
    parser.add_argument(
        "--format", choices=("jpeg", "png"), default="jpeg", help="of pictures that must be changed; the rest is kept"
    )
    parser.add_argument("--quality", type=int, default=95, help="of JPEG, 1 to 100")
    parser.add_argument("--skip-small", action="store_true", help="leave out what would have to be enlarged")
    parser.add_argument("--drop-duplicates", action="store_true", help="of equal files take the first only")
    parser.add_argument(
        "--workers", type=parsing.processes, default=parallel.cores(), help="processes; 0 = only this one"
    )


def run(
    source: Source,
    out: Path,
    places: Mapping[str, str] | None,
    arguments: argparse.Namespace,
    holdout: tuple[int, int] = (0, 0),
) -> int:
    """Prepare under a progress bar and print what became of the pictures. Returns the exit code."""
    options = preparing.Options(
        arguments.resolution,
        arguments.pad,
        arguments.format,
        arguments.quality,
        arguments.skip_small,
        arguments.drop_duplicates,
    )
    with Bar("pictures") as bar:
        try:
            summary = preparing.prepare(source, out, options, places, arguments.workers, bar, holdout)
        except KeyboardInterrupt:
            print(f"stopped; what is done is in {unfinished(out)}, the same command goes on", file=sys.stderr)
            return 130
    print(describe(out, summary))
    return 0


def describe(out: Path, summary: preparing.Summary) -> str:
    """A few lines for a person."""
    lines = [f"{out}  ({out.stat().st_size / 1e6:.1f} MB)"]
    converted = summary.images - summary.kept
    kinds = f" ({naming.in_words(summary.kinds)})" if len(summary.kinds) > 1 else ""
    lines.append(f"{summary.images} pictures{kinds}: {converted} converted, {summary.kept} kept byte for byte")
    if summary.splits:
        lines.append("splits: " + ", ".join(f"{name} {count}" for name, count in summary.splits.items()))
    if summary.passed_over:
        counts = naming.in_words(summary.passed_over)
        lines.append(f"passed over, since they are not pictures this project reads: {counts}")
    if summary.enlarged:
        lines.append(f"{summary.enlarged} were smaller and had to be enlarged; --skip-small leaves such pictures out")
    if summary.duplicates:
        lines.append(f"{summary.duplicates} copies left out")
    if summary.left_out:
        lines.append(f"{len(summary.left_out)} left out:")
        lines += [f"  {why}" for why in list(summary.left_out.values())[:NAMED]]
        if len(summary.left_out) > NAMED:
            lines.append(f"  and {len(summary.left_out) - NAMED} more, listed in dataset.json in the zip")
    return "\n".join(lines)


class Bar:
    """A progress bar that is told (done, total); plain when there is no terminal."""

    def __init__(self, unit: str):
        self.bar = tqdm(unit=f" {unit}", disable=None, dynamic_ncols=True)

    def __call__(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()


def zip_path(text: str) -> Path:
    """A zip to write."""
    path = Path(text)
    if path.suffix.lower() != ".zip" or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} must be a file that ends in .zip")
    return path
