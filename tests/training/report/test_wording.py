"""Numbers as people write them."""

import pytest

from stylemap.training.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h"), (1e5, "28 h"), (1e6, "12 days")]
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text
