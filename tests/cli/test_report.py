"""`stylemap report` from the outside. Calls the verb itself: what the table of verbs does is tested with it."""

import pytest
import yaml

from stylemap.cli import report
from stylemap.errors import InputError


def test_writes_the_page_and_says_where(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": "avatars"}))
    assert report.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "RUN"), (["nowhere"], "nowhere holds no run"), (["a", "b"], "unrecognized"), (["a", "--out", "b"], "--out")],
    ids=str,
)
def test_mistakes_are_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as info:
        report.main(arguments)
    assert "\n" not in str(info.value)
    assert not list(tmp_path.iterdir())
