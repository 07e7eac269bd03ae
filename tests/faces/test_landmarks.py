"""Landmark files: both forms, photos found under any path, and one line for what is no face."""

import json
import os

import numpy as np
import pytest

from stylemap.errors import InputError
from stylemap.faces import landmarks

FACE = [[38.5, 47], [61.5, 47], [50, 58], [42, 71], [58, 71]]
CONTOUR = [[float(i), float(i * i % 31)] for i in range(68)]
OF_CONTOUR = np.array([[38.5, 0], [44.5, 0], [30, 900 % 31], [48, 48 * 48 % 31], [54, 54 * 54 % 31]], float)
OF_CONTOUR[0, 1] = sum(i * i % 31 for i in range(36, 42)) / 6
OF_CONTOUR[1, 1] = sum(i * i % 31 for i in range(42, 48)) / 6


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


class TestFrom68:
    def test_known_answer(self):
        np.testing.assert_allclose(landmarks.from_68(np.array(CONTOUR)), OF_CONTOUR, atol=1e-12)


class TestRead:
    def test_one_face_or_several_of_5_or_68_points(self, tmp_path):
        content = {"a.jpg": FACE, "b.jpg": [FACE, CONTOUR], "c/d.png": CONTOUR, "nobody.jpg": [], "e.jpg": [FACE]}
        table = landmarks.read(write(tmp_path / "l.json", content))
        assert {name: len(faces) for name, faces in table.items()} == {
            "a.jpg": 1, "b.jpg": 2, "c/d.png": 1, "nobody.jpg": 0, "e.jpg": 1,
        }  # fmt: skip
        for faces in table.values():
            assert all(face.shape == (5, 2) and face.dtype == np.float64 for face in faces)
        np.testing.assert_array_equal(table["a.jpg"][0], FACE)
        np.testing.assert_allclose(table["b.jpg"][1], OF_CONTOUR, atol=1e-12)

    def test_ffhq_s_form(self, tmp_path):
        def entry(path, points):
            return {
                "category": "training",
                "image": {"file_path": "images1024x1024/00000/00000.png", "face_landmarks": [[0, 0]] * 68},
                "in_the_wild": {"file_path": path, "face_landmarks": points, "face_rect": [1, 2, 3, 4]},
            }

        first, second = "in-the-wild-images/00000/00000.png", "in-the-wild-images/00000/00001.png"
        table = landmarks.read(write(tmp_path / "l.json", {"0": entry(first, CONTOUR), "1": entry(second, CONTOUR)}))
        assert list(table) == [first, second]
        np.testing.assert_allclose(table[first][0], OF_CONTOUR, atol=1e-12)

    def test_a_profile_and_a_face_upside_down_are_faces(self, tmp_path):
        profile = [[50, 47], [52, 46], [40, 58], [47, 71], [49, 71]]
        turned = [[-x, -y] for x, y in FACE]
        table = landmarks.read(write(tmp_path / "l.json", {"p.jpg": profile, "t.jpg": turned}))
        assert len(table["p.jpg"]) == len(table["t.jpg"]) == 1

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "is not JSON"),
            ("{", "is not JSON"),
            ("[" * 100_000, "more than 32 lists"),
            ("[]", "lists no photo"),
            ("{}", "lists no photo"),
            ("3", "lists no photo"),
            ({"a.jpg": 3}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            ({"a.jpg": None}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            ({"a.jpg": FACE[:4]}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            ({"a.jpg": [FACE, FACE[:4]]}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            ({"a.jpg": [*FACE[:4], [1, 2, 3]]}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            ({"a.jpg": [*FACE[:4], 3]}, "photo 'a.jpg' must have 5 or 68 points [x, y]"),
            (
                {"b.jpg": FACE, "a.jpg": [*FACE[:4], [1, float("nan")]]},
                "photo 'a.jpg' has a point that is not two numbers",
            ),
            ({"a.jpg": [*FACE[:4], [1, float("inf")]]}, "photo 'a.jpg' has a point"),
            ({"a.jpg": [*FACE[:4], [1, 10**400]]}, "a number in it has 401 digits"),
            ({"a.jpg": [*FACE[:4], [1, 1e7]]}, "photo 'a.jpg' has a point"),
            ({"a.jpg": [*FACE[:4], [1, "2"]]}, "photo 'a.jpg' has a point"),
            ({"a.jpg": [*FACE[:4], [1, True]]}, "photo 'a.jpg' has a point"),
            ({"a.jpg": [*FACE[:4], [1, None]]}, "photo 'a.jpg' has a point"),
            ({"a.jpg": [FACE[1], FACE[0], FACE[2], FACE[4], FACE[3]]}, "photo 'a.jpg' has left and right exchanged"),
            ({"0": {}}, "entry '0' has no in_the_wild"),
            ({"0": {"in_the_wild": {"file_path": "a.png"}}}, "entry '0' has no in_the_wild"),
            ({"0": {"in_the_wild": {"file_path": 3, "face_landmarks": CONTOUR}}}, "entry '0' has no in_the_wild"),
            ({"0": {"in_the_wild": {"file_path": "a.png", "face_landmarks": CONTOUR[:67]}}}, "photo 'a.png' must have"),
        ],
    )
    def test_mistakes(self, tmp_path, content, reason):
        path = write(tmp_path / "l.json", content)
        with pytest.raises(InputError) as caught:
            landmarks.read(path)
        line = str(caught.value)
        assert reason in line and line.startswith(str(path)) and "\n" not in line

    def test_no_such_file(self, tmp_path):
        with pytest.raises(InputError, match=r"missing\.json: no such file"):
            landmarks.read(tmp_path / "missing.json")


class TestLookup:
    TABLE = {
        "in-the-wild-images/00000/00001.png": ["a"],
        "in-the-wild-images/01000/00001.png": ["b"],
        "in-the-wild-images/00000/00002.png": ["c"],
        "photo.jpg": ["d"],
    }

    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("in-the-wild-images/00000/00001.png", "a"),
            ("01000/00001.png", "b"),  # the folder was opened further down
            ("ffhq/in-the-wild-images/01000/00001.png", "b"),  # or further up
            ("elsewhere/00002.png", "c"),  # by the file name, if there is one such
            ("00002.png", "c"),
            ("photo.jpg", "d"),
            ("/home/me/photo.jpg", "d"),
            ("photo.png", None),
            ("00003.png", None),
            ("aphoto.jpg", None),
        ],
    )
    def test_by_trailing_parts(self, name, found):
        faces = landmarks.Lookup(self.TABLE)(name)
        assert faces is None if found is None else faces == [found]

    @pytest.mark.parametrize(
        ("listed", "name"),
        [
            ("zoe\u0301.jpg", "zo\u00e9.jpg"),
            ("zo\u00e9.jpg", "x/zoe\u0301.jpg"),
            ("photo.jpg", "PHOTO.JPG"),
            ("C:\\photos\\Ada.JPG", "photos/ada.jpg"),
            ("caf%E9.jpg", os.fsdecode(b"caf\xe9.jpg")),
        ],
    )
    def test_names_that_changed_on_the_way(self, listed, name):
        assert landmarks.Lookup({listed: ["a"], "other.jpg": ["b"]})(name) == ["a"]

    def test_the_same_case_comes_first(self):
        find = landmarks.Lookup({"x/A.jpg": ["a"], "x/a.jpg": ["b"]})
        assert (find("A.jpg"), find("a.jpg"), find("y/a.jpg")) == (["a"], ["b"], ["b"])
        with pytest.raises(InputError, match=r"x/A\.jpg or x/a\.jpg"):
            landmarks.Lookup({"x/A.jpg": ["a"], "x/a.jpg": ["b"]})("a.JPG")

    def test_ambiguous(self):
        with pytest.raises(InputError, match=r"00001\.png could be .*00000/00001\.png or .*01000/00001\.png"):
            landmarks.Lookup(self.TABLE)("00001.png")
