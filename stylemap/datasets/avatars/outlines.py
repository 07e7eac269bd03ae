"""Outlines in face units: curves, ellipses, bands and lines. All return float [n, 2], (x, y)."""

import functools
import math

import numpy as np

MIRROR = np.array((-1.0, 1.0))  # times points: their mirror images about x = 0
QUARTER = np.array(((0.0, 1.0), (-1.0, 0.0)))  # directions @ this: a quarter turn


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


def symmetric(right, steps: int = 4) -> np.ndarray:
    """The smooth closed curve through the points of the right half (top to bottom) and their mirror images about x = 0."""
    return smooth([*right, *((-x, y) for x, y in reversed(right) if x != 0)], steps=steps)


def flipped(outline: np.ndarray) -> np.ndarray:
    """The mirror image about x = 0."""
    return outline * MIRROR


def pair(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An outline of the right half of the image, after its mirror image."""
    return flipped(right), right


@functools.cache
def _circle(count: int) -> np.ndarray:
    t = np.arange(count) * (2 * math.pi / count)
    return curve(np.cos(t), np.sin(t))


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 20) -> np.ndarray:
    """An ellipse about (x, y)."""
    return _circle(count) * (rx, ry) + (x, y)


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


def stroke(centre: np.ndarray, width) -> np.ndarray:
    """A line along ``centre`` [n, 2]; ``width`` is a number or one per point [n]."""
    along = np.concatenate([centre[1:], centre[-1:]]) - np.concatenate([centre[:1], centre[:-1]])
    normal = along @ QUARTER * (0.5 * width / (np.hypot(along[:, 0], along[:, 1]) + 1e-9))[:, None]
    return np.concatenate([centre + normal, (centre - normal)[::-1]])
