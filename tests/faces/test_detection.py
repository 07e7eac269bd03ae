"""YuNet around its network: the right file, one line when it is not there, the order and place of the points."""

import hashlib
import pickle

import cv2
import numpy as np
import pytest

from stylemap import published, resources
from stylemap.errors import InputError
from stylemap.faces import Face, Finder, YuNet, detection
from stylemap.published import YUNET, YUNET_4
from tests.faces import toy_yunet
from tests.test_fetching import known

CELL = toy_yunet.CELL
POINTS = np.array(toy_yunet.POINTS)
HALF = 0.501  # pixels, of a second look: so far the block may shift without the toy seeing it


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The stand-in network as a known model."""
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_yunet.model())
    monkeypatch.setitem(published.FILES, "toy", known(toy_yunet.model(), tmp_path))
    return path


class TestCacheFolder:
    @pytest.mark.parametrize(
        ("variables", "folder"),
        [
            ({"STYLEMAP_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
            ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/stylemap"),
            ({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/stylemap"),
            ({"HOME": "/c"}, "/c/.cache/stylemap"),
        ],
    )
    def test_order(self, monkeypatch, variables, folder):
        for name in ("STYLEMAP_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert resources.cache_folder().as_posix() == folder


class TestFindModel:
    @pytest.mark.parametrize(("version", "first", "other"), [("4.9.0", YUNET_4, YUNET), ("5.0.0", YUNET, YUNET_4)])
    def test_the_one_that_suits_this_opencv(self, cache, monkeypatch, version, first, other):
        monkeypatch.setattr(cv2, "__version__", version)
        with pytest.raises(InputError) as caught:
            YuNet()
        line = str(caught.value)
        assert f"no face detector in {cache}: `stylemap weights pull {first.name}` gets it" in line and "\n" not in line
        monkeypatch.setattr(published.PublishedFile, "fault", lambda *_: None)
        for file in (other, first):  # the other alone will do
            file.path().write_bytes(b"")
            with pytest.warns(UserWarning, match="unknown"):
                assert detection.find_model() == cache / file.file

    @pytest.mark.parametrize("file", [YUNET, YUNET_4])
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"half of it", "a file of 10 bytes instead of 2"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n", "a Git LFS pointer"),
        ],
    )
    def test_damaged(self, cache, tmp_path, file, content, said):
        for path in (cache / file.file, tmp_path / file.file):
            path.write_bytes(content)
            with pytest.raises(
                InputError, match=f"{file.file} is damaged: it is {said}.*`stylemap weights pull {file.name}` gets"
            ):
                detection.find_model(path)
        with pytest.raises(InputError, match="damaged"):
            detection.find_model()

    def test_unknown_file_is_named_with_its_hash(self, tmp_path):
        path = tmp_path / "mine.onnx"
        path.write_bytes(b"x")
        with pytest.warns(UserWarning, match=f"mine.onnx.*{hashlib.sha256(b'x').hexdigest()}"):
            assert detection.find_model(path) == path

    def test_known_file_under_another_name(self, toy, tmp_path):
        toy.rename(tmp_path / "renamed.onnx")
        assert detection.find_model(tmp_path / "renamed.onnx") == tmp_path / "renamed.onnx"

    @pytest.mark.parametrize("name", ["missing.onnx", "."])
    def test_unreadable(self, tmp_path, name):
        with pytest.raises(InputError, match=r"there is no face detector .*; `stylemap weights pull yunet.*` gets one"):
            detection.find_model(tmp_path / name)


class TestYuNet:
    """OpenCV's own decoding, with a network that sees red blocks."""

    @pytest.mark.parametrize(("height", "width"), [(128, 160), (97, 131), (384, 64)])
    def test_rows_become_faces(self, toy, height, width):
        (face,) = YuNet(toy)._search(toy_yunet.photo(height, width, y=64, x=32), 1024)
        np.testing.assert_allclose(face.landmarks, (np.array(toy_yunet.SEEN) + (1, 2)) * CELL, atol=1e-3)
        x, y, log_width, log_height = toy_yunet.BOX
        size = np.exp([log_width, log_height])
        np.testing.assert_allclose(face.box, np.array([*((x + 1, y + 2) - size / 2), *size]) * CELL, rtol=1e-4)
        assert face.score == pytest.approx(1, abs=1e-3)

    def test_points_in_our_order(self, toy):
        (face,) = YuNet(toy)(toy_yunet.photo(320, 416, y=64, x=192))
        np.testing.assert_allclose(face.landmarks, (POINTS + (6, 2)) * CELL, atol=HALF)
        assert face.landmarks.dtype == np.float64
        assert face.landmarks[0, 0] < face.landmarks[1, 0]  # the first eye is the one at the image's left
        assert face.landmarks[3, 0] < face.landmarks[4, 0]
        assert face.score == pytest.approx(1, abs=0.05)  # a seam of half a pixel

    def test_large_photos_are_reduced_and_the_points_scaled_back(self, toy):
        (face,) = YuNet(toy)(toy_yunet.photo(2048, 1536, y=128, x=192, block=2 * CELL))
        at_half = (POINTS + (3, 2)) * CELL
        np.testing.assert_allclose(face.landmarks, 2 * at_half + 0.5, atol=2 * HALF)  # centres of pixels at integers

    @pytest.mark.parametrize(
        ("longest", "found", "searched"),
        [
            (200, False, [200]),
            (384, False, [384]),
            (900, False, [900, 384]),
            (3000, True, [1024, 384]),  # faces above 300 pixels are missed at 1024
            (3000, False, [1024, 384, 3000]),  # faces below 30 pixels are missed there too
            (9000, False, [1024, 384, 4096]),
        ],
    )
    def test_sizes_that_are_searched(self, toy, monkeypatch, longest, found, searched):
        sides = []

        def search(self, photo, side):
            sides.append(side)
            return [Face(POINTS, (0, 0, 1, 1), 0.9)] * found

        monkeypatch.setattr(YuNet, "_search", search)
        monkeypatch.setattr(YuNet, "_settled", lambda self, photo, points: Face(points, (0, 0, 1, 1), 0.9))
        assert len(YuNet(toy)(np.zeros((7, longest, 3), np.uint8))) == found
        assert sides == searched

    def test_small_faces_are_found_at_full_size(self, toy):
        (face,) = YuNet(toy)(toy_yunet.photo(3008, 3008, y=CELL * 20, x=CELL * 30))
        np.testing.assert_allclose(face.landmarks, (POINTS + (30, 20)) * CELL, atol=HALF)

    def test_colours_are_rgb(self, toy):
        blue = toy_yunet.photo(128, 128, y=32, x=32)[:, :, ::-1]
        assert YuNet(toy)(blue) == []

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (33, 31)])
    def test_nothing_there(self, toy, shape):
        assert YuNet(toy)(np.zeros((*shape, 3), np.uint8)) == []

    def test_pickles_without_the_network(self, toy):
        detector = YuNet(toy)
        photo = toy_yunet.photo(128, 128, y=32, x=32)
        before = detector(photo)
        (after,) = pickle.loads(pickle.dumps(detector))(photo)
        np.testing.assert_array_equal(after.landmarks, before[0].landmarks)

    def test_says_nothing(self, toy, capfd):
        YuNet(toy)(toy_yunet.photo(64, 64, y=0, x=0))
        assert capfd.readouterr() == ("", "")

    def test_a_file_that_opencv_cannot_run(self, tmp_path, monkeypatch):
        path = tmp_path / "broken.onnx"
        path.write_bytes(b"not a network")
        monkeypatch.setitem(published.FILES, "broken", known(b"not a network", tmp_path))
        with pytest.raises(InputError) as caught:
            YuNet(path)(np.zeros((64, 64, 3), np.uint8))
        line = str(caught.value)
        assert f"OpenCV {cv2.__version__} cannot run {path}" in line and "\n" not in line
        assert "`stylemap weights pull yunet" in line


