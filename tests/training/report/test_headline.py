"""The top of the page, in words."""

import math
import re

import pytest

from tests.training.report.pages import tick


@pytest.mark.parametrize(
    ("explained", "said"),
    [
        ([0.5, 0.898], "It reproduces 89.8 % of the variance of images that it never saw . That is the best so far."),
        ([0.9, 0.85], "It reproduces 85.0 % of the variance"),
        ([0.9, 0.85], "The best was 90.0 %, after 100 images."),
        ([0.9, math.nan], "It reproduces 90.0 % of the variance"),
        ([-3, -1], "still worse than the mean image"),
    ],
)
def test_the_score_in_words(make, explained, said):
    page = make([tick(100 * (i + 1), heldout_explained=value) for i, value in enumerate(explained)])
    assert said.replace(" .", ".") in page.text.replace("\xa0", " ").replace(" .", ".")


def test_psnr_where_nothing_else_is_known(make):
    assert "The PSNR of images that it never saw is 21.50 dB" in make(
        [{"images": 100, "heldout_psnr": 21.5}]
    ).text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("images", "state"), [(250, "about 8 min of training left"), (1000, "finished"), (1100, "finished")]
)
def test_progress(make, images, state):
    page = make([tick(images, images_per_second=1.5)])
    assert f"{images:,} of 1,000 images seen" in page.text and state in page.text
    assert re.search(r"<i style='width:[\d.]+%'", page.source)


def test_alarms(make):
    """Said once, however often they came and whatever number was in them; those of the newest tick first."""
    ticks = [
        tick(100, alarms=["samples alike (0.31)"]),
        tick(200, alarms=["samples alike (0.2)", "old"]),
        tick(300, alarms="alone"),
        tick(400, alarms=["samples alike (0.1)"]),
    ]
    page = make(ticks)
    assert "Needs attention now samples alike (0.1) at 3 ticks from 100 to 400 images alone at 300" in page.text
    assert "(0.2)" not in page.text
    assert page.source.index("Needs attention") < page.source.index("<h2>Images")
    assert "Was noticed earlier" in make(ticks[:3] + [tick(400)]).text
    assert "alarms " not in re.sub(r"<style>.*?</style>", "", make([tick(100)]).source, flags=re.DOTALL)
