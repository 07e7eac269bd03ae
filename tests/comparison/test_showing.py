"""Numbers, charts and pages."""

import numpy as np
import pytest
import torch

from stylemap import charts
from stylemap.charts import Axis, Series, linear_ticks, log_ticks
from stylemap.comparison import page
from stylemap.comparison.table import markdown, number
from stylemap.errors import InputError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.0123456, "0.0123"),
        (0.0000012345, "0.00000123"),
        (1234567.0, "1,230,000"),
        (12.0, "12"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_markdown():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 70.0])
def test_ticks_are_round_and_enough(scale):
    values = [value for value, _ in log_ticks(scale, 30 * scale)]
    assert 4 <= len(values) <= 8 and values == sorted(values)
    assert scale <= values[0] and values[-1] <= 30 * scale
    values = [value for value, _ in linear_ticks(scale)]
    assert values[0] == 0 and values[-1] >= 0.99 * scale and 3 <= len(values) <= 7


def bright(picture) -> np.ndarray:
    """Pixels that are not white: bool [H, W]."""
    return (picture < 0.95).any(dim=0).numpy()


@pytest.mark.parametrize("logarithmic", [False, True])
def test_nothing_of_a_chart_is_cut_off(logarithmic):
    long = Series("a label that is rather long", [(0.001, 5.0), (1000.0, 0.002)], [(0.001, 5.0), (1000.0, 0.002)])
    made = charts.draw(
        "Title", Axis("across", logarithmic), Axis("up", logarithmic), [long, Series("b", [], [(1, 1)])], (700, 400)
    )
    assert made.shape == (3, 400, 700)
    ink = bright(made)
    assert not (ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any())


def test_values_that_an_axis_cannot_show_are_left_out():
    bad = [(0.0, 1.0), (-1.0, 1.0), (1.0, float("nan")), (float("inf"), 1.0)]
    good = [(1.0, 1.0), (10.0, 2.0)]
    axes = Axis("across", True), Axis("up", True)
    first, second = (charts.draw("", *axes, [Series("a", line, line)], (400, 300)) for line in (good, bad + good))
    assert torch.equal(first, second)
    assert charts.draw("nothing", *axes, [Series("a")], (400, 300)).shape == (3, 300, 400)


def test_higher_is_higher():
    def place(value):
        dots = [(1.0, 0.0), (2.0, 10.0), (3.0, value)]
        axis = Axis("", ticks=[(0, "0"), (4, "4")])
        made = charts.draw(
            "", axis, Axis(""), [Series("a", dots=dots[:2]), Series("b", dots=dots[2:])], (400, 300), False
        )
        distance = (made - torch.tensor(charts.COLOURS[1]).view(3, 1, 1) / 127.5 + 1).abs().sum(dim=0)
        return float((distance < 0.1).nonzero()[:, 0].double().mean())

    assert place(8.0) < place(5.0) < place(2.0)
    assert place(5.0) == pytest.approx((place(8.0) + place(2.0)) / 2, abs=1)


PAGE = "# Words\n\n{}\nold\n{}\n\nmore words\n"


@pytest.mark.parametrize("docs", [["--docs", "page.md"], ["--docs=page.md"]], ids=str)
def test_a_command_can_be_typed_again_and_has_no_page(docs):
    found = page.command("stylemap benchmark", ["--out", "two words", *docs, "--count", "2"])
    assert found == "`stylemap benchmark --out 'two words' --count 2`"


def test_a_page_keeps_everything_else(tmp_path):
    path, picture = tmp_path / "page.md", tmp_path / "plot.png"
    picture.write_bytes(b"pixels")
    path.write_text(PAGE.format(*page.markers("one")) + PAGE.format(*page.markers("two")))
    for _ in range(2):
        page.embed(path, "one", "| table |\n", {picture: "a plot"})
    text = path.read_text()
    assert text.count("| table |") == 1 and text.count("old") == 1 and text.count("# Words") == 2
    assert "![a plot](images/comparison_one_plot.png)" in text
    assert (tmp_path / "images" / "comparison_one_plot.png").read_bytes() == b"pixels"
    assert text.endswith(PAGE.format(*page.markers("two")))


@pytest.mark.parametrize("text", [None, "no markers", "{1}\n{0}"])
def test_a_page_without_a_place(tmp_path, text):
    path = tmp_path / "page.md"
    if text is not None:
        path.write_text(text.format(*page.markers("one")))
    with pytest.raises(InputError, match="page.md"):
        page.check(path, "one")
