"""One zip of a data set, prepared for a person: its flags, progress bar and summary; shared by `data prepare` and ``data/``."""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.values import OutputFile, whole

if TYPE_CHECKING:
    from stylemap.datasets.preparing import Options
    from stylemap.datasets.sources import Source

NAMED = 5  # files left out that are spelled out


def add_flags(parser: Parser, resolution: int = 256) -> None:
    """The flags that `write_zip` reads."""
    parser.add_argument("--out", type=OutputFile(".zip"), required=True, metavar="ZIP", help="Zip to write.")
    flags.add(parser, "--resolution", default=resolution)
    parser.add_argument(
        "--pad", action="store_true", help="Keep the whole image, on white. Default: its central square."
    )
    parser.add_argument(
        "--format",
        dest="kind",
        choices=("jpeg", "png"),
        default="jpeg",
        help="Format of images that must be changed. The rest is kept as it is.",
    )
    parser.add_argument("--quality", type=whole(1, 100), default=95, metavar="N", help="Quality of JPEG.")
    parser.add_argument("--skip-small", action="store_true", help="Leave out images that would have to be enlarged.")
    parser.add_argument("--drop-duplicates", action="store_true", help="Keep only the first of equal files.")
    flags.add(parser, "--workers")


def read_options(arguments: argparse.Namespace) -> "Options":
    """What images become, by the flags of `add_flags`."""
    from stylemap.datasets.preparing import Options

    return Options(**{field.name: getattr(arguments, field.name) for field in fields(Options)})


def write_zip(
    source: "Source",
    out: Path,
    places: Mapping[str, str] | None,
    arguments: argparse.Namespace,
    holdout: tuple[int, int] = (0, 0),
) -> None:
    """Prepare under a progress bar and print what became of the images."""
    from stylemap.datasets import preparing

    with packing_bar("images", out) as bar:
        content = preparing.prepare(source, out, read_options(arguments), places, arguments.workers, bar, holdout)
    print(summary(out, content))


def summary(out: Path, content: dict) -> str:
    """What became of the images of a source, from the ``dataset.json``: a few lines for a person."""
    from stylemap import naming
    from stylemap.datasets.splitting import given_splits

    images, copies, left_out = content["images"], len(content["duplicates"]), content["left_out"]
    kept, enlarged = (sum(image.get(what, False) for image in images) for what in ("kept", "enlarged"))
    kinds = naming.kinds(image["source"] for image in images)
    splits = given_splits([image["name"] for image in images])
    lines = [f"{out}  ({out.stat().st_size / 1e6:.1f} MB)"]
    by_kind = f" ({naming.in_words(kinds)})" if len(kinds) > 1 else ""
    lines.append(f"{len(images)} images{by_kind}: {len(images) - kept} converted, {kept} kept byte for byte")
    if splits:
        lines.append(
            "splits: " + ", ".join(f"{split} {len(splits[split])}" for split in naming.SPLITS if split in splits)
        )
    if content["passed_over"]:
        counts = naming.in_words(content["passed_over"])
        lines.append(f"passed over, since they are not images that this project reads: {counts}")
    if enlarged:
        lines.append(f"{enlarged} were smaller and had to be enlarged; --skip-small leaves such images out")
    if copies:
        lines.append(f"{copies} {'copy' if copies == 1 else 'copies'} left out")
    if left_out:
        lines.append(f"{len(left_out)} left out:")
        lines += [f"  {image['why']}" for image in left_out[:NAMED]]
        if len(left_out) > NAMED:
            lines.append(f"  and {len(left_out) - NAMED} more, listed in dataset.json in the zip")
    return "\n".join(lines)


class Bar:
    """A progress bar that is told (done, total); plain when there is no terminal."""

    def __init__(self, unit: str, unit_scale: bool = False):
        from tqdm import tqdm

        self.bar = tqdm(unit=f" {unit}", unit_scale=unit_scale, disable=None, dynamic_ncols=True)

    def __call__(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()


@contextlib.contextmanager
def packing_bar(unit: str, out: Path) -> Iterator[Bar]:
    """A progress bar while a zip is made. Ctrl-C is answered with how to go on."""
    from stylemap.datasets.packing import unfinished

    with Bar(unit) as bar:
        try:
            yield bar
        except KeyboardInterrupt:
            text = f"stopped; finished work is in {unfinished(out)}; run the same command again to continue"
            print(text, file=sys.stderr)
            raise
