"""What of a log is taken, and what is passed over."""

import re

import pytest
import yaml

from stylemap.training import report
from tests.training.report.pages import CONFIG, Page, tick


@pytest.mark.parametrize(
    "ticks", [[], ["", "null", "[]", '{"images": 4, "hel'], ['{"images": "x"}', '{"images": true}', '{"images": -1}']]
)
def test_before_the_first_tick(make, ticks):
    page = make(ticks)
    assert "Nothing is measured yet" in page.text and "no tick so far" in page.text
    assert not page.all("figure") and "There is no image sheet yet" in page.text


def test_without_a_log(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert "Nothing is measured yet" in Page(report.write(tmp_path)).text


def test_a_half_line_is_passed_over(make):
    page = make([tick(100), '{"images": 200, "heldout_ms'])
    assert page.data("log")["images"] == [100]


def test_the_later_of_two_ticks_at_the_same_images(make):
    page = make([tick(200, x=3), tick(100, x=1), tick(200, x=2)])
    assert page.data("log")["images"] == [100, 200]
    assert page.data("log")["values"]["x"] == [1, 2]


def test_what_is_not_finite_is_a_gap(make):
    bad = ["NaN", "Infinity", "-Infinity", "null", "1e999", "1" + 39 * "0" + "e300"]
    values = ["1.0", "2.0", *bad, "3.0"]
    page = make([f'{{"images": {100 * (i + 1)}, "x": {value}}}' for i, value in enumerate(values)])
    assert re.match(r'\s*<path d="M [\d. ]+\nL [\d. ]+\nM [\d. ]+\n"', page.curve("x"))
    assert page.curve("x").count("<use") == 1  # the last point stands alone
    assert f"{len(bad)} values not finite: a gap" in page.text
    assert page.data("log")["values"]["x"] == [1, 2, *[None] * len(bad), 3]
    assert "No held-out score is known" in page.text


def test_nothing_but_nan(make):
    page = make([f'{{"images": {n}, "heldout_explained": NaN, "x": null}}' for n in (1, 2)])
    assert not page.all("figure")
