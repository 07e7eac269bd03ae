"""An edit put back into its photo: only the edited region and a soft rim change. Numbers and pixels, no torch.

Source of the matched colours: Poisson image editing (Pérez, Gangnet, Blake 2003), in its form as a membrane: an edit plus the
smoothest correction that makes it meet the photo has the edit's gradients inside and the photo's values at the border. Worked
out at the side of the model, since what is pasted has no finer detail; OpenCV's own needs a border around the region.
"""

from typing import Literal

import numpy as np

from stylemap import faces

How = Literal["feather", "poisson"]
WAYS: tuple[How, ...] = ("feather", "poisson")

SURE = 0.25  # of a region: from here on only the edit shows; half edit and half photo would look like a double exposure
COARSEST = 32  # pixels; there the membrane is solved to the end, at finer sides corrected
ENOUGH = 0.02  # the residual of a membrane, in levels
FINE_STEPS, COARSE_STEPS = 40, 400  # at most


def paste(
    photo: np.ndarray,
    picture: np.ndarray,
    edited: np.ndarray,
    alignment: faces.Alignment,
    region: np.ndarray,
    how: How = "feather",
) -> np.ndarray:
    """The photo at its full size with an edit of a part of it -> uint8 [H, W, 3], a new array.

    Args:
        photo: uint8 [H, W, 3].
        picture: uint8 [R, R, 3], the part of the photo that was edited, before the edit.
        edited: [R, R, 3] in 0..255, uint8 or float.
        alignment: where the part lies: of a face, or `faces.Alignment.central`.
        region: float [R, R] in [0, 1], where the edit is to show. Around it the edit fades within `faces.alignment.FEATHER`;
            all else stays byte for byte the photo. An empty region gives the photo.
        how: "feather" fades and that is all. "poisson" first brings the edit's colours to the photo's, so that they meet at the
            border of what changes; light and tint of the reference go with them.

    Raises:
        ValueError: shapes that do not fit, values outside of their range, another way.
    """
    if how not in WAYS:
        raise ValueError(f"how must be one of {', '.join(WAYS)}, not {how!r}")
    if picture.shape != edited.shape:
        raise ValueError(f"picture and edited must be alike, not {list(picture.shape)} and {list(edited.shape)}")
    mask = (region / SURE).clip(max=1)
    if how == "poisson":
        edited = match(picture, edited, faces.share(mask, alignment, *photo.shape[:2]) > 0)
    return faces.paste_back(photo, edited, alignment, mask)


def match(picture: np.ndarray, edited: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The edit with its gradients inside and the picture's values around them -> float32 [R, R, 3], about 0..255.

    Args:
        picture, edited: [R, R, 3] in 0..255.
        inside: bool [R, R]. Where all of the picture is, there is no border to meet, and the edit stays as it is.
    """
    difference = picture.astype(np.float32) - edited
    return (edited + membrane(difference, inside)).astype(np.float32)


def membrane(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values [H, W, K], with the smoothest there is in place of those inside (Laplace's equation) -> float32 [H, W, K].

    Nothing crosses the frame. Without a pixel outside it is 0.
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
