"""What all tests share. One thread per process: tensors are small, and two threads that wait for each other are slower."""

import gc
import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start

import pytest  # noqa: E402
import torch  # noqa: E402

from benchmarks.browser import ARGUMENTS, find  # noqa: E402
from stylemap import precision  # noqa: E402
from stylemap.training.report import curves  # noqa: E402

torch.set_num_threads(1)
# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The disk need not be waited for, thousands of times: what was written outlives a kill, and nobody cuts the power.
os.fsync = lambda file: None


def pytest_collection_finish() -> None:
    """Half a million objects of libraries and tests stay until the end. Looking for garbage among them takes 5 % of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def charts(monkeypatch):
    """Hundreds of short runs write their page; the tests of the page draw its charts."""
    monkeypatch.setattr(curves, "curves", lambda log: "")


@pytest.fixture(autouse=True)
def auto_is_float32(monkeypatch):
    """Whatever the machine: no test measures it but those that are about this."""
    monkeypatch.setattr(precision, "remembered", lambda part, learning: False)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium: one for all tests, since playwright takes no second one in a process."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    chromium = find()
    if chromium is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()
