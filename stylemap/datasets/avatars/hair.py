"""Hair styles: each is a function from a face to (shapes behind the head, shapes before the face)."""

import functools
import math

import numpy as np

from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.outlines import ellipse, flipped, grid, smooth, stroke, symmetric
from stylemap.datasets.avatars.painting import Shape, tint
from stylemap.datasets.avatars.palette import Colour, mix, scaled
from stylemap.datasets.parts import Part

Layers = tuple[list[Shape], list[Shape]]
Points = list[tuple[float, float]]

# Hairlines run from image right to image left. All stay above the brows (y = 0.37) and outside the eyes.
ROUND_LINE: Points = [(0.20, 0.32), (0.13, 0.262), (0, 0.245), (-0.13, 0.262), (-0.20, 0.32)]
MIDDLE_PART: Points = [(0.205, 0.38), (0.135, 0.295), (0.05, 0.235), (0.006, 0.175), (-0.006, 0.175), (-0.05, 0.235),
                       (-0.135, 0.295), (-0.205, 0.38)]  # fmt: skip
SIDE_PART: Points = [(0.21, 0.37), (0.175, 0.295), (0.125, 0.235), (0.095, 0.195), (0.06, 0.25), (-0.06, 0.305),
                     (-0.21, 0.36)]  # fmt: skip
FRINGE: Points = [(0.215, 0.37), (0.14, 0.35), (0.132, 0.335), (0.124, 0.35), (0.05, 0.354), (0.042, 0.338),
                  (0.034, 0.354), (-0.06, 0.352), (-0.068, 0.336), (-0.076, 0.352), (-0.14, 0.352),
                  (-0.215, 0.37)]  # fmt: skip
RECEDING: Points = [(0.215, 0.36), (0.19, 0.24), (0.13, 0.195), (0.06, 0.225), (0, 0.235), (-0.06, 0.225),
                    (-0.13, 0.195), (-0.19, 0.24), (-0.215, 0.36)]  # fmt: skip


def hair(face: Face) -> Layers:
    """Shapes behind the head and shapes before the face."""
    return STYLES[face.hair.style](face)


def shine(face: Face) -> list[Shape]:
    """A soft band of light over the crown, on the lit side."""
    if face.hair.style == "bald" and not face.hat.worn:
        gloss = ellipse(0.07 if face.light > 0 else -0.07, 0.205, 0.07, 0.032)
        return [Shape((gloss,), tint(1.2, 1.2, 1.2), soft=True)]
    if face.hat.worn or face.hair.style in ("bald", "buzz", "afro", "covered", "receding"):
        return []
    lit = 1 if face.light > 0 else -1
    band = [(0.0, 0.14), (0.10, 0.152), (0.17, 0.20), (0.20, 0.265), (0.165, 0.235), (0.10, 0.185), (0.0, 0.168)]
    return [Shape((smooth(band) * (lit, 1),), tint(1.25, 1.22, 1.2), soft=True)]


def _lock(colour: Colour, *outlines: np.ndarray) -> Shape:
    return Shape(outlines, colour, (Part.HAIR,))


def _shade(face: Face) -> Colour:
    """The hair's colour behind the head."""
    return scaled(face.hair.rgb, 0.76)


def _strands(face: Face, *lines: Points, width: float = 0.008) -> list[Shape]:
    """Thin lines along the hair, darker and lighter in turn, one shape each as they may cross."""
    dark, light = scaled(face.hair.rgb, 0.80), mix(scaled(face.hair.rgb, 1.16), (255, 240, 220), 0.06)
    return [Shape((_strand(tuple(line), width),), light if k % 2 else dark) for k, line in enumerate(lines)]


@functools.lru_cache(maxsize=256)  # most styles draw the same few strands on every head
def _strand(line: tuple[tuple[float, float], ...], width: float) -> np.ndarray:
    centre = smooth(line, closed=False)
    t = grid(len(centre))
    return stroke(centre, width * (1.05 - t * t))


def _both(line: Points) -> tuple[Points, Points]:
    return line, [(-x, y) for x, y in line]


def _swept(face: Face, line: Points) -> Points:
    """An asymmetric line, mirrored where the parting is on the image's left."""
    return line if face.hair.parting > 0 else [(-x, y) for x, y in reversed(line)]


