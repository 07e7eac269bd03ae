"""The page of a run: complete in itself, harmless whatever the run holds, and there whatever state the run is in."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from stylemap.errors import InputError
from stylemap.training import loop, report
from tests.training.report.pages import CONFIG, Page, tick

NASTY = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>$title&amp;\"'"


def test_of_a_real_run(config, tmp_path):
    run = tmp_path / "run"
    loop.train(replace(config, data="avatars", heldout=4), run)
    page = Page(report.write(run))
    assert "40 of 40 images seen (100 %)" in page.text.replace("\xa0", " ")
    assert "finished" in page.text
    shown = {a["data-name"] for a in page.all("span") if "data-name" in a}
    logged = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert shown == {name for name, value in logged.items() if isinstance(value, float)}
    assert page.data("log")["images"] == [16, 32, 40]
    assert [frame["images"] for frame in page.data("frames")] == [16, 32]  # the newest is in the page itself
    for name in ("state-0000000040.pt", "weights.safetensors", "log.jsonl", "model.stylemap_channels"):
        assert name in page.text
    assert not list(run.glob(".*"))


def test_imports_no_torch():
    """It is to be there at once, also beside a training that fills the memory."""
    code = "import sys, stylemap.cli.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_page_is_complete_in_itself(make):
    page = make([tick(100)], sheets=[50, 100])
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert name not in ("href", "srcset", "action", "data", "ping") and not name.startswith("on")
            assert name != "src" or value.startswith("data:image/jpeg;base64,")
    assert not re.search(r"https?:|url\((?!#)|@import|fetch\(|XMLHttp|sendBeacon|WebSocket|import\(", page.source)
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    script = re.search(r"<script>(.*?)</script>", page.source, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


def test_whatever_the_run_holds_is_harmless(make):
    values = {NASTY: 1.0, "\ud800": 2.0, "alarms": [NASTY, "\ud800"], "note": NASTY}
    config = CONFIG | {"data": NASTY, NASTY: NASTY, "model": {"resolution": NASTY}}
    page = make([tick(100, **values), tick(200, **values)], [100, 200], config, name="<b>run")
    assert page.text.count("alert(1)") >= 5  # there to be read
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert not any("onerror" in a or a.get("src") == "x" for _, a in page.tags)
    assert not page.all("b", src="x") and "<b>run" not in page.source
    assert NASTY in page.data("log")["values"]
    assert "<b>run" in page.text  # $title stood in a value and was left as it was
    assert page.text.count("$title") >= 4


def test_names_of_files_are_harmless(make, tmp_path):
    make()
    (tmp_path / "run" / "<img src=x onerror=alert(1)>").touch()
    page = make()
    assert "<img src=x" in page.text and not page.all("img", src="x")


def test_config_marks_what_differs(make):
    page = make(config=CONFIG | {"invented": 3})
    assert "4 settings differ from the defaults" in page.text  # images, batch, resolution, lr
    assert "batch 4 default 16" in page.text
    assert "invented 3 not known to this version" in page.text
    assert "<tr><th>seed</th><td>0</td><td></td></tr>" in page.source


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda run: None, "holds no run"),
        (lambda run: run.mkdir(), "holds no run"),
        (lambda run: run.touch(), "holds no run"),
        (lambda run: (run / "config.yaml").mkdir(parents=True), "holds no run"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_text("a: [")), "not YAML"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_text("hello")), "no settings"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_bytes(b"\xff\xfe\x00")), "not text"),
    ],
    ids=["missing", "empty", "file", "folder for config", "not YAML", "no settings", "bytes"],
)
def test_no_run(tmp_path, prepare, message):
    run = tmp_path / "run"
    prepare(run)
    with pytest.raises(InputError, match=message) as info:
        report.write(run)
    assert "\n" not in str(info.value) and str(run) in str(info.value)
    assert not (run / "report.html").exists()
