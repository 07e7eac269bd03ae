"""Image sheets: the newest in full, earlier ones from the last report."""

import numpy as np
import pytest

from stylemap.training.report import plots, sheets
from tests.training.report.pages import Page, sheet


def test_thinned_is_stable_and_even():
    left_out = set()
    for count in range(1, 400):
        kept = sheets.thinned(list(range(count)), 23)
        assert kept[0] == 0 and len(kept) <= 23 and len(kept) >= min(count, 12)
        assert len(set(np.diff(kept))) <= 1
        assert not left_out & set(kept)  # what the last report did not have, the next does not need
        left_out |= set(range(count)) - set(kept)


def test_many_sheets_and_ticks_stay_small(make, tmp_path):
    values = {name: 0.123456789 for group in plots.PLOTS.values() for plot in group for name in plot.fields}
    page = make([{"images": 100 * n, **values} for n in range(1, 1001)], range(100, 30100, 100))
    frames = page.data("frames")
    assert len(frames) + 1 <= sheets.FRAMES and frames[0]["images"] == 100
    assert page.all("div", **{"class": "sheet"})[0]["data-images"] == "30000"
    assert (tmp_path / "run" / "report.html").stat().st_size < 2e6


def test_frames_are_taken_from_the_last_report(make, tmp_path, monkeypatch):
    before = make(sheets=[100, 200, 300]).data("frames")
    decoded = []
    decode = sheets.decoding.decode
    monkeypatch.setattr(sheets.decoding, "decode", lambda path: decoded.append(int(path.stem)) or decode(path))
    after = make().data("frames")
    assert after == before and decoded == [300]
    decoded.clear()
    sheet(tmp_path / "run", 200, side=8)  # another file
    assert make(sheets=[400]).data("frames")[0] == before[0]
    assert decoded == [400, 200, 300]
    for damage in ("", "<p>", (tmp_path / "run" / "report.html").read_text().replace('"file"', '"fill"')):
        (tmp_path / "run" / "report.html").write_text(damage)
        assert [frame["images"] for frame in make().data("frames")] == [100, 200, 300]


def test_damaged_sheets_are_passed_over(make, tmp_path):
    make(sheets=[100, 200, 300, 400])
    for images in (200, 400):
        path = tmp_path / "run" / "grids" / f"{images:010d}.png"
        path.write_bytes(path.read_bytes()[:60])
    (tmp_path / "run" / "grids" / "notes.png").touch()
    page = make()
    assert "after 300 images" in page.text
    assert [frame["images"] for frame in page.data("frames")] == [100]


@pytest.mark.parametrize(
    ("rows", "columns", "parts", "titled"), [(8, 4, 2, True), (3, 4, 1, True), (1, 4, 1, True), (8, 5, 1, False)]
)
def test_sheets_are_parted_between_rows(make, tmp_path, rows, columns, parts, titled):
    make()
    sheet(tmp_path / "run", 100, rows, columns)
    images = make().all("img")
    assert len(images) == parts
    assert sum(int(image["height"]) for image in images) == rows * 8 + 2 + (parts - 1) * 2
    assert ("reconstruction" in Page(tmp_path / "run" / "report.html").text) == titled
