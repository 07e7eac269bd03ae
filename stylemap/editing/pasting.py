"""Puts an edit back into its photo: only the edited region and a soft rim change. Knows no torch.

The matched colours are those of Poisson image editing (Pérez, Gangnet, Blake 2003), as a membrane: the smoothest correction
with which a part of a reference meets the photo at its border. The part keeps its gradients inside. The reference is compared
with the photo along the border in its own image, which continues beyond the part: so lips stay apart from the skin around
them, and the skin takes the photo's tone. This works at the side of the model, since what is pasted has no finer detail.
OpenCV's seamlessClone needs a border around the region.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from stylemap import faces

How = Literal["none", "feather", "poisson"]
WAYS: tuple[How, ...] = ("feather", "poisson")

SURE = 0.25  # of a region: from here on only the edit shows; a half edit would look like a double exposure
COARSEST = 32  # pixels; the membrane is solved at this side and refined at larger ones
VISIBLE = 12  # levels; a smile of 2 deviations changes 6 % of a drawn face by more, and 40 % by a third of it
NEAR = 1 / 64  # of the side: sigma of the blur before differences are compared; the visible region grows by twice that
REACH = 1 / 32  # of the side: sigma of where a share is measured, about as far as the network blurs an edit's edge
FLAT = 75  # squared levels over three channels, 5 in each; below this a share cannot be measured
ENOUGH = 0.02  # the residual of a membrane, in levels
FINE_STEPS, COARSE_STEPS = 40, 400  # at most


def paste(
    photo: np.ndarray,
    image: np.ndarray,
    edited: np.ndarray,
    alignment: faces.Alignment,
    region: np.ndarray,
    how: How = "feather",
    sources: Sequence["Source"] = (),
    encode: faces.Encode | None = None,
) -> np.ndarray:
    """The photo at its full size with an edit of a part of it -> a new array of the photo's type.

    Args:
        photo: uint8 or uint16 [H, W, C].
        image: uint8 [R, R, 3], the part of the photo that was edited, before the edit.
        edited: [R, R, 3] in 0..255, uint8 or float.
        alignment: where the part lies: of a face, or `faces.Alignment.central`.
        region: float [R, R] in [0, 1], where the edit is to show. Around it the edit fades within `faces.pasting.FEATHER`;
            all else stays byte for byte the photo. An empty region gives the photo.
        how: "feather" fades and that is all. "poisson" first brings the colours of parts of references to the photo's, so that
            they meet at the border of each part; light and tint of the reference go.
        sources: for "poisson": the parts in turn. A direction has none, since it brings no colours.
        encode: as in `faces.paste_back`, of a photo that is not uint8 [H, W, 3] in sRGB.

    Raises:
        ValueError: shapes that do not fit, values outside of their range, another way.
    """
    if how not in WAYS:
        raise ValueError(f"how must be one of {', '.join(WAYS)}, not {how!r}")
    if image.shape != edited.shape:
        raise ValueError(f"image and edited must be alike, not {list(image.shape)} and {list(edited.shape)}")
    mask = (region / SURE).clip(max=1)
    if how == "poisson":
        edited = match(image, edited, sources)
    return faces.paste_back(photo, edited, alignment, mask, encode=encode)


@dataclass(frozen=True, eq=False)
class Source:
    """A part of a reference in an edit."""

    image: np.ndarray  # [R, R, 3] in 0..255, the model's image of the reference, all of it, lying as the part does
    inside: np.ndarray  # bool [R, R], the part
    share: np.ndarray  # float32 [R, R] in [0, 1], how much of that image the edit shows, see `share`


def match(image: np.ndarray, edited: np.ndarray, sources: Sequence[Source]) -> np.ndarray:
    """The edit with the gradients of its parts inside, and the image's values at their borders -> [R, R, 3], about 0..255.

    Args:
        image, edited: [R, R, 3] in 0..255.
        sources: the parts, later ones over earlier ones. One that is all of the image has no border to meet, and stays as
            it is.
    """
    correction = np.zeros(image.shape, np.float32)
    for source in sources:
        smooth = membrane(image.astype(np.float32) - source.image, source.inside)
        correction += source.share[..., None] * (smooth - correction)
    return edited + correction


def share(before: np.ndarray, after: np.ndarray, source: np.ndarray) -> np.ndarray:
    """How much of a source an image shows after a part of it came: 0 = it is as before, 1 = it is the source there.

    A network blurs the edge of a part and draws a small one only half in the colours of its reference, so the share is
    not the mask. Least squares within a window -> float32 [R, R] in [0, 1].

    Args:
        before, after, source: [R, R, 3] in 0..255.
    """
    change, whole = (x.astype(np.float32) - before for x in (after, source))
    sigma = REACH * len(before)
    along, square = (cv2.GaussianBlur((x * whole).sum(-1), (0, 0), sigma) for x in (change, whole))
    return (along / (square + FLAT)).clip(0, 1)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where an edit without a mask is visible: the region to paste -> float32 [R, R], 0 or 1.

    Differences below `VISIBLE` in every channel do not count: the network repaints the whole image a little, and pasting that
    would lose the photo's detail.

    Args:
        before, after: uint8 [R, R, 3], the model's image without the edit and with it.
    """
    sigma = NEAR * len(before)
    difference = abs(after.astype(np.float32) - before).max(-1)
    visible = (cv2.GaussianBlur(difference, (0, 0), sigma) > VISIBLE).astype(np.float32)
    return cv2.dilate(visible, np.ones((3, 3)), iterations=round(2 * sigma))


