"""FFHQ's square around a face, from its landmarks, and where it lies in the photo.

Coordinates are (x, y) in pixels with integers at the CENTRES of pixels, for landmarks, quads and maps alike: a photo of width
W reaches from -0.5 to W - 0.5. Pixel (u, v) of an aligned image is centred at ((u + 0.5) / side, (v + 0.5) / side) of the
quad. That is what makes cutting out and putting back inverse to each other.

The square may be turned but not sheared, so every map here is a similarity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylemap.errors import InputError

EYES_SHARE, MOUTH_SHARE = 2.0, 1.8  # half the square's side in lengths between the eyes, and from the eyes to the mouth
CENTRE = 0.1  # from the middle of the eyes towards the mouth
SMALLEST = 0.5  # pixels, half the square: less is no face but equal points

UP_LEFT, DOWN_LEFT, DOWN_RIGHT, UP_RIGHT = range(4)  # corners of a quad, in FFHQ's order


def quad(landmarks: np.ndarray) -> np.ndarray:
    """The corners of FFHQ's square for a face, as the face sees them -> float64 [4, 2]: up-left, down-left, down-right, up-right.

    Source: the formula of CelebA-HQ (Karras et al. 2018, appendix C), which FFHQ keeps; landmarks [5, 2] as in `landmarks`.

    Raises:
        InputError: the points coincide or are mirrored, so that they have no up and down.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, down = points[1] - points[0], eyes_to_mouth(points)
    x = eyes - _quarter_turn(down)  # to the face's right: along the eyes, and at a right angle to the way down
    centre = eyes_centre(points) + CENTRE * down
    half = half_size(points)
    length = math.hypot(*x)
    if not half >= SMALLEST or not length > 1e-6 * half:  # NaN is neither
        raise InputError(
            "these landmarks do not form a face: eyes and mouth are mirrored or at nearly the same place; correct them"
        )
    x = x * (half / length)
    y = _quarter_turn(x)
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def half_size(landmarks: np.ndarray) -> float:
    """Half the side of `quad` in pixels."""
    eyes = landmarks[1] - landmarks[0]
    return max(EYES_SHARE * math.hypot(*eyes), MOUTH_SHARE * math.hypot(*eyes_to_mouth(landmarks)))


def eyes_centre(points: np.ndarray) -> np.ndarray:
    return points[:2].mean(0)


def eyes_to_mouth(points: np.ndarray) -> np.ndarray:
    """From the middle of the eyes to the middle of the mouth."""
    return points[3:].mean(0) - eyes_centre(points)


def _quarter_turn(v: np.ndarray) -> np.ndarray:
    """Right becomes down, and down becomes left."""
    return np.array([-v[1], v[0]])


@dataclass(frozen=True)
class Alignment:
    """Where an aligned image lies in its photo: everything that the way back needs."""

    corner: tuple[float, float]  # up-left of the quad, pixels of the photo
    edge: tuple[float, float]  # from there to up-right
    side: int  # of the aligned image, pixels

    @classmethod
    def of(cls, quad: np.ndarray | Sequence[Sequence[float]], side: int) -> "Alignment":
        """From the corners that `quad` gives."""
        quad = np.asarray(quad, np.float64)
        edge = quad[UP_RIGHT] - quad[UP_LEFT]
        return cls(tuple(quad[UP_LEFT].tolist()), tuple(edge.tolist()), side)

    @classmethod
    def central(cls, height: int, width: int, side: int) -> "Alignment":
        """Of the central square of a photo, as `resampling.fit` cuts it out."""
        edge = min(height, width)
        return cls(((width - edge) // 2 - 0.5, (height - edge) // 2 - 0.5), (float(edge), 0.0), side)

    @classmethod
    def crop(cls, left: float, top: float, length: float, degrees: float, side: int) -> "Alignment":
        """Of a square of ``length`` pixels with its corner at (left, top), turned clockwise about its middle after that.

        The command line, requests and the page all write a square as these four numbers. Here alone (0, 0) is the photo's
        upper left corner.
        """
        x, y = left + length / 2, top + length / 2
        right, down = (length * f(math.radians(degrees)) for f in (math.cos, math.sin))
        return cls((x - (right - down) / 2 - 0.5, y - (right + down) / 2 - 0.5), (right, down), side)

    @property
    def as_crop(self) -> tuple[float, float, float, float]:
        """left, top, length and degrees, the inverse of `crop`."""
        (x, y), (right, down) = self.corner, self.edge
        length = math.hypot(right, down)
        left, top = x + 0.5 + (right - down - length) / 2, y + 0.5 + (right + down - length) / 2
        return left, top, length, math.degrees(math.atan2(down, right))

    def lies_as(self, other: "Alignment") -> bool:
        """Whether both are one square, up to a hundredth of a pixel of the aligned image."""
        return bool(abs(self.quad - other.quad).max() <= 0.01 * math.hypot(*other.edge) / other.side)

    @property
    def quad(self) -> np.ndarray:
        """float64 [4, 2], as `quad` orders it."""
        corner, right = np.array(self.corner), np.array(self.edge)
        down = _quarter_turn(right)
        return np.stack([corner, corner + down, corner + down + right, corner + right])

    @property
    def to_photo(self) -> np.ndarray:
        """float64 [2, 3], from pixels of the aligned image to pixels of the photo."""
        a, b = self.edge[0] / self.side, self.edge[1] / self.side
        return np.array([[a, -b, self.corner[0] + (a - b) / 2], [b, a, self.corner[1] + (a + b) / 2]])

    @property
    def from_photo(self) -> np.ndarray:
        """float64 [2, 3], the inverse."""
        return cv2.invertAffineTransform(self.to_photo)

    def scaled(self, factor: float) -> "Alignment":
        """The same place in a photo ``factor`` times as large."""
        (x, y), (right, down) = self.corner, self.edge
        return Alignment(
            ((x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5), (right * factor, down * factor), self.side
        )
