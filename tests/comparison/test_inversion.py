"""The comparison as a whole: equal terms, going on, failing alone, and what is written."""

import json

import pytest
import torch
from PIL import Image

from stylemap import images, perceptual
from stylemap.comparison import inversion, showing, timing
from stylemap.comparison.contenders import SEAN, STYLEMAP, VECTORS, parse
from stylemap.comparison.inversion import Benchmark, compared
from stylemap.inversion import Subject
from stylemap.metrics import heldout, latent_distance
from stylemap.metrics.evaluation import Reference
from tests.architectures.sean import tiny as sean
from tests.inversion import tiny
from tests.metrics.toys import Set

QUICK = ("encoder", "hybrid:steps=3,5", "w:steps=3:statistics_samples=50")
BAD = "w+:steps=4:rate=1e30:rampup=0:statistics_samples=50"
ABOUT = {
    "machine": {"gpu": None, "processor": "abacus", "threads": 1, "cores": 2, "libraries": ["torch 9"]},
    "data": {"name": "toys", "resolution": tiny.SIDE, "names_sha256": "ab"},
    "perceptual": {"network": "none", "stand_in": "pixels"},
    "weights": {
        "stylemap": {
            "given": "abc",
            "info": {"images": 1234},
            "doubt": None,
            "parameters": {"generator": 9876, "encoder": 54},
        },
        "vectors": {"given": "def", "info": {}, "doubt": "what they were trained on is not known", "parameters": {}},
    },
}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(latent_distance, "DRAWS", 100)
    monkeypatch.setattr(timing, "PASSES", 2)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("no")))


@pytest.fixture(scope="module")
def subjects():
    return {STYLEMAP: Subject(tiny.stylemaps()), VECTORS: Subject(tiny.vectors())}


def benchmark(subjects, out, batch=2, about=ABOUT) -> Benchmark:
    originals, training = (images.to_uint8(tiny.images(subjects[VECTORS].model, n, seed=n)) for n in (3, 8))
    reference = Reference(Set(training.numpy()), 6)
    return Benchmark(originals, subjects, perceptual.load("none"), reference, batch, about, out)


def chosen(*texts):
    return [contender for text in texts for contender in parse(text)]


@pytest.fixture
def calls(monkeypatch) -> list:
    """What was really run, and on which images."""
    seen, run = [], timing.time_method

    def spy(contender, subject, photos, batch, network, extras):
        seen.append((contender.title, photos, batch, network))
        return run(contender, subject, photos, batch, network, extras)

    monkeypatch.setattr(timing, "time_method", spy)
    return seen


def test_all_methods_get_the_same(subjects, tmp_path, calls):
    one = benchmark(subjects, tmp_path)
    rows = one.compare(chosen(*QUICK))
    assert [title for title, *_ in calls] == [row["title"] for row in rows]
    for _, photos, batch, network in calls:
        assert torch.equal(photos, images.from_uint8(one.originals))
        assert batch == 2 and network is one.perceptual
    assert all(len(row["errors"]) == 3 for row in rows)


def test_a_sean_gets_the_masks(tmp_path, calls):
    """Its row is that of its own reconstructions, its numbers are codes and masks, and the table says so."""
    model, pictures = sean.model(), sean.faces(3)
    about = ABOUT | {"weights": {SEAN: {"given": "abc", "info": {}, "doubt": None, "parameters": {}}}}

    def of(labels) -> Benchmark:
        reference, originals = Reference(Set(pictures[..., :3].numpy()), 3), pictures[..., :3].contiguous()
        return Benchmark(
            originals, {SEAN: Subject(model)}, perceptual.load("none"), reference, 2, about, tmp_path, labels
        )

    one = of(pictures[..., 3].contiguous())
    (row,) = one.compare(chosen("encoder@sean"))
    assert row["mse"] == pytest.approx(heldout.score(model, pictures).mse, abs=1e-4)  # of images of 8 bits
    assert row["origin"]["numbers"] == {"latent": 19 * 5, "masks": 19 * 16**2}
    text = one.write(chosen("encoder@sean"), [row], [])
    assert "encoder (sean) is given the part mask of each image" in text and "95 + 4,864" in text
    one.compare(chosen("encoder@sean"))
    assert len(calls) == 1
    of(pictures[..., 3].flip(2).contiguous()).compare(chosen("encoder@sean"))
    assert len(calls) == 2


