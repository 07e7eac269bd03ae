"""Whether weights have seen the pictures that they are judged by."""

import pytest

from stylemap.comparison.unseen import doubt

CATS = {"data": "cats.zip", "names_sha256": "ab"}


@pytest.mark.parametrize(
    ("info", "data", "names", "says"),
    [
        (CATS, "cats.zip", "ab", None),
        (CATS, "elsewhere/cats.zip", "ab", None),
        (CATS, "cats.zip", "cd", "with other pictures held out"),
        (CATS, "dogs.zip", "cd", "on cats.zip with other"),
        (CATS, "avatars", "", None),
        ({"data": "avatars"}, "avatars", "", None),
        ({"data": "avatars"}, "cats.zip", "ab", None),
        ({"data": "cats.zip"}, "cats.zip", "ab", "is not noted"),
        ({}, "cats.zip", "ab", "is not known"),
        ({}, "avatars", "", "is not known"),
    ],
)
def test_doubt(info, data, names, says):
    found = doubt(info, data, names)
    assert found is None if says is None else says in found
