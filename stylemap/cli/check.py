"""``stylemap data check``: a report on a folder, zip or LMDB of images, for a person and as JSON."""

import argparse
import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from stylemap import decoding, files, naming
from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.preparing import Bar
from stylemap.cli.values import OutputFile
from stylemap.config import ModelConfig
from stylemap.datasets import inspection
from stylemap.datasets.inspection import Report
from stylemap.datasets.sources import open_source
from stylemap.errors import InputError

WIDTH = 80  # columns
LABEL = 13  # columns that labels take
NAMED = 5  # names spelled out of a list; all are in the JSON
REASONS = 10  # kinds of damage spelled out
WORKERS = 2  # that training starts by default
MODES = {"1": "black and white", "L": "grey", "LA": "grey with alpha", "P": "palette", "I;16": "16-bit grey"}


def check(parser: Parser) -> None:
    """Decode every image and report what there is and what to do about it. Changes nothing. Exit code 0 if training would start,
    else 2."""
    parser.add_argument("source", metavar="SOURCE", help="Folder, zip or LMDB of images.")
    flags.add(parser, "--resolution", help="Side in pixels to train at.")
    parser.add_argument(
        "--json", type=OutputFile(".json"), metavar="FILE", help="Also write the whole report to this file, as JSON."
    )
    flags.add(parser, "--workers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    source = open_source(arguments.source, arguments.resolution)
    with Bar("pictures") as bar:
        report = inspection.inspect_source(source, arguments.resolution, arguments.workers, bar)
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report.as_dict(), indent=1) + "\n")
    print(describe(report), flush=True)  # before the error, also where both go to one file
    if not report.usable:
        raise InputError(_unusable(report))


def describe(report: Report) -> str:
    """The report in lines of at most 80 columns, but for the last: a command to be copied."""
    lines = [*_wrapped(f"{report.source}: {_count(report)}"), *_rows(report)]
    if report.usable:
        lines += ["", f"next: {advice(report)}"]
    return "\n".join(lines)


def advice(report: Report) -> str:
    """The command to run next."""
    troubled = report.unreadable or report.small or report.duplicates or report.leaks
    quick = not report.outside_splits and report.workers_for_gpu <= WORKERS
    if not troubled and (report.ready == report.pictures or quick):
        # Recipes have their own sides: at 64 px, images of 32 px would be enlarged without a word.
        other = [] if report.resolution == ModelConfig.resolution else ["--model.resolution", str(report.resolution)]
        return shlex.join(["stylemap", "train", "--data", report.source, *other])
    out = f"{Path(report.source).resolve().stem}-{report.resolution}.zip"
    command = ["stylemap", "data", "prepare", report.source, "--out", out, "--resolution", str(report.resolution)]
    if report.duplicates or report.leaks:
        command.append("--drop-duplicates")
    if report.small and len(report.small) < report.readable / 2:  # a set that is small altogether is better enlarged
        command.append("--skip-small")
    return shlex.join(command)


def _count(report: Report) -> str:
    if not report.pictures:
        return f"a {report.kind} without images"
    size = f"{report.bytes / 1e6:.1f} MB"
    if not report.unreadable:
        return f"{_pictures(report.pictures)}, {size}, all can be read"
    return f"{_pictures(report.pictures)}; {report.readable} can be read ({size}), {len(report.unreadable)} cannot"


