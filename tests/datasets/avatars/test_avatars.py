"""The drawn faces: the same bytes everywhere, all different, aligned, and with part labels that fit the picture."""

import collections
import csv
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from stylemap.datasets import avatars
from stylemap.datasets.avatars import Avatars, Part, attributes, description, draw, draw_parts, shapes
from stylemap.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
EYES = (Part.LEFT_EYE, Part.RIGHT_EYE)
LIPS = (Part.MOUTH, Part.UPPER_LIP, Part.LOWER_LIP)
FACES = range(150)
SIDE = 64


@pytest.fixture(scope="module")
def faces():
    """For each of FACES: attributes, picture and labels."""
    return [(attributes(0, i), draw(0, i, SIDE), draw_parts(0, i, SIDE)) for i in FACES]


def centre(labels, *parts):
    """The mean (x, y) of some parts, as fractions of the image."""
    y, x = np.nonzero(np.isin(labels, parts))
    return (np.array([x.mean(), y.mean()]) + 0.5) / len(labels)


def digest(side=48):
    data = [draw(3, i, side).tobytes() + draw_parts(3, i, side).tobytes() for i in (0, 7, 1 << 41)]
    return hashlib.sha256(b"".join(data)).hexdigest()


# The same everywhere


def test_same_bytes_on_repeat_and_in_another_process():
    code = "from tests.datasets.avatars.test_avatars import digest; print(digest())"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert digest() == digest() == other.stdout.strip()


def test_bytes_do_not_depend_on_what_was_drawn_before():
    first = draw(0, 5, 40)
    for i in range(30):
        draw(1, i, 33)
    np.testing.assert_array_equal(draw(0, 5, 40), first)


def test_a_drawing_is_not_a_shared_buffer():
    image = draw(0, 5, 32)
    image[:] = 0
    assert draw(0, 5, 32).any()


@pytest.mark.parametrize("side", [16, 17, 32, 50, 64, 100, 128, 255, 256])
def test_shape_dtype_and_content_at_every_side(side):
    image, labels = draw(0, 1, side), draw_parts(0, 1, side)
    assert image.shape == (side, side, 3)
    assert labels.shape == (side, side)
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous and labels.flags.c_contiguous
    assert image.std() > 20
    assert {Part.BACKGROUND, Part.SKIN, Part.HAIR, *EYES} <= set(labels.flat)


def test_the_picture_does_not_depend_on_the_side():
    # Only anti-aliasing and grain differ (measured 3.7 levels on average); two different faces differ by 57.
    for i in range(20):
        small = cv2.resize(draw(0, i, 256), (64, 64), interpolation=cv2.INTER_AREA).astype(float)
        assert np.abs(small - draw(0, i, 64)).mean() < 8


def test_attributes_are_json_and_independent_of_side_and_data_set():
    for i in range(50):
        a = attributes(0, i)
        assert json.loads(json.dumps(a)) == a
        assert a == Avatars(32).attributes(i) == Avatars(256, count=50).attributes(i)
        assert {type(value) for value in a.values()} <= {bool, int, float, str}


def test_seeds_and_indices_are_different_faces():
    assert attributes(0, 1) != attributes(1, 0)
    assert attributes(0, 1) != attributes(0, 2)


# The data set


def test_splits_never_meet():
    train, heldout = Avatars(16, 1000), Avatars(16, 1000, "heldout")
    # The largest data set of one split ends before the next split begins.
    assert avatars.SPLIT_START["train"] + avatars.MAX_COUNT <= avatars.SPLIT_START["heldout"]
    seen = {json.dumps(train.attributes(i)) for i in range(1000)}
    assert not any(json.dumps(heldout.attributes(i)) in seen for i in range(1000))
    images = {train[i].tobytes() for i in range(300)}
    assert not any(heldout[i].tobytes() in images for i in range(300))


