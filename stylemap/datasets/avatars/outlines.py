"""Outlines in face units: curves, ellipses, bands and lines. All return float [n, 2], (x, y)."""

import functools
import math

import numpy as np


@functools.cache
def _spline(count: int, closed: bool, steps: int) -> np.ndarray:
    """The matrix from ``count`` control points to points on the Catmull-Rom curve through them."""
    t = np.arange(steps) / steps
    weights = 0.5 * np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1)
    spans = count if closed else count - 1
    matrix = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for k in range(4):
            point = (span + k - 1) % count if closed else min(max(span + k - 1, 0), count - 1)
            matrix[span * steps : (span + 1) * steps, point] += weights[:, k]
    if not closed:
        matrix[-1, -1] = 1
    return matrix


@functools.cache
def grid(count: int) -> np.ndarray:
    """``count`` equal steps from -1 to 1; shared, so not to be written to."""
    return np.linspace(-1, 1, count)


def smooth(points, closed: bool = True, steps: int = 4) -> np.ndarray:
    """The smooth curve through ``points`` [k, 2]; a point given twice makes a corner."""
    return _spline(len(points), closed, steps) @ np.asarray(points)


def mirrored(right) -> list[tuple[float, float]]:
    """A closed list of points from those of the right half (top to bottom); x = 0 is not repeated."""
    return [*right, *((-x, y) for x, y in reversed(right) if x != 0)]


def flipped(outline: np.ndarray) -> np.ndarray:
    """The mirror image about x = 0."""
    mirror = outline.copy()
    mirror[:, 0] *= -1
    return mirror


@functools.cache
def _circle(count: int) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(count) * (2 * math.pi / count)
    return np.cos(t), np.sin(t)


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 20) -> np.ndarray:
    """An ellipse about (x, y)."""
    return curve(_circle(count)[0] * rx + x, _circle(count)[1] * ry + y)


def between(x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The area between two curves over the same x [n]."""
    n = len(x)
    outline = np.empty((2 * n, 2))
    outline[:n, 0], outline[:n, 1] = x, top
    outline[n:, 0], outline[n:, 1] = x[::-1], bottom[::-1]
    return outline


def ribbon(x: np.ndarray, y: np.ndarray, width) -> np.ndarray:
    """A line along the curve (x, y) with its width measured vertically: cheaper than `stroke`, for level lines."""
    return between(x, y - 0.5 * width, y + 0.5 * width)


def curve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The points (x, y) of two arrays [n]."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


@functools.cache
def _difference(count: int) -> np.ndarray:
    """The matrix from points to the direction of the line at each."""
    matrix = np.zeros((count, count))
    for i in range(count):
        matrix[i, min(i + 1, count - 1)] += 1
        matrix[i, max(i - 1, 0)] -= 1
    return matrix


def stroke(centre: np.ndarray, width) -> np.ndarray:
    """A line along ``centre`` [n, 2]; ``width`` is a number or one per point [n]."""
    along = _difference(len(centre)) @ centre
    factor = 0.5 * width / (np.hypot(along[:, 0], along[:, 1]) + 1e-9)
    normal = np.empty_like(centre)
    normal[:, 0], normal[:, 1] = -along[:, 1] * factor, along[:, 0] * factor
    return np.concatenate([centre + normal, (centre - normal)[::-1]])
