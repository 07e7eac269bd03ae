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


def contour(face=FACE) -> list[list[float]]:
    """68 points of which `from_68` makes the face: outlines of the eyes about their middles, the rest along the jaw."""
    left, right, nose, *mouth = np.array(face, float)
    points = np.linspace(left, right, 68) + (mouth[0] - left)
    ring = np.array([(-4, 0), (-2, -2), (2, -2), (4, 0), (2, 2), (-2, 2)])
    points[36:42], points[42:48], points[30], points[[48, 54]] = left + ring, right + ring, nose, mouth
    return points.tolist()


def mirrored(points) -> list[list[float]]:
    """As they are in the mirrored photo of 100 pixels, in the same order."""
    return [[99 - x, y] for x, y in points]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


LEFT_EYE, RIGHT_EYE, NOSE, MOUTH_LEFT, MOUTH_RIGHT = FACE
NAMED = {
    "MTCNN": {"left_eye": LEFT_EYE, "right_eye": RIGHT_EYE, "nose": NOSE, "mouth_left": MOUTH_LEFT, "mouth_right": MOUTH_RIGHT},
    "camel": {"leftEye": LEFT_EYE, "rightEye": RIGHT_EYE, "noseTip": NOSE, "mouthLeft": MOUTH_LEFT, "mouthRight": MOUTH_RIGHT},
    "Azure": {
        "pupilLeft": {"x": 38.5, "y": 47}, "pupilRight": {"x": 61.5, "y": 47}, "noseTip": {"x": 50, "y": 58},
        "mouthLeft": {"x": 42, "y": 71}, "mouthRight": {"x": 58, "y": 71}, "eyebrowLeftOuter": {"x": 1, "y": 2},
        "eyeLeftOuter": {"x": 1, "y": 2}, "underLipBottom": {"x": 1, "y": 2},
    },
    "outlines": {
        "left_eye": contour()[36:42], "right_eye": contour()[42:48], "nose_tip": [[49, 58], [50, 58], [51, 58]],
        "chin": [[1, 2]] * 17, "left_eyebrow": [[1, 2]] * 5,
        "top_lip": [MOUTH_LEFT, [50, 69], MOUTH_RIGHT], "bottom_lip": [MOUTH_RIGHT, [50, 75], MOUTH_LEFT],
    },
}  # fmt: skip
WRAPPED = {
    "MTCNN, several": [{"box": [1, 2, 3, 4], "confidence": 0.99, "keypoints": NAMED["MTCNN"]}],
    "RetinaFace": {"face_1": {"score": 0.99, "facial_area": [1, 2, 3, 4], "landmarks": NAMED["MTCNN"]}},
    "InsightFace": [{"bbox": [1.0, 2, 3, 4], "kps": FACE, "det_score": 0.9, "landmark_2d_106": [[1, 2]] * 106}],
    "Azure, whole": [{"faceId": "x", "faceRectangle": {"top": 1}, "faceLandmarks": NAMED["Azure"]}],
    "TensorFlow.js": [{"box": {"xMin": 1}, "keypoints": [
        {"x": x, "y": y, "name": name} for name, (x, y) in NAMED["camel"].items()
    ]}],
    "Google": {"landmarks": [
        {"type": name.upper(), "position": {"x": x, "y": y, "z": 1.5}} for name, (x, y) in NAMED["MTCNN"].items()
    ]},
    "68 points as x and y": [{"x": x, "y": y} for x, y in contour()],
}  # fmt: skip


def for_the_person(value):
    """With left and right as the person has them, in all names."""
    text = json.dumps(value).replace("left", "\0").replace("Left", "\1").replace("LEFT", "\2")
    for ours, theirs, mark in (("right", "left", "\0"), ("Right", "Left", "\1"), ("RIGHT", "LEFT", "\2")):
        text = text.replace(ours, theirs).replace(json.dumps(mark)[1:-1], ours).replace(mark, ours)
    return json.loads(text)


class TestNamed:
    @pytest.mark.parametrize("swap", [False, True], ids=["viewer's", "person's"])
    @pytest.mark.parametrize("form", [*NAMED, *WRAPPED])
    def test_forms(self, tmp_path, form, swap):
        value = (NAMED | WRAPPED)[form]
        table = landmarks.read(write(tmp_path / "l.json", {"a.jpg": for_the_person(value) if swap else value}))
        (face,) = table["a.jpg"]
        np.testing.assert_allclose(face, FACE, atol=1e-9)

    def test_several_faces(self, tmp_path):
        other = {name: [x + 200, y] for name, (x, y) in NAMED["MTCNN"].items()}
        for value in ([NAMED["MTCNN"], other], {"face_1": NAMED["MTCNN"], "face_2": other}, {"faces": [FACE, other]}):
            found = landmarks.read(write(tmp_path / "l.json", {"a.jpg": value}))["a.jpg"]
            np.testing.assert_array_equal(found, [FACE, np.add(FACE, (200, 0))])

    @pytest.mark.parametrize("angle", range(0, 360, 30))
    def test_sides_are_told_apart_at_any_angle(self, tmp_path, angle):
        turn = np.exp(1j * np.radians(angle))
        turned = [((complex(*point) - 50 - 60j) * turn + 200 + 200j) for point in FACE]
        points = [[p.real, p.imag] for p in turned]
        names = list(NAMED["MTCNN"])
        for order in (range(5), (1, 0, 2, 4, 3)):
            named = {names[k]: points[i] for k, i in enumerate(order)}
            (face,) = landmarks.read(write(tmp_path / "l.json", {"a.jpg": named}))["a.jpg"]
            np.testing.assert_allclose(face, points)

    def test_a_mouth_of_one_point_and_no_nose(self, tmp_path):
        """As MediaPipe has it."""
        named = {"LEFT_EYE": RIGHT_EYE, "RIGHT_EYE": LEFT_EYE, "MOUTH_CENTER": [50, 71], "LEFT_EAR_TRAGION": [70, 50]}
        (face,) = landmarks.read(write(tmp_path / "l.json", {"a.jpg": named}))["a.jpg"]
        np.testing.assert_array_equal(face, [LEFT_EYE, RIGHT_EYE, [50, 59], [50, 71], [50, 71]])


