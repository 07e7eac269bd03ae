"""Drawn faces in larger pictures: they are where the scene says."""

import itertools

import cv2
import numpy as np
import pytest

from benchmarks import scenes
from stylemap import faces
from stylemap.datasets import Avatars
from stylemap.datasets.avatars import draw, draw_parts
from stylemap.faces import Alignment


@pytest.mark.parametrize("angle", [0.0, 25.0, -170.0])
def test_the_square_of_the_landmarks_is_the_true_one_and_holds_the_face(angle):
    face = Avatars(64, split="heldout").face(5)
    black = np.zeros((200, 260, 3), np.uint8)
    scene = scenes.still(face, scenes.square((120.0, 90.0), 128.0, angle, 64), black)
    aligned = faces.align(scene.picture, scene.landmarks, 64)
    np.testing.assert_allclose(aligned.alignment.to_photo, scene.alignment.to_photo, atol=1e-9)
    person = cv2.erode(np.minimum(draw_parts(face, 64), 1), np.ones((3, 3)), iterations=2) == 1
    drawn = draw(face, 64).astype(float)
    # by how many pixels the face is moved down and right: it lies where it should
    errors = {
        shift: np.abs(np.roll(aligned.picture, shift, (0, 1)) - drawn)[person].mean()
        for shift in itertools.product((-1, 0, 1), repeat=2)
    }
    assert min(errors, key=errors.get) == (0, 0)
    assert np.median(np.abs(aligned.picture - drawn)[person]) <= 2  # levels: flat colours are resampled twice


def test_the_face_is_drawn_without_its_background():
    face = Avatars(64, split="heldout").face(5)
    background = scenes.backdrop(100, 140, seed=1)
    scene = scenes.still(face, Alignment((60.0, 30.0), (40.0, 0.0), 64), background)
    far = np.ones((100, 140), bool)
    far[30:, 55:105] = False  # the square, and the body below it
    np.testing.assert_array_equal(scene.picture[far], background[far])


def test_a_film_moves_smoothly_and_repeats_by_its_seed():
    face = Avatars(64, split="heldout").face(5)
    first, again = (list(scenes.film(face, 6, 60, 80, 32, noise=2.0, seed=3)) for _ in range(2))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(first, again, strict=True))
    steps = np.diff([scene.landmarks for scene in first], axis=0)
    assert 0 < np.abs(steps).max() < 2  # pixels a frame of a face that moves 10 pixels within a second