DOTS = np.array(  # colours of the five points of `dotted`; OpenCV's own decoding is not needed for what follows
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)], np.uint8
)
FACE = np.array([(38.5, 47), (61.5, 47), (50, 58), (42, 71), (58, 71)])


def dotted(points, height=240, width=240):
    """A photo with a dot at each point [5, 2]."""
    photo = np.zeros((height, width, 3), np.uint8)
    for (x, y), colour in zip(points, DOTS, strict=True):
        cv2.circle(photo, (round(x * 16), round(y * 16)), 16 * 4, colour.tolist(), -1, cv2.LINE_AA, 4)
    return photo


class Seeing(YuNet):
    """Finds the dots, as YuNet finds faces: too far to the image's left, tilted ones too little tilted, those that lie as if
    they were upright; and it is the surer, the more upright they are."""

    def __init__(self, first=0.5, lost=False):
        self.min_score, self.first, self.lost, self.looks = detection.MIN_SCORE, first, lost, 0

    def _detect(self, picture):
        look = picture.shape[:2] == (detection.LOOK, detection.LOOK)
        self.looks += look
        if look and self.lost:
            return np.empty((0, 15))
        found = [np.argwhere((np.abs(picture.astype(int) - colour) < 60).all(2)) for colour in DOTS]
        if not all(len(dots) for dots in found):
            return np.empty((0, 15))
        points = np.array([dots.mean(0)[::-1] for dots in found])
        if points[0, 0] > points[1, 0]:  # a mirror image, in which the eye at the left is the other
            points = points[[1, 0, 2, 4, 3]]
        size = np.hypot(*(points[1] - points[0])) or 1
        down = points[3:].mean(0) - points[:2].mean(0)
        tilt = np.degrees(np.arctan2(-down[0], down[1]))
        back = np.radians(-tilt if abs(tilt) > 60 else -tilt / 3)  # what it does not see of the tilt
        centre, c, s = points.mean(0), np.cos(back), np.sin(back)
        points = (points - centre) @ np.array([[c, s], [-s, c]]) + centre - (size / 10, 0)
        score = (0.95 if abs(tilt) < 35 else 0.85) if look else self.first
        return np.array([[*(centre - size), 2 * size, 2 * size, *points.ravel(), score]])


