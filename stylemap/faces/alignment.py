"""FFHQ's square around a face: the picture that is cut out along it, and an edit of that picture put back into the photo.

Coordinates are (x, y) in pixels with integers at the CENTRES of pixels, for landmarks, quads and maps alike: a photo of width
W reaches from -0.5 to W - 0.5. Pixel (u, v) of an aligned picture is centred at ((u + 0.5) / side, (v + 0.5) / side) of the
quad. That is what makes cutting out and putting back inverse to each other.

The square may be turned but not sheared, so every map here is a similarity. Shrinking averages over the area of each pixel of
the result, enlarging is Lanczos-4; OpenCV places samples to 1/32 of a pixel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylemap.errors import InputError

EYES_SHARE, MOUTH_SHARE = 2.0, 1.8  # half the square's side in lengths between the eyes, and from the eyes to the mouth
CENTRE = 0.1  # from the middle of the eyes towards the mouth
SMALLEST = 0.5  # pixels, half the square: less is no face but equal points
LARGEST = 10  # half the square in longest sides of the photo: more is a mistake, and slow

FADE = 0.3  # of the quad's side: so far outside of the photo there is nothing but its median colour
BLUR = 0.02  # of the quad's side: sigma of what surrounds the photo
FEATHER = 0.05  # of the aligned side, the default width of soft borders
INVISIBLE = 0.5 / 255  # a weight below this cannot change a byte
STRIP = 1 << 20  # pixels that are worked on at a time, where that bounds the memory

Encode = Callable[[np.ndarray, tuple[slice, slice]], np.ndarray]

UP_LEFT, DOWN_LEFT, DOWN_RIGHT, UP_RIGHT = range(4)  # corners of a quad, in FFHQ's order


def quad(landmarks: np.ndarray) -> np.ndarray:
    """The corners of FFHQ's square for a face, as the face sees them -> float64 [4, 2]: up-left, down-left, down-right, up-right.

    Source: the formula of CelebA-HQ (Karras et al. 2018, appendix C), which FFHQ keeps; landmarks [5, 2] as in `landmarks`.

    Raises:
        InputError: the points coincide or are mirrored, so that they have no up and down.
    """
    points = np.asarray(landmarks, np.float64)
    x, centre = _axis(points), _eyes(points) + CENTRE * _down(points)
    half = half_size(points)
    length = math.hypot(*x)
    if not half >= SMALLEST or not length > 1e-6 * half:  # NaN is neither
        raise InputError(
            "these landmarks are no face: eyes and mouth are (nearly) at one place or mirrored; correct them"
        )
    x = x * (half / length)
    y = _quarter_turn(x)
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def half_size(landmarks: np.ndarray) -> float:
    """Half the side of `quad` in pixels."""
    eyes = landmarks[1] - landmarks[0]
    return max(EYES_SHARE * math.hypot(*eyes), MOUTH_SHARE * math.hypot(*_down(landmarks)))


def _eyes(points: np.ndarray) -> np.ndarray:
    return points[:2].mean(0)


def _down(points: np.ndarray) -> np.ndarray:
    """From the middle of the eyes to the middle of the mouth."""
    return points[3:].mean(0) - _eyes(points)


def _axis(points: np.ndarray) -> np.ndarray:
    """To the face's right in the picture: along the eyes, and at a right angle to the way down to the mouth."""
    return points[1] - points[0] - _quarter_turn(_down(points))


def _quarter_turn(v: np.ndarray) -> np.ndarray:
    """Right becomes down, and down becomes left."""
    return np.array([-v[1], v[0]])


