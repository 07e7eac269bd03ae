"""The writing of films, with a sheet of some of their frames."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stylemap.cli import inputs
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

SHEET_FRAMES, SHEET_COLUMNS = 16, 8


def keep_inputs(arguments: argparse.Namespace, read: Iterable[str]) -> None:
    """InputError if a file that is read would be overwritten, or if two outputs are one."""
    inputs.keep_inputs([path for path in (arguments.out, arguments.sheet) if path], read)
    if arguments.sheet and arguments.sheet.resolve() == arguments.out.resolve():
        raise InputError(f"--sheet {arguments.sheet} is --out as well; give it another name")


def ease(arguments: argparse.Namespace) -> "Callable[[Tensor], Tensor]":
    """The function of ``--ease``."""
    from stylemap.editing import motion

    return getattr(motion, arguments.ease)


def write(arguments: argparse.Namespace, batches: "Iterable[Tensor]", times: "Sequence[Tensor]") -> None:
    """Write the film, and the sheet if one is asked for; ``times`` are those of all frames, as of `motion.timeline`."""
    from stylemap import images, video

    def enlarged(frames: "Tensor") -> "Tensor":
        return images.repeat(frames, arguments.enlarge or images.times(frames.shape[-1]))

    sheet_frames = video.evenly(sum(map(len, times)), SHEET_FRAMES) if arguments.sheet else []
    kept: list[Tensor] = []

    def passing() -> "Iterator[Tensor]":
        done = 0
        for batch in batches:
            here = [k - done for k in sheet_frames if done <= k < done + len(batch)]
            if here:
                kept.append(batch[here].cpu())
            done += len(batch)
            yield enlarged(batch)

    video.write(arguments.out, passing(), arguments.fps)
    print(arguments.out)
    if arguments.sheet:
        images.write(arguments.sheet, video.contact_sheet((enlarged(x) for x in kept), SHEET_COLUMNS))
        print(arguments.sheet)
