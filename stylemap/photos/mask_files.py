"""What mask files select. Programs write masks in many ways; this module finds out what a file means, and notes its guesses.

A mask is float32 [H, W] in [0, 1], 1 = selected. Numbers only, no torch.
"""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from stylemap.decoding import channels, colours
from stylemap.errors import InputError, Note

EDITED = "where the edit shall happen"  # what white is in a mask
FAINT = 0.1  # a mask that is nowhere above this makes an edit that nobody sees
MOST = 0.75  # of the image; a mask that selects more may be inverted
TINTED, NEARLY_ALL = 10 / 255, 0.999  # an image is grey if its channels are this close in this share of its pixels
ALIKE = 0.02  # a smaller difference in luminance does not say which of two colours is the lighter
# In exact files and in others:
OFF_LINE = {True: 2 / 255, False: 0.1}  # how far colours may lie from the line between two
ENDS = {True: 2.5 / 255, False: 8.5 / 255}  # what counts as black, and as white, where black and white prevail
LABELS = 8  # values, at most, that may be the labels of parts


def read(path: Path) -> np.ndarray:
    """Read what a mask file selects, float32 [H, W] in [0, 1], upright.

    - White is selected, and grey by its share of the file's white.
    - If there are two values, the lighter is selected: 0 and 1, 0 and 255 in 16 bits, black and the colour of a class.
    - If there are two colours and blends of them, the lighter is selected too.
    - Transparent pixels are black. If one colour lies on a transparent ground, the opaque pixels are selected.
    - If black and white prevail, pixels near them count as black and white: JPEG makes 3 of 0 and 253 of 255.

    A `Note` warns where this is a guess. Colour profiles are ignored: a mask is data, not colour.

    Raises:
        InputError: as of `decoding.decode`; an image of many colours; numbers without a range.
    """
    stored = channels.read(path)
    if stored.colour.dtype in (np.int32, np.float32):
        stored = replace(stored, colour=_ranged(stored.colour, path))
    colour, alpha = stored.shares()
    if alpha is None:
        grey = _grey(colour, path, stored.exact)
    elif _is_one_colour(colour[alpha > 0], stored.exact) and alpha.min() < alpha.max():
        if not (colour[alpha > 0] > 0.9).all():
            _note(f"{path} has one colour on a transparent background; its opaque pixels count as white")
        grey = alpha
    else:
        grey = _grey(colour * alpha[..., None], path, stored.exact)
    return _levels(grey, path, stored.exact, stored.full)


def validate(mask: np.ndarray, path: str | Path, hard: bool = False, white: str = EDITED) -> np.ndarray:
    """Return the mask over the model's image if it selects anything.

    Args:
        hard: only what is lighter than middle grey counts.
        white: what is to be painted white, for the message.

    Raises:
        InputError: the mask selects nothing, or so little that the edit would not be seen.
    """
    lightest = mask.max()
    if not lightest > 0:
        raise InputError(f"the mask {path} is black: paint white {white}")
    if hard and not lightest > 0.5:
        raise InputError(f"the mask {path} is too dark or too thin for --hard: paint white {white}, and broader")
    if lightest < FAINT:
        raise InputError(
            f"the mask {path} selects almost nothing, {lightest:.1%} at most: paint white {white}; for a label map "
            "use --part"
        )
    if lightest < 1 - FAINT:
        _note(f"{path} is white nowhere and selects {lightest:.0%} at most")
    if mask.mean() > MOST:
        _note(f"{path} selects {mask.mean():.0%} of the image; paint white only {white}")
    return mask