def _pictures(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _rows(report: Report) -> Iterator[str]:
    if report.readable:
        yield ""
        yield from _row("formats", _listed(report.formats))
        modes = {f"{mode} ({MODES[mode]})" if mode in MODES else mode: n for mode, n in report.modes.items()}
        yield from _row("modes", _listed(modes))
        sides = f"{report.smallest_side} smallest, {report.median_side} median, {report.largest_side} largest"
        yield from _row("short side", f"{sides}, in pixels")
        yield from _row("square", _square(report))
        if report.small:
            what = f"{len(report.small)} below {report.resolution} px will be enlarged; prepare --skip-small leaves them out:"
            yield from _row("small", what)
            yield from _names(f"{name} ({width} x {height})" for name, (width, height) in report.small.items())
        yield from _row("corrected", _corrected(report))
        yield from _row("splits", _splits(report))
        yield from _names(report.outside_splits)
        yield from _row("copies", _copies(report.duplicates))
        yield from _groups(report.duplicates)
    if report.others:
        repair = "; convert them" if naming.missed(report.others) else ""
        yield from _row("other files", f"{naming.in_words(report.others)}: not images that this project reads{repair}")
    if report.images_per_second:
        yield from _row("loading", _loading(report))
        what = f"prepare makes a zip of about {report.prepared_bytes / 1e6:.1f} MB at {report.resolution} px"
        yield from _row("disk", what)
    if report.leaks:
        yield ""
        what = f"{_pictures(len(report.leaks))} in several splits: scores will be too good; prepare --drop-duplicates"
        yield from _row("LEAK", what)
        yield from _groups(report.leaks)
    if report.unreadable:
        yield from _unreadable(report)


def _square(report: Report) -> str:
    if not report.not_square:
        return "all"
    which = "none is" if report.not_square == report.readable else f"{report.not_square} are not"
    return f"{which}; the middle is cut out, prepare --pad keeps the whole"


def _corrected(report: Report) -> str:
    counts = {
        "turned upright": report.turned,
        "transparent, laid over white": report.transparent,
        "converted from another colour profile": report.profiles,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"


def _splits(report: Report) -> str:
    if report.splits:
        return f"{_listed(report.splits)}, by folder"
    if report.outside_splits:
        return f"do not count, since {_pictures(len(report.outside_splits))} outside of train/, val/, test/; move away:"
    if report.uncounted_splits:
        return f"none that count: {report.uncounted_splits}"
    return "none; training holds some images out by itself"


def _copies(duplicates: list[list[str]]) -> str:
    if not duplicates:
        return "none"
    spare = sum(map(len, duplicates)) - len(duplicates)
    return f"{_pictures(spare)} too many; prepare --drop-duplicates keeps one of:"


def _unreadable(report: Report) -> Iterator[str]:
    """Files by reason, the most frequent first: five hundred photos with one fault are one fault."""
    reasons: dict[str, list[str]] = {}
    for name, reason in report.unreadable.items():
        reason = re.sub(r" \(\d+ bytes not processed\)", "", reason.removeprefix(name).lstrip(" :"))
        reasons.setdefault(reason, []).append(name)
    yield ""
    yield from _row("CANNOT READ", f"{_pictures(len(report.unreadable))}; training leaves out what it finds damaged")
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    for reason, names in ordered[:REASONS]:
        yield from _names(names)
        yield from textwrap.wrap(reason, WIDTH, initial_indent=" " * (LABEL + 4), subsequent_indent=" " * (LABEL + 4))
    rest = sum(len(names) for _, names in ordered[REASONS:])
    if rest:
        yield from _row("", f"and {rest} more; --json lists all")


def _loading(report: Report) -> str:
    speed = (
        f"{report.images_per_second:.0f} images/s by each loading process (computing time, on {report.sampled} images);"
    )
    return (
        f"{speed} a GPU that trains on {inspection.GPU_SPEED} images/s needs train --workers {report.workers_for_gpu}"
    )


def _unusable(report: Report) -> str:
    if report.readable:
        return f"{report.source} holds one readable image; two are needed, one to train on and one to measure on"
    if report.pictures:
        first = next(iter(report.unreadable.values()))
        return f"{report.source} holds no readable image: all {report.pictures} fail, the first as {first}"
    if report.others:
        count = sum(report.others.values())
        return f"{report.source} holds no image ({decoding.READABLE}), only {count} other files; convert or add images"
    return f"{report.source} is empty; put JPEG, PNG or WebP images into it"


# ---- lines


def _row(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"  {label:<{LABEL}}", subsequent_indent=" " * (LABEL + 2), break_on_hyphens=False
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items())


def _names(names: Iterable[str]) -> Iterator[str]:
    """A line for each of the first names, the middle cut out where it is too long."""
    names = list(names)
    for name in names[:NAMED]:
        yield " " * (LABEL + 2) + _shortened(name, WIDTH - LABEL - 2)
    if len(names) > NAMED:
        yield " " * (LABEL + 2) + f"and {len(names) - NAMED} more; --json lists all"


def _groups(groups: list[list[str]]) -> Iterator[str]:
    """A line for each of the first groups of equal files, with two of the names."""
    for first, second, *rest in groups[:NAMED]:
        more = f" = {len(rest)} more" if rest else ""
        width = (WIDTH - LABEL - 2 - len(" = ") - len(more)) // 2
        yield " " * (LABEL + 2) + f"{_shortened(first, width)} = {_shortened(second, width)}{more}"
    if len(groups) > NAMED:
        yield " " * (LABEL + 2) + f"and {len(groups) - NAMED} more; --json lists all"


def _shortened(name: str, width: int) -> str:
    name = name.replace("\n", "\\n")
    if len(name) <= width:
        return name
    end = width // 2
    return f"{name[: width - end - 3]}...{name[-end:]}"
