"""The five points that place a face, and the JSON files that list them.

Landmarks are float64 [5, 2]: (x, y) in pixels of the upright photo, integers at the centres of pixels, in this order: left
eye, right eye, nose, left mouth corner, right mouth corner. Left is the IMAGE's left, the smaller x in an upright face.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from stylemap import naming, reading
from stylemap.errors import InputError, shortened
from stylemap.faces import geometry, named_points

POINTS = 5
CONTOUR_POINTS = 68  # of the iBUG 300-W scheme, which FFHQ's file and dlib use
LARGEST = 1e6  # pixels: no photo is larger
SHARES = 2  # pixels: a face is larger; points within are shares of the image's sides
# Limits that hold for faces in all poses, up to nodding by 45 degrees and turning away by 85
MIRRORED = -0.3  # sine of the angle from the eyes' line to the mouth; a profile is near 0, exchanged eyes near -1
NOSE = -0.35, 1.35  # from the eyes to the mouth
FRONTAL = 0.3  # of the way from eyes to mouth; of lines shorter than that the direction says little

ORDER = "give left eye, right eye, nose, left and right mouth corner, with left as you see it in the image"
EXCHANGED = f"has left and right exchanged: {ORDER}"

Table = dict[str, list[np.ndarray]]  # photo -> landmarks of each face


def from_68(points: np.ndarray) -> np.ndarray:
    """[68, 2] -> [5, 2]: the means of the two eyes' outlines, the tip of the nose, the corners of the mouth."""
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def read(path: str | Path) -> Table:
    """Read landmarks -> photo's name as the file gives it -> landmarks [5, 2] of each of its faces.

    There are two forms. ``{"photo.jpg": FACE, "group.jpg": [FACE, FACE]}``, where a face is 5 or 68 points [x, y], or named
    points of a detector, see `named_points`; their left may be the viewer's or the person's. And FFHQ's
    ``ffhq-dataset-v2.json``, of which the points in the unaligned photos (``in_the_wild``) are taken.

    Raises:
        InputError: no such file, not JSON, or points that are not a face; the line names the file and the photo.
    """
    path = Path(path)
    content = reading.parse_json(reading.read_bytes(path), path)
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path} lists no photo; it must look like {{"photo.jpg": [[x, y], ... 5 or 68 points]}}')
    table: Table = defaultdict(list)
    for key, value in content.items():
        if isinstance(value, dict) and "in_the_wild" in value:
            name, points = _in_the_wild(path, key, value)
            # one of 70,000 must not spoil the others: `finding.cut` checks the order of the points
            table[name].append(_landmarks(points, f"{path}: photo {shortened(name)!r}"))
            continue
        where = f"{path}: photo {shortened(key)!r}"
        try:
            faces = [_landmarks(face, where) for face in named_points.faces(value)]
        except named_points.Unnamed as err:
            raise InputError(f"{where} {err}; correct it") from err
        if any(_turn(face) < MIRRORED for face in faces):
            raise InputError(f"{where} {EXCHANGED}")
        table[key] += faces
    return dict(table)


def fault(landmarks: np.ndarray) -> str | None:
    """What is wrong with the order or orientation of landmarks [5, 2], and the repair; None if nothing is."""
    if abs(landmarks).max() <= SHARES and np.ptp(landmarks, axis=0).any():
        return "has points in shares of the image, not in pixels: multiply x by its width and y by its height"
    if _turn(landmarks) < MIRRORED:
        return EXCHANGED
    eyes, mouth = landmarks[1] - landmarks[0], landmarks[4] - landmarks[3]
    down = geometry.eyes_to_mouth(landmarks)
    length = float(down @ down)
    if length > 0:
        nose = float((landmarks[2] - geometry.eyes_centre(landmarks)) @ down) / length
        apart = min(math.hypot(*eyes), math.hypot(*mouth)) > FRONTAL * math.sqrt(length)
        if not NOSE[0] <= nose <= NOSE[1] or (apart and eyes @ mouth < 0):
            return f"has its points in another order: {ORDER}"
    return None


