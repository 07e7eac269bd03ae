"""The data set of drawn faces: the same bytes everywhere, splits that never meet, bad arguments in one line."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from stylemap.datasets.avatars import Avatars, Part, dataset, draw, draw_parts, sample
from stylemap.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
EYES = (Part.LEFT_EYE, Part.RIGHT_EYE)


def digest(side=48):
    data = [draw(sample(3, i), side).tobytes() + draw_parts(sample(3, i), side).tobytes() for i in (0, 7, 1 << 41)]
    return hashlib.sha256(b"".join(data)).hexdigest()


def test_same_bytes_on_repeat_and_in_another_process():
    code = "from tests.datasets.avatars.test_dataset import digest; print(digest())"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert digest() == digest() == other.stdout.strip()


def test_bytes_do_not_depend_on_what_was_drawn_before():
    first = draw(sample(0, 5), 40)
    for i in range(30):
        draw(sample(1, i), 33)
    np.testing.assert_array_equal(draw(sample(0, 5), 40), first)


def test_a_drawing_is_not_a_shared_buffer():
    image = draw(sample(0, 5), 32)
    image[:] = 0
    assert draw(sample(0, 5), 32).any()


@pytest.mark.parametrize("side", [16, 17, 32, 50, 64, 100, 128, 255, 256])
def test_shape_dtype_and_content_at_every_side(side):
    image, labels = draw(sample(0, 1), side), draw_parts(sample(0, 1), side)
    assert image.shape == (side, side, 3)
    assert labels.shape == (side, side)
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous and labels.flags.c_contiguous
    assert image.std() > 20
    assert {Part.BACKGROUND, Part.SKIN, Part.HAIR, *EYES} <= set(labels.flat)


def test_the_picture_does_not_depend_on_the_side():
    # Only anti-aliasing and grain differ (measured 3.7 levels on average); two different faces differ by 57.
    for i in range(20):
        small = cv2.resize(draw(sample(0, i), 256), (64, 64), interpolation=cv2.INTER_AREA).astype(float)
        assert np.abs(small - draw(sample(0, i), 64)).mean() < 8


def test_attributes_are_json_and_independent_of_side_and_data_set():
    for i in range(50):
        a = sample(0, i).attributes()
        assert json.loads(json.dumps(a)) == a
        assert a == Avatars(32).attributes(i) == Avatars(256, count=50).attributes(i)
        assert {type(value) for value in a.values()} <= {bool, int, float, str}


def test_seeds_and_indices_are_different_faces():
    assert sample(0, 1).attributes() != sample(1, 0).attributes()
    assert sample(0, 1).attributes() != sample(0, 2).attributes()


def test_splits_never_meet():
    train, heldout = Avatars(16, 1000), Avatars(16, 1000, "heldout")
    # The largest data set of one split ends before the next split begins.
    assert dataset.SPLIT_START["train"] + dataset.MAX_COUNT <= dataset.SPLIT_START["heldout"]
    seen = {json.dumps(train.attributes(i)) for i in range(1000)}
    assert not any(json.dumps(heldout.attributes(i)) in seen for i in range(1000))
    images = {train[i].tobytes() for i in range(300)}
    assert not any(heldout[i].tobytes() in images for i in range(300))


def test_data_set_is_the_functions():
    data = Avatars(32, count=3, split="heldout", seed=4)
    index = dataset.SPLIT_START["heldout"] + 2
    assert len(data) == 3
    np.testing.assert_array_equal(data[2], draw(sample(4, index), 32))
    np.testing.assert_array_equal(data.parts(2), draw_parts(sample(4, index), 32))
    assert data.attributes(2) == sample(4, index).attributes()
    assert data.name(2) == "avatar-heldout-000002"
    assert len(list(data)) == 3  # a for loop ends by IndexError


@pytest.mark.parametrize("side", [-1, 0, 15, 257, 4096])
@pytest.mark.parametrize(
    "call", [Avatars, lambda side: draw(sample(0, 0), side), lambda side: draw_parts(sample(0, 0), side)]
)
def test_bad_side(call, side):
    with pytest.raises(InputError, match=f"side {side} "):
        call(side)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda: sample(0, -2).attributes(), "-2"),
        (lambda: draw(sample(0, -2), 32), "-2"),
        (lambda: draw_parts(sample(-3, 0), 32), "-3"),
        (lambda: Avatars(32)[-4], "-4"),
        (lambda: Avatars(32).parts(-4), "-4"),
        (lambda: Avatars(32).attributes(-4), "-4"),
        (lambda: Avatars(32).name(-4), "-4"),
        (lambda: Avatars(32, seed=-5), "-5"),
        (lambda: Avatars(32, seed=1 << 64), str(1 << 64)),
        (lambda: Avatars(32, count=-6), "-6"),
        (lambda: Avatars(32, split="test"), "'test'"),
    ],
)
def test_bad_arguments_are_named_in_one_line(call, value):
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert value in message
    assert "choose" in message
    assert "\n" not in message
