"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 2004, section III)."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # of pixels in [0, 1]


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of each pair of images, 1 = equal.

    Gaussian window of 11 x 11 pixels and sigma 1.5, at the places where it lies inside the picture whole; biased variances;
    computed for each colour channel in [0, 1] and averaged over places and channels.

    Args:
        a, b: [N, 3, H, W] in [-1, 1].

    Returns:
        float64 [N] in [-1, 1].

    Raises:
        ValueError: shapes that differ, or pictures smaller than the window.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < WINDOW:
        raise ValueError(
            f"images must be [N, 3, H, W] alike, {WINDOW} pixels or more, not {list(a.shape)} and {list(b.shape)}"
        )
    # The luminance term takes 0 for black, so that the range matters.
    a, b = ((x.double() + 1) / 2 for x in (a, b))
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a**2
    variance_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * covariance + C2) / (variance_a + variance_b + C2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, H - 10, W - 10]."""
    line = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    line = torch.exp(-(line**2) / (2 * SIGMA**2))
    line = line / line.sum()
    flat = x.flatten(0, 1).unsqueeze(1)  # [N C, 1, H, W]
    flat = F.conv2d(F.conv2d(flat, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
    return flat.unflatten(0, x.shape[:2]).squeeze(2)
