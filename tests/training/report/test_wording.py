"""Numbers as people write them."""

import pytest

from stylemap.training.report import wording


@pytest.mark.parametrize(
    ("images", "text"), [(0, "0"), (500, "500"), (1500, "1.5k"), (2_000_000, "2M"), (2.5e7, "25M")]
)
def test_images_on_an_axis(images, text):
    assert wording.short(images) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h"), (1e5, "28 h"), (1e6, "12 days")]
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text
