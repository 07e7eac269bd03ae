"""An edit carried through frames: what is smoothed, what stays, and how much is held."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from stylemap.clips.reading import Colours, Frame
from stylemap.editing.applying import Edited
from stylemap.editing.carrying import Carrier, Step, neighbours
from stylemap.faces import Alignment
from stylemap.faces.tracking import REACH, Place, weights
from tests import tiny

SQUARE = Alignment((3.5, 3.5), (32.0, 0.0), 16)
FPS = 25.0


def frame(k: int, level: int = 128) -> Frame:
    planes = np.full((60, 40), 128, np.uint8)
    planes[:40] = level
    return Frame(k, k / FPS, planes, Colours(1, 1))


@pytest.fixture
def carrier():
    """Of an edit that paints the middle in the brightness of the mean of the stylemap; it notes the stylemaps."""
    model, noted = tiny.model(tiny.TINY), []

    def apply(stylemap, how):
        noted.append(stylemap)
        region = np.zeros((16, 16), np.float32)
        region[6:10, 6:10] = 1
        return Edited(np.full((16, 16, 3), 250, np.uint8), region)

    def make(sigma: float) -> Carrier:
        return Carrier(model, apply, "feather", sigma)

    make.model, make.noted = model, noted
    return make


@pytest.mark.parametrize("reach", [0.0, 0.05, 0.1])
def test_neighbours_are_those_of_the_run_within_reach(reach):
    runs = [0] * 6 + [1] * 2 + [2] * 9
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, len(runs)))
    shown = [k % 5 != 3 for k in range(len(runs))]
    steps = [
        Step(Frame(k, times[k], np.empty(0), Colours(1, 1)), Place(runs[k], SQUARE if shown[k] else None))
        for k in range(len(runs))
    ]
    found = list(neighbours(iter(steps), reach))
    assert [step for step, _ in found] == steps
    for k, (_, near) in enumerate(found):
        expected = [
            steps[i] for i in range(len(steps)) if runs[i] == runs[k] and abs(times[i] - times[k]) <= reach and shown[i]
        ]
        assert near == expected


def test_stylemaps_are_means_over_time(carrier):
    levels, sigma = [0, 200, 60, 90, 240, 10, 70], 0.04
    list(carrier(sigma)((frame(k, level), Place(0, SQUARE)) for k, level in enumerate(levels)))
    times = np.arange(len(levels)) / FPS
    smoothed = [w.clone() for w in carrier.noted]
    carrier.noted.clear()
    list(carrier(0)((frame(k, level), Place(0, SQUARE)) for k, level in enumerate(levels)))
    single = torch.cat(carrier.noted)
    for time, found in zip(times, smoothed, strict=True):
        near = np.abs(times - time) <= REACH * sigma
        counts = weights(times[near], time, sigma, 0)
        expected = torch.from_numpy(counts).float() @ single[torch.from_numpy(near)].flatten(1)
        torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=1e-5)


def test_nothing_is_mixed_across_runs(carrier):
    places = [Place(0, SQUARE)] * 4 + [Place(1, SQUARE)] * 4
    list(carrier(0.1)((frame(k, 40 if k < 4 else 220), place) for k, place in enumerate(places)))
    first, second = torch.cat(carrier.noted[:4]), torch.cat(carrier.noted[4:])
    # equal frames of a run have equal stylemaps, and a mean of equal ones is the same
    torch.testing.assert_close(first, first[:1].expand_as(first), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(second, second[:1].expand_as(second), atol=1e-5, rtol=1e-5)
    assert (first[0] - second[0]).abs().max() > 1e-3


@pytest.mark.parametrize("sigma", [0.0, 0.04])
def test_frames_without_a_face_stay_as_they_are(carrier, sigma):
    given = [frame(k) for k in range(7)]
    places = [Place(0, SQUARE if k not in (2, 3) else None) for k in range(7)]
    made = list(carrier(sigma)(zip(given, places, strict=True)))
    assert [a is b for a, b in zip(made, given, strict=True)] == [k in (2, 3) for k in range(7)]
    assert [one.pts for one in made] == list(range(7))


def test_the_edit_shows_in_its_square_and_nowhere_else(carrier):
    given = frame(0)
    (made,) = carrier(0)([(given, Place(0, SQUARE))])
    assert (made.luma[18:22, 18:22] > 225).all()  # white in limited range is 235
    far = np.ones((40, 40), bool)
    far[12:28, 12:28] = False  # the region, 16 to 24, and its soft rim of 5 % of the square's side and a pixel
    assert np.array_equal(made.luma[far], given.luma[far])


def test_few_frames_are_held_at_a_time(carrier):
    alive: set[int] = set()
    most = 0

    def frames() -> Iterator[tuple[Frame, Place]]:
        nonlocal most
        for k in range(80):
            one = frame(k)
            alive.add(k)
            weakref.finalize(one, alive.discard, k)
            most = max(most, len(alive))
            yield one, Place(0, SQUARE)
            del one

    sigma = 1 / FPS
    for _ in carrier(sigma)(frames()):
        pass
    # two windows that reach 3 frames to each side, and what is on its way between them
    assert most <= 2 * (2 * 3 + 1) + 3
