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

from stylemap import provenance, published
from stylemap.errors import InputError
from stylemap.published import YUNET, YUNET_4, PublishedFile

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
                f"OpenCV {cv2.__version__} cannot run {self.model} as a face detector; {_suited()[0].command} gets one "
                "that it runs"
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
