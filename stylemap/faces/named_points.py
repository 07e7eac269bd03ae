"""Faces as detectors write them: points with names, however they are wrapped -> the five points, and lists of points.

The forms of MTCNN, RetinaFace, InsightFace, face_recognition, MediaPipe, TensorFlow.js and of cloud services are read: dicts of
names, or lists of points that each have a name. `left_eye`, `leftEye`, `eyeLeft` and `LEFT_EYE` are the same name.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

WRAPPERS = frozenset(  # without case and "_"
    ("keypoints", "landmarks", "facelandmarks", "landmark", "kps", "points", "faces", "positions")
)
NAMES = ("name", "type")
COORDINATES = ("x", "y")
EYE, NOSE, MOUTH = ("eye", "pupil"), ("nose", "nosetip"), ("mouth", "lip", "mouthcorner", "lipcorner")
SIDES = ("left", "right")
CENTRES = ("center", "centre", "")
NEEDED = "left_eye, right_eye, mouth_left and mouth_right"  # the names that are needed, for messages


class Unnamed(ValueError):
    """Points that are needed have no names."""


def faces(value: Any) -> Iterator[Any]:
    """The faces in a value of JSON: a list of points [x, y] each, as it is, or float64 [5, 2] where the points have names.

    The five are left eye, right eye, nose, left and right mouth corner. Left may be the viewer's or the person's; the caller
    tells them apart. A nose that is missing is half-way from the eyes to the mouth, a mouth without corners is one point.

    Raises:
        Unnamed: a dict without the names that are needed.
    """
    if isinstance(value, dict):
        inner = next((v for k, v in value.items() if _plain(k) in WRAPPERS and isinstance(v, dict | list) and v), None)
        if inner is None and all(isinstance(entry, dict) and _point(entry) is None for entry in value.values()):
            inner = list(value.values())  # RetinaFace's face_1, face_2
        if inner:
            yield from faces(inner)
        else:
            yield _five({key: point for key, entry in value.items() if (point := _point(entry)) is not None})
    elif isinstance(value, list) and (face := _of_points(value)) is not None:
        yield face
    elif isinstance(value, list) and all(isinstance(entry, dict) or _is_face(entry) for entry in value):
        for entry in value:
            yield from faces(entry) if isinstance(entry, dict) else [entry]
    else:
        yield value


def _of_points(entries: list) -> Any:
    """The face of a list of points that are dicts, with names or without; None if it is another list."""
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        return None
    points = [_point(entry) for entry in entries]
    named = {name: point for entry, point in zip(entries, points, strict=True) if point and (name := _name(entry))}
    if named:
        return _five(named)
    return [point[0].tolist() for point in points] if all(points) else None


def _is_face(entry: Any) -> bool:
    return isinstance(entry, list) and bool(entry) and isinstance(entry[0], list)


def _name(entry: dict) -> str | None:
    named = {_plain(key): value for key, value in entry.items()}
    return next((named[key] for key in NAMES if isinstance(named.get(key), str)), None)


def _point(entry: Any) -> list[np.ndarray] | None:
    """Numbers x and y, as a list of one, or of several for an outline; None for anything else."""
    if isinstance(entry, list) and entry and all(isinstance(part, list | dict) for part in entry):
        parts = [_point(part) for part in entry]
        return None if any(part is None or len(part) > 1 for part in parts) else [part[0] for part in parts]
    if isinstance(entry, dict):
        inner = {_plain(key): value for key, value in entry.items()}
        if isinstance(inner.get("position"), dict):
            return _point(inner["position"])
        entry = [inner.get(axis) for axis in COORDINATES]
    if not isinstance(entry, list) or not 2 <= len(entry) <= 3 or not {type(v) for v in entry} <= {int, float}:
        return None
    try:
        return [np.array(entry[:2], np.float64)]
    except OverflowError:  # a whole number beyond all floats
        return [np.full(2, np.inf)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", str(name).lower())


def _five(named: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Named points, or outlines -> float64 [5, 2], the sides as they are called.

    Raises:
        Unnamed: eyes or mouth are missing.
    """
    parts: dict[tuple[str, str], np.ndarray] = {}
    lips = [point for name, points in named.items() if _plain(name) in ("toplip", "bottomlip") for point in points]
    for name, points in named.items():
        plain = _plain(name)
        side = next((side for side in SIDES if side in plain), "")
        rest = plain.replace(side, "", 1) if side else plain
        for centre in CENTRES[:2]:
            rest = rest.removesuffix(centre)
        for what in (EYE, NOSE, MOUTH):
            if rest in what:
                parts.setdefault((what[0], side), np.mean(points, axis=0))
    eyes = [parts.get(("eye", side)) for side in SIDES]
    mouth = [parts.get(("mouth", side), parts.get(("mouth", ""))) for side in SIDES]
    if lips and eyes[0] is not None and eyes[1] is not None:
        along = [float(point @ (eyes[1] - eyes[0])) for point in lips]
        mouth = [lips[int(np.argmin(along))], lips[int(np.argmax(along))]]
    if any(point is None for point in (*eyes, *mouth)):
        raise Unnamed(f"has no points called {NEEDED}")
    nose = parts.get(("nose", ""), np.mean([*eyes, *mouth], axis=0))
    return np.stack([*eyes, nose, *mouth])
