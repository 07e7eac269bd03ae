import math

import pytest
import torch

from stylemap.metrics.reconstruction import C1, mse, psnr, ssim
from tests.metrics import toys


def test_known_offsets():
    """An offset of d everywhere is an error of d^2; of 0.2 the peak to peak of 2 is 100 times the square: 20 dB."""
    a = torch.zeros(3, 3, 5, 7)
    b = a + torch.tensor([0.0, 0.2, -2.0]).view(3, 1, 1, 1)
    error = mse(a, b)
    torch.testing.assert_close(error, torch.tensor([0.0, 0.04, 4.0], dtype=torch.float64), rtol=1e-6, atol=0)
    assert psnr(error).tolist() == pytest.approx([math.inf, 20, 0], abs=1e-5)


def test_order_of_squared_errors_does_not_matter():
    a, b = toys.images(2, seed=1), toys.images(2, seed=2)
    assert torch.equal(mse(a, b), mse(b, a))


def test_psnr_agrees_with_torchmetrics():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    a, b = toys.images(1, seed=1), toys.images(1, seed=2)
    theirs = peak_signal_noise_ratio(a, b, data_range=2.0)
    assert float(psnr(mse(a, b))) == pytest.approx(float(theirs), rel=1e-5)


def test_shapes_are_not_broadcast():
    with pytest.raises(ValueError, match="alike"):
        mse(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))


def test_ssim_of_equal_images():
    a = toys.images(2)
    torch.testing.assert_close(ssim(a, a), torch.ones(2, dtype=torch.float64))


def test_ssim_of_flat_images():
    """Of two colours x and y in [0, 1] nothing but the luminance term is left."""
    x, y = 0.25, 0.75
    a, b = (torch.full((1, 3, 16, 16), 2 * v - 1) for v in (x, y))
    assert float(ssim(a, b)) == pytest.approx((2 * x * y + C1) / (x * x + y * y + C1), rel=1e-6)


def test_structure_counts():
    """An image turned inside out about its mean has a negative covariance."""
    a = toys.images(1) * 0.5
    assert float(ssim(a, -a)) < -0.8


def test_ssim_agrees_with_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure

    a = toys.images(3, side=24, seed=1)
    b = (a + 0.3 * toys.images(3, side=24, seed=2)).clamp(-1, 1)
    _, theirs = structural_similarity_index_measure(
        (a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none", return_full_image=True
    )
    # Their mean includes borders of mirrored pixels. They compute in float32, where variances are small differences.
    torch.testing.assert_close(ssim(a, b).float(), theirs[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), rtol=0, atol=1e-4)
    assert torch.equal(ssim(a, b), ssim(b, a))


def test_images_smaller_than_the_window():
    with pytest.raises(ValueError, match="11 pixels or more"):
        ssim(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))


def test_ssim_shapes_are_not_broadcast():
    with pytest.raises(ValueError, match="alike"):
        ssim(torch.zeros(2, 3, 16, 16), torch.zeros(1, 3, 16, 16))
