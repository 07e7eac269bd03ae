"""Photos: the square of a file that the model sees, and where it lies."""

import io

import numpy as np
import pytest
from PIL import Image

from stylemap import InputError, decoding, faces
from stylemap.photos.photo import from_pixels, open_crop, open_face, open_framed, open_photo, open_square, read_crop

SIDE = 16
POINTS = np.array([(40, 40), (60, 40), (50, 50), (43, 62), (57, 62)], np.float32)


@pytest.fixture
def file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    return tmp_path / "wide.png"


def test_the_central_square(file):
    photo = open_square(file, SIDE, "wide.png")
    assert np.array_equal(photo.pixels, decoding.decode_square(file, SIDE))
    assert (photo.size, photo.name, photo.source, photo.aligned) == ((100, 80), "wide.png", file, False)
    assert photo.alignment == faces.Alignment.central(80, 100, SIDE)
    assert np.array_equal(open_square(file.read_bytes(), SIDE).pixels, photo.pixels)


def test_of_a_turned_file_the_upright_photo_counts(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.open(file).save(stream, "PNG", exif=exif)
    assert open_square(stream.getvalue(), SIDE).size == (80, 100)


def test_the_largest_face(file):
    finder = faces.Finder(detector=lambda photo: [faces.Face(POINTS, (30, 30, 40, 40))])
    photo = open_face(file, SIDE, finder, "wide.png")
    cut = faces.cut(decoding.decode(file), faces.Face(POINTS, (30, 30, 40, 40)), SIDE)
    assert np.array_equal(photo.pixels, cut.picture) and photo.aligned and photo.size == (100, 80)


def finder(*found: np.ndarray) -> faces.Finder:
    return faces.Finder(detector=lambda photo: [faces.Face(points, (0, 0, 9, 9)) for points in found])


def test_framed_by_itself(file):
    larger = POINTS @ (1.2 * np.eye(2)) - 10
    photo = open_framed(file, SIDE, finder(POINTS, larger, POINTS * np.nan, POINTS[[0] * 5]))
    assert photo.aligned and photo.faces == 2, "what is no face does not count"
    assert np.array_equal(photo.pixels, open_face(file, SIDE, finder(larger)).pixels)
    assert np.array_equal(
        open_photo(file, SIDE, "auto", finder(POINTS)).pixels, open_face(file, SIDE, finder(POINTS)).pixels
    )


@pytest.mark.parametrize("found", [None, finder()])
def test_without_a_face_it_is_the_central_square(file, found):
    photo = open_framed(file, SIDE, found)
    assert np.array_equal(photo.pixels, open_square(file, SIDE).pixels)
    assert photo.is_central and not photo.aligned and photo.faces == (None if found is None else 0)


@pytest.mark.parametrize(
    ("length", "degrees", "kept"), [(100, 0, True), (115, 8, True), (85, -8, True), (70, 0, False), (100, 15, False)]
)
def test_squares_of_faces_stay_as_they_are(tmp_path, length, degrees, kept):
    """A face whose square is nearly the photo was cut out before; so are data sets of faces."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "square.png")
    in_square = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)]) * 100 - 0.5
    corners = faces.Alignment.of(faces.quad(in_square), 100).from_photo
    to_photo = faces.Alignment.crop(50 - length / 2, 50 - length / 2, length, degrees, 100).to_photo
    points = np.c_[np.c_[in_square, np.ones(5)] @ corners.T, np.ones(5)] @ to_photo.T
    photo = open_framed(tmp_path / "square.png", SIDE, finder(points))
    assert photo.faces == 1 and photo.aligned is not kept and photo.is_central is kept


def test_squares_of_the_model_are_not_searched(tmp_path):
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(tmp_path / "small.png")
    assert open_framed(tmp_path / "small.png", SIDE, faces.Finder(detector=lambda photo: 1 / 0)).is_central


def test_a_square_that_is_chosen(file):
    """As FFHQ's: what lies beyond the photo is mirrored, and inside nothing changes."""
    inside = open_crop(file, faces.Alignment.crop(42, 32, 16, 0, 16))
    assert np.array_equal(inside.pixels, decoding.decode(file)[32:48, 42:58]) and not inside.is_central
    whole = open_crop(file, faces.Alignment.crop(10, 0, 80, 0, SIDE))
    assert whole.is_central and np.array_equal(whole.pixels, open_square(file, SIDE).pixels)
    beyond = open_crop(file, faces.Alignment.crop(-30, -40, 160, 0, 160))
    assert np.array_equal(beyond.pixels[40:120, 30:130], decoding.decode(file))


@pytest.mark.parametrize("square", [(50.0, 40.0, 30.0, 0.0), (10.5, 70.25, 200.0, 179.0), (3.0, 4.0, 5.0, -91.5)])
def test_crops_are_similarities(square):
    alignment = faces.Alignment.crop(*square, 64)
    assert alignment.as_crop == pytest.approx(square)
    (right, down), length = alignment.edge, np.hypot(*alignment.edge)
    assert length == pytest.approx(square[2]) and np.degrees(np.arctan2(down, right)) == pytest.approx(square[3])
    left, top = alignment.quad.mean(0) + 0.5 - square[2] / 2  # turned about the middle
    assert (left, top) == pytest.approx(square[:2])


def test_crops_are_read():
    assert read_crop("1,2.5,3") == (1, 2.5, 3, 0) and read_crop("-1,+2,.5,1e1") == (-1, 2, 0.5, 10)


def test_no_face(file):
    nothing = faces.Finder(detector=lambda photo: [])
    with pytest.raises(InputError, match="no face was found in wide.png; choose another photo or look again"):
        open_face(file, SIDE, nothing, "wide.png", repair="look again")


def test_points_of_no_face_name_the_photo(file):
    outside = faces.Finder(detector=lambda photo: [faces.Face(POINTS + 1000, (0, 0, 1, 1))])
    with pytest.raises(InputError, match=r"^wide\.png: these landmarks"):
        open_face(file, SIDE, outside, "wide.png")


def test_pixels_are_their_own_photo():
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    photo = from_pixels(pixels)
    assert photo.pixels is pixels and photo.source is None and photo.size == (SIDE, SIDE)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_not_pictures(data):
    with pytest.raises(InputError, match="^the upload"):
        open_square(data, SIDE, "the upload")