def test_data_set_is_the_functions():
    data = Avatars(32, count=3, split="heldout", seed=4)
    index = avatars.SPLIT_START["heldout"] + 2
    assert len(data) == 3
    np.testing.assert_array_equal(data[2], draw(4, index, 32))
    np.testing.assert_array_equal(data.parts(2), draw_parts(4, index, 32))
    assert data.attributes(2) == attributes(4, index)
    assert data.name(2) == "avatar-heldout-000002"
    assert len(list(data)) == 3  # a for loop ends by IndexError


@pytest.mark.parametrize("side", [-1, 0, 15, 257, 4096])
@pytest.mark.parametrize("call", [Avatars, lambda side: draw(0, 0, side), lambda side: draw_parts(0, 0, side)])
def test_bad_side(call, side):
    with pytest.raises(InputError, match=f"side {side} "):
        call(side)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda: attributes(0, -2), "-2"),
        (lambda: draw(0, -2, 32), "-2"),
        (lambda: draw_parts(-3, 0, 32), "-3"),
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


# Variety


def test_no_two_faces_are_alike():
    images = [draw(0, i, 32) for i in range(500)]
    assert len({image.tobytes() for image in images}) == 500
    small = np.stack(images).astype(np.float32).reshape(500, -1)
    squares = (small**2).sum(1)
    distance = (squares[:, None] + squares[None] - 2 * small @ small.T) / small.shape[1]  # mean square per value
    np.fill_diagonal(distance, np.inf)
    assert np.sqrt(distance.min()) > 8  # grey levels: even the two most alike differ visibly


def test_every_category_occurs():
    sample = [attributes(0, i) for i in range(2000)]
    kinds = {
        "hair_style": {style for table in description.HAIR_STYLE_WEIGHTS.values() for style in table} | {"covered"},
        "hair_colour": set(description.HAIR),
        "hat_style": {*description.HATS, "none"},
        "beard": set(description.BEARDS),
        "nose": set(description.NOSES),
        "eye_shape": set(description.EYE_SHAPES),
        "eye_colour": set(description.IRIS),
        "glasses_style": set(description.GLASSES),
        "expression": set(description.EXPRESSIONS),
        "lip_colour": {*description.LIPS, "natural"},
        "clothes": set(description.CLOTHES),
        "clothes_colour": set(description.FABRICS),
        "background": set(description.BACKDROPS),
    }
    for key, values in kinds.items():
        counts = collections.Counter(a[key] for a in sample)
        assert set(counts) == values, key
        assert min(counts.values()) >= 10, (key, counts)  # 0.5 %
        assert max(counts.values()) < 2000 * (0.95 if key == "hat_style" else 0.85), (key, counts)


@pytest.mark.parametrize(
    ("key", "low", "high"), [("glasses", 0.14, 0.19), ("hat", 0.07, 0.11), ("earrings", 0.08, 0.2)]
)
def test_accessories_do_not_dominate(key, low, high):
    assert low < np.mean([attributes(0, i)[key] for i in range(3000)]) < high


def test_numbers_spread_over_their_range():
    sample = [attributes(0, i) for i in range(2000)]
    for key in ("skin_tone", "age", "hair_volume", "jaw"):
        values = [a[key] for a in sample]
        assert 0 <= min(values) < 0.02 and 0.98 < max(values) <= 1, key
    assert all(0 <= a["smile"] <= 1 and 0 <= a["mouth_open"] <= 1 for a in sample)


# Parts


def test_every_face_has_its_parts_at_a_plausible_size(faces):
    bounds = {Part.BACKGROUND: (0.25, 0.75), Part.SKIN: (0.1, 0.4), Part.NOSE: (0.003, 0.02), Part.CLOTH: (0.001, 0.15)}
    for a, _, labels in faces:
        assert set(labels.flat) <= set(Part)
        area = {part: (labels == part).mean() for part in Part}
        for part, (low, high) in bounds.items():
            assert low < area[part] < high, part
        for part in EYES:
            assert 0.004 < area[part] < 0.03
        assert 0.004 < sum(area[part] for part in LIPS) < 0.05
        assert (area[Part.HAT] > 0) == a["hat"]
        assert (area[Part.HAIR] > 0) == (a["hair_style"] not in ("bald", "covered"))
        assert (area[Part.EYEGLASSES] > 0) == a["glasses"]


