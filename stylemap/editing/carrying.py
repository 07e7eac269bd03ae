"""One edit carried through the frames of a clip.

Each frame is encoded and edited for itself, but between the two its stylemap becomes the weighted mean of those of its
neighbours in time: an encoder answers to noise and to the grid of pixels, and that would flicker. Where a direction is visible
is smoothed likewise. A generator takes frames one by one and holds no more of them than these windows need.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stylemap import faces, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.clips import Frame
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.faces.tracking import REACH, Place, weights


@dataclass(frozen=True, eq=False)
class Step:
    """A frame on its way."""

    frame: Frame
    place: Place
    stylemap: Tensor | None = None  # [1, C, S, S]; None: the face is not there
    edited: Edited | None = None

    @property
    def time(self) -> float:
        return self.frame.time


class Carrier:
    """Carries an edit through frames.

    Args:
        apply: makes the edited image of a stylemap, to be put back; such as `project.Replay.of`.
        how: the edit is put back.
        sigma: seconds, of the weights that smooth stylemaps over time; 0 = none.
    """

    def __init__(
        self, model: StylemapModel, apply: Callable[[Tensor, pasting.How], Edited], how: pasting.How, sigma: float
    ):
        self.model, self.apply, self.how, self.sigma = model, apply, how, sigma

    @property
    def reach(self) -> float:
        """Seconds before and after a frame that its edit depends on."""
        return 2 * REACH * self.sigma  # of its stylemap, and of the places where the edit shows

    @torch.inference_mode()
    def __call__(self, frames: Iterable[tuple[Frame, Place]]) -> Iterator[Frame]:
        """The frames with the edit in them, in turn. One without a face stays as it is."""
        for step, near in neighbours(self._edited(frames), REACH * self.sigma):
            yield self._put_back(step, near)

    def _edited(self, frames: Iterable[tuple[Frame, Place]]) -> Iterator[Step]:
        for step, near in neighbours(self._encoded(frames), REACH * self.sigma):
            if step.stylemap is None:
                yield step
                continue
            counts = _weights(step, near, self.sigma)
            smooth = sum(count * other.stylemap for count, other in zip(counts, near, strict=True))
            yield replace(step, edited=self.apply(smooth, self.how))

    def _encoded(self, frames: Iterable[tuple[Frame, Place]]) -> Iterator[Step]:
        for frame, place in frames:
            if place.alignment is None:
                yield Step(frame, place)
                continue
            picture = faces.along(frame.pixels(), place.alignment)
            yield Step(frame, place, self.model.encode(images.from_arrays([picture]).to(self.model.device)))

    def _put_back(self, step: Step, near: list[Step]) -> Frame:
        edited, alignment = step.edited, step.place.alignment
        if edited is None or alignment is None:
            return step.frame
        counts = _weights(step, near, self.sigma)
        region = sum(count * other.edited.region for count, other in zip(counts, near, strict=True))
        before = step.frame.pixels()
        picture = faces.along(before, alignment)
        where = alignment, np.clip(region, 0, 1), self.how, edited.sources
        return step.frame.with_pixels(before, pasting.paste(before, picture, edited.pixels, *where))


def neighbours(steps: Iterable[Step], reach: float) -> Iterator[tuple[Step, list[Step]]]:
    """Each step, with those of its run that show the face within ``reach`` seconds, itself among them.

    Steps are taken as they are needed, and kept as long as they are neighbours of one to come.
    """
    window: deque[Step] = deque()
    place = 0  # in the window, of the next step to give

    def give() -> Iterator[tuple[Step, list[Step]]]:
        nonlocal place
        step = window[place]
        yield step, [other for other in window if _near(step, other, reach) and other.place.alignment is not None]
        place += 1
        while place and (place == len(window) or not _near(window[place], window[0], reach)):
            window.popleft()
            place -= 1

    for step in steps:
        window.append(step)
        while not _near(window[place], step, reach):
            yield from give()
        if reach <= 0:
            yield from give()
    while window:
        yield from give()


def _near(step: Step, other: Step, reach: float) -> bool:
    return step.place.run == other.place.run and abs(step.time - other.time) <= reach


def _weights(step: Step, near: list[Step], sigma: float) -> list[float]:
    return weights(np.array([other.time for other in near]), step.time, sigma, degree=0).tolist()
