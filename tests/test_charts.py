"""Charts: nothing is cut off, values are where they belong, and what an axis cannot show is left out."""

import io

import numpy as np
import pytest
from PIL import Image

from stylemap import charts
from stylemap.charts import Axis, Series


def drawn(
    title: str, across: Axis, up: Axis, series: list[Series], size: tuple[int, int], legend: bool = True
) -> np.ndarray:
    """float [H, W, 3] in 0..1."""
    figure, (axes,) = charts.new_figure(*size)
    charts.plot(axes, title, across, up, series, legend)
    return np.asarray(Image.open(io.BytesIO(charts.png(figure))).convert("RGB")) / 255


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 70.0])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_ticks_are_round_and_enough(scale, logarithmic):
    figure, (axes,) = charts.new_figure(500, 400)
    line = [(scale, scale), (30 * scale, 30 * scale)]
    charts.plot(axes, "", Axis("", logarithmic), Axis("", logarithmic), [Series("a", line)])
    charts.png(figure)
    low, high = axes.get_ylim()
    ticks = [value for value in axes.get_yticks() if low <= value <= high]
    assert 3 <= len(ticks) <= 10 and ticks == sorted(ticks)
    assert (low == 0) != logarithmic and high >= 30 * scale
    assert all(len(f"{value:g}") <= 7 for value in ticks)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_nothing_of_a_chart_is_cut_off(logarithmic):
    points = [(0.001, 5.0), (1000.0, 0.002)]
    series = [Series("a label that is rather long", points, points), Series("b", [], [(1, 1)])]
    image = drawn("Title", Axis("across", logarithmic), Axis("up", logarithmic), series, (700, 400))
    assert image.shape == (400, 700, 3)
    ink = (image < 0.95).any(axis=2)
    assert ink.any() and not (ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any())


def test_values_that_an_axis_cannot_show_are_left_out():
    bad = [(0.0, 1.0), (-1.0, 1.0), (1.0, float("nan")), (float("inf"), 1.0)]
    good = [(1.0, 1.0), (10.0, 2.0)]
    axes = Axis("across", True), Axis("up", True)
    first, second = (drawn("", *axes, [Series("a", line, line)], (400, 300)) for line in (good, bad + good))
    assert np.array_equal(first, second)
    assert drawn("nothing", *axes, [Series("a")], (400, 300)).shape == (300, 400, 3)


def test_higher_is_higher():
    def place(value):
        dots = [(1.0, 0.0), (2.0, 10.0), (3.0, value)]
        axis, series = Axis("", ticks=[(0, "0"), (4, "4")]), [Series("a", dots=dots[:2]), Series("b", dots=dots[2:])]
        image = drawn("", axis, Axis(""), series, (400, 300), False)
        colour = [int(charts.COLOURS[1][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return float((np.abs(image - colour).sum(axis=2) < 0.05).nonzero()[0].mean())

    assert place(8.0) < place(5.0) < place(2.0)
    assert place(5.0) == pytest.approx((place(8.0) + place(2.0)) / 2, abs=1)


def test_errors_reach_as_far_as_they_are():
    figure, (axes,) = charts.new_figure(400, 300)
    charts.plot(axes, "", Axis(""), Axis(""), [Series("a", dots=[(1, 2), (3, 4)], errors=[0.5, 1.0])])
    (bars,) = axes.collections
    assert [segment.tolist() for segment in bars.get_segments()] == [[[1, 1.5], [1, 2.5]], [[3, 3], [3, 5]]]


def test_no_two_lines_look_alike():
    """Colours come again, and are dashed then."""
    figure, (axes,) = charts.new_figure(400, 300)
    count = 2 * len(charts.COLOURS)
    charts.plot(axes, "", Axis(""), Axis(""), [Series(str(k), [(0, k), (1, k)]) for k in range(count)])
    shown = {(line.get_color(), line.get_linestyle()) for line in axes.lines if len(line.get_xdata())}
    assert len(shown) == count


def test_equal_charts_are_equal_bytes():
    def made():
        figure, (axes,) = charts.new_figure(300, 200)
        charts.plot(axes, "", Axis("x"), Axis("y"), [Series("a", [(0, 0), (1, 1)], [(1, 1)])])
        return charts.png(figure), charts.svg(figure, {charts.COLOURS[0]: "var(--a)"})

    first, second = made(), made()
    assert first == second
    assert "var(--a)" in first[1] and charts.COLOURS[0] not in first[1]