def test_eyes_nose_and_mouth_are_in_order(faces):
    for _, _, labels in faces:
        left, right, nose, mouth = (centre(labels, p) for p in (Part.LEFT_EYE, Part.RIGHT_EYE, Part.NOSE, LIPS))
        assert left[0] < nose[0] < right[0]  # left is the image's left
        assert max(left[1], right[1]) < nose[1] < mouth[1]
        assert centre(labels, Part.UPPER_LIP)[1] < centre(labels, Part.LOWER_LIP)[1]
        if (labels == Part.LEFT_EAR).any() and (labels == Part.RIGHT_EAR).any():
            assert centre(labels, Part.LEFT_EAR)[0] < left[0] < right[0] < centre(labels, Part.RIGHT_EAR)[0]


def test_eyes_and_mouth_are_aligned(faces):
    # FFHQ's eyes are at x = 0.385 and 0.615, y = 0.47; lashes draw the centres of the labels up and outward.
    nominal = np.array([[0.382, 0.460], [0.618, 0.460], [0.5, 0.714]])
    found = np.array([[centre(m, Part.LEFT_EYE), centre(m, Part.RIGHT_EYE), centre(m, *LIPS)] for _, _, m in faces])
    # Shift 0.015, 4 % scale and 4 degrees about the middle move an eye by 0.015 + 0.005 + 0.008 and a mouth by
    # 0.015 + 0.008 + 0.015; the lids and the expression move the centres of the labels by 0.01 more.
    assert np.abs(found - nominal).max(axis=0).max() < 0.04
    assert np.abs(found.mean(axis=0) - nominal).max() < 0.006
    assert found.std(axis=0).min() > 0.003  # jitter there is


def test_hair_and_hats_hide_neither_eyes_nor_mouth():
    for i in range(400):
        a = attributes(1, i)
        layers, placement = avatars.describe(a), avatars._placement(a)
        face = next(k for k, s in enumerate(layers) if s.parts == (Part.SKIN,))
        front = [s for s in layers[face:] if s.parts in ((Part.HAIR,), (Part.HAT,))]
        free = shapes.label([s for s in layers if not any(s is f for f in front)], placement, 64)
        buried = shapes.label(layers + front, placement, 64)  # even where the hair is drawn last of all
        for parts in (EYES, LIPS):
            left = (np.isin(buried, parts) & np.isin(free, parts)).sum() / np.isin(free, parts).sum()
            assert left > 0.93, (i, left)  # a long lash may touch the hair


def test_hair_has_the_colour_that_the_attributes_say(faces):
    rows = [(description.hair_colour(a), image[labels == Part.HAIR].mean(0))
            for a, image, labels in faces if (labels == Part.HAIR).mean() > 0.05]  # fmt: skip
    said, seen = np.array(rows, float).transpose(1, 0, 2)
    assert len(said) > 100
    for channel in range(3):
        assert np.corrcoef(said[:, channel], seen[:, channel])[0, 1] > 0.95
    assert np.abs(said - seen).mean() < 15  # grey levels: shade and shine only


def test_an_open_mouth_shows_its_inside(faces):
    opening = [a["mouth_open"] for a, _, _ in faces]
    inside = [(labels == Part.MOUTH).sum() for _, _, labels in faces]
    assert np.corrcoef(opening, inside)[0, 1] > 0.85
    assert not any(area for area, wide in zip(inside, opening, strict=True) if wide == 0)


