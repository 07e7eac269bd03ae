"""The scripts of an exported site in a real browser, and the site itself, where onnxruntime-web is here."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stylemap.cli import main
from stylemap.published import ONNXRUNTIME_WEB
from tests.editor.browser.conftest import browser, desktop, editor, open_editor, photo  # noqa: F401 (fixtures)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *what) -> None:
        pass


def hosted(folder: Path) -> Iterator[str]:
    """The address of a host of plain files."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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
    yield from hosted(site)
