"""Sliced Wasserstein distance of the patches of a Laplacian pyramid (Karras et al. 2018, arXiv 1710.10196, section 5).

It needs no network and no weights, so it is always available. It sees texture and colour at each size, and not whether a face
looks like one.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import images
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.precision import in_float32

PATCH = 7  # pixels
PATCHES = 128  # of each image and level
SMALLEST = 16  # side of the coarsest level
ROUNDS, DIRECTIONS = 4, 128  # 512 directions, 128 at a time
SCALE = 1000  # as the paper prints it
MOST_PICTURES = 16_384  # of each set, as in the paper; 147 floats for each patch are held


@in_float32
def patches(batches: Iterable[Tensor], seed: int = 0) -> dict[int, Tensor]:
    """Random patches of a set of images, by the side of their level, normalised.

    They are normalised for each colour channel of a level over the whole set, so the distance does not see a change of contrast
    that all images share. The places of the patches depend only on the seed and on the position of an image in the set: a set
    has the distance 0 from itself.

    Args:
        batches: uint8 [n, R, R, 3], one size.

    Returns:
        side -> float32 [128 N, 147] on the CPU, the finest level first.

    Raises:
        ValueError: no image, or images smaller than a patch.
    """
    by_side: dict[int, list[Tensor]] = {}
    places: dict[int, np.random.Generator] = {}
    for batch in batches:
        for level in pyramid(images.from_uint8(batch)):
            side = level.shape[-1]
            rng = places.setdefault(side, np.random.default_rng([seed, side]))
            by_side.setdefault(side, []).append(_patches(level, rng).cpu())
    if not by_side:
        raise ValueError("a set without images has no patches")
    return {side: _normalised(torch.cat(parts)) for side, parts in by_side.items()}


def swd(first: dict[int, Tensor], second: dict[int, Tensor], seed: int = 0) -> dict[int, float]:
    """The distance of two sets at each level, by its side, times 1000; their mean is the paper's average.

    Symmetric; 0 for equal sets. It is biased upwards for finite sets: compare only sets of the same size.

    Args:
        first, second: of `patches`, for equally many images of one size.
        seed: of the directions.

    Raises:
        ValueError: sets of different sizes.
    """
    if {s: x.shape for s, x in first.items()} != {s: x.shape for s, x in second.items()}:
        raise ValueError("the sets must hold as many images of one size")
    return {side: SCALE * sliced(first[side], second[side], seed) for side in first}


@in_float32
def sliced(a: Tensor, b: Tensor, seed: int = 0) -> float:
    """The mean of `wasserstein` over 512 random directions. [M, D] twice."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(ROUNDS):
        directions = torch.from_numpy(rng.standard_normal((DIRECTIONS, a.shape[1]), np.float32)).to(a.device)
        directions = F.normalize(directions, dim=1)
        total += float(wasserstein(directions @ a.T, directions @ b.T).mean())
    return total / ROUNDS


def wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Between samples on a line: the mean distance that moves the one onto the other. [K, M] twice -> [K]."""
    return (_sorted(a) - _sorted(b)).abs().mean(dim=1)


def _sorted(x: Tensor) -> Tensor:
    """NumPy sorts a row on a CPU ten times as fast as torch, which keeps the order too."""
    return torch.from_numpy(np.sort(x.numpy(), axis=1)) if x.device.type == "cpu" else x.sort(dim=1).values


def pyramid(x: Tensor) -> list[Tensor]:
    """Images [N, 3, R, R] -> what each halving loses, from side R down, and the coarsest image, of 16 pixels, last.

    Raises:
        ValueError: smaller than a patch.
    """
    if x.shape[-1] < PATCH:
        raise ValueError(f"images must have {PATCH} pixels or more, not {x.shape[-1]}")
    levels = []
    while x.shape[-1] >= 2 * SMALLEST:
        smaller = shrink(x)
        levels.append(x - grow(smaller))
        x = smaller
    return [*levels, x]


def _kernel(x: Tensor) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    return torch.outer(line, line).expand(x.shape[1], 1, 5, 5)


def shrink(x: Tensor) -> Tensor:
    """Half the side, after the binomial filter of Burt and Adelson; borders are mirrored."""
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), _kernel(x), stride=2, groups=x.shape[1])


def grow(x: Tensor) -> Tensor:
    """Twice the side: zeros between the pixels, then the same filter, four times as strong."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[:, :, ::2, ::2] = x
    return F.conv2d(F.pad(spread, (2, 2, 2, 2), mode="reflect"), 4 * _kernel(x), groups=x.shape[1])


def _patches(level: Tensor, rng: np.random.Generator) -> Tensor:
    """[N, 3, s, s] -> [128 N, 147] at random places."""
    n, channels, side, _ = level.shape
    y, x = torch.from_numpy(rng.integers(0, side - PATCH + 1, (n, PATCHES, 2))).to(level.device).unbind(dim=2)
    offset = torch.arange(PATCH, device=level.device)
    rows = (y[:, :, None] + offset)[:, :, None, :, None]  # [N, 128, 1, 7, 1]
    columns = (x[:, :, None] + offset)[:, :, None, None, :]
    picture = torch.arange(n, device=level.device).view(n, 1, 1, 1, 1)
    channel = torch.arange(channels, device=level.device).view(1, 1, channels, 1, 1)
    return level[picture, channel, rows, columns].flatten(0, 1).flatten(1)


def _normalised(patches: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 for each channel; what does not vary becomes 0."""
    x = patches.unflatten(1, (-1, PATCH**2))  # [M, 3, 49]
    deviation, mean = torch.std_mean(x, dim=(0, 2), keepdim=True, correction=0)
    return ((x - mean) / deviation.clamp_min(1e-8)).flatten(1)


def _real_patches(reference: Reference) -> dict[int, Tensor]:
    return patches(reference.real(MOST_PICTURES), reference.seed)


def _swd(e: Evaluation, generate: Callable[[int], Iterable[Tensor]]) -> tuple[float, dict]:
    count = len(e.reference.chosen(MOST_PICTURES))
    levels = swd(patches(generate(count), e.seed), e.reference.once(_real_patches), e.seed)
    details = {"patch": PATCH, "patches": PATCHES, "directions": ROUNDS * DIRECTIONS}
    details |= {"levels": {str(side): value for side, value in levels.items()}, "scale": SCALE}
    return float(np.mean(list(levels.values()))), e.about_sets(count, count) | details


METRICS = {
    "swd": lambda e: _swd(e, e.samples),
    "swd_lerp": lambda e: _swd(e, e.interpolations),
}
