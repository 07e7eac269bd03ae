"""Finding faces with YuNet, a small network of OpenCV's model zoo (MIT licence), which the user fetches once (see `published`).

Any callable from a photo, uint8 [H, W, 3] RGB, to a list of `Face` can stand in for it.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stylemap import provenance, published, resampling
from stylemap.errors import InputError
from stylemap.faces import geometry
from stylemap.faces.alignment import LARGEST
from stylemap.faces.geometry import Alignment
from stylemap.published import YUNET, YUNET_4, PublishedFile

# docs/data.md has the measurements behind these numbers
SIDES = (1024, 384)  # pixels, the longest side as it is searched: YuNet was trained on faces of 10 to 300 pixels
LARGEST_SIDE = 4096  # if there is no face at these sides
CANDIDATE = 0.3  # score of what is looked at again
LOOK = 320  # pixels, FFHQ's square as it is looked at again: YuNet was trained on images of this side
MIN_SCORE = 0.8  # of a face that is looked at again
UPRIGHT = 0.92  # upright faces score more; with less a face may lie on its side, or upside down
STRAIGHT = 10  # degrees by which a second look may turn a face; if it is more, there is a third
LOOKS = 3
ROUNDS = 2  # of quarter turns: the first may meet the face only by half
NEAR = LOOK / 4  # pixels, the mean distance of the points from where they are expected
ERRORS = 2  # a level of OpenCV's log
MAX_OVERLAP = 0.3  # intersection over union above which two boxes are the same face


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo."""

    landmarks: np.ndarray  # float64 [5, 2], see `landmarks`
    box: tuple[float, float, float, float]  # x, y, width, height in pixels of the photo
    score: float | None = None  # in [0, 1], how sure the detector is; None: no detector was asked


