"""Which ticks are drawn, and how."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylemap import charts
from stylemap.training.log import LARGEST
from stylemap.training.report import curves
from stylemap.training.report.plots import Plot
from tests.training.report.pages import tick


def scaled(known: list[float], plot: Plot, newest: float):
    """The axes of a plot of these values, and the labels of the vertical one."""
    _, (axes,) = charts.new_figure(curves.WIDTH, curves.HEIGHT, layout=None)
    axes.plot(range(len(known)), known)
    curves._scale(axes, plot, known, [newest], max(len(known) - 1, 1))
    low, high = axes.get_ylim()
    ticks = [value for value in axes.get_yticks() if low <= value <= high]
    return axes, [
        label.replace("\N{MINUS SIGN}", "-") for label in axes.yaxis.get_major_formatter().format_ticks(ticks)
    ]


@settings(max_examples=50, deadline=None)  # a figure each
@given(
    st.lists(st.floats(-LARGEST, LARGEST, exclude_min=True, exclude_max=True), min_size=1),
    st.sampled_from(["", "%", "dB"]),
)
def test_axis_holds_all_values(known, unit):
    axes, labels = scaled(known, Plot("", "", {}, unit=unit), known[-1])
    low, high = axes.get_ylim()
    assert low < high and 1 <= len(labels) <= 12
    margin = 1e-5 * max(high - low, abs(low), abs(high))
    assert all(low - margin <= v <= high + margin for v in known)


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ([0.02, 0.94], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([1.12, 1.41], ["1.1", "1.2", "1.3", "1.4", "1.5"]),
        ([0.0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([0.002, 3], ["0.01", "0.1", "1"]),
        ([0, 3000], ["0", "1000", "2000", "3000"]),
    ],
)
def test_axis_has_round_ticks(known, labels):
    assert scaled(known, Plot("", "", {}), known[-1])[1] == labels


def test_axis_of_a_share_begins_at_zero_once_it_is_above():
    plot = Plot("", "", {}, unit="%", floor=0)
    assert scaled([-7.0, 0.9], plot, 0.9)[0].get_ylim()[0] == 0
    assert scaled([-7.0, -0.9], plot, -0.9)[0].get_ylim()[0] < -0.9


def test_one_tick_is_a_dot(make):
    page = make([tick(100)], sheets=[100])
    curve = page.curve("heldout_explained")
    assert re.match(r'\s*<path d="M [\d. ]+\n"', curve) and curve.count("<use") == 1
    assert page.data("frames") == [] and len(page.all("img")) == 2


def test_a_field_that_is_logged_now_and_then_is_one_line(make):
    page = make([tick(100, x=1), tick(200), tick(300, x=2)])
    assert len(re.findall(r"\bM ", page.curve("x"))) == 1


def test_unknown_fields_are_curves(make):
    page = make([tick(100, augment_p=0.1, heldout_lpips=0.3), tick(200, augment_p=0.2, heldout_lpips=0.2)])
    assert "Augment p" in page.text
    assert page.source.index("heldout_lpips") < page.source.index("<h2>Speed and more")


def test_a_long_log_keeps_its_extremes(make):
    ticks = [{"images": n, "x": 1000.0 if n == 3333 else 1.0} for n in range(1, 5001)]
    page = make(ticks)
    assert max(page.data("log")["values"]["x"]) == 1000
    assert curves.TICKS <= len(page.data("log")["images"]) <= curves.TICKS + 2
    assert "bold: means of 50 ticks" in page.text
