"""The one pixel convention, and what writes still images.

Inside the project an image is float32 RGB in [-1, 1], sRGB-coded, shaped [N, 3, H, W]; outside it is uint8 in 0..255,
shaped [N, H, W, 3]. Value v of a file is v / 127.5 - 1 here, and nowhere else is that formula written.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylemap import decoding, resampling
from stylemap.errors import InputError
from stylemap.files import atomic
from stylemap.photos import mask_files, output_formats

SEEN = 256  # pixels; an image of this width is large enough to look at
MOST_TIMES = 64  # repetitions of a pixel that a user may ask for


# ---- tensors


def from_uint8(x: Tensor | np.ndarray) -> Tensor:
    """uint8 [N, H, W, 3] in 0..255 -> float32 [N, 3, H, W] in [-1, 1], in channels_last memory (no copy is permuted).

    Raises:
        ValueError: not uint8, or not [N, H, W, 3].
    """
    x = torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x
    if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[3] != 3:
        raise ValueError(f"pixels must be uint8 [N, H, W, 3], got {x.dtype} {list(x.shape)}")
    return x.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)  # [N, 3, H, W]


def from_labelled(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Images as `from_uint8` gives them, and what `datasets.Labelled` has put behind their colours.

    uint8 [N, H, W, 3] -> (images, None); uint8 [N, H, W, 4] -> (images, part labels uint8 [N, H, W]).
    """
    return from_uint8(x[..., :3]), x[..., 3] if x.shape[-1] == 4 else None


def from_arrays(pictures: Iterable[np.ndarray]) -> Tensor:
    """uint8 [H, W, 3] each -> float32 [N, 3, H, W] in [-1, 1]; see `from_uint8`."""
    return from_uint8(torch.from_numpy(np.stack(list(pictures))))


def to_uint8(x: Tensor) -> Tensor:
    """float [N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3], clamped and rounded to nearest; inverts from_uint8.

    Infinities clamp like any other value out of range. NaN has no colour and is refused, as it means diverged weights.

    Raises:
        ValueError: not floating point, or not [N, 3, H, W].
        InputError: a value is NaN.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(
            f"images must be a tensor of float [N, 3, H, W], got {type(x).__name__} of {x.dtype} {list(x.shape)}"
        )
    if x.isnan().any():
        raise InputError("an image holds NaN: these weights have diverged; use an earlier checkpoint")
    x = x.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return x.to(torch.uint8).permute(0, 2, 3, 1).contiguous()  # [N, H, W, 3]


def grid(images: Tensor, columns: int, pad: int = 2) -> Tensor:
    """Lay images [N, 3, h, w] out row by row as one contact sheet [3, H, W].

    There are min(columns, N) columns; H = rows * (h + pad) + pad and W likewise. White (1.0) lines of ``pad`` pixels
    run between and around the images, and free cells are white.

    Raises:
        ValueError: no image, a bad shape, or columns < 1 or pad < 0.
    """
    if images.ndim != 4 or len(images) == 0 or columns < 1 or pad < 0:
        raise ValueError(f"cannot lay out {list(images.shape)} in {columns} columns with pad {pad}")
    n, c, h, w = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    cells = images.new_ones(rows * columns, c, h + pad, w + pad)  # each cell carries the gap below and to its right
    cells[:n, :, :h, :w] = images
    sheet = cells.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)  # [3, rows, h + pad, columns, w + pad]
    sheet = sheet.reshape(c, rows * (h + pad), columns * (w + pad))
    return F.pad(sheet, (pad, 0, pad, 0), value=1.0)  # [3, H, W]


def enlarge(images: Tensor, least: int) -> Tensor:
    """`repeat` the pixels of small images [N, 3, h, w], until the width is ``least`` or more."""
    return repeat(images, times(images.shape[-1], least))


def times(width: int, least: int = SEEN) -> int:
    """The smallest factor that makes a width ``least`` or more."""
    return max(1, -(-least // width))


def repeat(images: Tensor, times: int) -> Tensor:
    """Repeat each pixel of [N, 3, h, w] across and down. Reading such an image at its old side gives the old pixels."""
    return images if times == 1 else images.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


# ---- files


def read(path: str | Path, side: int) -> Tensor:
    """Read an image file as float32 [1, 3, side, side] in [-1, 1]: `decoding.decode_square`, then `from_arrays`.

    Raises:
        InputError: one line that names the file: it is missing, no image, damaged or too large.
    """
    return from_arrays([decoding.decode_square(Path(path), side)])


def read_mask(path: str | Path, side: int, hard: bool = False, white: str = mask_files.EDITED) -> Tensor:
    """Read a mask of any size as float32 [1, 1, side, side] in [0, 1], 1 = take the reference.

    What is selected: see `mask_files.read`. The mask is turned upright and cut to its central square like a photo, so a mask
    painted on a photo stays aligned with it; then it is resized by area, which keeps the mean, whether it shrinks or grows.

    Args:
        hard, white: see `mask_files.validate`.

    Raises:
        InputError: one line that names the file: it is missing, no image, damaged or too large; no mask; or it selects
            nearly nothing.
    """
    mask = resampling.fit_mask(mask_files.read(Path(path)), side)
    return torch.from_numpy(mask_files.validate(mask, path, hard, white))[None, None]


def write(path: str | Path, images: Tensor) -> None:
    """Write one image [3, H, W] or [1, 3, H, W] in [-1, 1] as PNG, or by suffix as .jpg (quality 95) or lossless .webp.

    The file appears whole or not at all; a missing folder is made.

    Raises:
        InputError: a suffix that is not written, a folder that cannot be written, a full disk, or NaN in the image.
        ValueError: more than one image or a bad shape.
    """
    options = output_formats.by_suffix({"": output_formats.PNG, **output_formats.FORMATS}, path).options
    images = images[None] if images.ndim == 3 else images
    if len(images) != 1:
        raise ValueError(f"one image at a time, got {list(images.shape)}")
    picture = Image.fromarray(to_uint8(images)[0].cpu().numpy())
    with atomic(path) as temporary:
        picture.save(temporary, **options)
