"""Alarms sound when they should and not otherwise."""

import pytest

from stylemap.training.alarms import LONG, alarms


def ticks(**series):
    length = len(next(iter(series.values())))
    return [{"images": 100 * (i + 1), **{name: values[i] for name, values in series.items()}} for i in range(length)]


@pytest.mark.parametrize(
    ("signs", "sounds"),
    [
        ([0.95] * LONG, True),
        ([0.2, *[0.95] * LONG], True),
        ([0.95] * (LONG - 1), False),
        ([0.95] * LONG + [0.5], False),
        ([0.9] * LONG, False),
        ([-0.99] * LONG, False),
    ],
)
def test_overpowering_discriminator(signs, sounds):
    found = alarms(ticks(real_sign=signs))
    assert len(found) == sounds
    assert all("--augment.mode adaptive" in text for text in found)


@pytest.mark.parametrize(
    ("diversity", "sounds"),
    [
        ([0.01, 0.5, 0.6, 0.03], True),
        ([0.01, 0.5, 0.6, 0.07], False),  # not yet a tenth
        ([0.0, 0.001, 0.002, 0.0], False),  # never was alive: the start of training
        ([0.01], False),
        ([3.0, 0.25], False),  # more than real images have is noise, and 0.25 is alive
    ],
)
def test_collapse(diversity, sounds):
    found = alarms(ticks(sample_diversity=diversity))
    assert len(found) == sounds
    assert all("0.600 at image 300" in text for text in found)


def test_nothing_to_go_by():
    assert alarms([]) == []
    assert alarms(ticks(heldout_mse=[1.0] * 9)) == []


def test_every_alarm_is_one_line():
    found = alarms(ticks(real_sign=[0.99] * 6, sample_diversity=[0.5, 0.5, 0.5, 0.5, 0.5, 0.0]))
    assert len(found) == 2
    assert not any("\n" in text for text in found)
