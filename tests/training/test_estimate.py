"""What a run is said to take, from what an iteration takes."""

import functools
from dataclasses import replace

import pytest

from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.config import OptimConfig
from stylemap.training import estimate
from stylemap.training.estimate import Device
from stylemap.training.rehearsal import Memory, Need, Stage
from tests.training.test_rehearsal import PLAIN, expected, need


@functools.cache
def without_cards(config: StylemapTraining, processes: int = 1) -> estimate.Estimate:
    """What fits on which card takes several rehearsals more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "CARDS", ())
        return estimate.estimate(config, processes)


def test_less_at_once_takes_less_memory_and_no_less_arithmetic():
    whole, halves = (without_cards(replace(PLAIN, batch_gpu=n)) for n in (None, 2))
    assert (whole.at_once, halves.at_once) == (4, 2)
    assert halves.needs["float32"].memory.activations < whole.needs["float32"].memory.activations
    assert halves.needs["float32"].float32 > whole.needs["float32"].float32  # reconstructions are computed twice


def test_processes_share_the_batch():
    two = without_cards(PLAIN, processes=2)
    assert (two.share, two.at_once) == (2, 2)
    # The message of gradients is small and comes when the activations have gone, so the peak is that of half the batch.
    assert two.needs["float32"].memory == expected(replace(PLAIN, batch=2))
    device = Device(float32=1.0)
    one = without_cards(PLAIN)
    assert two.days(device, "float32") == pytest.approx(one.days(device, "float32") / 2)
    assert without_cards(PLAIN, processes=3).share == 1  # cannot be shared: told elsewhere, rounded down here


def test_fits_are_the_largest_that_fit():
    stage = Stage(replace(PLAIN, heldout=1), 1, PLAIN.batch)
    exact = {n: stage.need(n, n < 4, "float32", False).memory.on_card for n in (1, 2, 4)}
    for n in (1, 2, 4):
        assert 0.999 * exact[n] <= stage.on_card(n, "float32", False) <= 1.02 * exact[n]
        assert estimate._fit(stage, "float32", stage.on_card(n, "float32", False)).batch_gpu == n
    small = stage.on_card(1, "float32", True)
    assert small < exact[1]
    assert estimate._fit(stage, "float32", small) == estimate.FittingSettings(1, True)
    assert estimate._fit(stage, "float32", small - 1) is None


def test_bfloat16_is_for_all_but_the_penalty():
    needs = without_cards(PLAIN).needs
    assert needs["float32"].bfloat16 == 0
    penalty = needs["float32"].float32 - need(replace(PLAIN, optim=OptimConfig(r1_gamma=0))).float32
    assert needs["bfloat16"].float32 == pytest.approx(penalty)
    assert needs["bfloat16"].float32 + needs["bfloat16"].bfloat16 == pytest.approx(needs["float32"].float32)
    ratio = needs["bfloat16"].memory.activations / needs["float32"].memory.activations
    assert 0.5 < ratio < 1  # not half: the norms, and the penalty, are float32


def test_rates():
    need = Need(Memory(1, 2, 3, 4, 5, 6, "", 0), float32=1e12, bfloat16=3e12)
    assert Device(float32=1).rate(need) is None  # no bfloat16
    seconds = 1 / 2 + 3 / 6
    assert Device(1, 2, 6).rate(need) == pytest.approx(estimate.SHARE / seconds)
    assert Device(1, 2, 6).rate(need, tf32=False) == pytest.approx(estimate.SHARE / (1 + 3 / 6))
    assert estimate.cpu_rate(0.01) > 1e8
