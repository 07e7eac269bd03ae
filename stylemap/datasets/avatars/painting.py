"""Layered shapes and the two ways to rasterise them: into an image and into part labels.

Coordinates are face units: x = 0 is the middle of the face (the image's centre column), y = 0 the top and y = 1 the
bottom of the image, and one unit is the image's side. A drawing is a list of `Shape`, painted in order.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from stylemap.datasets.avatars.face import Placement
from stylemap.datasets.avatars.palette import Colour
from stylemap.datasets.parts import Part

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


def paint(shapes: list[Shape], background: np.ndarray, placement: Placement, side: int, grain: int) -> np.ndarray:
    """The image, uint8 [side, side, 3] RGB.

    ``background`` is uint8 [2, 2, 3], the colours of the four corners; ``grain`` (>= 0) chooses the paper grain.
    """
    factor = max(SUPERSAMPLING, math.ceil(MIN_WORK / side))
    work = side * factor
    canvas = cv2.resize(background, (work, work), interpolation=cv2.INTER_LINEAR)
    points = _placed(shapes, placement)
    layers = zip(shapes, _fixed(shapes, points, work), _fixed(shapes, points, SHADE_SIDE), strict=True)
    for soft, neighbours in itertools.groupby(layers, key=lambda layer: layer[0].soft):
        if soft:
            shade = np.full((SHADE_SIDE, SHADE_SIDE, 3), NEUTRAL, np.uint8)
            for shape, _, outlines in neighbours:
                cv2.fillPoly(shade, outlines, shape.colour, cv2.LINE_AA, FRACTION_BITS)
            _multiply(canvas, shade)
            continue
        for shape, outlines, _ in neighbours:
            if shape.opacity < 1:
                _blend(canvas, outlines, shape)
            else:
                cv2.fillPoly(canvas, outlines, shape.colour, cv2.LINE_AA, FRACTION_BITS)
    image = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    y, x = grain % 61, grain % 67
    return cv2.add(image, _grain()[y : y + side, x : x + side])


def label(shapes: list[Shape], placement: Placement, side: int) -> np.ndarray:
    """The part labels, uint8 [side, side] of `Part`: the topmost part at each pixel's centre."""
    factor = math.ceil(LABEL_WORK / side) | 1  # odd, so that a sample lies at each pixel's centre
    canvas = np.zeros((side * factor, side * factor), np.uint8)
    points = _placed(shapes, placement)
    for shape, outlines in zip(shapes, _fixed(shapes, points, side * factor), strict=True):
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
    points = points + np.array([shape.shift for shape in shapes]).repeat(lengths, axis=0)
    angle = math.radians(placement.rotation)
    c, s = placement.scale * math.cos(angle), placement.scale * math.sin(angle)
    shift = (0.5 + placement.shift_x + 0.5 * s, 0.5 + placement.shift_y - 0.5 * c)  # (0, 0.5) stays in the middle
    return points @ np.array([(c, s), (-s, c)]) + shift


def _fixed(shapes: list[Shape], points: np.ndarray, size: int) -> Iterator[list[np.ndarray]]:
    """The outlines of each shape, from the points of all: fractions of the image -> OpenCV's fixed-point pixels, in which
    pixel centres are whole numbers."""
    fixed, stop = np.rint((points * size - 0.5) * (1 << FRACTION_BITS)).astype(np.int32), 0
    for shape in shapes:
        yield [fixed[stop : (stop := stop + len(outline))] for outline in shape.outlines]


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


def moved(shape: Shape, dx: float, dy: float = 0.0) -> Shape:
    """The same shape elsewhere."""
    return Shape(*shape[:5], shift=(shape.shift[0] + dx, shape.shift[1] + dy))


def tint(red: float, green: float, blue: float) -> Colour:
    """The colour of a soft shape that multiplies what is below by these factors (at most 1.27)."""
    return (round(red * NEUTRAL), round(green * NEUTRAL), round(blue * NEUTRAL))
