import math

import pytest
import torch

from stylemap.metrics.mse import mse, psnr
from tests.metrics import toys


def test_known_offsets():
    """An offset of d everywhere is an error of d^2; of 0.2 the peak to peak of 2 is 100 times the square: 20 dB."""
    a = torch.zeros(3, 3, 5, 7)
    b = a + torch.tensor([0.0, 0.2, -2.0]).view(3, 1, 1, 1)
    error = mse(a, b)
    torch.testing.assert_close(error, torch.tensor([0.0, 0.04, 4.0], dtype=torch.float64), rtol=1e-6, atol=0)
    assert psnr(error).tolist() == pytest.approx([math.inf, 20, 0], abs=1e-5)


def test_order_does_not_matter():
    a, b = toys.images(2, seed=1), toys.images(2, seed=2)
    assert torch.equal(mse(a, b), mse(b, a))


def test_agrees_with_torchmetrics():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    a, b = toys.images(1, seed=1), toys.images(1, seed=2)
    theirs = peak_signal_noise_ratio(a, b, data_range=2.0)
    assert float(psnr(mse(a, b))) == pytest.approx(float(theirs), rel=1e-5)


def test_shapes_are_not_broadcast():
    with pytest.raises(ValueError, match="alike"):
        mse(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))
