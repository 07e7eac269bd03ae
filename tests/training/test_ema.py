import math

import pytest
import torch
from torch import nn

from stylemap.config import EmaConfig
from stylemap.training import ema


def test_published_decay():
    """0.999 per iteration of 16."""
    config = EmaConfig(ramp=None)
    assert ema.decay(10**6, 16, config) == pytest.approx(0.999, abs=1e-6)


@pytest.mark.parametrize("half_life", [100.0, 11_085.0])
def test_half_life(half_life):
    """After the half-life the old weights count one half, whatever the batch."""
    config = EmaConfig(half_life=half_life, ramp=None)
    for batch in (1, 4, 20):
        assert math.prod([ema.decay(10**6, batch, config)] * int(half_life / batch)) == pytest.approx(0.5, rel=0.01)


def test_ramp():
    config = EmaConfig(half_life=1000, ramp=0.05)
    assert ema.decay(2000, 10, config) == pytest.approx(0.5 ** (10 / 100))  # 5 % of 2000 images
    assert ema.decay(10**6, 10, config) == pytest.approx(0.5 ** (10 / 1000))
    assert ema.decay(0, 10, config) == 0  # nothing to remember: the average is the live network
    assert ema.decay(10**6, 10, EmaConfig(half_life=0)) == 0


def test_update():
    average, live = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        average.weight.fill_(1.0)
        live.weight.fill_(3.0)
        live.running_mean.fill_(7.0)
        live.num_batches_tracked.fill_(5)
    ema.update(average, live, 0.75)
    assert average.weight.tolist() == [1.5] * 3  # 0.75 * 1 + 0.25 * 3, exact in binary
    assert average.running_mean.tolist() == [7.0] * 3
    assert average.num_batches_tracked == 5
    assert live.weight.tolist() == [3.0] * 3


def test_other_modules_are_refused():
    with pytest.raises(ValueError, match="bias"):
        ema.update(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), 0.5)
