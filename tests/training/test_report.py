"""The page of a run: complete in itself, harmless whatever the run holds, and there whatever state the run is in."""

import base64
import hashlib
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylemap.errors import InputError
from stylemap.training import loop, report

NASTY = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>$title&amp;\"'"
CONFIG = {
    "data": "avatars",
    "images": 1000,
    "batch": 4,
    "seed": 0,
    "model": {"resolution": 32, "stylemap_size": 8},
    "optim": {"lr": 0.004},
}


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.silent = False
        self.text = ""  # but for scripts and styles
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.silent = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.silent = False

    def handle_data(self, data):
        if not self.silent:
            self.text += f"{data} "

    def all(self, tag: str, **attributes) -> list[dict]:
        return [a for t, a in self.tags if t == tag and attributes.items() <= a.items()]

    def data(self, name: str):
        return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', self.source)[1])

    def curve(self, field: str) -> str:
        """The d of the line of the plot that shows only this field."""
        return re.search(rf"data-name='{field}'.*?<path class='curve c\d' d='(.*?)'", self.source)[1]


def tick(images: int, **values) -> dict:
    return {"images": images, "heldout_mse": 0.04, "heldout_psnr": 20.0, "heldout_explained": 0.75, **values}


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


def sheet(run: Path, images: int, rows: int = 8, columns: int = 4, side: int = 6) -> Path:
    path = run / "grids" / f"{images:010d}.png"
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((rows * (side + 2) + 2, columns * (side + 2) + 2, 3), images % 256, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


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
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp|sendBeacon|WebSocket|import\(", page.source)
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


@pytest.mark.parametrize(
    "ticks", [[], ["", "null", "[]", '{"images": 4, "hel'], ['{"images": "x"}', '{"images": true}', '{"images": -1}']]
)
def test_before_the_first_tick(make, ticks):
    page = make(ticks)
    assert "Nothing is measured yet" in page.text and "no tick so far" in page.text
    assert not page.all("figure") and "There is no picture sheet yet" in page.text


def test_without_a_log(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert "Nothing is measured yet" in Page(report.write(tmp_path)).text


def test_one_tick_is_a_dot(make):
    page = make([tick(100)], sheets=[100])
    assert re.fullmatch(r"M1000\.0 \d+\.\dh0", page.curve("heldout_explained"))
    assert page.data("frames") == [] and len(page.all("img")) == 2


def test_a_half_line_is_passed_over(make):
    page = make([tick(100), '{"images": 200, "heldout_ms'])
    assert page.data("log")["images"] == [100]


def test_the_later_of_two_ticks_at_the_same_images(make):
    page = make([tick(200, x=3), tick(100, x=1), tick(200, x=2)])
    assert page.data("log")["images"] == [100, 200]
    assert page.data("log")["values"]["x"] == [1, 2]


def test_what_is_not_finite_is_a_gap(make):
    bad = ["NaN", "Infinity", "-Infinity", "null", "1e999", "1" + 400 * "0"]
    values = ["1.0", "2.0", *bad, "3.0"]
    page = make([f'{{"images": {100 * (i + 1)}, "x": {value}}}' for i, value in enumerate(values)])
    assert re.fullmatch(r"M[\d. ]+L[\d. ]+M[\d. ]+h0", page.curve("x"))
    assert f"{len(bad)} values not finite: a gap" in page.text
    assert page.data("log")["values"]["x"] == [1, 2, *[None] * len(bad), 3]
    assert "No held-out score is known" in page.text


def test_nothing_but_nan(make):
    page = make([f'{{"images": {n}, "heldout_explained": NaN, "x": null}}' for n in (1, 2)])
    assert not page.all("figure")


def test_a_field_that_is_logged_now_and_then_is_one_line(make):
    page = make([tick(100, x=1), tick(200), tick(300, x=2)])
    assert page.curve("x").count("M") == 1


def test_unknown_fields_are_curves(make):
    page = make([tick(100, augment_p=0.1, heldout_lpips=0.3), tick(200, augment_p=0.2, heldout_lpips=0.2)])
    assert "Augment p" in page.text
    assert page.source.index("heldout_lpips") < page.source.index("<h2>Speed and more")


@pytest.mark.parametrize(
    ("explained", "said"),
    [
        ([0.5, 0.898], "It explains 89.8 % of what differs between pictures it never saw . That is the best so far."),
        ([0.9, 0.85], "It explains 85.0 % of what differs"),
        ([0.9, 0.85], "The best was 90.0 %, after 100 images."),
        ([0.9, math.nan], "It explains 90.0 % of what differs"),
        ([-3, -1], "still worse than the mean picture"),
    ],
)
def test_the_score_in_words(make, explained, said):
    page = make([tick(100 * (i + 1), heldout_explained=value) for i, value in enumerate(explained)])
    assert said.replace(" .", ".") in page.text.replace("\xa0", " ").replace(" .", ".")


def test_psnr_where_nothing_else_is_known(make):
    assert "Pictures it never saw come back with 21.50 dB PSNR" in make(
        [{"images": 100, "heldout_psnr": 21.5}]
    ).text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("images", "state"), [(250, "about 8 min of training left"), (1000, "finished"), (1100, "finished")]
)
def test_progress(make, images, state):
    page = make([tick(images, images_per_second=1.5)])
    assert f"{images:,} of 1,000 images seen" in page.text and state in page.text
    assert re.search(r"<i style='width:[\d.]+%'", page.source)


def test_alarms(make):
    """Said once, however often they came and whatever number was in them; those of the newest tick first."""
    ticks = [
        tick(100, alarms=["samples alike (0.31)"]),
        tick(200, alarms=["samples alike (0.2)", "old"]),
        tick(300, alarms="alone"),
        tick(400, alarms=["samples alike (0.1)"]),
    ]
    page = make(ticks)
    assert "Needs attention now samples alike (0.1) at 3 ticks from 100 to 400 images alone at 300" in page.text
    assert "(0.2)" not in page.text
    assert page.source.index("Needs attention") < page.source.index("<h2>Pictures")
    assert "Was noticed earlier" in make(ticks[:3] + [tick(400)]).text
    assert "alarms " not in re.sub(r"<style>.*?</style>", "", make([tick(100)]).source, flags=re.DOTALL)


def test_config_marks_what_differs(make):
    page = make(config=CONFIG | {"invented": 3})
    assert "4 settings differ from the defaults" in page.text  # images, batch, resolution, lr
    assert "batch 4 default 16" in page.text
    assert "invented 3 not known to this version" in page.text
    assert "<tr><th>seed</th><td>0</td><td></td></tr>" in page.source


# ---- picture sheets


def test_thinned_is_stable_and_even():
    left_out = set()
    for count in range(1, 400):
        kept = report.thinned(list(range(count)), 23)
        assert kept[0] == 0 and len(kept) <= 23 and len(kept) >= min(count, 12)
        assert len(set(np.diff(kept))) <= 1
        assert not left_out & set(kept)  # what the last report did not have, the next does not need
        left_out |= set(range(count)) - set(kept)


def test_many_sheets_and_ticks_stay_small(make, tmp_path):
    values = {name: 0.123456789 for plots in report.PLOTS.values() for plot in plots for name in plot.fields}
    page = make([{"images": 100 * n, **values} for n in range(1, 1001)], range(100, 30100, 100))
    frames = page.data("frames")
    assert len(frames) + 1 <= report.FRAMES and frames[0]["images"] == 100
    assert page.all("div", **{"class": "sheet"})[0]["data-images"] == "30000"
    assert (tmp_path / "run" / "report.html").stat().st_size < 2e6


def test_frames_are_taken_from_the_last_report(make, tmp_path, monkeypatch):
    before = make(sheets=[100, 200, 300]).data("frames")
    decoded = []
    decode = report.decoding.decode
    monkeypatch.setattr(report.decoding, "decode", lambda path: decoded.append(int(path.stem)) or decode(path))
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


# ---- axes

numbers = st.lists(st.floats(-report.LARGEST, report.LARGEST, exclude_min=True, exclude_max=True), min_size=1)


@given(numbers, st.sampled_from(["", "%", "dB"]))
def test_axis_holds_all_values(known, unit):
    axis = report.Axis.fit(known, report.Plot("", "", {}, unit=unit), [known[-1]])
    assert axis.low < axis.high and axis.ticks == sorted(axis.ticks) and len(axis.ticks) <= 12
    assert len(axis.labels) == len(axis.ticks) >= 1
    assert all(-1e-5 <= axis.place(v) <= 1 + 1e-5 for v in known)


@pytest.mark.parametrize(
    ("known", "labels"),
    [
        ([0.02, 0.94], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([1.12, 1.41], ["1.1", "1.2", "1.3", "1.4", "1.5"]),
        ([5.0], ["2", "3", "4", "5", "6", "7", "8"]),
        ([0.0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        ([0.002, 3], ["0.01", "0.1", "1"]),
        ([1e-7, 1e-3], ["10⁻⁷", "10⁻⁶", "10⁻⁵", "0.0001", "0.001"]),
        ([0, 3000], ["0", "1000", "2000", "3000"]),
    ],
)
def test_axis_has_round_ticks(known, labels):
    assert report.Axis.fit(known, report.Plot("", "", {}), known[-1:]).labels == labels


def test_axis_of_a_share_begins_at_zero_once_it_is_above():
    plot = report.Plot("", "", {}, unit="%", floor=0)
    assert report.Axis.fit([-7.0, 0.9], plot, [0.9]).low == 0
    assert report.Axis.fit([-7.0, -0.9], plot, [-0.9]).low < -0.9


def test_a_long_log_keeps_its_extremes(make):
    ticks = [{"images": n, "x": 1000.0 if n == 3333 else 1.0} for n in range(1, 5001)]
    page = make(ticks)
    assert max(page.data("log")["values"]["x"]) == 1000
    assert report.TICKS <= len(page.data("log")["images"]) <= report.TICKS + 2
    assert "bold: means of 50 ticks" in page.text


@pytest.mark.parametrize(
    ("images", "text"), [(0, "0"), (500, "500"), (1500, "1.5k"), (2_000_000, "2M"), (2.5e7, "25M")]
)
def test_images_on_an_axis(images, text):
    assert report._short(images) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h"), (1e5, "28 h"), (1e6, "12 days")]
)
def test_durations(seconds, text):
    assert report._duration(seconds) == text


# ---- mistakes


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda run: None, "holds no run"),
        (lambda run: run.mkdir(), "holds no run"),
        (lambda run: run.touch(), "holds no run"),
        (lambda run: (run / "config.yaml").mkdir(parents=True), "cannot be read"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_text("a: [")), "damaged"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_text("hello")), "damaged"),
        (lambda run: (run.mkdir(), (run / "config.yaml").write_bytes(b"\xff\xfe\x00")), "damaged"),
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