def _cap(
    face: Face,
    hairline: Points,
    top: float = 0.09,
    side_y: float = 0.47,
    wide: float = 0.016,
    volume: float | None = None,
) -> np.ndarray:
    """Hair over the skull with sideburns down to ``side_y``; ``volume`` replaces the description's."""
    w = face.head.width + wide
    volume = face.hair.volume if volume is None else volume
    rise = top - 0.04 * volume
    lean = 0.022 * face.hair.parting * volume  # more hair on the side the parting combs it to
    right = [(0.55 * w, rise + 0.03), (0.90 * w, rise + 0.125), (w, 0.34), (w, side_y - 0.02)]
    left = [(-x, y - lean * (y < 0.3)) for x, y in reversed(right)]
    outer = smooth([*left, (0, rise), *((x, y + lean * (y < 0.3)) for x, y in right)], closed=False)
    inner = face.head.width - 0.026
    ends = [(w - 0.016, side_y), (inner + 0.002, 0.40)]
    line = [*ends, *hairline, *((-x, y) for x, y in reversed(ends))]
    return np.concatenate([outer, smooth(line, closed=False)])


def _curtain(face: Face, hairline: Points, bottom: float, flare: float, wave: float = 0.0) -> np.ndarray:
    """Hair over the skull that hangs down both sides of the face to ``bottom``; ``wave`` curls its outer edge."""
    w = face.head.width + 0.022
    rise = 0.09 - 0.04 * face.hair.volume
    length = bottom - 0.34
    right = [(0, rise), (0.55 * w, rise + 0.03), (0.90 * w, rise + 0.12), (w, 0.34)]
    right += [(w + flare * t + wave * math.sin(9 * t), 0.34 + length * t) for t in (0.2, 0.4, 0.6, 0.8)]
    right += [(w + 0.6 * flare, bottom - 0.01), (w - 0.035, bottom)]
    inner = [(w - 0.055, bottom - 0.02), (w - 0.078 + 0.3 * flare, 0.34 + 0.8 * length),
             (0.206, min(0.70, bottom - 0.12)), (0.230, 0.55), (0.226, 0.45)]  # fmt: skip
    outer = smooth([*((-x, y) for x, y in reversed(right) if x), *right], closed=False)
    line = [*inner, *hairline, *((-x, y) for x, y in reversed(inner))]
    return np.concatenate([outer, smooth(line, closed=False)])


def _behind(face: Face, bottom: float, flare: float, wave: float = 0.0) -> np.ndarray:
    """The hair seen on both sides of the neck."""
    w = face.head.width + 0.015
    length = bottom - 0.3
    right = [(0, 0.12), (0.7 * w, 0.16), (w, 0.3)]
    right += [(w + flare * t + wave * math.sin(9 * t), 0.3 + length * t) for t in (0.25, 0.5, 0.75)]
    right += [(w + 0.5 * flare, bottom), (0.1, bottom + 0.01)]
    return symmetric([*right, (0, bottom)])


def _scallops(x: float, y: float, rx: float, ry: float, bumps: int, depth: float = 0.07) -> np.ndarray:
    """A cloud: an ellipse with a bumpy edge, for curls."""
    t = np.linspace(0, 2 * math.pi, bumps * 6, endpoint=False)
    radius = 1 + depth * (np.abs(np.sin(0.5 * bumps * t)) - 0.5)
    return np.stack([x + rx * radius * np.cos(t), y + ry * radius * np.sin(t)], 1)


def _curly_line(face: Face, low: float = 0.25) -> np.ndarray:
    """A scalloped hairline, image right to image left."""
    w = face.head.width - 0.03
    t = np.linspace(0, math.pi, 31)
    bumps = 0.016 * np.abs(np.sin(3.5 * t))
    return np.stack([w * np.cos(t), 0.42 - (0.42 - low) * np.sin(t) ** 0.8 + bumps], 1)


# Short styles.


def bald(face: Face) -> Layers:
    return [], []


def buzz(face: Face) -> Layers:
    colour = mix(face.hair.rgb, face.skin.rgb, 0.22)
    line = RECEDING if face.hair.strands > 0.5 else ROUND_LINE
    return [], [_lock(colour, _cap(face, line, 0.118, wide=0.004, volume=0))]