class TestFault:
    """Faces in any pose have none."""

    MODEL = np.array([[-1, 0, 0], [1, 0, 0], [0, 1.15, -0.8], [-0.8, 2.05, -0.25], [0.8, 2.05, -0.25]])

    @pytest.mark.parametrize("roll", [0, 1, 2, 4])
    def test_poses(self, roll):
        for yaw in np.radians(np.arange(-85, 86, 5)):
            for pitch in np.radians(np.arange(-45, 46, 5)):
                assert landmarks.fault(100 * self.seen(yaw, pitch, roll) + 500) is None, (yaw, pitch)

    @pytest.mark.parametrize("yaw", [-0.4, 0, 0.4])
    @pytest.mark.parametrize(
        "order", [(2, 0, 1, 3, 4), (0, 1, 3, 4, 2), (3, 4, 2, 0, 1), (0, 1, 2, 4, 3), (1, 0, 2, 4, 3)]
    )
    def test_orders(self, order, yaw):
        """Nose first, nose last, mouth first, either pair exchanged."""
        line = landmarks.fault(100 * self.seen(yaw, 0, 0.1)[list(order)] + 500)
        assert "give left eye, right eye, nose" in line

    def test_shares(self):
        assert "multiply x by its width" in landmarks.fault(np.array(FACE) / 100)

    def seen(self, yaw, pitch, roll) -> np.ndarray:
        """[5, 2], from the front."""
        y, p = np.array([[np.cos(a), np.sin(a)] for a in (yaw, pitch)])
        about_y = np.array([[y[0], 0, y[1]], [0, 1, 0], [-y[1], 0, y[0]]])
        about_x = np.array([[1, 0, 0], [0, p[0], -p[1]], [0, p[1], p[0]]])
        flat = (self.MODEL @ about_y.T @ about_x.T)[:, :2] @ (1, 1j)
        turned = flat * np.exp(1j * roll)
        return np.stack([turned.real, turned.imag], axis=1)


class TestFrom68:
    def test_known_answer(self):
        np.testing.assert_allclose(landmarks.from_68(np.array(CONTOUR)), OF_CONTOUR, atol=1e-12)


class TestRead:
    def test_one_face_or_several_of_5_or_68_points(self, tmp_path):
        content = {"a.jpg": FACE, "b.jpg": [FACE, contour()], "c/d.png": contour(), "nobody.jpg": [], "e.jpg": [FACE]}
        table = landmarks.read(write(tmp_path / "l.json", content))
        assert {name: len(faces) for name, faces in table.items()} == {
            "a.jpg": 1, "b.jpg": 2, "c/d.png": 1, "nobody.jpg": 0, "e.jpg": 1,
        }  # fmt: skip
        for faces in table.values():
            assert all(face.shape == (5, 2) and face.dtype == np.float64 for face in faces)
        np.testing.assert_array_equal(table["a.jpg"][0], FACE)
        np.testing.assert_allclose(table["b.jpg"][1], FACE, atol=1e-12)

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
            ({"a.jpg": mirrored(contour())}, "photo 'a.jpg' has left and right exchanged"),
            ({"a.jpg": [FACE, mirrored(FACE)]}, "photo 'a.jpg' has left and right exchanged"),
            ({"a.jpg": [[y, x] for x, y in FACE]}, "photo 'a.jpg' has left and right exchanged"),
            ({"0": {}}, "photo '0' has no points called left_eye, right_eye, mouth_left and mouth_right"),
            ({"a.jpg": {"left_eye": [1, 2], "nose": [3, 4]}}, "photo 'a.jpg' has no points called left_eye"),
            ({"a.jpg": [{"keypoints": {"left_eye": [1, 2]}}]}, "photo 'a.jpg' has no points called left_eye"),
            ({"a.jpg": {"kps": FACE[:4]}}, "photo 'a.jpg' must have 5 or 68 points"),
            ({"a.jpg": NAMED["MTCNN"] | {"left_eye": [1, 1e9]}}, "photo 'a.jpg' has a point that is not two numbers"),
            (
                {"0": {"in_the_wild": {"file_path": "a.png"}}},
                "entry '0' has no file_path and face_landmarks in in_the_wild",
            ),
            ({"0": {"in_the_wild": 3}}, "entry '0' has no file_path and face_landmarks in in_the_wild"),
            ({"0": {"in_the_wild": {"file_path": 3, "face_landmarks": CONTOUR}}}, "entry '0' has no file_path and"),
            ({"0": {"in_the_wild": {"file_path": "a.png", "face_landmarks": CONTOUR[:67]}}}, "photo 'a.png' must have"),
        ],
    )
    def test_mistakes(self, tmp_path, content, reason):
        path = write(tmp_path / "l.json", content)
        with pytest.raises(InputError) as caught:
            landmarks.read(path)
        line = str(caught.value)
        assert reason in line and line.startswith(str(path)) and "\n" not in line

    def test_messages_are_short(self, tmp_path):
        path = tmp_path / "l.json"
        path.write_text(json.dumps({"9" * 5000: []} | {"8" * 5000: [[1, 2]]}))
        with pytest.raises(InputError, match=r"photo '8+\.\.\.' must have 5 or 68 points") as caught:
            landmarks.read(path)
        assert len(str(caught.value)) < 300 + len(str(path))

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