def two_valued(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The first value and another one, if the values [N, C] are only these two."""
    other = (values != values[0]).any(-1)
    if not other.any():
        return None
    first, second = values[0], values[np.argmax(other)]
    return None if (values[other] != second).any() else (first, second)


def validate_size(mask: tuple[int, int], photo: tuple[int, int], name: str | Path, unless: str | None = None) -> None:
    """Check that a mask of (height, width) has its photo's shape, or is square: then it lies over the central square.

    Args:
        name: of the mask.
        unless: what else the user can do, for the message; a square mask is then refused too.

    Raises:
        InputError: the mask has another shape.
    """
    (height, width), (photo_height, photo_width) = mask, photo
    factor = max(mask) / max(photo)
    slack = max(1.0, factor)  # a pixel of either
    if abs(width - factor * photo_width) <= slack and abs(height - factor * photo_height) <= slack:
        return
    sizes = f"is {width} x {height} and the photo {photo_width} x {photo_height}"
    if unless or abs(height - width) > 1:
        raise InputError(f"the mask {name} {sizes}: paint it on the photo, or {unless or 'on its central square'}")
    _note(f"{name} {sizes}; it is laid over the photo's central square")


# ---- what a file means


def _ranged(values: np.ndarray, path: Path) -> np.ndarray:
    """Integers of 32 bits, or floats -> shares of white, float32."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"the mask {path} holds values that are not finite; export it again")
    if two_valued(values.reshape(-1, 1)) is not None:
        return (values == high).astype(np.float32)
    if values.dtype == np.float32 and low >= 0 and high <= 1:
        return values
    raise InputError(f"the mask {path} holds values from {low:g} to {high:g}; export it with 8 bits, or in 0 to 1")


def _is_one_colour(colours: np.ndarray, exact: bool) -> bool:
    """Whether colours [N, C] are any and alike."""
    return len(colours) > 0 and bool((np.ptp(colours, axis=0) <= ENDS[exact]).all())


def _grey(colour: np.ndarray, path: Path, exact: bool) -> np.ndarray:
    """Shares [H, W, C] -> [H, W]."""
    spread = np.ptp(colour, axis=2)
    if not spread.any():
        return colour[..., 0]
    # a sum by hand: a matrix product may round one value in two ways
    light = sum(weight * colour[..., c] for c, weight in enumerate(colours.LUMINANCE))
    if np.mean(spread <= TINTED) >= NEARLY_ALL:
        return light.round(5)
    dark, bright = (colour[light == end].mean(0) for end in (light.min(), light.max()))
    line = bright - dark
    along = ((colour - dark) @ line / max(line @ line, 1e-9)).clip(0, 1)  # [H, W]
    away = np.linalg.norm(colour - dark - along[..., None] * line, axis=-1)
    straight = np.mean(away <= OFF_LINE[exact]) >= (1 if exact else 0.98)
    # a muted photo may lie near a line, but seldom at its ends
    alike = light.max() - light.min() < ALIKE and light.min() > ALIKE
    if (
        light.max() <= light.min()
        or alike
        or not straight
        or (not exact and np.mean((along < 0.1) | (along > 0.9)) < 0.8)
    ):
        raise InputError(
            f"the mask {path} has colours that do not say what is selected: give a grey image, white {EDITED}; for a label map "
            "use --part"
        )
    _note(f"{path} has two colours, {_hex(dark)} and {_hex(bright)}; the second counts as white")
    return along.round(5)  # so that the two colours are 0 and 1


def _levels(grey: np.ndarray, path: Path, exact: bool, full: float) -> np.ndarray:
    """What the greys of a file select."""
    low, high = grey.min(), grey.max()
    if two_valued(grey.reshape(-1, 1)) is not None and (exact or low < 1 - FAINT):
        if (low, high) != (0, 1):
            _note(f"{path} holds only the values {low * full:g} and {high * full:g}; {high * full:g} counts as white")
        return (grey == high).astype(np.float32)
    if high < FAINT:
        return grey  # `validate` refuses it, with another message than for black
    few = _few(grey) if exact else ()
    end = ENDS[exact]
    black, white = grey <= end, grey >= 1 - end
    if np.mean(black | white) >= 0.5:
        grey = np.where(black, np.float32(0), np.where(white, np.float32(1), grey))
    if len(few) > 2:
        listed = ", ".join(f"{value * full:g}" for value in few)
        _note(f"{path} holds the {len(few)} values {listed}; they count as shares of {full:g}, not as labels of parts")
    elif low < high and np.mean((grey < 0.1) | (grey > 0.9)) < 0.2:
        _note(f"{path} is almost nowhere black or white; its greys count as shares of the reference")
    return grey.clip(0, 1)


def _few(grey: np.ndarray) -> np.ndarray:
    """The values, if there are few."""
    rows = np.unique(grey[:: max(1, len(grey) // 64)])  # most images have too many values already here
    values = rows if len(rows) > LABELS else np.unique(grey)
    return values if len(values) <= LABELS else values[:0]


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in colour)


def _note(text: str) -> None:
    warnings.warn(f"the mask {text}", Note, stacklevel=3)
