"""Photos: the square of a file that the model sees, and where it lies."""

import io

import numpy as np
import pytest
from PIL import Image

from stylemap import InputError, decoding, faces
from stylemap.photos.photo import from_pixels, open_face, open_square

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
