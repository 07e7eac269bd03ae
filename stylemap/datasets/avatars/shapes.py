"""Layered shapes and the two ways to rasterise them: into a picture and into part labels.

Coordinates are face units: x = 0 is the middle of the face (the image's centre column), y = 0 the top and y = 1 the
bottom of the image, and one unit is the image's side. A drawing is a list of `Shape`, painted in order.
"""

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from stylemap.datasets.parts import Part

Colour = tuple[int, int, int]  # RGB, 0..255

MIN_WORK = 128  # pixels: nothing is painted on a smaller canvas, whatever the side
SUPERSAMPLING = 2  # canvas pixels per image pixel where the side is large
LABEL_WORK = 256  # pixels: labels are painted at least this large, then every k-th pixel is taken
FRACTION_BITS = 5  # sub-pixel bits of OpenCV's fixed-point coordinates
SHADE_SIDE = 64  # pixels: soft shading is blurred at this size whatever the side, so it looks alike at every side
NEUTRAL = 200  # the shade that changes nothing; 255 lightens by 27 %, less than 200 darkens
GRAIN = 3  # grey levels of paper grain, at most


class Shape(NamedTuple):
    """One layer: outlines of one colour.

    Outlines are filled by the even-odd rule, so two nested ones make a ring. With one part they share its label; with
    as many parts as outlines each has its own; with none the labels below stay.
    """

    outlines: tuple[np.ndarray, ...]  # each [n, 2] float, (x, y) in face units
    colour: Colour  # for soft shapes: the factor on what lies below, in units of NEUTRAL
    parts: tuple[Part, ...] = ()
    opacity: float = 1.0  # 0..1
    soft: bool = False  # blurred and multiplied; soft neighbours in the list are blurred together
    shift: tuple[float, float] = (0.0, 0.0)  # added to all points