def test_goes_on(subjects, tmp_path, calls):
    first = benchmark(subjects, tmp_path).compare(chosen("encoder", "hybrid:steps=3"))
    again = benchmark(subjects, tmp_path).compare(chosen("encoder", "hybrid:steps=3,5"))
    assert [title for title, *_ in calls] == ["encoder", "hybrid, 3 steps", "hybrid, 5 steps"]
    same = [{k: v for k, v in row.items() if k not in ("speedup", "encoders")} for row in again[:2]]
    assert same == [json.loads(json.dumps({k: row[k] for k in like})) for row, like in zip(first, same, strict=True)]


@pytest.mark.parametrize(
    ("kind", "changed", "runs"),
    [
        ("stylemap", {"given": "elsewhere"}, 1),
        ("stylemap", {"sha256": "other"}, 2),
        ("vectors", {"sha256": "other"}, 1),
    ],
    ids=["moved", "other weights", "other weights of another row"],
)
def test_a_row_depends_on_its_own_weights_alone(subjects, tmp_path, calls, kind, changed, runs):
    weights = ABOUT["weights"] | {kind: ABOUT["weights"][kind] | changed}
    for about in (ABOUT, ABOUT | {"weights": weights}):
        benchmark(subjects, tmp_path, about=about).compare(chosen("encoder"))
    assert len(calls) == runs


@pytest.mark.parametrize(
    "change", [{"batch": 3}, {"about": ABOUT | {"seed": 1}}, {"text": "hybrid:steps=3:rate=0.01"}], ids=str
)
def test_other_settings_are_run_anew(subjects, tmp_path, calls, change):
    text = change.pop("text", "hybrid:steps=3")
    benchmark(subjects, tmp_path).compare(chosen("hybrid:steps=3"))
    benchmark(subjects, tmp_path, **change).compare(chosen(text))
    assert len(calls) == 2


def test_a_damaged_or_missing_part_is_run_anew(subjects, tmp_path, calls):
    for damage in (lambda f: f.unlink(), lambda f: f.write_text("{")):
        benchmark(subjects, tmp_path).compare(chosen("encoder"))
        damage(tmp_path / inversion.ROWS / "encoder-0.json")
    benchmark(subjects, tmp_path).compare(chosen("encoder"))
    (tmp_path / inversion.ROWS / "encoder-0.png").unlink()
    benchmark(subjects, tmp_path).compare(chosen("encoder"))
    assert len(calls) == 4


def test_a_method_that_diverges_fails_alone(subjects, tmp_path, calls):
    one, some, told = benchmark(subjects, tmp_path), chosen("encoder", BAD, "hybrid:steps=3"), []
    rows = one.compare(some, told.append)
    assert ["failed" in row for row in rows] == ["failed" in row for row in told] == [False, True, False]
    assert "diverged" in rows[1]["failed"]
    text = one.write(some, rows, [])
    assert "diverged" in text and text.count("\n| ") == 4
    benchmark(subjects, tmp_path).compare(some)  # it is tried again, and nothing else
    assert [title for title, *_ in calls].count(rows[1]["title"]) == 2 and len(calls) == 4


def test_speedup():
    rows = [{"name": "encoder", "seconds": 0.5}, {"name": "w", "failed": "no"}, {"name": "w", "seconds": 40.0}]
    found = compared(rows)
    assert [(row.get("speedup"), row.get("encoders")) for row in found] == [(80, 1), (None, None), (1, 80)]
    assert compared(rows[2:])[0]["encoders"] is None


