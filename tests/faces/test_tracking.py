"""One face through a clip: chosen, bridged and smoothed."""

import numpy as np
import pytest

from stylemap.faces import Alignment, geometry, tracking
from stylemap.faces.tracking import Sighting, track

FACE = np.array([(-10.0, -10.0), (10.0, -10.0), (0.0, 0.0), (-7.0, 10.0), (7.0, 10.0)])
SIDE = 32
SIGMA = 0.1


def at(x: float, y: float = 0.0, size: float = 1.0) -> np.ndarray:
    return FACE * size + (100 + x, 100 + y)


def sightings(faces, fps: float = 25.0, cuts=()) -> list[Sighting]:
    return [
        Sighting(k / fps, 1.0 if k in cuts else 0.0, tuple(face if isinstance(face, list) else [face]))
        for k, face in enumerate(faces)
    ]


def centres(places) -> np.ndarray:
    return np.array([place.alignment.quad.mean(0) for place in places])


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_weights_keep_polynomials_of_their_degree(degree):
    times = np.array([0.0, 0.03, 0.08, 0.1, 0.17, 0.2])  # of a variable frame rate
    for time in times:
        counts = tracking.weights(times, time, SIGMA, degree)
        for power in range(degree + 1):
            assert counts @ times**power == pytest.approx(time**power, abs=1e-9)


def test_motion_is_neither_delayed_nor_damped():
    t = np.arange(40) / 25
    moving = np.stack([at(30 * x, 20 * x * x) for x in t])  # a parabola, up to the first and last frame
    places = track(sightings(moving), SIDE, SIGMA)
    np.testing.assert_allclose(centres(places), [geometry.quad(face).mean(0) for face in moving], atol=1e-6)


def test_jitter_is_smoothed():
    noise = np.random.default_rng(0).normal(0, 1, (200, 5, 2))
    faces = [at(0) + one for one in noise]
    raw, smooth = (centres(track(sightings(faces), SIDE, sigma)) for sigma in (0, SIGMA))
    # a local parabola over 0.1 s at 25 fps has an equivalent kernel with sum of squares 0.24, so a step of its result
    # varies far less than the 2 of white noise
    ratio = np.diff(smooth, axis=0).std() / np.diff(raw, axis=0).std()
    assert ratio < 0.2
    assert smooth.std(0).max() < 0.6 * raw.std(0).max()


def test_the_largest_face_is_followed_though_another_becomes_larger():
    first = [at(0.0 + k) for k in range(20)]
    other = [at(300.0, size=0.5 + 0.1 * k) for k in range(20)]
    faces = [sorted(pair, key=lambda f: -geometry.half_size(f)) for pair in zip(first, other, strict=True)]
    places = track(sightings(faces), SIDE, 0)
    np.testing.assert_allclose(centres(places), [geometry.quad(face).mean(0) for face in first], atol=1e-9)
    assert len({place.run for place in places}) == 1


def test_gaps_are_bridged_along_a_line():
    faces = [at(k) for k in range(20)]
    seen = [[] if 5 <= k < 10 else face for k, face in enumerate(faces)]
    places = track(sightings(seen), SIDE, 0)
    np.testing.assert_allclose(centres(places), [geometry.quad(face).mean(0) for face in faces], atol=1e-9)


def test_a_face_elsewhere_is_another():
    faces = [at(0)] * 5 + [at(500)] + [at(0)] * 5
    np.testing.assert_allclose(
        centres(track(sightings(faces), SIDE, 0)), [geometry.quad(at(0)).mean(0)] * 11, atol=1e-9
    )


def test_long_gaps_stay_empty_and_begin_anew():
    faces = [at(0)] * 3 + [[]] * 20 + [at(500)] * 3  # 0.8 s without a face
    places = track(sightings(faces), SIDE, SIGMA)
    assert [place.alignment is not None for place in places] == [True] * 3 + [False] * 20 + [True] * 3
    assert places[0].run != places[-1].run


def test_a_cut_begins_anew():
    faces = [at(0)] * 6 + [at(5)] * 6  # near enough to be the same
    places = track(sightings(faces, cuts={6}), SIDE, SIGMA)
    np.testing.assert_allclose(centres(places), [geometry.quad(face).mean(0) for face in faces], atol=1e-9)
    assert len({place.run for place in places}) == 2
    assert {place.run for place in tracking.stay(sightings(faces, cuts={6}), Alignment((0, 0), (9, 0), 8))} == {0, 1}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(count):
    places = track(sightings([at(0)] * count), SIDE, SIGMA)
    np.testing.assert_allclose(centres(places), [geometry.quad(at(0)).mean(0)] * count, atol=1e-9)


def test_no_face_at_all():
    assert [place.alignment for place in track(sightings([[]] * 30), SIDE, SIGMA)] == [None] * 30


def test_a_face_upside_down_in_between_stops_nothing():
    faces = [at(0), (at(0) - 100) * -1 + 100, at(0), (at(0) - 100) * -1 + 100]
    assert len(track(sightings(faces), SIDE, SIGMA)) == 4
