"""The faces of a photo, from a list of landmarks or from a detector."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from stylemap.errors import InputError
from stylemap.faces import alignment, geometry, landmarks
from stylemap.faces.detection import Face, YuNet

SMALLEST = 4  # pixels, half the square of `geometry.quad`: there is no face in less
INSIDE = 2  # of the five points, at least: a photo of a face has more of them

Detector = Callable[[np.ndarray], list[Face]]  # a photo uint8 [H, W, 3] RGB -> its faces


class Finder:
    """Finds faces by name in a landmarks file, or with a detector.

    Args:
        listed: a landmarks file, see `landmarks.read`; then no detector is used, nor needed.
        detector: any, or the path of YuNet's model; None = the model in the cache folder.

    Raises:
        InputError: a file that is missing or broken.
    """

    def __init__(self, listed: str | Path | None = None, detector: Detector | str | Path | None = None):
        self.path = listed
        self.lookup = None if listed is None else landmarks.Lookup(landmarks.read(listed))
        if self.lookup is None and not callable(detector):
            detector = YuNet(detector)
        self.detector = detector

    def given(self, name: str) -> list[Face] | None:
        """The listed faces of a photo, the largest first; None if there is no list.

        Raises:
            InputError: the photo is not in the list.
        """
        if self.lookup is None:
            return None
        points = self.lookup(name)
        if points is None:
            raise InputError(f"{name} is not in {self.path}; add it, or give the photo the name that is there")
        return _by_size([Face(p, _box(p)) for p in points])

    def faces(self, name: str, photo: np.ndarray) -> list[Face]:
        """The faces of a photo uint8 [H, W, 3] RGB, the largest first.

        Raises:
            InputError: the photo is not in the list, or the detector cannot be run.
        """
        given = self.given(name)
        return _by_size(self.detector(photo)) if given is None else given

    def largest(self, name: str, photo: np.ndarray, repair: str | None = None) -> Face:
        """The largest of ``faces``. No face is an InputError too, whose message ends with the repair."""
        faces = self.faces(name, photo)
        if not faces:
            repair = repair or ("add one to it" if self.lookup else "give its points with --landmarks")
            raise InputError(f"no face was found in {name}; choose another photo or {repair}")
        return faces[0]


def cut(photo: np.ndarray, face: Face, side: int) -> alignment.Aligned:
    """`alignment.align` of a face. Raises as `square`."""
    place = square(photo, face, side)
    return alignment.Aligned(alignment.crop(photo, place), place)


def square(photo: np.ndarray, face: Face, side: int) -> geometry.Alignment:
    """FFHQ's square of a face in a photo uint8 [H, W, 3].

    Raises:
        InputError: its points are in another order, are not in pixels, or belong to another photo.
    """
    points, (height, width) = face.landmarks, photo.shape[:2]
    if what := landmarks.fault(points):
        raise InputError(f"a face {what}")
    quad = geometry.quad(points)
    inside = ((points > -0.5) & (points < (width - 0.5, height - 0.5))).all(1).sum()
    if inside < INSIDE or geometry.half_size(points) < SMALLEST:
        low, high = (f"({point[0]:.4g}, {point[1]:.4g})" for point in (points.min(0), points.max(0)))
        raise InputError(
            f"these landmarks do not fit a photo of {width} x {height} pixels: they reach from {low} to {high}; correct them"
        )
    return geometry.Alignment.of(quad, side)


def _by_size(faces: list[Face]) -> list[Face]:
    """The largest first, by the square that is cut out; equal ones in the order given."""
    return sorted(faces, key=lambda face: -geometry.half_size(face.landmarks))


def _box(points: np.ndarray) -> tuple[float, float, float, float]:
    """Around the landmarks."""
    low, high = points.min(0), points.max(0)
    return (*low.tolist(), *(high - low).tolist())
