"""How far reconstructions are from the images: MSE, PSNR, SSIM, LPIPS.

Pixels are in [-1, 1] for the squared error, as published; with pixels in [0, 1] it is a fourth of that. PSNR is the same in both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.errors import InputError
from stylemap.metrics.evaluation import Evaluation

PEAK_TO_PEAK = 2.0  # of pixels in [-1, 1]
WINDOW, SIGMA = 11, 1.5  # pixels, of SSIM
C1, C2 = 0.01**2, 0.03**2  # of pixels in [0, 1]


def mse(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of each pair of images. [N, 3, H, W] twice, in [-1, 1] -> float64 [N], 0 to 4.

    Raises:
        ValueError: shapes that differ.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"images must be [N, 3, H, W] alike, not {list(a.shape)} and {list(b.shape)}")
    return (a.double() - b.double()).square().mean(dim=(1, 2, 3))


def psnr(error: Tensor) -> Tensor:
    """Decibels of a mean squared error of pixels in [-1, 1]; infinite where it is 0."""
    return 10 * torch.log10(PEAK_TO_PEAK**2 / error)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of each pair of images, 1 = equal (Wang et al., IEEE TIP 2004, section III).

    Gaussian window of 11 x 11 pixels and sigma 1.5, at the places where it lies inside the image whole; biased variances;
    computed for each colour channel in [0, 1] and averaged over places and channels.

    Args:
        a, b: [N, 3, H, W] in [-1, 1].

    Returns:
        float64 [N] in [-1, 1].

    Raises:
        ValueError: shapes that differ.
        InputError: images smaller than the window.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"images must be [N, 3, H, W] alike, not {list(a.shape)} and {list(b.shape)}")
    if min(a.shape[2:]) < WINDOW:
        raise InputError(f"SSIM needs images of {WINDOW} pixels or more, not {list(a.shape[2:])}")
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


def errors(e: Evaluation) -> tuple[Tensor, Tensor | None]:
    """Squared error and, where images are large enough, structural similarity of every reconstruction."""
    large = e.model.config.resolution >= WINDOW
    batches = [(mse(a, b), ssim(a, b) if large else None) for a, b in e.reconstructed()]
    squared, similarities = zip(*batches, strict=True)
    return torch.cat(squared), torch.cat(similarities) if large else None


def _mse(e: Evaluation) -> tuple[float, dict]:
    return float(e.once(errors)[0].mean()), e.about_reconstructions()


def _psnr(e: Evaluation) -> tuple[float, dict]:
    squared, _ = e.once(errors)
    details = {"unit": "dB", "average": "over images", "of_the_mean_error": float(psnr(squared.mean()))}
    return float(psnr(squared).mean()), e.about_reconstructions() | details


def _ssim(e: Evaluation) -> tuple[float, dict]:
    _, similarities = e.once(errors)
    if similarities is None:
        raise InputError(f"needs images of {WINDOW} pixels or more")
    details = {"window": f"gaussian {WINDOW} x {WINDOW}, sigma {SIGMA}", "range": "[0, 1]"}
    return float(similarities.mean()), e.about_reconstructions() | details


@torch.no_grad()
def _lpips(e: Evaluation) -> tuple[float, dict]:
    network, device = e.reference.lpips, e.model.device
    distances = [network.distance(a.to(device), b.to(device)).cpu() for a, b in e.reconstructed()]
    return float(torch.cat(distances).mean()), e.about_reconstructions() | network.origin


METRICS = {
    "mse": _mse,
    "psnr": _psnr,
    "ssim": _ssim,
    "lpips": _lpips,
}
