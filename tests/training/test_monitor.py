import math
import threading

import pytest
import torch
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from stylemap.architectures.stylemap.cycle import StylemapCycle
from stylemap.training import monitor

TERMS = StylemapCycle.terms


def terms(**values):
    return {name: torch.tensor(values.get(name, 1.0)) for name in TERMS}


def test_means_count_only_what_occurred():
    meter = monitor.Meter(TERMS, torch.device("cpu"))
    meter.add(terms(perceptual=1.0))
    meter.add({name: value for name, value in terms(perceptual=3.0).items() if name != "r1_penalty"})
    means = meter.means()
    assert means["perceptual"] == 2.0
    assert means["r1_penalty"] == 1.0  # of the one iteration that had it
    meter.reset()
    assert meter.means() == {}


def test_means_go_on_after_a_stop_between_two_ticks():
    whole, first = (monitor.Meter(TERMS, torch.device("cpu")) for _ in range(2))
    for meter in (whole, first):
        meter.add(terms(perceptual=0.1))
        meter.add({"perceptual": torch.tensor(0.7)})
    second = monitor.Meter(TERMS, torch.device("cpu"), totals=first.totals())
    for meter in (whole, second):
        meter.add(terms(perceptual=0.3))
    assert second.means() == whole.means()


def test_tensorboard_reads_what_this_very_thread_writes(tmp_path):
    (tmp_path / "run").mkdir()
    before = threading.enumerate()
    written = monitor.Monitor(tmp_path / "run", seen=8)
    written.record(16, {"perceptual": 0.25}, torch.zeros(3, 4, 4), {"latents": torch.arange(5.0)})
    assert threading.enumerate() == before
    written.close()
    (file,) = (tmp_path / "run" / "tensorboard").iterdir()
    events = list(EventFileLoader(str(file)).Load())
    assert [event.step for event in events if event.HasField("session_log")] == [9]  # what is later is forgotten
    assert [v.tag for event in events for v in event.summary.value] == ["perceptual", "latents", "grid"]
    assert all(event.step == 16 for event in events if event.summary.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_failure_names_the_first(bad):
    meter = monitor.Meter(TERMS, torch.device("cpu"))
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
    meter = monitor.Meter(TERMS, torch.device("cpu"))
    meter.add(terms())
    now = 102.0
    with meter.paused():
        now = 150.0
    assert meter.speed(8) == pytest.approx(4.0)