def crop(face: Face) -> Layers:
    lines = [_swept(face, line) for line in ([(0.13, 0.16), (0.03, 0.2), (-0.06, 0.25)],
                                          [(0.17, 0.2), (0.1, 0.235), (0.05, 0.27)])]  # fmt: skip
    return [], [_lock(face.hair.rgb, _cap(face, ROUND_LINE)), *_strands(face, *lines)]


def fringe_crop(face: Face) -> Layers:
    lines = [[(0.02, 0.14), (0.06, 0.24), (0.05, 0.33)], [(-0.05, 0.15), (-0.07, 0.25), (-0.06, 0.33)],
             [(0.1, 0.17), (0.15, 0.25), (0.14, 0.33)]]  # fmt: skip
    return [], [_lock(face.hair.rgb, _cap(face, FRINGE, 0.085)), *_strands(face, *lines)]


def side_part(face: Face) -> Layers:
    lines = [_swept(face, line) for line in ([(0.09, 0.18), (-0.04, 0.215), (-0.15, 0.28)],
                                          [(0.08, 0.14), (-0.06, 0.16), (-0.19, 0.24)])]  # fmt: skip
    return [], [_lock(face.hair.rgb, _cap(face, _swept(face, SIDE_PART), 0.08)), *_strands(face, *lines)]


def receding(face: Face) -> Layers:
    return [], [_lock(face.hair.rgb, _cap(face, RECEDING, 0.10, wide=0.012, volume=0.2 * face.hair.volume))]


def quiff(face: Face) -> Layers:
    sides = _lock(_shade(face), _cap(face, ROUND_LINE, 0.11, wide=0.010, volume=0))
    v = 0.03 * face.hair.volume
    top = [(0.205, 0.30), (0.225, 0.19), (0.19, 0.09 - v), (0.06, 0.05 - v), (-0.10, 0.045 - v), (-0.22, 0.09 - v),
           (-0.235, 0.19), (-0.20, 0.275), (-0.12, 0.225), (0.02, 0.235), (0.13, 0.25)]  # fmt: skip
    lines = [_swept(face, line) for line in ([(0.15, 0.22), (0.04, 0.18), (-0.12, 0.13 - v)],
                                          [(0.17, 0.16), (0.05, 0.11), (-0.08, 0.085 - v)])]  # fmt: skip
    flip = 1 if face.hair.parting > 0 else -1
    return [], [sides, _lock(face.hair.rgb, smooth(top) * (flip, 1)), *_strands(face, *lines)]


def spiky(face: Face) -> Layers:
    w = face.head.width + 0.012
    tips = []
    angles = np.linspace(0.08, math.pi - 0.08, 15)
    reach = 0.055 + 0.035 * face.hair.volume
    for k, t in enumerate(angles):
        r = 1.0 if k % 2 == 0 else 1 + reach / 0.25
        lean = 0.02 * face.hair.parting * (k % 2)
        tips.append((-w * r * math.cos(t) * 0.98 + lean, 0.34 - 0.235 * r * math.sin(t)))
    inner = face.head.width - 0.026
    front = [(0.20, 0.33), (0.15, 0.25), (0.11, 0.30), (0.07, 0.235), (0.02, 0.29), (-0.03, 0.235), (-0.08, 0.285),
             (-0.12, 0.24), (-0.20, 0.33)]  # fmt: skip
    outline = [(-w, 0.46), *tips, (w, 0.46), (inner, 0.46), (inner, 0.40), *front, (-inner, 0.40), (-inner, 0.46)]
    return [], [_lock(face.hair.rgb, np.array(outline))]


def pixie(face: Face) -> Layers:
    line = [(0.215, 0.36), (0.17, 0.27), (0.13, 0.22), (0.05, 0.30), (-0.06, 0.345), (-0.16, 0.37), (-0.22, 0.40)]
    tails = smooth([(0.235, 0.42), (0.262, 0.42), (0.258, 0.54), (0.232, 0.60), (0.238, 0.5)])
    lines = [_swept(face, line) for line in ([(0.13, 0.2), (0.02, 0.235), (-0.15, 0.33)],
                                          [(0.09, 0.15), (-0.06, 0.2), (-0.2, 0.32)])]  # fmt: skip
    cap = _cap(face, _swept(face, line), 0.075, 0.5)
    return [], [_lock(face.hair.rgb, cap), _lock(face.hair.rgb, tails), _lock(face.hair.rgb, flipped(tails)),
                *_strands(face, *lines)]  # fmt: skip


