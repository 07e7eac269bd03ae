"""The table of published files, and what a file is said to be that should be one of them."""

import re
from pathlib import Path

import pytest

from stylemap import published
from tests.test_fetching import known

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("file", published.FILES.values(), ids=list(published.FILES))
def test_entries_are_complete(file):
    assert file.url.startswith("https://") and file.size > 0 and file.purpose and file.licence
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    if digits := re.search(r"-([0-9a-f]{8})\.pth$", file.file):  # torch's files carry the first digits of their hash
        assert file.sha256.startswith(digits[1])


def test_torch_looks_in_the_same_place(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert published.VGG.path() == tmp_path / "hub/checkpoints/vgg16-397923af.pth"
    assert published.VGG.path("mine.pth") == Path("mine.pth")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"right", None),
        (b"wrong", "a file with other content"),
        (b"rig", "a file of 3 bytes instead of 5"),
        (b"", "a file of 0 bytes instead of 5"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n", "a Git LFS pointer"),
        (bytes(500), "nothing but zeros"),
    ],
)
def test_faults(tmp_path, content, said):
    (tmp_path / "f").write_bytes(content)
    assert known(b"right", tmp_path).fault(tmp_path / "f") == said
