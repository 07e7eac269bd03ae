"""`stylemap report` from the outside."""

import pytest
import yaml

from stylemap.cli import main


def test_writes_the_page_and_says_where(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": "avatars"}))
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "RUN"), (["nowhere"], "nowhere holds no run"), (["a", "b"], "unrecognized"), (["a", "--out", "b"], "--out")],
    ids=str,
)
def test_mistakes_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())
