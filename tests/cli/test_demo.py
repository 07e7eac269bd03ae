"""The demo, with a recipe small enough for a test."""

import re

from stylemap import decoding
from stylemap.cli import demonstration, main

TINY = """
data: avatars
heldout: 4
images: 16
batch: 4
tick: 8
workers: 0
device: cpu
model: {resolution: 16, stylemap_size: 8, stylemap_channels: 4, channel_base: 128, channel_max: 8, mapping_layers: 2}
"""


def test_demo_trains_reports_and_draws(tmp_path, capsys, monkeypatch):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY)
    out = tmp_path / "demo"
    assert main(["demo", "--config", str(recipe), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"mean squared error \d\.\d{4}.*% of the pixel variance explained", printed)
    for name in ("reconstruction", "local_edit", "transplant"):
        path = out / f"{name}.png"
        assert str(path) in printed
        assert decoding.decode(path).std() > 10  # an image, not a blank sheet
    # A second time it finds the run done and draws again.
    drawn, log = [], (out / "run/log.jsonl").read_bytes()
    monkeypatch.setattr(demonstration, "write_sheets", lambda model, folder: drawn.append(folder) or {})
    assert main(["demo", "--config", str(recipe), "--out", str(out)]) == 0
    assert drawn == [out, out / "shipped"]
    assert (out / "run/log.jsonl").read_bytes() == log


def test_demo_needs_avatars(tmp_path, capsys):
    recipe = tmp_path / "other.yaml"
    recipe.write_text(TINY.replace("avatars", "photos"))
    assert main(["demo", "--config", str(recipe), "--out", str(tmp_path / "demo")]) == 2
    assert capsys.readouterr().err.startswith("error: the demo edits drawn faces")