@dataclass(frozen=True)
class Alignment:
    """Where an aligned picture lies in its photo: everything that the way back needs."""

    corner: tuple[float, float]  # up-left of the quad, pixels of the photo
    edge: tuple[float, float]  # from there to up-right
    side: int  # of the aligned picture, pixels

    @classmethod
    def of(cls, quad: np.ndarray | Sequence[Sequence[float]], side: int) -> "Alignment":
        """From the corners that `quad` gives."""
        quad = np.asarray(quad, np.float64)
        edge = quad[UP_RIGHT] - quad[UP_LEFT]
        return cls(tuple(quad[UP_LEFT].tolist()), tuple(edge.tolist()), side)

    @classmethod
    def central(cls, height: int, width: int, side: int) -> "Alignment":
        """Of the central square of a photo, as `decoding.fit` cuts it out."""
        edge = min(height, width)
        return cls(((width - edge) // 2 - 0.5, (height - edge) // 2 - 0.5), (float(edge), 0.0), side)

    @property
    def quad(self) -> np.ndarray:
        """float64 [4, 2], as `quad` orders it."""
        corner, right = np.array(self.corner), np.array(self.edge)
        down = _quarter_turn(right)
        return np.stack([corner, corner + down, corner + down + right, corner + right])

    @property
    def to_photo(self) -> np.ndarray:
        """float64 [2, 3], from pixels of the aligned picture to pixels of the photo."""
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


@dataclass(frozen=True, eq=False)
class Aligned:
    """A face cut out of a photo."""

    picture: np.ndarray  # uint8 [side, side, 3] RGB
    alignment: Alignment


# ---- from the photo


def align(photo: np.ndarray, landmarks: np.ndarray, side: int) -> Aligned:
    """Cut a face out of a photo uint8 [H, W, 3] along FFHQ's square -> uint8 [side, side, 3] and where it was.

    Where the square leaves the photo, the photo is mirrored at its border, blurred more and more, and faded to the median
    colour; what is inside the photo stays as it is. Only what the square touches is read.

    Raises:
        InputError: the landmarks are no face, or not one of this photo.
        ValueError: not a uint8 photo, or ``side`` < 1.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0 or side < 1:
        raise ValueError(
            f"needs a photo uint8 [H, W, 3] and a side of 1 or more, got {photo.dtype} {photo.shape}, {side}"
        )
    corners = quad(landmarks)
    height, width = photo.shape[:2]
    half, centre = half_size(landmarks), corners.mean(0)
    beyond = np.maximum(-centre, centre - (width, height)).max()  # of the photo, pixels
    if half > LARGEST * max(height, width) or beyond > half:
        raise InputError(f"these landmarks do not fit a photo of {width} x {height} pixels; correct them")
    alignment = Alignment.of(corners, side)
    picture = _warp(photo, alignment.to_photo, side, side, cv2.INTER_LANCZOS4)
    return Aligned(_surrounded(picture, alignment, height, width), alignment)


def align_mask(mask: np.ndarray, alignment: Alignment) -> np.ndarray:
    """A mask float [H, W] in [0, 1], painted on the photo -> float32 [side, side] in the aligned frame.

    Outside of the photo it is mirrored, as the photo itself is.
    """
    aligned = _warp(mask.astype(np.float32), alignment.to_photo, alignment.side, alignment.side, cv2.INTER_LINEAR)
    return aligned.clip(0, 1)  # sums may round beyond


def _surrounded(picture: np.ndarray, alignment: Alignment, height: int, width: int) -> np.ndarray:
    """Blur and fade what lies outside of a photo of height x width. uint8 [side, side, 3] -> the same."""
    matrix = alignment.to_photo.astype(np.float32)
    at = np.arange(alignment.side, dtype=np.float32)
    x, y = (row[0] * at + row[1] * at[:, None] + row[2] for row in matrix)  # [side, side] each
    beyond = np.maximum(np.maximum(-0.5 - x, x - (width - 0.5)), np.maximum(-0.5 - y, y - (height - 0.5)))
    inside = beyond <= 0
    if inside.all():
        return picture
    beyond /= math.hypot(*alignment.edge)  # pixels -> sides of the quad
    blurred = cv2.GaussianBlur(picture, (0, 0), max(BLUR * alignment.side, 0.3)).astype(np.float32)
    median = np.median(picture[inside] if inside.any() else picture.reshape(-1, 3), axis=0).astype(np.float32)
    result = picture.astype(np.float32)
    result += _smooth(beyond / (2 * BLUR))[..., None] * (blurred - result)
    result += (beyond / FADE).clip(0, 1)[..., None] * (median - result)
    return np.rint(result).astype(np.uint8)


def _smooth(t: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1 without a kink; steepest in the middle, where it rises by 1.5."""
    t = t.clip(0, 1)
    return t * t * (3 - 2 * t)


# ---- back into the photo


def paste_back(
    photo: np.ndarray,
    edited: np.ndarray,
    alignment: Alignment,
    mask: np.ndarray | None = None,
    feather: float = FEATHER,
    encode: Encode | None = None,
) -> np.ndarray:
    """The photo with an edited aligned picture in it, at the photo's full size -> a new array of the photo's type.

    Where the mask is 1 the edit shows; within ``feather`` around it the edit gives way to the photo, as it does towards
    the border of the aligned picture, where it is gone, unless the photo ends there too. All else stays byte for byte what
    it was.

    Args:
        photo: uint8 or uint16 [H, W, C].
        edited: [side, side, 3] in 0..255, uint8 or float.
        mask: float [side, side] in [0, 1], in the aligned frame; None = all of the aligned picture.
        feather: in sides of the aligned picture; 0 = the mask as it is.
        encode: what the photo has for colours float [h, w, 3] in 0..255 at a place, rows and columns of it -> float [h, w, C];
            None = the photo has just these colours.

    Raises:
        ValueError: shapes that do not fit, or values outside of their range.
    """
    side = alignment.side
    if edited.shape != (side, side, 3) or not np.isfinite(edited).all():
        raise ValueError(f"edited must be [{side}, {side}, 3] and finite, got {list(edited.shape)}")
    weight = share(mask, alignment, *photo.shape[:2], feather)
    edited = edited.astype(np.float32)
    result = photo.copy()
    top, bottom, left, right = _touched(weight, alignment, *photo.shape[:2])
    rows = max(1, STRIP // max(1, right - left))
    for y in range(top, bottom, rows):
        part = result[y : min(y + rows, bottom), left:right]
        height, width = part.shape[:2]
        matrix = alignment.from_photo @ np.array([[1, 0, left], [0, 1, y], [0, 0, 1]])
        # weights are 0 at the border of the aligned picture, or what lies beyond is beyond the photo
        part_weight = _warp(weight, matrix, height, width, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)[..., None]
        new = _warp(edited, matrix, height, width, cv2.INTER_LANCZOS4).clip(0, 255)
        if encode is not None:
            new = encode(new, (slice(y, y + height), slice(left, right)))
        part[:] = np.rint(part + part_weight * (new - part))
    return result


def share(
    mask: np.ndarray | None, alignment: Alignment, height: int, width: int, feather: float = FEATHER
) -> np.ndarray:
    """The share of the edit at each pixel of the aligned picture when `paste_back` puts it into a photo of height x width.

    Returns:
        float32 [side, side] in [0, 1], 0 at those borders of the aligned picture beyond which the photo goes on.

    Raises:
        ValueError: as of `paste_back`.
    """
    side = alignment.side
    if mask is None:
        mask = np.ones((side, side), np.float32)
    if mask.shape != (side, side) or not (mask.min() >= 0 and mask.max() <= 1):  # NaN is neither
        raise ValueError(f"mask must be [{side}, {side}] with values in [0, 1], got {list(mask.shape)}")
    if not 0 <= feather <= 0.5:
        raise ValueError(f"feather must be 0 to 0.5 sides, got {feather}")
    low, high = _bounds(alignment.from_photo, -0.5, width - 0.5, -0.5, height - 0.5)
    columns, rows = (_ramp(side, feather * side, low[i] < -0.51, high[i] > side - 0.49) for i in (0, 1))
    return _softened(mask.astype(np.float32), round(feather * side / 2)) * np.minimum(columns, rows[:, None])


def _ramp(side: int, length: float, first: bool, last: bool) -> np.ndarray:
    """Up from 0 within ``length`` pixels of the first end, if there is to be a ramp, and down to the last. float32 [side]."""
    at = np.arange(side, dtype=np.float32)
    distance = np.minimum(at if first else np.inf, side - 1 - at if last else np.inf)
    return _smooth(np.broadcast_to(distance, side) / max(1, length)).astype(np.float32)


def _softened(mask: np.ndarray, radius: int) -> np.ndarray:
    """Grow by ``radius`` pixels and blur within ``radius``: stays 1 where it was, and is 0 beyond twice the radius."""
    if radius == 0:
        return mask
    size = 2 * radius + 1
    mask = cv2.dilate(mask, np.ones((size, size), np.uint8))
    return cv2.GaussianBlur(mask, (size, size), radius / 2.5, borderType=cv2.BORDER_REPLICATE).clip(0, 1)


def _touched(weight: np.ndarray, alignment: Alignment, height: int, width: int) -> tuple[int, int, int, int]:
    """Rows and columns of a photo of height x width that a weight [side, side] reaches: top, bottom, left, right."""
    seen = weight >= INVISIBLE
    if not seen.any():
        return 0, 0, 0, 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    # a pixel's weight reaches the next pixel's centre, and in a photo of coarser pixels any that overlaps that
    low, high = _bounds(alignment.to_photo, columns[0] - 1, columns[-1] + 1, rows[0] - 1, rows[-1] + 1)
    left, top = np.clip(np.floor(low).astype(int), 0, (width, height)).tolist()
    right, bottom = np.clip(np.ceil(high).astype(int) + 1, 0, (width, height)).tolist()
    return top, bottom, left, right


# ---- resampling


def _warp(
    source: np.ndarray,
    matrix: np.ndarray,
    height: int,
    width: int,
    interpolation: int,
    border: int = cv2.BORDER_REFLECT,
) -> np.ndarray:
    """Resample under a similarity -> [height, width, ...] of the source's type.

    Each pixel of the result is the mean over its own area where that is larger than a pixel of the source.

    Args:
        source: uint8 or float32 [h, w] or [h, w, 3].
        matrix: float64 [2, 3], from pixels of the result to pixels of the source.
        border: how the source goes on beyond its border.
    """
    step = math.hypot(matrix[0, 0], matrix[1, 0])  # pixels of the source per pixel of the result
    reduction = max(1, int(step / 2 + 1e-9))  # by blocks, which is fast; the rest by samples less than a pixel apart
    source, matrix = _cropped(source, matrix, height, width, reduction)
    if reduction > 1:
        source, matrix = _reduced(source, matrix, reduction)
    samples = max(1, math.ceil(step / reduction - 1e-9))  # along each side of a pixel of the result
    # sample f lies at pixel (f + 0.5) / samples - 0.5 of the result
    offset = 0.5 / samples - 0.5
    finer = matrix @ np.array([[1 / samples, 0, offset], [0, 1 / samples, offset], [0, 0, 1]])
    flags = interpolation | cv2.WARP_INVERSE_MAP
    result = cv2.warpAffine(source, finer, (width * samples, height * samples), flags=flags, borderMode=border)
    return cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA) if samples > 1 else result


def _cropped(
    source: np.ndarray, matrix: np.ndarray, height: int, width: int, reduction: int
) -> tuple[np.ndarray, np.ndarray]:
    """A view of what a result of height x width reads, mirrored parts included, and the matrix for it."""
    low, high = _bounds(matrix, -0.5, width - 0.5, -0.5, height - 0.5)
    margin = 5 * reduction  # Lanczos-4 reads 4 pixels to each side
    crop = []
    for axis, size in ((1, source.shape[0]), (0, source.shape[1])):
        first, last = math.floor(low[axis]) - margin, math.ceil(high[axis]) + margin + 1
        if first < 0:
            last = max(last, -first)
        if last > size:
            first = min(first, 2 * size - last)
        first, last = max(first, 0), min(last, size)
        crop.append(slice(min(first, size - 1), max(last, 1)))
    rows, columns = crop
    matrix = matrix.copy()
    matrix[:, 2] -= columns.start, rows.start
    return source[rows, columns], matrix


def _reduced(source: np.ndarray, matrix: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of blocks of ``by`` x ``by`` pixels, and the matrix for them.

    The last blocks may reach beyond the photo; there it is mirrored up to a block too far out, half a pixel of the result.
    """
    height, width = source.shape[:2]
    rows, columns = -(-height // by), -(-width // by)
    result = np.empty((rows, columns, *source.shape[2:]), source.dtype)
    strip = max(1, STRIP // (width * by))  # rows of blocks
    for row in range(0, rows, strip):  # so that whole photos need not be copied to be made a multiple of ``by``
        part = source[row * by : (row + strip) * by]
        rest = -len(part) % by, -width % by
        if any(rest):
            part = cv2.copyMakeBorder(part, 0, rest[0], 0, rest[1], cv2.BORDER_REFLECT)
        size = columns, len(part) // by
        result[row : row + strip] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    matrix = matrix / by
    matrix[:, 2] += 0.5 / by - 0.5  # pixel x is at (x + 0.5) / by - 0.5
    return result, matrix


def _bounds(matrix: np.ndarray, left: float, right: float, top: float, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest (x, y) that a matrix gives in a rectangle."""
    corners = np.array([(left, top, 1), (right, top, 1), (left, bottom, 1), (right, bottom, 1)]) @ matrix.T
    return corners.min(0), corners.max(0)
