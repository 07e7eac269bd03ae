"""Up-sample by zeros, filter, down-sample: the resampling every StyleGAN-like network is built from."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import kernels


def upfirdn2d(
    x: Tensor, taps: Sequence[float], up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0), gain: float = 1.0
) -> Tensor:
    """Resample the last two dimensions with a separable FIR filter.

    In this order and along both axes alike: put ``up - 1`` zeros after every sample, add ``pad[0]`` zeros before and
    ``pad[1]`` after, convolve with ``taps`` (normalised to sum 1, times ``gain`` once per image, no padding of its own),
    keep every ``down``-th sample. The same filter serves every channel, so the gradient is an upfirdn2d again.

    Args:
        x: [N, C, H, W], floating point.
        taps: the one-dimensional filter, e.g. (1, 3, 3, 1).
        up, down: factors >= 1. pad: zeros before and after, in up-sampled pixels; smaller than the filter.
        gain: ``up ** 2`` keeps the mean of an image that is up-sampled.

    Returns:
        [N, C, H', W'] with H' = ceil((H up + pad[0] + pad[1] - len(taps) + 1) / down).
    """
    if not sum(taps):
        raise ValueError(f"taps {tuple(taps)} sum to 0 and cannot be normalised")
    span = len(taps)
    before, after = pad
    if not (0 <= before < span and 0 <= after < span):
        raise ValueError(f"pad {pad} must lie in 0..{span - 1} for {span} taps")
    usual = span == 4 and (up, down) in ((1, 1), (1, 2), (2, 1))  # all that Triton's kernel can
    if gain > 0 and (usual or kernels.chosen() != "triton") and kernels.serve("upfirdn2d", x):
        height, width = ((side * up + before + after - span) // down + 1 for side in x.shape[2:])
        if height > 0 and width > 0:
            from .registered import upfirdn2d as by_kernel

            # Kernels take the filter of an axis, and turned round.
            scale = math.sqrt(gain) / sum(taps)
            return by_kernel(x, [tap * scale for tap in reversed(taps)], up, down, before, height, width)
    return reference(x, taps, up, down, pad, gain)


def reference(x: Tensor, taps: Sequence[float], up: int, down: int, pad: tuple[int, int], gain: float) -> Tensor:
    """In PyTorch's operations."""
    channels, span = x.shape[1], len(taps)
    before, after = pad
    kernel = _kernel(tuple(taps), gain, x).expand(channels, 1, span, span)
    if up == 1:
        if before == after:
            return F.conv2d(x, kernel, stride=down, padding=before, groups=channels)
        return F.conv2d(F.pad(x, (before, after, before, after)), kernel, stride=down, groups=channels)
    # A transposed convolution is zero insertion and full filtering in one. Its output starts span - 1 samples of
    # padding early and ends span - up late (the zeros after the last sample are not its own).
    head, tail = before - (span - 1), after - (span - up)
    crop = -head if head == tail <= 0 else 0  # what a transposed convolution calls padding
    y = F.conv_transpose2d(x, kernel.flip(2, 3), stride=up, padding=crop, groups=channels)
    if not crop:
        y = F.pad(y, (head, tail, head, tail))  # negative: crops
    return y if down == 1 else y[..., ::down, ::down]


# Not functools.lru_cache, which torch.compile warns about. As many as there are filters in a program, on its devices.
_KERNELS: dict[tuple, Tensor] = {}


def _kernel(taps: tuple[float, ...], gain: float, x: Tensor) -> Tensor:
    """[1, 1, K, K] for ``x``, flipped because conv2d correlates.

    Only plain tensors meet the cache. The fake tensors of FakeTensorMode and torch.export mix with no others, and their filters
    are made anew.
    """
    key = (taps, gain, x.device, x.dtype)
    if key in _KERNELS and _is_plain(x):
        return _KERNELS[key]
    with torch.inference_mode(False):  # a cached inference tensor could not take part in autograd later
        line = torch.tensor(taps, dtype=torch.float64, device="cpu").flip(0)  # whatever the default device is
        line /= line.sum()
        kernel = (torch.outer(line, line) * gain).to(x.device, x.dtype)[None, None]
    if _is_plain(kernel) and not torch.jit.is_tracing():  # a trace would differ from its repetition
        _KERNELS[key] = kernel
    return kernel


def _is_plain(x: Tensor) -> bool:
    return type(x) in (Tensor, torch.nn.Parameter)
