"""Which ticks are drawn, and how."""

import re

from stylemap.training.report import curves
from tests.training.report.pages import tick


def test_one_tick_is_a_dot(make):
    page = make([tick(100)], sheets=[100])
    assert re.fullmatch(r"M1000\.0 \d+\.\dh0", page.curve("heldout_explained"))
    assert page.data("frames") == [] and len(page.all("img")) == 2


def test_a_field_that_is_logged_now_and_then_is_one_line(make):
    page = make([tick(100, x=1), tick(200), tick(300, x=2)])
    assert page.curve("x").count("M") == 1


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
