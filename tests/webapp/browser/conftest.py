"""The scripts of an exported site in a real browser, and the site itself, where onnxruntime-web is here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import hosted
from stylemap.cli import main
from stylemap.published import ONNXRUNTIME_WEB
from tests.editor.browser.conftest import desktop, editor, open_editor, photo  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of a site."""
    pytest.importorskip("onnxscript", reason="ONNX is not installed: pip install 'stylemap[onnx]'")
    archive = ONNXRUNTIME_WEB.path()
    if not archive.is_file():
        pytest.skip(f"there is no {archive}; {ONNXRUNTIME_WEB.command} gets it")
    out = tmp_path_factory.mktemp("site")
    assert main(["export", "web", "--weights", "avatars32", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def server(site) -> Iterator[str]:
    """Its address; the editor's own tests ask a fixture of this name."""
    with hosted(site) as address:
        yield address