class Lookup:
    """Finds the faces of a photo in a table, although paths may differ: by the whole name, by trailing parts, by the file name.

    Without an equal name, one that differs in case is taken.
    """

    def __init__(self, table: Mapping[str, list[np.ndarray]]):
        self.table = table
        self._by_file: dict[str, list[str]] = defaultdict(list)
        for key in table:
            self._by_file[PurePosixPath(naming.folded(key)).name].append(key)

    def __call__(self, name: str) -> list[np.ndarray] | None:
        """Landmarks of each face of the photo, or None if it is not listed.

        Raises:
            InputError: several entries fit equally well.
        """
        if name in self.table:
            return self.table[name]
        candidates = defaultdict(list)
        for key in self._by_file.get(PurePosixPath(naming.folded(name)).name, []):
            same = (_common_tail(form(name), form(key)) for form in (naming.folded, naming.canonical))
            candidates[tuple(same)].append(key)
        if not candidates:
            return None
        best = candidates[max(candidates)]
        if len(best) > 1:
            raise InputError(f"{name} could be {best[0]} or {best[1]} of the landmarks; give the same folders in both")
        return self.table[best[0]]


def _common_tail(a: str, b: str) -> int:
    """The number of trailing parts that two paths share."""
    parts = zip(reversed(a.split("/")), reversed(b.split("/")), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], parts)))


def _in_the_wild(path: Path, key: str, entry: dict) -> tuple[str, Any]:
    """An entry of FFHQ's file -> (path of the photo, its points)."""
    wild = entry["in_the_wild"]
    name = wild.get("file_path") if isinstance(wild, dict) else None
    if not isinstance(name, str) or "face_landmarks" not in wild:
        raise InputError(
            f"{path}: entry {shortened(key)!r} has no file_path and face_landmarks in in_the_wild; download it again"
        )
    return name, wild["face_landmarks"]


def _landmarks(points: Any, where: str) -> np.ndarray:
    """Points as JSON gives them, or five that had names -> [5, 2]."""
    if isinstance(points, np.ndarray):
        _check_numbers(points, where)
        return _by_position(points)
    count = len(points) if isinstance(points, list) else 0
    if count not in (POINTS, CONTOUR_POINTS) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise InputError(f"{where} must have {POINTS} or {CONTOUR_POINTS} points [x, y] for each face; correct it")
    try:
        plain = set(map(type, itertools.chain.from_iterable(points))) <= {int, float}
        array = np.array(points if plain else np.nan, np.float64)
    except OverflowError:  # a whole number beyond all floats
        array = np.array(np.nan)
    _check_numbers(array, where)
    return from_68(array) if count == CONTOUR_POINTS else array


def _check_numbers(array: np.ndarray, where: str) -> None:
    if not (abs(array) <= LARGEST).all():  # NaN is neither
        raise InputError(f"{where} has a point that is not two numbers of pixels; correct it")


def _by_position(points: np.ndarray) -> np.ndarray:
    """Points [5, 2] whose left may be the person's, with the image's left first."""
    if _turn(points) < MIRRORED:
        points = points[[1, 0, 2, 4, 3]]
    if (points[4] - points[3]) @ (points[1] - points[0]) < 0:
        points = points[[0, 1, 2, 4, 3]]
    return points


def _turn(landmarks: np.ndarray) -> float:
    """Sine of the angle from the line of the eyes to the line down to the mouth; 1 for an upright face, 0 if undefined."""
    eyes = landmarks[1] - landmarks[0]
    down = geometry.eyes_to_mouth(landmarks)
    lengths = math.hypot(*eyes) * math.hypot(*down)
    return (eyes[0] * down[1] - eyes[1] * down[0]) / lengths if lengths > 0 else 0.0