def curly(face: Face) -> Layers:
    return [], _curly_crown(face, face.hair.volume)


def _curly_crown(face: Face, volume: float) -> list[Shape]:
    w = face.head.width + 0.02 + 0.02 * volume
    cloud = _scallops(0, 0.30, w, 0.235 + 0.03 * volume, 17, 0.16)
    top = np.concatenate([cloud[len(cloud) // 2 - 4 :], cloud[:5]])  # the upper half and a little of the sides
    cap = np.concatenate([top, [(w * 0.98, 0.43)], _curly_line(face), [(-w * 0.98, 0.43)]])
    return [_lock(face.hair.rgb, cap), *_curls(face, 0.20, 0.16)]


def _curls(face: Face, y: float, spread: float) -> list[Shape]:
    """A few arcs that suggest curls."""
    shapes = []
    for x, dy in ((-1.0, 0.05), (-0.45, -0.01), (0.15, 0.0), (0.7, 0.02)):
        cx, cy = spread * x, y + dy
        shapes += _strands(face, [(cx - 0.028, cy + 0.01), (cx - 0.012, cy - 0.018), (cx + 0.02, cy - 0.012),
                               (cx + 0.026, cy + 0.014)], width=0.010)  # fmt: skip
    return shapes


def afro(face: Face) -> Layers:
    big = 0.03 * face.hair.volume + 0.03 * face.hair.length
    cloud = _scallops(0, 0.335, 0.335 + big, 0.285 + big, 23, 0.08)
    band = np.concatenate([_scallops(0, 0.33, face.head.width + 0.02, 0.25, 18, 0.06)[54:], [(face.head.width, 0.45)],
                           _curly_line(face, 0.235), [(-face.head.width, 0.45)]])  # fmt: skip
    colour = face.hair.rgb
    return [_lock(colour, cloud)], [_lock(colour, band), *_curls(face, 0.13, 0.2)]


# Long styles.


def _bottom(face: Face, low: float, high: float) -> float:
    return low + (high - low) * face.hair.length


def _hanging(face: Face, line: Points, low: float, high: float, flare: float, wave: float = 0.0) -> Layers:
    bottom = _bottom(face, low, high)
    back = _lock(_shade(face), _behind(face, bottom - 0.02, flare + 0.01, wave))
    front = _lock(face.hair.rgb, _curtain(face, line, bottom, flare, wave))
    x = face.head.width + 0.005
    sides = _both([(x - 0.02, 0.38), (x + 0.012, 0.52), (x + 0.5 * flare, min(bottom - 0.06, 0.9))])
    return [back], [front, *_strands(face, *sides)]


def _parted(face: Face, middle: float) -> Points:
    """The hairline of a middle parting for a share ``middle`` of faces, else of a side parting."""
    return MIDDLE_PART if face.hair.strands < middle else _swept(face, SIDE_PART)


def _fringed(face: Face, low: float, high: float, flare: float) -> Layers:
    back, front = _hanging(face, FRINGE, low, high, flare)
    lines = [(0.02, 0.13), (0.06, 0.24), (0.055, 0.33)], [(-0.03, 0.13), (-0.075, 0.24), (-0.07, 0.33)]
    return back, [*front, *_strands(face, *lines)]


def bob(face: Face) -> Layers:
    return _hanging(face, _parted(face, 0.35), 0.72, 0.84, 0.035)


def fringe_bob(face: Face) -> Layers:
    return _fringed(face, 0.70, 0.82, 0.03)


def long(face: Face) -> Layers:
    return _hanging(face, _parted(face, 0.5), 0.95, 1.12, 0.03)


def long_fringe(face: Face) -> Layers:
    return _fringed(face, 0.95, 1.12, 0.035)


def wavy(face: Face) -> Layers:
    return _hanging(face, _parted(face, 0.35), 0.90, 1.08, 0.065, 0.022)


def long_curly(face: Face) -> Layers:
    grow = 0.03 * face.hair.volume
    bottom = _bottom(face, 0.66, 0.80)
    colour = face.hair.rgb
    back = [_lock(_shade(face), _scallops(0, 0.46, 0.35 + grow, bottom - 0.42, 22, 0.13))]
    side = _scallops(0.300 + 0.5 * grow, 0.5, 0.082, bottom - 0.47, 15, 0.2)
    return back, [_lock(colour, side), _lock(colour, flipped(side)), *_curly_crown(face, 1.0)]


def bun(face: Face) -> Layers:
    y, r = 0.065 - 0.01 * face.hair.volume, 0.068 + 0.02 * face.hair.length
    knot = ellipse(0, y, r * 1.1, r)
    swirl = [(-0.05, y + 0.01), (-0.02, y - 0.03), (0.035, y - 0.02)]
    lines = [*_both([(0.16, 0.27), (0.11, 0.2), (0.03, 0.15)]), swirl]
    cap = _lock(face.hair.rgb, _cap(face, ROUND_LINE, 0.105, wide=0.010, volume=0.3))
    return [_lock(face.hair.rgb, knot)], [cap, *_strands(face, *lines)]


def ponytail(face: Face) -> Layers:
    s = 1 if face.hair.parting > 0 else -1
    bottom = _bottom(face, 0.75, 1.0)
    tail = smooth([(0.12, 0.10), (0.24, 0.05), (0.36, 0.16), (0.385, 0.4), (0.35, bottom - 0.15), (0.30, bottom),
                   (0.27, bottom - 0.15), (0.285, 0.45), (0.24, 0.2)]) * (s, 1)  # fmt: skip
    lines = [[(s * x, y) for x, y in line] for line in ([(-0.13, 0.27), (-0.02, 0.19), (0.12, 0.14)],
                                                       [(0.17, 0.27), (0.175, 0.2), (0.16, 0.14)])]  # fmt: skip
    cap = _lock(face.hair.rgb, _cap(face, ROUND_LINE, 0.10, wide=0.012, volume=0.4))
    return [_lock(_shade(face), tail)], [cap, *_strands(face, *lines)]


def braids(face: Face) -> Layers:
    line = MIDDLE_PART if face.hair.strands < 0.6 else FRINGE
    count = 5 + int(2.99 * face.hair.length)
    colour = face.hair.rgb
    shapes = []
    for k in range(count):  # one by one: the ellipses overlap
        knot = ellipse(0.262 + 0.012 * (k % 2) + 0.004 * k, 0.55 + 0.075 * k, 0.045, 0.05, 14)
        shapes.append(_lock(colour if k % 2 else scaled(colour, 0.86), knot, flipped(knot)))
    cap = _cap(face, line, 0.095, 0.56, volume=0.5 * face.hair.volume)
    return [_lock(_shade(face), _behind(face, 0.66, 0.0))], [_lock(colour, cap), *shapes]


def puffs(face: Face) -> Layers:
    r = 0.10 + 0.025 * face.hair.volume
    puff = _scallops(0.25, 0.14, r, r, 12, 0.14)
    colour = face.hair.rgb
    cap = _lock(colour, _cap(face, MIDDLE_PART, 0.10, volume=0.2))
    return [_lock(colour, puff), _lock(colour, flipped(puff))], [cap]


def locs(face: Face) -> Layers:
    colour, dark = face.hair.rgb, _shade(face)
    bottom = _bottom(face, 0.72, 1.0)
    w = face.head.width
    shapes = []
    for k in range(4):
        x = w - 0.005 + 0.028 * k
        sway = 0.012 * math.sin(2.5 * k + 6 * face.hair.strands)
        end = (x + 0.01, bottom - 0.06 * (k % 2))
        line = smooth([(0.75 * x, 0.22 + 0.02 * k), (x + 0.004, 0.36), (x + sway, 0.55), end], closed=False)
        lock = stroke(line, 0.036)
        shapes.append(_lock(colour if k % 2 else scaled(colour, 0.84), lock, flipped(lock)))
    cap = _lock(colour, _cap(face, ROUND_LINE, 0.09, 0.40, volume=0.6 * face.hair.volume))
    lines = [*_both([(0.05, 0.1), (0.07, 0.17), (0.06, 0.24)]), *_both([(0.12, 0.13), (0.16, 0.2), (0.16, 0.27)])]
    return [_lock(dark, _behind(face, bottom - 0.04, 0.03))], [*reversed(shapes), cap, *_strands(face, *lines)]


STYLES = {
    style.__name__: style
    for style in (bald, buzz, crop, fringe_crop, side_part, receding, quiff, spiky, pixie, curly, afro, bob, fringe_bob,
                  long, long_fringe, wavy, long_curly, bun, ponytail, braids, puffs, locs)
} | {"covered": bald}  # by a head scarf # fmt: skip
