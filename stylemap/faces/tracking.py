"""One face through the frames of a clip: chosen, bridged where it is missing, and smoothed over time. No torch.

What is found in single frames jitters by a pixel or so, and an edit that jitters with it flickers. So the points are smoothed by
local regression: around each frame a parabola is fitted to the points before and after it, nearer ones counting more (Gaussian
weights; with equal steps this is the filter of Savitzky and Golay 1964). It looks to both sides, so it does not lag behind, and
it keeps steady motion as it is, at the ends of a run too.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylemap.errors import InputError
from stylemap.faces import geometry
from stylemap.faces.geometry import Alignment

CUT = 0.1  # of the range, mean difference of two frames' small images: more is a new shot; motion stays below it
SMALL = 32  # pixels, their side
BRIDGE = 0.5  # seconds without the face that are bridged
NEAR = 0.5  # of the square's side, how far the face may go from one frame to the next
GROWTH = 1.5  # how much it may grow or shrink
REACH = 3  # standard deviations: farther neighbours do not count
DEGREE = 2  # of the curve that points are taken to move along, locally


@dataclass(frozen=True, eq=False)
class Sighting:
    """What is seen in a frame."""

    time: float  # seconds
    change: float  # since the frame before, see `change`
    faces: tuple[np.ndarray, ...]  # landmarks [5, 2] of each, the largest first


@dataclass(frozen=True, eq=False)
class Place:
    """Where the face is in a frame."""

    run: int  # of frames that show one face without a break; nothing is smoothed beyond it
    alignment: Alignment | None  # None: it is not there


def small(luma: np.ndarray) -> np.ndarray:
    """A frame uint8 [H, W] as `change` looks at it, float32 [SMALL, SMALL]."""
    return cv2.resize(luma, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)


def change(before: np.ndarray, after: np.ndarray) -> float:
    """How much two small images differ, 0 .. 1."""
    return float(np.abs(after - before).mean()) / 255


def track(sightings: Sequence[Sighting], side: int, sigma: float) -> list[Place]:
    """Follow one face: at first and after a cut the largest one, from then on the one nearest to where it was.

    Frames of less than `BRIDGE` seconds without it are bridged. After more it is looked for as at first.

    Args:
        side: of the aligned image, pixels.
        sigma: seconds, of the weights that smooth; 0 = as it is found.
    """
    runs, points = _follow(sightings)
    times = np.array([sighting.time for sighting in sightings])
    result = [Place(run, None) for run in runs]
    for run in set(runs):
        inside = np.flatnonzero(np.array(runs) == run)
        seen = [k for k in inside if points[k] is not None]
        if not seen:
            continue
        found = np.stack([points[k] for k in seen])
        found = _bridged(times[seen], found, times[seen[0] : seen[-1] + 1])
        moments = times[seen[0] : seen[-1] + 1]
        for k, at in enumerate(moments):
            near = slice(*np.searchsorted(moments, (at - REACH * sigma, at + REACH * sigma + 1e-9)))
            smooth = np.tensordot(weights(moments[near], at, sigma, DEGREE), found[near], 1)
            with contextlib.suppress(InputError):  # a face that is found upside down in between may leave no square
                result[seen[0] + k] = Place(run, Alignment.of(geometry.quad(smooth), side))
    return result


def stay(sightings: Sequence[Sighting], alignment: Alignment) -> list[Place]:
    """One place in all frames; a cut begins a new run."""
    runs = np.cumsum([sighting.change > CUT for sighting in sightings])
    return [Place(int(run), alignment) for run in runs]


def weights(times: np.ndarray, at: float, sigma: float, degree: int) -> np.ndarray:
    """What each neighbour counts in a local regression -> float64 [n], whose sum is 1.

    Args:
        times: [n], of all neighbours.
        at: the time to estimate, one of them.
        sigma: standard deviation of the weights; 0 takes that one alone.
        degree: of the polynomial; 0 is the weighted mean. Fewer neighbours lower it.
    """
    if sigma <= 0:
        return (times == at).astype(float)
    x = (times - at) / sigma
    root = np.exp(-x * x / 4)  # of the weight
    powers = x[:, None] ** np.arange(min(degree, len(times) - 1) + 1)
    return np.linalg.pinv(powers * root[:, None])[0] * root  # the value of the fitted curve at 0


def _follow(sightings: Sequence[Sighting]) -> tuple[list[int], list[np.ndarray | None]]:
    """The run of each frame, and the landmarks of its face."""
    run, last, lost = 0, None, -math.inf  # the landmarks seen last, and when
    runs: list[int] = []
    points: list[np.ndarray | None] = []
    for sighting in sightings:
        if runs and (sighting.change > CUT or last is not None and sighting.time - lost > BRIDGE):
            run, last = run + 1, None
        if last is None:
            face = sighting.faces[0] if sighting.faces else None
        else:
            face = min(sighting.faces, key=lambda face: _distance(face, last), default=None)
            if face is not None and not _distance(face, last) < 1:
                face = None
        if face is not None:
            last, lost = face, sighting.time
        runs.append(run)
        points.append(face)
    return runs, points


def _distance(face: np.ndarray, last: np.ndarray) -> float:
    """Between two faces; from 1 on they cannot be the same."""
    half = geometry.half_size(last)
    step = math.hypot(*(face.mean(0) - last.mean(0))) / (2 * half * NEAR)
    return max(step, abs(math.log(max(geometry.half_size(face), 1e-9) / half)) / math.log(GROWTH))


def _bridged(times: np.ndarray, points: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Points [n, 5, 2] at some times, at all moments, along straight lines."""
    flat = points.reshape(len(points), -1)
    return np.stack([np.interp(moments, times, column) for column in flat.T], 1).reshape(-1, *points.shape[1:])