class TestSecondLook:
    """What YuNet finds is looked at again, upright and of one size: its points are those of the dots."""

    def points(self, angle, size, centre=(120, 120)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return (FACE - FACE.mean(0)) * size / 100 @ np.array([[c, s], [-s, c]]) + centre

    @pytest.mark.parametrize(
        ("angle", "size"), [(0, 80), (0, 200), (30, 150), (-45, 150), (90, 150), (-135, 150), (180, 150)]
    )
    def test_points_of_tilted_faces(self, angle, size):
        points = self.points(angle, size)
        (face,) = Seeing()(dotted(points))
        # what is left of an angle below STRAIGHT is a third, and moves a point by its half distance of a tenth of the square
        np.testing.assert_allclose(
            face.landmarks, points, atol=size * (0.01 + 0.35 * np.radians(detection.STRAIGHT / 3))
        )
        assert face.score == 0.95

    def test_a_face_that_looks_upright_is_looked_at_once(self):
        detector = Seeing()
        assert len(detector(dotted(self.points(0, 150)))) == 1
        assert detector.looks == 2  # as it is, and mirrored

    def test_what_is_lost_at_a_second_look_is_no_face(self):
        assert Seeing(lost=True)(dotted(self.points(0, 150))) == []

    @pytest.mark.parametrize(("score", "found"), [(0.94, 1), (0.96, 0)])
    def test_the_second_score_counts(self, score, found):
        detector = Seeing(first=0.3)
        detector.min_score = score
        assert len(detector(dotted(self.points(0, 150)))) == found

    def test_points_that_are_no_face(self):
        photo = np.zeros((64, 64, 3), np.uint8)
        for points in (np.ones((5, 2)), FACE * 1e4, FACE[[1, 0, 2, 4, 3]] * (1, -1)):
            assert Seeing()._look(photo, points) is None


class TestDistinct:
    def face(self, x, score):
        return Face(np.zeros((5, 2)), (x, 0.0, 10.0, 10.0), score)

    def test_the_surest_of_those_that_overlap(self):
        a, b, c = self.face(0, 0.9), self.face(1, 0.95), self.face(30, 0.85)
        assert detection._distinct([a, b, c]) == [b, c]

    def test_neighbours_are_two(self):
        a, b = self.face(0, 0.9), self.face(6, 0.8)  # 4 / 16 in common
        assert detection._distinct([a, b]) == [a, b]


class TestFinder:
    def face(self, size, x=0.0):
        return Face(np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]]) * size + x, (0, 0, 1, 1), 0.9)

    def test_any_detector_and_the_largest_first(self):
        small, large, same = self.face(10), self.face(30), self.face(30, 5.0)
        finder = Finder(detector=lambda photo: [small, large, same])
        assert finder.faces("a.jpg", np.zeros((9, 9, 3), np.uint8)) == [large, same, small]
        assert finder.largest("a.jpg", np.zeros((9, 9, 3), np.uint8)) is large

    def test_nobody(self):
        with pytest.raises(InputError, match=r"no face was found in a\.jpg; choose another photo or give its points"):
            Finder(detector=lambda photo: []).largest("a.jpg", np.zeros((9, 9, 3), np.uint8))

    def test_a_list_needs_no_detector(self, cache, tmp_path):
        (tmp_path / "l.json").write_text('{"a.jpg": [[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]], "nobody.jpg": []}')
        finder = Finder(tmp_path / "l.json")
        face = finder.largest("some/a.jpg", np.zeros((9, 9, 3), np.uint8))
        assert (face.box, face.score) == ((1, 1, 2, 2), None)
        with pytest.raises(InputError, match=r"b\.jpg is not in .*l\.json"):
            finder.faces("b.jpg", np.zeros((9, 9, 3), np.uint8))
        with pytest.raises(InputError, match=r"no face was found in nobody\.jpg; choose another photo or add one to"):
            finder.largest("nobody.jpg", np.zeros((9, 9, 3), np.uint8))

    def test_neither(self, cache):
        with pytest.raises(InputError, match="no face detector in"):
            Finder()


def test_the_real_model():
    """Runs where somebody has put the model into the cache: it loads, and finds nobody in noise."""
    try:
        detector = YuNet()
    except InputError as err:
        pytest.skip(str(err))
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    assert detector(noise) == []
