"""Before and after in one picture: every value of both, in the photo's own colours."""

import io

import numpy as np
import pytest
from PIL import Image

from stylemap.photos import before_after, originals
from stylemap.photos.output_formats import JPEG, PNG

HEIGHT, WIDTH = 240, 200


def original(channels: int, dtype, alpha: bool) -> originals.Original:
    rng = np.random.default_rng(0)
    most = np.iinfo(dtype).max
    colour = rng.integers(0, most, (HEIGHT, WIDTH, channels), dtype)
    transparent = rng.integers(0, most, (HEIGHT, WIDTH), dtype) if alpha else None
    return originals.Original(colour, transparent, JPEG if channels == 4 else PNG)


KINDS = [(3, np.uint8, False), (3, np.uint16, True), (1, np.uint8, True), (4, np.uint8, False)]


@pytest.mark.parametrize(("channels", "dtype", "alpha"), KINDS)
def test_beside_each_other(channels, dtype, alpha):
    photo = original(channels, dtype, alpha)
    after = photo.colour[::-1].copy()
    made, colour = before_after.compose(photo, after, "beside")
    assert colour.shape == (HEIGHT, 2 * WIDTH + 3, channels) and colour.dtype == dtype
    assert np.array_equal(colour[:, :WIDTH], photo.colour) and np.array_equal(colour[:, WIDTH + 3 :], after)
    assert (colour[:, WIDTH : WIDTH + 3] == (0 if channels == 4 else photo.full)).all(), "the gap is white"
    if alpha:
        assert np.array_equal(made.alpha[:, :WIDTH], photo.alpha) and np.array_equal(
            made.alpha[:, -WIDTH:], photo.alpha
        )
        assert (made.alpha[:, WIDTH : WIDTH + 3] == photo.full).all()
    stream = io.BytesIO()
    made.write(stream, colour)
    assert Image.open(stream).size == colour.shape[1::-1]


@pytest.mark.parametrize(("channels", "dtype", "alpha"), KINDS)
def test_split(channels, dtype, alpha):
    photo = original(channels, dtype, alpha)
    after = photo.colour[::-1].copy()
    kept = photo.colour.copy()
    _, colour = before_after.compose(photo, after, "split")
    middle = WIDTH // 2
    assert colour.shape == after.shape
    assert np.array_equal(colour[:, : middle - 1], photo.colour[:, : middle - 1])
    assert np.array_equal(colour[:, middle:], after[:, middle:])
    assert np.array_equal(photo.colour, kept)


@pytest.mark.parametrize(("channels", "dtype", "alpha"), KINDS)
@pytest.mark.parametrize("layout", ["beside", "split"])
def test_labels_are_light_on_dark_and_lie_in_the_lower_left(channels, dtype, alpha, layout):
    photo = original(channels, dtype, alpha)
    grey = [0, 0, 0, photo.full / 2] if channels == 4 else [photo.full / 2] * channels
    photo.colour[:] = np.array(grey, dtype)
    plain, labelled = (before_after.compose(photo, photo.colour.copy(), layout, labels) for labels in (False, True))
    changed = (plain[1] != labelled[1]).any(2)
    rows, columns = np.nonzero(changed)
    assert rows.min() > HEIGHT // 2
    second = WIDTH + 3 if layout == "beside" else WIDTH // 2
    assert changed[:, :second].any() and changed[:, second:].any() and not changed[:, second - 20 : second].any()
    light = labelled[1][changed][:, -1] / photo.full
    light = 1 - light if channels == 4 else light
    assert light.max() > 0.9 and light.min() == pytest.approx(0.5 * (1 - before_after.SHADE), abs=0.01)
    if alpha:
        assert (labelled[0].alpha >= plain[0].alpha).all() and (labelled[0].alpha > plain[0].alpha).any()


def test_labels_of_a_tiny_picture_are_cut():
    photo = originals.Original(np.zeros((6, 6, 3), np.uint8), None, PNG)
    _, colour = before_after.compose(photo, photo.colour.copy(), "beside", labels=True)
    assert colour.shape == (6, 14, 3)


def test_metadata_has_the_size_of_both():
    exif = Image.Exif()
    exif[0x8769] = {0xA002: WIDTH, 0xA003: HEIGHT, 0x9003: "2026:11:29 04:00:00"}
    stream = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT)).save(stream, "JPEG", exif=exif)
    photo = originals.read(stream.getvalue(), ".png")
    made, colour = before_after.compose(photo, photo.colour.copy(), "beside")
    stream = io.BytesIO()
    made.write(stream, colour)
    written = Image.open(stream).getexif().get_ifd(0x8769)
    assert (written[0xA002], written[0xA003]) == (2 * WIDTH + 3, HEIGHT)
    assert written[0x9003] == "2026:11:29 04:00:00"
