"""``stylemap data check``: a report on a folder, zip or LMDB of images, for a person and as JSON."""

import argparse
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import files
from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.preparing import Bar
from stylemap.config import ModelConfig
from stylemap.errors import InputError

if TYPE_CHECKING:
    from stylemap.datasets.inspection import Report

WIDTH = 80  # columns
LABEL = 13  # columns that labels take
MARGIN = " " * (LABEL + 2)
FEW = 1000  # images, as in docs/training.md
NAMED = 5  # names spelled out of a list; all are in the JSON
REASONS = 10  # kinds of damage spelled out
WORKERS = 2  # that training starts by default
MODES = {
    "1": "1 (black and white)",
    "L": "L (grey)",
    "LA": "LA (grey with alpha)",
    "P": "P (palette)",
    "I;16": "I;16 (16-bit grey)",
}


def check(parser: Parser) -> None:
    """Decode every image and report what there is and what to do about it. Changes nothing. Exit code 0 if training would start,
    else 2."""
    parser.add_argument("source", metavar="SOURCE", help="Folder, zip or LMDB of images.")
    flags.add(parser, "--resolution", help="Side in pixels to train at.")
    flags.add(parser, "--json", "--workers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap.datasets import inspection
    from stylemap.datasets.sources import open_source

    source = open_source(arguments.source, arguments.resolution)
    with Bar("images") as bar:
        report = inspection.inspect_source(source, arguments.resolution, arguments.workers, bar)
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report.as_dict(), indent=1) + "\n")
    print(report_text(report), flush=True)  # before the error, also where both go to one file
    if not report.usable:
        raise InputError(unusable(report))


def report_text(report: "Report") -> str:
    """The report in lines of at most 80 columns, but for the last: a command to be copied."""
    lines = wrapped(f"{report.source}: {summary(report)}", "", "  ")
    for label, text, names in rows(report):
        if label in ("formats", "LEAK", "CANNOT READ"):
            lines.append("")
        lines += wrapped(text, f"  {label:<{LABEL}}", MARGIN)
        lines += [f"{MARGIN}{name}" for name in names[:NAMED]]
        if len(names) > NAMED:
            lines.append(f"{MARGIN}and {len(names) - NAMED} more; --json lists all")
    if report.usable:
        lines += ["", f"next: {advice(report)}"]
    return "\n".join(lines)


def wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def advice(report: "Report") -> str:
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


def summary(report: "Report") -> str:
    if not report.pictures:
        return f"a {report.kind} without images"
    count, size = images(report.pictures), f"{report.bytes / 1e6:.1f} MB"
    if not report.unreadable:
        return f"{count}, {size}, all can be read"
    return f"{count}; {report.readable} can be read ({size}), {len(report.unreadable)} cannot"


def rows(report: "Report") -> Iterator[tuple[str, str, list[str]]]:
    """What a row is about, what there is to say, and the names that belong to it."""
    from stylemap import naming
    from stylemap.datasets import inspection

    if report.readable:
        yield "formats", counted(report.formats), []
        yield "modes", counted({MODES.get(mode, mode): count for mode, count in report.modes.items()}), []
        sides = f"{report.smallest_side} smallest, {report.median_side} median, {report.largest_side} largest"
        yield "short side", f"{sides}, in pixels", []
        which = "none is" if report.not_square == report.readable else f"{report.not_square} are not"
        cut = f"{which}; the middle is cut out, prepare --pad keeps the whole"
        yield "square", cut if report.not_square else "all", []
        if small := [f"{shortened(name, 40)} ({width} x {height})" for name, (width, height) in report.small.items()]:
            text = f"{len(small)} below {report.resolution} px will be enlarged; prepare --skip-small leaves them out:"
            yield "small", text, small
        corrected = {
            "turned upright": report.turned,
            "transparent, laid over white": report.transparent,
            "converted from another colour profile": report.profiles,
        }
        yield "corrected", ", ".join(f"{n} {what}" for what, n in corrected.items() if n) or "nothing", []
        yield "splits", splits(report), [shortened(name) for name in report.outside_splits]
        spare = sum(len(group) - 1 for group in report.duplicates)
        text = f"{images(spare)} too many; prepare --drop-duplicates keeps one of:" if spare else "none"
        yield "copies", text, list(map(equal, report.duplicates))
        if report.readable < FEW:
            text = f"below {FEW}: begin with weights of a similar subject, for faces train --init-from avatars64"
            yield "few images", text, []
    if report.others:
        repair = "; convert them" if naming.missed(report.others) else ""
        yield "other files", f"{naming.in_words(report.others)}: not images that this project reads{repair}", []
    if report.images_per_second:
        speed = f"{report.images_per_second:.0f} images/s by each loading process"
        measured = f"(computing time, on {report.sampled} images)"
        need = f"a GPU that trains on {inspection.GPU_SPEED} images/s needs train --workers {report.workers_for_gpu}"
        yield "loading", f"{speed} {measured}; {need}", []
        yield "disk", f"prepare makes a zip of about {report.prepared_bytes / 1e6:.1f} MB at {report.resolution} px", []
    if report.leaks:
        text = f"{images(len(report.leaks))} in several splits: scores will be too good; prepare --drop-duplicates"
        yield "LEAK", text, list(map(equal, report.leaks))
    if report.unreadable:
        yield "CANNOT READ", f"{images(len(report.unreadable))}; training leaves out what it finds damaged", []
        yield from unreadable(report.unreadable)


def splits(report: "Report") -> str:
    if report.splits:
        return f"{counted(report.splits)}, by folder"
    if report.outside_splits:
        return f"do not count, since {images(len(report.outside_splits))} outside of train/, val/, test/; move away:"
    if report.uncounted_splits:
        return f"none that count: {report.uncounted_splits}"
    return "none; training holds some images out by itself"


def unreadable(files: dict[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """A row for each reason, the most frequent first: five hundred photos with one fault are one fault."""
    reasons: dict[str, list[str]] = {}
    for name, reason in files.items():
        reason = re.sub(r" \(\d+ bytes not processed\)", "", reason.removeprefix(name).lstrip(" :"))
        reasons.setdefault(reason, []).append(shortened(name))
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    for reason, (first, *others) in ordered[:REASONS]:
        yield "", f"{first} {reason}" + (f"; the same with {len(others)} more:" if others else ""), others
    if rest := sum(len(names) for _, names in ordered[REASONS:]):
        yield "", f"and {rest} more; --json lists all", []


def unusable(report: "Report") -> str:
    from stylemap import decoding

    if report.readable:
        return f"{report.source} holds one readable image; two are needed, one to train on and one to measure on"
    if report.pictures:
        first = next(iter(report.unreadable.values()))
        return f"{report.source} holds no readable image: all {report.pictures} fail, the first as {first}"
    if report.others:
        count = sum(report.others.values())
        return f"{report.source} holds no image ({decoding.READABLE}), only {count} other files; convert or add images"
    return f"{report.source} is empty; put JPEG, PNG or WebP images into it"


# ---- words


def images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items())


def equal(group: list[str]) -> str:
    """Two names of equal files, and how many more there are."""
    more = f" = {len(group) - 2} more" if len(group) > 2 else ""
    return " = ".join(shortened(name, (WIDTH - len(MARGIN + more) - 3) // 2) for name in group[:2]) + more


def shortened(name: str, width: int = WIDTH - LABEL - 2) -> str:
    """A name without its middle where it is too long."""
    end = width // 2
    return name if len(name) <= width else f"{name[: width - end - 3]}...{name[-end:]}"
