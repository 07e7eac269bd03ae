"""Finding faces with YuNet, a small network of OpenCV's model zoo (MIT licence), which the user fetches once.

Any callable from a photo, uint8 [H, W, 3] RGB, to a list of `Face` can stand in for it.
"""

import contextlib
import hashlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stylemap import resources
from stylemap.errors import InputError

FOR_OPENCV_5 = "face_detection_yunet_2026may.onnx"  # any size of input, which the ONNX Runtime engine of 5.x asks for
FOR_OPENCV_4 = "face_detection_yunet_2023mar.onnx"
SHA256 = {  # the identities of both files in the model zoo's Git LFS
    FOR_OPENCV_5: "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
    FOR_OPENCV_4: "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
}
URL = "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"

SIDES = (1024, 384)  # pixels, the longest side as it is searched: YuNet was trained on faces of 10 to 300 pixels
LARGEST_SIDE = 4096  # if there is no face at these sides
MIN_SCORE = 0.8  # not measured here; OpenCV's default is 0.9, its samples go down to 0.6
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
        knows. If there is no face, it is searched at its full size, or at most ``LARGEST_SIDE``.

        Raises:
            InputError: this OpenCV cannot run the model.
        """
        longest = max(photo.shape[:2])
        sides = sorted({min(side, longest) for side in SIDES}, reverse=True)
        faces = _distinct([face for side in sides for face in self._search(photo, side)])
        if not faces and longest > max(SIDES):
            faces = _distinct(self._search(photo, min(longest, LARGEST_SIDE)))
        return faces

    def _search(self, photo: np.ndarray, side: int) -> list[Face]:
        """Search the photo, reduced so that its longest side has at most ``side`` pixels."""
        height, width = photo.shape[:2]
        scale = side / max(height, width)
        small = photo
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        rows = self._detect(np.ascontiguousarray(small[:, :, ::-1]))  # BGR
        factor = np.array([width / small.shape[1], height / small.shape[0]])
        return [_face(row, factor) for row in rows if math.isfinite(row[14])]

    def _detect(self, bgr: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] -> float32 [n, 15]: box, five points, score."""
        try:
            if self._network is None:
                with _quiet():
                    self._network = cv2.FaceDetectorYN.create(
                        str(self.model), "", (320, 320), self.min_score, MAX_OVERLAP
                    )
            self._network.setInputSize((bgr.shape[1], bgr.shape[0]))
            rows = self._network.detect(bgr)[1]
        except cv2.error as err:
            raise InputError(
                f"OpenCV {cv2.__version__} cannot run {self.model} as a face detector: OpenCV 5 runs {FOR_OPENCV_5}, "
                f"4.9 and later {FOR_OPENCV_4}, both from {URL}"
            ) from err
        return np.empty((0, 15), np.float32) if rows is None else rows


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
    if path is None:
        known = [FOR_OPENCV_4, FOR_OPENCV_5] if cv2.__version__.startswith("4.") else [FOR_OPENCV_5, FOR_OPENCV_4]
        folder = resources.cache_folder()
        path = next((folder / name for name in known if (folder / name).is_file()), None)
        if path is None:
            raise InputError(
                f"no face detector in {folder}: download {URL}{known[0]} into it, or name a detector with --detector, "
                "or give the points of the faces with --landmarks"
            )
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as err:
        raise InputError(f"the face detector {path} cannot be read: {err.strerror}; download it from {URL}") from err
    digest = hashlib.sha256(data).hexdigest()
    expected = SHA256.get(path.name)
    if expected not in (None, digest):
        pointer = ", only its Git LFS pointer" if data.startswith(b"version https://git-lfs") else ""
        raise InputError(f"{path} is damaged or not this file{pointer}; download {URL}{path.name} again")
    if expected is None and digest not in SHA256.values():
        warnings.warn(f"{path} is a face detector unknown to this program (SHA-256 {digest})", stacklevel=2)
    return path


def _face(row: np.ndarray, factor: np.ndarray) -> Face:
    """One row of YuNet's, of a reduced photo -> the face in the photo, which is ``factor`` (x, y) times as large.

    The row's points start with the person's right eye, which is the one at the image's left: our order.
    """
    row = row.astype(np.float64)
    points = (np.stack([row[:2], *row[4:14].reshape(5, 2)]) + 0.5) * factor - 0.5  # pixel 0 of a half is centred at 0.5
    return Face(points[1:], (*points[0].tolist(), *(row[2:4] * factor).tolist()), float(row[14]))


def _distinct(faces: list[Face]) -> list[Face]:
    """The surest first, without those that overlap a surer one."""
    kept = cv2.dnn.NMSBoxes([face.box for face in faces], [face.score for face in faces], 0, MAX_OVERLAP)
    return [faces[i] for i in kept]
