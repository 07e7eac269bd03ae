"""The pages of the comparison show what was measured: benchmarks/results has the rows, in a folder <page>_<benchmark> each."""

import json
from pathlib import Path

import pytest

from stylemap.comparison import editing, showing

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "benchmarks" / "results").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_page_shows_the_table_of_its_results(folder):
    result = json.loads((folder / "result.json").read_text())
    page, benchmark = folder.name.rsplit("_", 1)
    rows, notes = result["rows"], result["notes"]
    tables = {
        "inversion": lambda: [
            showing.table(rows, result, result["batch"], result["pictures"], notes),
            showing.tradeoff(rows, notes),
        ],
        "editing": lambda: [editing.table(rows, [])],
    }
    shown = (ROOT / "docs" / f"{page}.md").read_text()
    assert all(table in shown for table in tables[benchmark]())
