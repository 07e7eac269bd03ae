"""`stylemap doctor`: the screen, the JSON, the exit code."""

import json
from pathlib import Path

from stylemap import diagnosis
from stylemap.diagnosis import Finding

FOUND = [
    Finding("system", "python", "3.12.0"),
    Finding("weights", "yunet", "not here", "missing", "stylemap weights pull yunet"),
    Finding("space", "cache", "full", "bad", "free 1 GiB"),
]


def test_screen(stylemap, monkeypatch):
    monkeypatch.setattr(diagnosis, "findings", lambda self_test: iter(FOUND[:2]))
    done = stylemap("doctor")
    assert done.code == 0
    assert "->  stylemap weights pull yunet" in done.out
    assert "all is well" in done.out


def test_what_is_wrong_decides_the_exit_code(stylemap, monkeypatch):
    monkeypatch.setattr(diagnosis, "findings", lambda self_test: iter(FOUND))
    done = stylemap("doctor --json report.json")
    assert done.code == 1
    assert "wrong: cache" in done.out
    report = json.loads(Path("report.json").read_text())
    assert report["good"] is False
    assert [found["state"] for found in report["findings"]] == ["good", "missing", "bad"]


def test_the_self_test_can_be_left_out(stylemap, monkeypatch):
    asked = []
    monkeypatch.setattr(diagnosis, "findings", lambda self_test: asked.append(self_test) or iter(FOUND[:1]))
    stylemap("doctor")
    stylemap("doctor --no-self-test")
    assert asked == [True, False]
