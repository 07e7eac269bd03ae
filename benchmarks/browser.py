"""A headless Chromium and an editor to open in it, the same for measurements, tests and pictures."""

import contextlib
import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """The program of a Chromium, where there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def served(*flags: str, **options) -> Iterator[tuple[str, subprocess.Popen]]:
    """`stylemap serve` with these flags on a free port: its address, and its process, which ends with the context.

    Args:
        options: of the process, such as ``env``.
    """
    command = [sys.executable, "-m", "stylemap", "serve", "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        if address is None:
            raise SystemExit(f"error: the server did not start; it said {line!r}")
        yield address[0], process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *what) -> None:
        pass


@contextlib.contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """A host of plain files, as for the site that `stylemap export web` writes: its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
