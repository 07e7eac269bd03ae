"""``stylemap benchmark editing``: local edits by every method, with a table, a plot and a sheet of images."""

import argparse

from stylemap import files
from stylemap.cli import benchmark, flags
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole

NAME = "editing"  # of its place in a document


def editing(parser: Parser) -> None:
    """Put the same parts of the same held-out images into others by every method, in place and moved, and compare errors inside
    and outside the mask, and how well a classifier tells the edits from real images. Writes result.json, a table, a plot and a
    sheet. If you run the same command again, it runs only what is missing. Exit code 1 if a method failed. docs/comparing.md
    says more."""
    flags.add(parser, "--count", default=64, help="Number of held-out images to edit, or all if there are fewer.")
    parser.add_argument(
        "--edits",
        type=whole(1, flags.MOST_IMAGES),
        default=80,
        metavar="N",
        help="Number of edits in place, and of moved ones, spread over the parts: at least two of each.",
    )
    benchmark.add_methods(parser)
    flags.add_out_folder(parser)
    benchmark.add_perceptual(parser)
    flags.add(parser, "--batch-gpu", "--seed", "--vgg", "--device", "--docs")
    parser.set_defaults(run=run, inception=None)


def run(arguments: argparse.Namespace) -> int:
    from stylemap.comparison import editing, page
    from stylemap.comparison.editing import PLOT, SHEET, TABLE, Benchmark

    if arguments.docs:
        page.validate(arguments.docs, NAME)
    found = benchmark.opened(arguments, editing.DEFAULT)
    side = found.originals.shape[1]
    step = editing.step_of(found.subjects.values(), side)
    planned = editing.plan(found.parts, len(found.originals), side, step, arguments.edits, arguments.seed)
    with files.owned(arguments.out):
        one = Benchmark(
            found.originals,
            found.parts,
            planned,
            found.subjects,
            found.perceptual,
            arguments.batch_gpu,
            arguments.seed,
            found.about,
            arguments.out,
        )
        rows = one.compare(found.chosen, lambda row: print(row_text(row), flush=True))
        text = one.write(found.chosen, rows, benchmark.notes(NAME, arguments, found))
    if arguments.docs:
        pictures = {PLOT: "Errors of every method", SHEET: "Edits: their inputs, then every method"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: words for file, words in pictures.items()})
    return benchmark.finish(arguments, found, rows, TABLE)


def row_text(row: dict) -> str:
    """For a person who waits."""
    from stylemap.comparison import results

    if "failed" in row:
        return f"{row['title']:<34} failed: {row['failed']}"
    place = row["kinds"]["in place"]
    values = "   ".join(f"{name} {results.number(place[name]):>7}" for name in ("mse_src", "mse_ref", "detectability"))
    return f"{row['title']:<34} {results.number(row['seconds']):>9} s an edit   {values}"
