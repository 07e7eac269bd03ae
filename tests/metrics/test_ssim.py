import pytest
import torch

from stylemap.metrics.ssim import C1, ssim
from tests.metrics import toys


def test_equal_images():
    a = toys.images(2)
    torch.testing.assert_close(ssim(a, a), torch.ones(2, dtype=torch.float64))


def test_flat_images():
    """Of two colours x and y in [0, 1] nothing but the luminance term is left."""
    x, y = 0.25, 0.75
    a, b = (torch.full((1, 3, 16, 16), 2 * v - 1) for v in (x, y))
    assert float(ssim(a, b)) == pytest.approx((2 * x * y + C1) / (x * x + y * y + C1), rel=1e-6)


def test_structure_counts():
    """A picture turned inside out about its mean has a negative covariance."""
    a = toys.images(1) * 0.5
    assert float(ssim(a, -a)) < -0.8


def test_agrees_with_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure

    a = toys.images(3, side=24, seed=1)
    b = (a + 0.3 * toys.images(3, side=24, seed=2)).clamp(-1, 1)
    _, theirs = structural_similarity_index_measure(
        (a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none", return_full_image=True
    )
    # Their mean includes borders of mirrored pixels. They compute in float32, where variances are small differences.
    torch.testing.assert_close(ssim(a, b).float(), theirs[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), rtol=0, atol=1e-4)
    assert torch.equal(ssim(a, b), ssim(b, a))


def test_small_images():
    with pytest.raises(ValueError, match="11 pixels or more"):
        ssim(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))
