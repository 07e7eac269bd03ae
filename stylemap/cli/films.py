"""Options of the verbs that write films, and the writing."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from stylemap import images, video
from stylemap.cli import options
from stylemap.editing import motion
from stylemap.errors import InputError, shortened

OUT = ".gif, lossless .webp or .png, or .mp4"
EASES = {"linear": motion.linear, "smooth": motion.smooth}
MOST_PIXELS = 4096  # a frame may be wide
MOST_FRAMES = 100_000  # from a picture to the next
FPS = 12.5
SHEET_FRAMES, SHEET_COLUMNS = 16, 8


def add_options(parser: argparse.ArgumentParser, ease: str, frames: int | None = 16) -> None:
    parser.add_argument(
        "--frames",
        type=int,
        default=frames,
        help="from a picture to the next, both included; with --loop without the next",
    )
    parser.add_argument("--fps", type=float, default=FPS, help="frames per second, 0.1 to 50")
    parser.add_argument("--loop", action="store_true", help="lead back to the first picture, without a seam")
    parser.add_argument(
        "--ease", choices=EASES, default=ease, help="linear: constant speed; smooth: rests at the pictures"
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help=f"repeat pixels until the frames are at least so wide, by default {images.SEEN}; 1 = the model's own pixels",
    )
    parser.add_argument(
        "--sheet", type=options.output, metavar="PATH", help=f"also up to {SHEET_FRAMES} of the frames side by side"
    )


def output(path: str) -> Path:
    """A film to write."""
    return options.output(path, tuple(video.FORMATS))


def outputs(arguments: argparse.Namespace) -> list[Path]:
    """The files that will be written."""
    return [path for path in (arguments.out, arguments.sheet) if path]


def check(arguments: argparse.Namespace) -> None:
    """InputError, naming the flag, if a number is out of range or two outputs are one."""
    if arguments.frames is not None and arguments.frames < 2:
        raise InputError(f"--frames {arguments.frames} must be at least 2")
    if arguments.frames is not None and arguments.frames > MOST_FRAMES:
        raise InputError(f"--frames {shortened(str(arguments.frames))} must be at most {MOST_FRAMES}")
    if not video.SLOWEST <= arguments.fps <= video.FASTEST:
        raise InputError(f"--fps {arguments.fps:g} must lie in {video.SLOWEST} .. {video.FASTEST}")
    if arguments.size is not None and not 1 <= arguments.size <= MOST_PIXELS:
        raise InputError(f"--size {shortened(str(arguments.size))} must lie in 1 .. {MOST_PIXELS}")
    if arguments.sheet and arguments.sheet.resolve() == arguments.out.resolve():
        raise InputError(f"--sheet {arguments.sheet} is --out as well; give it another name")


def write(arguments: argparse.Namespace, batches: Iterable[Tensor], times: Sequence[Tensor]) -> None:
    """Write the film, and the sheet if one is wanted; ``times`` are those of all frames, as of `motion.timeline`."""
    shown = video.evenly(sum(map(len, times)), SHEET_FRAMES) if arguments.sheet else []
    kept: list[Tensor] = []

    def passing() -> Iterator[Tensor]:
        done = 0
        for batch in batches:
            here = [k - done for k in shown if done <= k < done + len(batch)]
            if here:
                kept.append(batch[here].cpu())
            done += len(batch)
            yield enlarged(arguments, batch)

    video.write(arguments.out, passing(), arguments.fps)
    print(arguments.out)
    if arguments.sheet:
        images.write(arguments.sheet, video.contact_sheet((enlarged(arguments, x) for x in kept), SHEET_COLUMNS))
        print(arguments.sheet)


def enlarged(arguments: argparse.Namespace, frames: Tensor) -> Tensor:
    return images.enlarge(frames, images.SEEN if arguments.size is None else arguments.size)
