import math

import pytest

from stylemap import familiarity
from stylemap.cli import main
from stylemap.published import ONNXRUNTIME_WEB
from stylemap.webapp import folder


@pytest.mark.parametrize("content", [None, b"\x1f\x8b no archive"])
def test_a_runtime_that_is_missing_or_another_file(content, tmp_path, capsys):
    """It is told before minutes of work, and nothing is written."""
    pytest.importorskip("starlette")
    pytest.importorskip("onnxscript")
    archive, out = tmp_path / "runtime.tgz", tmp_path / "site"
    if content:
        archive.write_bytes(content)
    assert main(["export", "web", "--weights", "avatars32", "--runtime", str(archive), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert str(archive) in line and ONNXRUNTIME_WEB.command in line and not out.exists()


def test_weights_of_another_architecture(tmp_path, capsys):
    pytest.importorskip("starlette")
    assert main(["export", "web", "--weights", "avatars32_stylegan2", "--out", str(tmp_path / "site")]) == 2
    assert "no StyleMapGAN" in capsys.readouterr().err


def test_every_script_has_a_place():
    """What the page imports of the editor is the editor's; only the way to the server is another."""
    scripts = {path.name for path in folder.SCRIPTS.glob("*.js")}
    assert {folder.TRANSPORT, folder.SERVICE_WORKER} <= scripts
    assert folder.TRANSPORT in {path.name for path in folder.STATIC.glob("*.js")}


@pytest.mark.parametrize("explained", [math.nan, 0.95, 0.8, 0.5])
def test_what_weights_know_is_told_alike(explained):
    """The worker finds the word and the line by limits; they are those of the module that the server asks."""
    known = familiarity.Familiarity("mine", 0.01, "held-out images", explained)
    told = folder._known(known)
    for error in (0.001, 0.009, 0.0149, 0.02, 0.024, 0.03, 0.1, 1.0):
        place = next((i for i, most in enumerate(told["limits"]) if error <= most), -1)
        assert told["words"][place] == known.word(error)
        if place == -1 and (told["well"] is None or error <= told["well"] * told["usual"]):
            assert told["draws_little"] == known.remark("this image", error)