class YuNet:
    """The detector; pickles as the path of its model, which is loaded at the first photo.

    Args:
        model: the ONNX file; None = the one in the cache folder that suits this OpenCV.

    Raises:
        InputError: there is no such file, or it is not what its name says.
    """

    def __init__(self, model: str | Path | None = None, min_score: float = MIN_SCORE):
        self.model = find_model(model)
        self.min_score = min_score
        self._network = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_network": None}

    def __call__(self, photo: np.ndarray) -> list[Face]:
        """Faces of a photo uint8 [H, W, 3] RGB, the surest first.

        The photo is searched twice, reduced to each of ``SIDES``, so that small and large faces are of a size that YuNet
        knows. What may be a face is looked at again, see `_settled`. If there is no face, the photo is searched at its full
        size, or at most ``LARGEST_SIDE``.

        Raises:
            InputError: this OpenCV cannot run the model.
        """
        longest = max(photo.shape[:2])
        faces = self._faces(photo, {min(side, longest) for side in SIDES})
        if not faces and longest > max(SIDES):
            faces = self._faces(photo, {min(longest, LARGEST_SIDE)})
        return faces

    def _faces(self, photo: np.ndarray, sides: set[int]) -> list[Face]:
        candidates = _distinct([face for side in sorted(sides, reverse=True) for face in self._search(photo, side)])
        settled = [self._settled(photo, candidate.landmarks) for candidate in candidates]
        return _distinct([face for face in settled if face is not None and face.score >= self.min_score])

    def _search(self, photo: np.ndarray, side: int) -> list[Face]:
        """Search the photo, reduced so that its longest side has at most ``side`` pixels."""
        height, width = photo.shape[:2]
        scale = side / max(height, width)
        small = photo
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        x, y = width / small.shape[1], height / small.shape[0]
        to_photo = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5]])  # pixel 0 of a half is centred at 0.5
        return [_face(row, to_photo) for row in self._detect(small)]

    def _settled(self, photo: np.ndarray, points: np.ndarray) -> Face | None:
        """The face at these points [5, 2], looked at again. One that does not look upright is also looked at turned by quarters:
        YuNet finds faces at any angle, but takes most of them for upright ones."""
        face = self._straightened(photo, points)
        for _ in range(ROUNDS):
            if face is not None and face.score >= UPRIGHT:
                break
            looks = [face, *(self._straightened(photo, turned) for turned in _quarter_turns(points))]
            face = max((look for look in looks if look is not None), key=lambda look: look.score, default=None)
            if face is None:
                break
            points = face.landmarks
        return face

    def _straightened(self, photo: np.ndarray, points: np.ndarray) -> Face | None:
        """The face at these points, looked at until it stands upright."""
        for _ in range(LOOKS):
            face = self._look(photo, points)
            if face is None or _turn(points, face.landmarks) < STRAIGHT:
                break
            points = face.landmarks
        return face

    def _look(self, photo: np.ndarray, points: np.ndarray) -> Face | None:
        """The face in the square around these points, seen as YuNet knows faces best; the mean of how it is and its mirror
        image, whose errors to the side cancel out. The score is the lower one."""
        square = _square(photo, points)
        if square is None:
            return None
        # outside of the photo all is black, as it is inside of YuNet
        cut = resampling.warp(photo, square.to_photo, LOOK, LOOK, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        expected = _mapped(points, square.from_photo)
        if (plain := _nearest(self._detect(cut), expected)) is None:
            return None
        if (mirrored := _nearest(_mirrored(self._detect(cut[:, ::-1])), expected)) is None:
            return None
        row = (plain + mirrored) / 2
        row[14] = min(plain[14], mirrored[14])
        return _face(row, square.to_photo)

    def _detect(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] RGB -> float64 [n, 15]: box, five points, score."""
        try:
            if self._network is None:
                with _quiet():
                    self._network = cv2.FaceDetectorYN.create(str(self.model), "", (LOOK, LOOK), CANDIDATE, MAX_OVERLAP)
            self._network.setInputSize((picture.shape[1], picture.shape[0]))
            rows = self._network.detect(np.ascontiguousarray(picture[:, :, ::-1]))[1]  # BGR
        except cv2.error as err:
            raise InputError(
                f"OpenCV {cv2.__version__} cannot run {self.model} as a face detector; {_suited()[0].command} gets one "
                "that it runs"
            ) from err
        rows = np.empty((0, 15)) if rows is None else rows.astype(np.float64)
        return rows[np.isfinite(rows).all(1)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV 5 warns on stderr, at every model, that it knows no targets yet."""
    log = getattr(cv2.utils, "logging", cv2)  # 5.x has it there, 4.x here
    level = log.getLogLevel()
    log.setLogLevel(ERRORS)
    try:
        yield
    finally:
        log.setLogLevel(level)


def find_model(path: str | Path | None = None) -> Path:
    """The detector's file, checked against the published SHA-256.

    Raises:
        InputError: it is missing, or has a known name and other content.
    """
    suited = _suited()
    if path is None:
        path = next((file.path() for file in suited if file.path().is_file()), None)
        if path is None:
            raise InputError(
                f"no face detector in {suited[0].folder()}: {suited[0].command} gets it; or name one with --detector, or give "
                "the points of the faces with --landmarks"
            )
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no face detector {path}; {suited[0].command} gets one")
    known = next((file for file in published.FILES.values() if file.file == path.name), None)
    if known is not None and (what := known.fault(path)):
        raise InputError(f"{path} is damaged: it is {what}; {known.command} gets it again")
    digest = provenance.sha256(path)
    if digest not in [file.sha256 for file in published.FILES.values()]:
        warnings.warn(f"{path} is a face detector unknown to this program (SHA-256 {digest})", stacklevel=2)
    return path


def _suited() -> tuple[PublishedFile, PublishedFile]:
    """YuNet's files, the one that suits this OpenCV first: 5.x and its ONNX Runtime engine want inputs of any size."""
    return (YUNET_4, YUNET) if cv2.__version__.startswith("4.") else (YUNET, YUNET_4)


def _face(row: np.ndarray, to_photo: np.ndarray) -> Face:
    """One row of YuNet's -> the face in the photo, by the matrix [2, 3] of the image that was searched.

    The row's points start with the person's right eye, which is the one at the image's left: our order.
    """
    x, y, width, height = row[:4]
    low, high = resampling.bounds(to_photo, x, x + width, y, y + height)
    return Face(_mapped(row[4:14].reshape(5, 2), to_photo), (*low.tolist(), *(high - low).tolist()), float(row[14]))


def _mapped(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _mirrored(rows: np.ndarray) -> np.ndarray:
    """Rows of a mirrored square, as those of the square itself."""
    rows = rows[:, [0, 1, 2, 3, 6, 7, 4, 5, 8, 9, 12, 13, 10, 11, 14]]  # left and right exchanged
    rows[:, 4:14:2] = LOOK - 1 - rows[:, 4:14:2]
    rows[:, 0] = LOOK - 1 - rows[:, 0] - rows[:, 2]
    return rows


def _nearest(rows: np.ndarray, expected: np.ndarray) -> np.ndarray | None:
    """The surest row whose points are near those that are expected."""
    distances = np.linalg.norm(rows[:, 4:14].reshape(-1, 5, 2) - expected, axis=2).mean(1)
    return max(rows[distances < NEAR], key=lambda row: row[14], default=None)


def _square(photo: np.ndarray, points: np.ndarray) -> Alignment | None:
    """FFHQ's square; None where the points are those of no face, or of one larger than ten photos."""
    if geometry.half_size(points) > LARGEST * max(photo.shape[:2]):
        return None
    try:
        return Alignment.of(geometry.quad(points), LOOK)
    except InputError:
        return None


def _quarter_turns(points: np.ndarray) -> list[np.ndarray]:
    """Points [5, 2] turned around their middle by one, two and three quarters."""
    centre = points.mean(0)
    x, y = (points - centre).T
    return [np.stack(turned, axis=1) + centre for turned in ((-y, x), (-x, -y), (y, -x))]


def _turn(before: np.ndarray, after: np.ndarray) -> float:
    """By how many degrees points [5, 2] have turned."""
    a, b = (points @ (1, 1j) - points.mean(0) @ (1, 1j) for points in (before, after))
    return abs(math.degrees(np.angle(np.vdot(a, b))))


def _distinct(faces: list[Face]) -> list[Face]:
    """The surest first, without those that overlap a surer one."""
    kept = cv2.dnn.NMSBoxes([face.box for face in faces], [face.score for face in faces], 0, MAX_OVERLAP)
    return [faces[i] for i in kept]
