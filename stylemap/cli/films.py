"""The writing of films, with a sheet of some of their frames."""

import argparse
from collections.abc import Callable, Iterable, Iterator
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


def write(arguments: argparse.Namespace, batches: "Iterable[Tensor]", count: int) -> None:
    """Write the film of ``count`` frames, images [n, 3, R, R] in each batch, and the sheet if one is asked for."""
    from stylemap import images, video

    def enlarged(frame: "Tensor") -> "Tensor":
        return images.repeat(frame, arguments.enlarge or images.times(frame.shape[-1]))

    of_sheet = video.evenly(count, SHEET_FRAMES) if arguments.sheet else []
    kept: list[Tensor] = []

    def frames() -> "Iterator[Tensor]":
        for k, frame in enumerate(frame for batch in batches for frame in batch.split(1)):
            if k in of_sheet:
                kept.append(frame.cpu())
            yield enlarged(frame)

    video.write(arguments.out, frames(), arguments.fps)
    print(arguments.out)
    if arguments.sheet:
        images.write(arguments.sheet, video.contact_sheet(map(enlarged, kept), SHEET_COLUMNS))
        print(arguments.sheet)
