"""`stylemap weights`: what is here and what is not, whether it is right, and getting it."""

import pytest

from stylemap import published
from tests.test_fetching import known


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Two files, of which the first is here."""
    first = known(b"first", tmp_path / "cache", "https://nowhere.invalid/first.bin")
    second = known(b"second", tmp_path / "cache", "https://nowhere.invalid/second.bin", "s")
    monkeypatch.setattr(published, "FILES", {"f": first, "s": second})
    first.folder().mkdir()
    first.path().write_bytes(b"first")
    (tmp_path / "mine").write_bytes(b"second")
    return first, second


def test_list_tells_all_of_every_file(stylemap, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published.YUNET.path().write_bytes(b"")
    shown = stylemap("weights list").out.split("\n\n")
    for text, file in zip(shown, published.FILES.values(), strict=True):
        assert text.startswith(f"{file.name}: ")
        for told in (file.licence, file.url, file.sha256, str(file.path())):
            assert told in text
        assert (f"not here; `stylemap weights pull {file.name}` gets it" in text) == (file != published.YUNET)


def test_verify(stylemap, table):
    first, second = table
    ran = stylemap("weights verify")
    assert (ran.code, ran.out) == (0, "f              right\ns              not here\n")
    second.path().write_bytes(b"secomd")
    ran = stylemap("weights verify")
    assert ran.code == 1
    assert "s              damaged: it is a file with other content; `stylemap weights pull s` gets it again" in ran.out


def test_pull(stylemap, table, tmp_path):
    ran = stylemap("weights pull s --from", tmp_path / "mine")
    assert (ran.code, ran.out) == (0, f"{table[1].path()}\n")
    assert table[1].path().read_bytes() == b"second"


def test_mistakes(refused, table, tmp_path):
    assert "invalid choice: 'x'" in refused("weights pull x")
    (tmp_path / "mine").write_bytes(b"secomd")
    assert "is a file with other content, and not second.bin" in refused("weights pull s --from", tmp_path / "mine")
