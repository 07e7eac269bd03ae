"""What mask files select, however a program has written them; and what is said or refused."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stylemap import images
from stylemap.errors import InputError, Note
from stylemap.photos import mask_files

SIDE = 48
WANTED = np.zeros((SIDE, SIDE), np.float32)
WANTED[12:40, 8:30] = 1
SHAPE = WANTED.astype(np.uint8)
RED, BLACK = np.uint8([200, 0, 0]), np.uint8([0, 0, 0])
JPEG = {"format": "JPEG", "quality": 90}


def soft() -> np.ndarray:
    """The shape with a soft edge, float32 in [0, 1]."""
    return cv2.GaussianBlur(WANTED, (0, 0), 2)


def read(tmp_path: Path, picture: Image.Image | np.ndarray, **options) -> tuple[np.ndarray, list[str]]:
    """What is selected, and what is said of it."""
    path = tmp_path / "mask.png"
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture.save(path, **{"format": "PNG", **options})
    return read_file(path)


def read_file(path: Path) -> tuple[np.ndarray, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mask = mask_files.read(path)
    assert all(w.category is Note for w in caught)
    assert (mask.dtype, mask.ndim) == (np.float32, 2) and mask.min() >= 0 and mask.max() <= 1
    return mask, [str(w.message).replace(str(path), "M") for w in caught]


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    made = Image.fromarray(SHAPE, "P")
    made.putpalette(sum(colours, ()))
    return made


def painted(colour, ground=BLACK) -> np.ndarray:
    return np.where(WANTED[..., None] > 0, colour, ground)


def layer(colour) -> np.ndarray:
    """One colour where the shape is, on a transparent ground."""
    return np.dstack([np.broadcast_to(np.uint8(colour), (SIDE, SIDE, 3)), SHAPE * 255])


TWO = "holds only the values"
PLAIN = {  # what is there -> what is said; all select the shape alone
    "0 and 255": (SHAPE * 255, None),
    "one bit": (Image.fromarray(WANTED > 0), None),
    "0 and 1": (SHAPE, f"{TWO} 0 and 1; 1 counts as white"),
    "1 and 2": (SHAPE + 1, f"{TWO} 1 and 2; 2 counts as white"),
    "0 and 254": (SHAPE * 254, f"{TWO} 0 and 254"),
    "video's range": (np.where(SHAPE, np.uint8(235), np.uint8(16)), f"{TWO} 16 and 235"),
    "0 and 255 of 16 bits": (SHAPE.astype(np.uint16) * 255, f"{TWO} 0 and 255; 255 counts"),
    "0 and 1 of 16 bits": (SHAPE.astype(np.uint16), f"{TWO} 0 and 1"),
    "0 and 65535": (SHAPE.astype(np.uint16) * 65535, None),
    "grey as RGB": (np.repeat(SHAPE[..., None] * 255, 3, axis=2), None),
    "0 and 1 as RGB": (np.repeat(SHAPE[..., None], 3, axis=2), f"{TWO} 0 and 1"),
    "class colour": (painted(RED), "has two colours, #000000 and #c80000; the second counts as white"),
    "two colours": (painted(np.uint8([250, 240, 20]), np.uint8([0, 0, 128])), "has two colours, #000080 and #faf014"),
    "palette": (palette((0, 0, 0), (0, 0, 128)), "has two colours, #000000 and #000080"),
    "black palette entry first": (palette((0, 0, 0), (255, 255, 255)), None),
    "transparent ground, white": (layer([255, 255, 255]), None),
    "transparent ground, black": (layer(BLACK), "has one colour on a transparent background"),
    "transparent ground, red": (layer(RED), "has one colour on a transparent background"),
    "opaque alpha": (np.dstack([*[SHAPE * 255] * 3, np.full_like(SHAPE, 255)]), None),
    "alpha of 0 and 1": (np.dstack([*[np.full_like(SHAPE, 255)] * 3, SHAPE]), f"{TWO} 0 and 1"),
    "grey and alpha": (np.dstack([np.full_like(SHAPE, 255), SHAPE * 255]), None),
}


@pytest.mark.parametrize(("picture", "said"), PLAIN.values(), ids=PLAIN)
def test_two_values_are_black_and_white(tmp_path, picture, said):
    mask, notes = read(tmp_path, picture)
    np.testing.assert_array_equal(mask, WANTED)
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("high", [1, 255])
def test_tiff_of_32_bits(tmp_path, kind, high):
    if kind is np.int32 and high == 1:
        high = 70_000
    mask, _ = read(tmp_path, (WANTED * high).astype(kind), format="TIFF")
    np.testing.assert_array_equal(mask, WANTED)


def test_colours_of_16_bits(tmp_path):
    """Which Pillow reads as 8, so that 0 and 1, or 0 and 255, would be all black."""
    for high in (1, 255, 40_000):
        path = tmp_path / "mask.png"
        path.write_bytes(cv2.imencode(".png", np.repeat(SHAPE[..., None].astype(np.uint16) * high, 3, axis=2))[1])
        mask, notes = read_file(path)
        np.testing.assert_array_equal(mask, WANTED)
        assert f"0 and {high}" in notes[0]


@pytest.mark.parametrize("white", [255, 254, 253])
def test_jpeg_s_plain_areas_are_plain(tmp_path, white):
    """Ringing goes 8 pixels far; beyond it black is 0 and white is 1 whatever the file made of them."""
    mask, _ = read(tmp_path, SHAPE * np.uint8(white), **JPEG)
    for value, where in ((1, WANTED), (0, 1 - WANTED)):
        plain = cv2.erode(where, np.ones((17, 17))) > 0
        assert plain.any() and (mask[plain] == value).all()
    assert abs(mask - WANTED).max() < 0.5


def test_jpeg_of_a_class_colour(tmp_path):
    mask, notes = read(tmp_path, np.array(Image.fromarray(painted(RED)).resize((480, 480), 0)), **JPEG)
    assert abs(cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA) - WANTED).max() < 0.1
    assert "has two colours" in notes[0]


@pytest.mark.parametrize("full", [255, 65535])
def test_greys_are_shares_of_the_file_s_depth(tmp_path, full):
    kind = np.uint8 if full == 255 else np.uint16
    values = np.rint(np.clip(soft(), 3 / 255, 252 / 255) * full).astype(kind)
    mask, notes = read(tmp_path, values)
    np.testing.assert_allclose(mask, values / full, atol=1e-6)
    assert notes == []


def test_a_class_colour_with_soft_edges(tmp_path):
    mask, notes = read(tmp_path, np.rint(soft()[..., None] * RED).astype(np.uint8))
    # colours are rounded to one of 200 levels, and what is within 2.5 of 255 of an end is that
    np.testing.assert_allclose(mask, soft(), atol=2.5 / 255 + 0.5 / 200)
    assert "has two colours" in notes[0]


def test_a_brush_of_any_colour_on_a_transparent_ground(tmp_path):
    for colour in ((0, 0, 0), (255, 255, 255), (10, 200, 90)):
        alpha = np.rint(soft() * 255).astype(np.uint8)
        made = np.dstack([np.broadcast_to(np.uint8(colour), (SIDE, SIDE, 3)), alpha])
        made[alpha == 0, :3] = 77  # hidden
        mask, _ = read(tmp_path, made)
        np.testing.assert_allclose(mask, soft(), atol=3 / 255)


def test_transparent_is_black(tmp_path):
    """Grey shades, opaque in the left half alone."""
    grey = np.tile(np.uint8(np.arange(SIDE) * 5), (SIDE, 1))
    alpha = np.where(np.arange(SIDE) < 24, 255, 0).astype(np.uint8)
    mask, _ = read(tmp_path, np.dstack([grey, np.tile(alpha, (SIDE, 1))]))
    np.testing.assert_allclose(mask[:, :24], grey[:, :24] / 255, atol=1e-6)
    assert not mask[:, 24:].any()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.uint8([[0, 100], [200, 0]]).repeat(24, 0).repeat(24, 1), "holds the 3 values 0, 100, 200; they count as shares"),
        (np.uint8(np.add.outer(np.arange(48), np.arange(48)) * 2 + 30), "is almost nowhere black or white"),
    ],
    ids=["labels", "grey photo"],
)  # fmt: skip
def test_greys_that_may_mean_something_else(tmp_path, picture, said):
    mask, notes = read(tmp_path, picture)
    np.testing.assert_allclose(mask, picture / 255, atol=1e-6)
    assert len(notes) == 1 and said in notes[0]


def photo() -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return np.uint8(np.dstack([200 * x, 120 * y + 60, 200 * (1 - x) * y]))


@pytest.mark.parametrize("options", [{}, JPEG, {"format": "WEBP", "quality": 80}])
def test_a_colour_photo_is_no_mask(tmp_path, options):
    for picture in (photo(), np.dstack([photo(), SHAPE * 255])):
        if picture.shape[2] == 3 or options != JPEG:
            with pytest.raises(InputError, match=r"mask\.png has colours that do not say what is selected"):
                read(tmp_path, picture, **options)


@pytest.mark.parametrize("low", [np.nan, np.inf, -3.0])
def test_floats_without_a_range(tmp_path, low):
    values = soft()
    values[0, 0] = low
    with pytest.raises(InputError, match=r"mask\.png holds values"):
        read(tmp_path, values, format="TIFF")


def test_colours_of_which_neither_is_lighter(tmp_path):
    with pytest.raises(InputError, match="has colours that do not say what is selected"):
        read(tmp_path, painted(np.uint8([255, 0, 0]), np.uint8([0, 130, 0])))


@pytest.mark.parametrize("white", [60, 128, 200])
def test_a_weak_edit_is_said(tmp_path, white):
    """Of a class value with soft edges, or in a JPEG, nobody can tell whether it means a share."""
    Image.fromarray(np.rint(soft() * white).astype(np.uint8)).save(tmp_path / "mask.png")
    with pytest.warns(Note, match=rf"mask\.png is white nowhere and selects {white / 255:.0%} at most"):
        images.read_mask(tmp_path / "mask.png", SIDE)


@pytest.mark.parametrize("how", ["labels", "16 bits", "a dot", "all of 1"])
def test_nearly_nothing_is_refused(tmp_path, how):
    values = {
        "labels": SHAPE + np.roll(SHAPE, 9),
        "16 bits": np.rint(soft() * 255).astype(np.uint16),
        "a dot": np.zeros_like(SHAPE),
        "all of 1": np.ones_like(SHAPE),
    }[how]
    if how == "a dot":
        values[20, 20] = 255
    Image.fromarray(values).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"mask\.png selects almost nothing, .* at most: paint white where"):
        images.read_mask(tmp_path / "mask.png", 8)


def test_much_is_said(tmp_path):
    """An inverted mask cannot be told from another, but what it selects can."""
    Image.fromarray((1 - SHAPE) * 255).save(tmp_path / "mask.png")
    selected = 1 - WANTED.mean()
    assert selected < mask_files.MOST
    assert images.read_mask(tmp_path / "mask.png", SIDE).mean() == pytest.approx(selected, abs=1e-6)
    Image.fromarray(255 - cv2.erode(SHAPE, np.ones((9, 9))) * 255).save(tmp_path / "mask.png")
    with pytest.warns(Note, match=r"mask\.png selects 88% of the image; paint white only where the edit shall happen"):
        images.read_mask(tmp_path / "mask.png", SIDE)


@pytest.mark.parametrize("mask", [(40, 60), (20, 30), (67, 100), (400, 600)])
def test_over_a_photo_of_its_shape(mask):
    mask_files.validate_size(mask, (400, 600), "m")


@pytest.mark.parametrize("mask", [(60, 40), (40, 50), (600, 400), (10, 400)])
def test_over_a_photo_of_another_shape(mask):
    with pytest.raises(
        InputError, match=r"the mask m is \d+ x \d+ and the photo 600 x 400: paint it on the photo, or on"
    ):
        mask_files.validate_size(mask, (400, 600), "m")


def test_a_square_one_is_over_the_central_square():
    with pytest.warns(Note, match="the mask m is 32 x 32 and the photo 600 x 400; it is laid over the photo's"):
        mask_files.validate_size((32, 32), (400, 600), "m")
    with pytest.raises(InputError, match="or do that"):
        mask_files.validate_size((32, 32), (400, 600), "m", "do that")


def test_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    for depth in (1, 257):
        Image.fromarray(SHAPE * 255 if depth == 1 else SHAPE.astype(np.uint16) * 65535).save(buffer, "PNG", exif=exif)
        (tmp_path / "m.png").write_bytes(buffer.getvalue())
        np.testing.assert_array_equal(read_file(tmp_path / "m.png")[0], np.rot90(WANTED, -1))
        buffer.seek(0), buffer.truncate()
