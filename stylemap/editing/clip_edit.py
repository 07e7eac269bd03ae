"""The edit of a whole clip, in steps that survive a kill: look at every frame, edit every frame, join.

Beside the result lies a folder while it is made. What was seen in each frame is a line of a file there, and edited frames are in
parts of some seconds each. Names hold a digest of all that their content depends on. So the same command goes on where it was
stopped, and another one never takes over what does not belong to it.
"""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylemap import files, provenance, reading
from stylemap.clips import Clip, Frame, writing
from stylemap.editing.carrying import Carrier
from stylemap.errors import InputError
from stylemap.faces import tracking
from stylemap.faces.tracking import Place, Sighting

PART = 100  # frames: what a kill loses at most
FOLDER = ".parts"  # after the name of the result
Find = Callable[
    [int, np.ndarray], Sequence[np.ndarray]
]  # number of a frame, its pixels -> landmarks of faces, largest first
Progress = Callable[[int, int], None]  # done, of all


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of a frame."""

    pts: int  # see `Frame.pts`
    sighting: Sighting


class ClipEdit:
    """A clip, the file to write, and the folder between them.

    Args:
        start, end: seconds of the clip to take; the rest is left out.

    Raises:
        InputError: a kind of file that is not written, or that has no place for the clip's sound.
    """

    def __init__(self, clip: Clip, out: Path, start: float = 0.0, end: float | None = None):
        writing.check(out, clip)
        self.clip, self.out, self.start, self.end = clip, out, start, end
        self.folder = out.with_name(out.name + FOLDER)
        self._of = {"clip": provenance.sha256(clip.path), "start": start, "end": end}

    def look(self, find: Find | None, by: object, progress: Progress) -> list[Seen]:
        """Find the faces of every frame, but for those that an earlier run looked at.

        Args:
            find: None looks for none.
            by: names what finds them, as JSON.

        Raises:
            InputError: no frame in this part of the clip.
        """
        path = self.folder / f"faces-{_digest(self._of, by)}.jsonl"
        done = list(_read(path))
        before = None
        total = self._expected
        for frame in self._frames(done[-1].sighting.time if done else self.start):
            image = tracking.small(frame.luma)
            if not done or frame.pts > done[-1].pts:
                change = 0.0 if before is None else tracking.change(before, image)
                found = () if find is None else tuple(np.round(face, 3) for face in find(len(done), frame.pixels()))
                done.append(Seen(frame.pts, Sighting(frame.time, change, found)))
                files.append(path, _line(done[-1]))
            before = image
            progress(len(done), max(total, len(done)))
        if not done:
            raise InputError(
                f"{self.clip.path} has no frame from {self.start:g} s on; it lasts {self.clip.seconds:.1f} s"
            )
        return done

    def fitted(self, by: object, fit: Callable[[], bytes]) -> bytes:
        """What ``fit`` gives, or gave in an earlier run: another fit would not continue the same frames.

        Args:
            by: names all that it depends on, as JSON.
        """
        path = self.folder / f"fit-{_digest(self._of, by)}.safetensors"
        if not path.exists():
            files.write_bytes(path, fit())
        return path.read_bytes()

    def make(
        self, carrier: Carrier, places: Sequence[Place], seen: Sequence[Seen], by: object, progress: Progress
    ) -> None:
        """Edit every frame, but for those in parts of an earlier run, and write the result.

        Args:
            places: of the face, for each frame.
            by: names all else that the edit depends on, as JSON.
        """
        digest = _digest(self._of, by)
        parts = {first: self.folder / f"{digest}-{first:07d}{self.out.suffix}" for first in range(0, len(seen), PART)}
        missing = [first for first, path in parts.items() if not path.exists()]
        for first, group in _ranges(missing):
            count = min(len(group) * PART, len(seen) - first)
            edited = self._edited(carrier, places, seen, first, first + count)
            for begin in group:
                some = _counted(itertools.islice(edited, PART), begin, len(seen), progress)
                writing.write_part(parts[begin], some, self.clip)
        progress(len(seen), len(seen))
        whole = self.folder / f"{digest}{self.out.suffix}"  # here the next run removes what a kill leaves of it
        writing.join(whole, [*parts.values()], self.clip, [one.pts for one in seen], self.end)
        os.replace(whole, self.out)

    def clear(self) -> None:
        """Remove what this program wrote into the folder."""
        for pattern in ("faces-*.jsonl", "fit-*.safetensors", f"*-???????{self.out.suffix}"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _edited(
        self, carrier: Carrier, places: Sequence[Place], seen: Sequence[Seen], first: int, stop: int
    ) -> Iterator[Frame]:
        """The frames ``first`` to ``stop``, as they are when all are made in one go."""
        times = [one.sighting.time for one in seen]
        begin, end = times[first] - carrier.reach, times[stop - 1] + carrier.reach
        early = next(k for k, time in enumerate(times) if time >= begin - 1e-6)
        late = next((k for k, time in enumerate(times) if time > end + 1e-6), len(times))
        frames = zip(self._frames(times[early]), places[early:late], strict=False)
        return itertools.islice(carrier(frames), first - early, stop - early)

    def _frames(self, start: float) -> Iterator[Frame]:
        return self.clip.frames(start, math.inf if self.end is None else self.end)

    @property
    def _expected(self) -> int:
        length = min(self.clip.seconds, math.inf if self.end is None else self.end) - self.start
        whole = self.clip.seconds or math.inf
        return max(0, round(self.clip.expected * length / whole))


def _counted(frames: Iterator[Frame], before: int, total: int, progress: Progress) -> Iterator[Frame]:
    for k, frame in enumerate(frames):
        progress(before + k, total)
        yield frame


def _ranges(firsts: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Neighbouring parts together: the first frame of each group, and the first frames of its parts."""
    for _, group in itertools.groupby(enumerate(firsts), lambda pair: pair[1] - pair[0] * PART):
        parts = [first for _, first in group]
        yield parts[0], parts


def _digest(*what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def _line(seen: Seen) -> str:
    one = seen.sighting
    faces = [face.tolist() for face in one.faces]
    return json.dumps({"pts": seen.pts, "time": one.time, "change": one.change, "faces": faces}) + "\n"


def _read(path: Path) -> Iterator[Seen]:
    """What an earlier run saw."""
    for line in files.whole_lines(path):
        record = reading.parse_json(line, path)
        faces = tuple(np.array(face, np.float64) for face in record["faces"])
        yield Seen(record["pts"], Sighting(record["time"], record["change"], faces))
