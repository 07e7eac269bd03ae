"""Round numbers, whatever the values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylemap.training.report.axis import Axis
from stylemap.training.report.log import LARGEST
from stylemap.training.report.plots import Plot

numbers = st.lists(st.floats(-LARGEST, LARGEST, exclude_min=True, exclude_max=True), min_size=1)


@given(numbers, st.sampled_from(["", "%", "dB"]))
def test_axis_holds_all_values(known, unit):
    axis = Axis.fit(known, Plot("", "", {}, unit=unit), [known[-1]])
    assert axis.low < axis.high and axis.ticks == sorted(axis.ticks) and len(axis.ticks) <= 12
    assert len(axis.labels) == len(axis.ticks) >= 1
    assert all(-1e-5 <= axis.place(v) <= 1 + 1e-5 for v in known)


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ([0.02, 0.94], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([1.12, 1.41], ["1.1", "1.2", "1.3", "1.4", "1.5"]),
        ([5.0], ["2", "3", "4", "5", "6", "7", "8"]),
        ([0.0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([0.002, 3], ["0.01", "0.1", "1"]),
        ([1e-7, 1e-3], ["10⁻⁷", "10⁻⁶", "10⁻⁵", "0.0001", "0.001"]),
        ([0, 3000], ["0", "1000", "2000", "3000"]),
    ],
)
def test_axis_has_round_ticks(known, labels):
    assert Axis.fit(known, Plot("", "", {}), known[-1:]).labels == labels


def test_axis_of_a_share_begins_at_zero_once_it_is_above():
    plot = Plot("", "", {}, unit="%", floor=0)
    assert Axis.fit([-7.0, 0.9], plot, [0.9]).low == 0
    assert Axis.fit([-7.0, -0.9], plot, [-0.9]).low < -0.9