def test_files(subjects, tmp_path):
    one, some = benchmark(subjects, tmp_path), chosen(*QUICK)
    rows = one.compare(some)
    text = one.write(some, rows, ["`the command`"])
    result = json.loads((tmp_path / inversion.RESULT).read_text())
    assert [row["title"] for row in result["rows"]] == [row["title"] for row in rows]
    assert result["machine"] == ABOUT["machine"]
    assert (tmp_path / inversion.TABLE).read_text() == text
    header, _, *lines = text.splitlines()
    assert all(line.count("|") == header.count("|") for line in lines[: len(rows)])
    assert "LPIPS" not in header and "LPIPS was not measured: " in text
    assert "stylemap: abc, 1,234 training images seen, parameters: generator 9,876, encoder 54; vectors: def, " in text
    assert "It is not certain that def never saw these images: what they were trained on is not known." in text
    assert "that abc" not in text
    maps = sum(side**2 for *_, side in subjects[VECTORS].latents.noise_shapes)
    numbers = [line.split(" | ")[2] for line in lines[: len(rows)]]
    assert numbers == ["128", "128", "128", f"12 + {maps}"]
    assert f"Rows were begun from {rows[0]['date'][:16].replace('T', ' ')} UTC to {rows[-1]['date'][:10]} " in text
    assert "a stand-in, pixels" in text and "mean and spread of w" in text and "`the command`" in text
    with Image.open(tmp_path / inversion.PLOT) as plot, Image.open(tmp_path / inversion.SHEET) as sheet:
        assert plot.size == inversion.showing.PLOT_SIZE
        assert sheet.width == 4 + 4 * (128 + 4)  # original and three names


def test_the_sheet_shows_what_was_found(subjects, tmp_path):
    one, some = benchmark(subjects, tmp_path), chosen("encoder")
    one.compare(some)
    (contender,) = some
    found = timing.time_method(contender, subjects[STYLEMAP], images.from_uint8(one.originals), 2, one.perceptual)
    assert torch.equal(inversion._cut(one.strip(contender), tiny.SIDE), found.pictures)


def test_the_trade_off():
    """A row that has no number says why, and is not in the plot."""
    measured = {"mse": 0.0123, "latent_distance": 1.5, "editability": 0.871, "reasons": {}}
    attributes = {
        "of_attributes": {"smile": 0.5, "beard": 1.242},
        "errors_of_attributes": {"smile": 0.061, "beard": 0.1},
    }
    none = {"editability": None, "editability_error": None, "of_attributes": None, "errors_of_attributes": None}
    rows = [
        {"title": "w, 3 steps", "name": "w", "weights": "vectors", "seconds": 1.0, "editability_error": 0.034}
        | measured | attributes,
        {"title": "x", "name": "x", "weights": "e4e", "seconds": 1.0}
        | measured | none | {"reasons": {"editability": "no attributes"}},
        {"title": "y", "name": "y", "weights": "e4e", "failed": "diverged"},
    ]  # fmt: skip
    text = showing.tradeoff(rows, ["`the command`"])
    assert text.splitlines()[0] == "| method | weights | MSE ↓ | latent distance | editability ↑ | smile | beard |"
    assert "| w, 3 steps | vectors | 0.0123 | 1.50 | 0.87 ± 0.03 | 0.50 ± 0.06 | 1.24 ± 0.10 |" in text
    assert "| x | e4e | 0.0123 | 1.50 | – | – | – |" in text and "| y |" not in text
    assert "- Editability was not measured: no attributes.\n- `the command`\n" in text
    nowhere = {"title": "z", "name": "z", "seconds": 1.0, "mse": 0.1, "latent_distance": None, "editability": None}
    assert showing.tradeoff_plot([nowhere, *rows]) == showing.tradeoff_plot(rows)