def test_a_smile_lifts_the_corners_of_the_mouth():
    base = next(a for a in (attributes(0, i) for i in FACES) if a["expression"] == "closed")

    def lift(smile):
        labels = shapes.label(avatars.describe({**base, "smile": smile}), shapes.Placement(), 256)
        y, x = np.nonzero(np.isin(labels, LIPS))
        corners = np.mean([y[x == x.min()].mean(), y[x == x.max()].mean()])
        return y[np.abs(x - 128) < 8].mean() - corners  # pixels

    assert lift(0.1) < lift(0.4) < lift(0.9)


def test_eyes_and_lips_stand_out_at_32_pixels():
    # The demonstration swaps them: they must be seen. The weakest of these faces has 9 and 24 grey levels, the mean 53 and 65.
    for i in FACES:
        image, labels = draw(0, i, 32).astype(float), draw_parts(0, i, 32)
        skin = np.median(image[labels == Part.SKIN], axis=0)
        assert np.abs(image[np.isin(labels, LIPS)] - skin).mean() > 8, i
        assert np.abs(image[np.isin(labels, EYES)] - skin).mean() > 20, i


def test_labels_at_64_agree_with_labels_at_256():
    both, either = np.zeros(len(Part)), np.zeros(len(Part))
    for i in range(40):
        small, large = draw_parts(0, i, 64), draw_parts(0, i, 256)[2::4, 2::4]
        for part in Part:
            both[part] += ((small == part) & (large == part)).sum()
            either[part] += ((small == part) | (large == part)).sum()
    overlap = both / either
    # The grids lie half a fine pixel apart, which costs thin parts most: measured 0.76 (necklace) to 0.99.
    assert overlap[[Part.BACKGROUND, Part.SKIN, Part.HAIR, Part.CLOTH]].min() > 0.93
    assert overlap[list(EYES)].min() > 0.87
    assert overlap.min() > 0.65


def test_labels_fit_the_picture(faces):
    """Labels shifted by two pixels explain the picture worse: within-part variance grows."""

    def unexplained(image, labels):
        return sum(image[labels == p].var(axis=0).sum() * (labels == p).sum() for p in set(labels.flat))

    for shift in ((0, 2), (0, -2), (1, 2), (1, -2)):
        worse = sum(unexplained(i, np.roll(m, shift[1], shift[0])) > unexplained(i, m) for _, i, m in faces)
        assert worse > 0.97 * len(faces)


# The script that writes files


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("prepare_avatars", ROOT / "data/avatars/prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_prepare_writes_pictures_labels_and_table(prepare, tmp_path):
    out = tmp_path / "images"
    assert prepare(["--out", str(out), "--count", "3", "--side", "48", "--split", "heldout", "--parts"]) == 0
    data = Avatars(48, 3, "heldout")
    assert sorted(p.name for p in out.iterdir()) == ["000000.png", "000001.png", "000002.png", "attributes.csv"]
    assert len(list((tmp_path / "labels").iterdir())) == 3
    np.testing.assert_array_equal(cv2.imread(str(out / "000002.png"))[:, :, ::-1], data[2])
    labels = cv2.imread(str(tmp_path / "labels/000002.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, data.parts(2))
    rows = list(csv.DictReader((out / "attributes.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == ["000000.png", "000001.png", "000002.png"]
    assert float(rows[1]["smile"]) == data.attributes(1)["smile"]


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--side", "8"], "side 8"), (["--count", "0"], "--count 0"), (["--seed", "-1"], "seed -1")]
)
def test_prepare_refuses_bad_values(prepare, tmp_path, capsys, arguments, told):
    assert prepare(["--out", str(tmp_path / "x"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_prepare_leaves_filled_folders_alone(prepare, tmp_path, capsys):
    keep = tmp_path / "labels/keep.txt"
    keep.parent.mkdir()
    keep.write_text("mine")
    assert prepare(["--out", str(keep.parent), "--count", "1"]) == 2
    assert prepare(["--out", str(tmp_path / "images"), "--count", "1", "--parts"]) == 2
    assert prepare(["--out", str(keep), "--count", "1"]) == 2
    assert str(keep.parent) in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*")] == ["labels", "keep.txt"]
