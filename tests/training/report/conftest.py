import json

import pytest
import yaml

from stylemap.training import report
from tests.training.report.pages import CONFIG, Page, sheet


@pytest.fixture(autouse=True)
def charts():
    """They are drawn here."""


@pytest.fixture
def make(tmp_path):
    """Makes a run folder of lines of a log (or their values) and sheets, and its page."""

    def make(ticks=(), sheets=(), config=CONFIG, name="run") -> Page:
        run = tmp_path / name
        run.mkdir(exist_ok=True)
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        lines = [line if isinstance(line, str) else json.dumps(line) for line in ticks]
        (run / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
        for images in sheets:
            sheet(run, images)
        return Page(report.write(run))

    return make