def membrane(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values [H, W, K], with the smoothest continuation inside (Laplace's equation) -> float32 [H, W, K].

    Nothing crosses the frame. If every pixel is inside, the result is 0.
    """
    values = values.astype(np.float32)
    if inside.all():
        return np.zeros_like(values)
    if not inside.any():
        return values
    coarse = max(inside.shape) <= COARSEST
    start = values if coarse else _doubled(membrane(*_halved(values, inside)), inside.shape)
    return _relaxed(np.where(inside[..., None], start, values), inside, COARSE_STEPS if coarse else FINE_STEPS)


def _relaxed(x: np.ndarray, inside: np.ndarray, steps: int) -> np.ndarray:
    """Conjugate gradients on Laplace's equation inside, from x, whose values outside are kept."""
    free = inside[..., None].astype(np.float32)
    residual = -free * _laplacian(x)
    direction, square = residual, (residual**2).sum((0, 1))  # [K]: every channel for itself
    for _ in range(steps):
        if abs(residual).max() < ENOUGH:
            break
        image = free * _laplacian(direction)
        length = square / np.maximum((direction * image).sum((0, 1)), 1e-30)
        x = x + length * direction
        residual = residual - length * image
        before, square = square, (residual**2).sum((0, 1))
        direction = residual + square / np.maximum(before, 1e-30) * direction
    return x


def _laplacian(x: np.ndarray) -> np.ndarray:
    """How much each pixel is above its neighbours in the frame, summed. [H, W, K] -> [H, W, K]."""
    result = np.zeros_like(x)
    for axis in (0, 1):
        step = np.diff(x, axis=axis)
        first, last = (slice(None, -1), slice(1, None)) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        result[first] -= step
        result[last] += step
    return result


def _halved(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of 2 x 2: the mean of what is outside, and where nothing is."""
    odd = [(0, n % 2) for n in inside.shape]
    known = np.pad(~inside, odd)[..., None].astype(np.float32)
    values = np.pad(values, [*odd, (0, 0)]) * known
    total, count = (
        x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2] for x in (values, known)
    )  # [H / 2, W / 2, ...]
    return total / np.maximum(count, 1), count[..., 0] == 0


def _doubled(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return x.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]
