import math

import pytest
import torch

from stylemap.training import monitor
from stylemap.training.phases import TERMS


def terms(**values):
    return {name: torch.tensor(values.get(name, 1.0)) for name in TERMS}


def test_means_count_only_what_occurred():
    meter = monitor.Meter(torch.device("cpu"))
    meter.add(terms(perceptual=1.0))
    meter.add({name: value for name, value in terms(perceptual=3.0).items() if name != "r1_penalty"})
    means = meter.means()
    assert means["perceptual"] == 2.0
    assert means["r1_penalty"] == 1.0  # of the one iteration that had it
    meter.reset()
    assert meter.means() == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_failure_names_the_first(bad):
    meter = monitor.Meter(torch.device("cpu"))
    meter.add(terms())
    assert meter.failure() is None
    meter.add(terms(encoder_adversarial=bad, latent_reconstruction=bad))  # the same iteration: the order of the cycle
    meter.add(terms(generator_adversarial=bad))
    assert meter.failure() == "latent_reconstruction"
    meter.reset()
    assert meter.failure() is None


def test_what_is_no_training_does_not_count_as_its_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr(monitor.time, "perf_counter", lambda: now)
    meter = monitor.Meter(torch.device("cpu"))
    meter.add(terms())
    now = 102.0
    with meter.paused():
        now = 150.0
    assert meter.speed(8) == pytest.approx(4.0)
