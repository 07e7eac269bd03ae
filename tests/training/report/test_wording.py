"""Numbers as people write them."""

import pytest

from stylemap.training.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "3 s"),
        (119, "119 s"),
        (600, "10 min"),
        (864, "14 min"),
        (9000, "2.5 h"),
        (1e5, "28 h"),
        (1.6 * 86400, "38 h"),
        (9.04 * 86400, "9.0 days"),
        (1e6, "12 days"),
        (52.83 * 86400, "53 days"),
        (900 * 86400, "2.5 years"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text