class Placement(NamedTuple):
    """Where the face lands in the image: a rotation and a scaling about the image's centre, then a shift."""

    rotation: float = 0.0  # degrees, clockwise
    scale: float = 1.0
    shift_x: float = 0.0  # fraction of the side
    shift_y: float = 0.0

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Face units [n, 2] -> fractions of the image [n, 2]."""
        angle = math.radians(self.rotation)
        c, s = self.scale * math.cos(angle), self.scale * math.sin(angle)
        shift = (0.5 + self.shift_x + 0.5 * s, 0.5 + self.shift_y - 0.5 * c)  # (0, 0.5) stays in the middle
        return points @ np.array([(c, s), (-s, c)]) + shift


def paint(shapes: list[Shape], background: np.ndarray, placement: Placement, side: int, grain: int) -> np.ndarray:
    """The picture, uint8 [side, side, 3] RGB.

    ``background`` is uint8 [2, 2, 3], the colours of the four corners; ``grain`` (>= 0) chooses the paper grain.
    """
    factor = max(SUPERSAMPLING, math.ceil(MIN_WORK / side))
    work = side * factor
    canvas = cv2.resize(background, (work, work), interpolation=cv2.INTER_LINEAR)
    points = _placed(shapes, placement)
    on_canvas, on_shade = _fixed(points, work), _fixed(points, SHADE_SIDE)
    shade = None
    for shape, spans in zip(shapes, _spans(shapes), strict=True):
        if shape.soft:
            if shade is None:
                shade = np.full((SHADE_SIDE, SHADE_SIDE, 3), NEUTRAL, np.uint8)
            cv2.fillPoly(shade, [on_shade[s] for s in spans], shape.colour, cv2.LINE_AA, FRACTION_BITS)
            continue
        outlines = [on_canvas[s] for s in spans]
        if shade is not None:
            _multiply(canvas, shade)
            shade = None
        if shape.opacity < 1:
            _blend(canvas, outlines, shape)
        else:
            cv2.fillPoly(canvas, outlines, shape.colour, cv2.LINE_AA, FRACTION_BITS)
    if shade is not None:
        _multiply(canvas, shade)
    image = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    y, x = grain % 61, grain % 67
    return cv2.add(image, _grain()[y : y + side, x : x + side])


def label(shapes: list[Shape], placement: Placement, side: int) -> np.ndarray:
    """The part labels, uint8 [side, side] of `Part`: the topmost part at each pixel's centre."""
    factor = math.ceil(LABEL_WORK / side) | 1  # odd, so that a sample lies at each pixel's centre
    canvas = np.zeros((side * factor, side * factor), np.uint8)
    fixed = _fixed(_placed(shapes, placement), side * factor)
    for shape, spans in zip(shapes, _spans(shapes), strict=True):
        outlines = [fixed[s] for s in spans]
        if len(shape.parts) == 1:
            cv2.fillPoly(canvas, outlines, int(shape.parts[0]), cv2.LINE_8, FRACTION_BITS)
        else:
            for outline, part in zip(outlines, shape.parts, strict=False):
                cv2.fillPoly(canvas, [outline], int(part), cv2.LINE_8, FRACTION_BITS)
    return np.ascontiguousarray(canvas[factor // 2 :: factor, factor // 2 :: factor])


def _placed(shapes: list[Shape], placement: Placement) -> np.ndarray:
    """All points of all shapes in order, [n, 2], as fractions of the image."""
    points = np.concatenate([outline for shape in shapes for outline in shape.outlines])
    lengths = [sum([len(outline) for outline in shape.outlines]) for shape in shapes]
    return placement.apply(points + np.array([shape.shift for shape in shapes]).repeat(lengths, axis=0))


def _fixed(points: np.ndarray, size: int) -> np.ndarray:
    """Fractions of the image -> OpenCV's fixed-point pixels, in which pixel centres are whole numbers."""
    return np.rint((points * size - 0.5) * (1 << FRACTION_BITS)).astype(np.int32)


def _spans(shapes: list[Shape]) -> Iterator[list[slice]]:
    """For each shape, where its outlines lie among the points of all."""
    stop = 0
    for shape in shapes:
        spans = []
        for outline in shape.outlines:
            start, stop = stop, stop + len(outline)
            spans.append(slice(start, stop))
        yield spans


def _blend(canvas: np.ndarray, outlines: list[np.ndarray], shape: Shape) -> None:
    """Fill a translucent shape, touching only its bounding box: whole canvases are slow."""
    points = np.concatenate(outlines) >> FRACTION_BITS
    left, top = np.maximum(points.min(0) - 1, 0).tolist()
    right, bottom = (points.max(0) + 3).tolist()
    below = canvas[top:bottom, left:right]
    above = below.copy()
    corner = np.array((left << FRACTION_BITS, top << FRACTION_BITS), np.int32)
    cv2.fillPoly(above, [o - corner for o in outlines], shape.colour, cv2.LINE_AA, FRACTION_BITS)
    cv2.addWeighted(above, shape.opacity, below, 1 - shape.opacity, 0, dst=above)
    below[:] = above


def _multiply(canvas: np.ndarray, shade: np.ndarray) -> None:
    shade = cv2.blur(cv2.blur(shade, (5, 5)), (3, 3))  # two box blurs: close to a Gaussian and cheaper
    shade = cv2.resize(shade, canvas.shape[:2], interpolation=cv2.INTER_LINEAR)
    cv2.multiply(canvas, shade, dst=canvas, scale=1 / NEUTRAL)


@functools.cache
def _grain() -> np.ndarray:
    """uint8 [384, 384, 3] of 0..GRAIN, the same in the three channels."""
    noise = np.random.Generator(np.random.PCG64(7)).integers(0, GRAIN + 1, (384, 384, 1), np.uint8)
    return np.repeat(noise, 3, axis=2)


# Outlines. All return float [n, 2].


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


def moved(shape: Shape, dx: float, dy: float = 0.0) -> Shape:
    """The same shape elsewhere."""
    return Shape(*shape[:5], shift=(shape.shift[0] + dx, shape.shift[1] + dy))


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """``a`` where t = 0, ``b`` where t = 1."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def scaled(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (factor > 1), kept within 0..255."""
    red, green, blue = colour
    return (min(255, round(red * factor)), min(255, round(green * factor)), min(255, round(blue * factor)))


def tint(red: float, green: float, blue: float) -> Colour:
    """The colour of a soft shape that multiplies what is below by these factors (at most 1.27)."""
    return (round(red * NEUTRAL), round(green * NEUTRAL), round(blue * NEUTRAL))
