"""`stylemap benchmark`: the files it promises; mistakes cost one line and no work."""

import json

import pytest

from stylemap import checkpoint
from stylemap.cli import running
from stylemap.comparison import editors, page, timing
from stylemap.errors import InputError
from stylemap.metrics import classifier, latent_distance, separability
from tests.cli.conftest import SIDE, tree

WEIGHTS = "--weights IN/w.safetensors v.safetensors"
QUICK = "--count 2 --batch-gpu 2 --samples 4 --perceptual-network none --device cpu"
METHODS = "--methods encoder hybrid:steps=2 w:steps=2"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(latent_distance, "DRAWS", 50)
    monkeypatch.setattr(timing, "PASSES", 1)
    monkeypatch.setattr(classifier, "STEPS", 2)
    monkeypatch.setattr(separability, "LABELLED", 10)


def test_inversion(stylemap, vectors, tmp_path, monkeypatch):
    places = ["\n".join(page.markers(name)) for name in ("inversion", "tradeoff")]
    (tmp_path / "page.md").write_text("\n".join(["# Words", *places, "more\n"]))
    command = ("benchmark inversion", WEIGHTS, QUICK, METHODS, "--out made --docs page.md")
    ran = stylemap(*command)
    assert ran.code == 0
    assert [line.split(" that ")[0] for line in ran.err.splitlines()] == ["note: measured on 2 images of avatars"] * 2
    found = json.loads((tmp_path / "made" / "result.json").read_text())
    assert [row["title"] for row in found["rows"]] == ["encoder", "hybrid, 2 steps", "w, 2 steps"]
    assert set(found["weights"]) == {"stylemap", "vectors"} and found["data"]["resolution"] == SIDE
    assert {f.name for f in (tmp_path / "made").iterdir()} == {
        "result.json",
        "table.md",
        "plot.png",
        "sheet.webp",
        "tradeoff.md",
        "tradeoff.png",
        "rows",
    }
    assert [row["reasons"].get("editability") for row in found["rows"]] == [None] * 3
    assert "| w, 2 steps | vectors |" in (tmp_path / "made" / "tradeoff.md").read_text()
    table = (tmp_path / "made" / "table.md").read_text()
    assert table in (tmp_path / "page.md").read_text() and "stylemap benchmark inversion --weights" in table
    pictures = {f.name for f in (tmp_path / "images").iterdir()}
    assert pictures == {
        "page_inversion_plot.png",
        "page_inversion_sheet.webp",
        "page_tradeoff_tradeoff.png",
    }
    # nothing is run again, and everything is the same
    monkeypatch.setattr(timing, "time_method", lambda *_: pytest.fail("was run again"))
    written = tree(tmp_path)
    assert stylemap(*command).code == 0
    assert tree(tmp_path) == written


def test_held_out_pictures_do_not_depend_on_how_many(stylemap, tmp_path):
    for count in (2, 3):
        ran = stylemap("benchmark inversion --weights IN/w.safetensors", QUICK.replace("--count 2", f"--count {count}"),
                       "--methods encoder --out", f"made{count}")  # fmt: skip
        assert ran.code == 0
    two, three = (json.loads((tmp_path / f"made{n}/result.json").read_text())["rows"][0]["errors"] for n in (2, 3))
    assert two == pytest.approx(three[:2], rel=1e-3)


def test_default_methods_are_those_that_the_weights_allow(stylemap, monkeypatch):
    seen = []

    def stop(contender, *_):
        seen.append(contender.title)
        raise InputError("enough")

    monkeypatch.setattr(timing, "time_method", stop)
    ran = stylemap("benchmark inversion --weights IN/w.safetensors", QUICK, "--out made")
    assert seen == [
        "encoder",
        "hybrid, 10 steps",
        "hybrid, 50 steps",
        *(f"stylemap, {n} steps" for n in (100, 300, 1000)),
        "pivotal, 350 steps",
    ]
    assert ran.code == 2 and ran.err.splitlines()[-1] == "error: no method succeeded: enough"
    assert "left out: method w needs weights of a vector-latent generator" in ran.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--methods magic", "unknown method 'magic'; known are encoder"),
        ("--methods w:steps=0", "steps must be whole numbers"),
        ("--methods w", "method w needs weights of a vector-latent generator"),
        ("--methods in-domain --weights bare.safetensors", "the vectors weights have none"),
        ("--weights IN/w.safetensors avatars32", "both of kind stylemap"),
        ("--weights v.safetensors small.safetensors", "images of 16 and 32 pixels"),
        ("--weights nowhere", "no weights 'nowhere'"),
        ("--weights IN/text.safetensors", "damaged or no .safetensors"),
        ("--data nowhere", "nowhere"),
        ("--data IN/nothing", "is empty"),
        ("--count 0", "not a whole number"),
        ("--vgg nowhere.pth", "--vgg nowhere.pth: no such file"),
        ("--docs nowhere.md", "nowhere.md cannot be read"),
        ("--perceptual-network discriminator", "give the weights that hold one"),
        ("--device abacus", "abacus"),
    ],
)
def test_mistakes_cost_nothing(refused, vectors, tmp_path, monkeypatch, flags, says):
    from tests.inversion import tiny

    checkpoint.save(tmp_path / "small.safetensors", tiny.stylemaps())
    monkeypatch.setattr(timing, "time_method", lambda *_: pytest.fail("work was done"))
    weights_too = "" if "--weights" in flags else "--weights IN/w.safetensors"
    assert says in refused("benchmark inversion --out made", weights_too, flags)


def test_names(refused, stylemap):
    assert (
        "unknown verb benchmark 'speed'; known are benchmark inversion, benchmark editing, benchmark ablation"
        in refused("benchmark speed")
    )
    for words in ("benchmark", "benchmark --help", "benchmark inversion --help", "benchmark ablation --help"):
        assert stylemap(words).code == 0


@pytest.mark.slow
def test_ablation(stylemap, recipe, tmp_path, monkeypatch):
    command = "benchmark ablation --config tiny.yaml --stylemap-sizes 2,4 --seeds 0 --samples 4 --pairs 1 --device cpu --out made"
    ran = stylemap(command)
    assert (ran.code, ran.err) == (0, "")
    runs = json.loads((tmp_path / "made" / "ablation.json").read_text())["runs"]
    assert [(run["side"], run["seed"], run["images"]) for run in runs] == [(2, 0, 8), (4, 0, 8)]
    for name in ("table.md", "plot.png", "sheet.webp", "edits.webp"):
        assert (tmp_path / "made" / name).is_file()
    # finished ones are not trained again, one that was stopped goes on
    (tmp_path / "made" / "side4-seed0" / "state-0000000008.pt").unlink()
    trained, run = [], running.train
    monkeypatch.setattr(
        running, "train", lambda config, out, resume: trained.append((out.name, resume)) or run(config, out, resume)
    )
    finished = tree(tmp_path / "made" / "side2-seed0")
    assert stylemap(command).code == 0
    assert trained == [("side4-seed0", True)]
    assert tree(tmp_path / "made" / "side2-seed0") == finished


def test_a_failed_training_is_told_beside_the_others(stylemap, recipe, tmp_path, monkeypatch):
    run = running.train

    def fail(config, out, resume):
        if config.model.stylemap_size == 4:
            raise InputError("it diverged")
        return run(config, out, resume)

    monkeypatch.setattr(running, "train", fail)
    ran = stylemap(
        "benchmark ablation --config tiny.yaml --stylemap-sizes 2,4 --seeds 0 --samples 4 --pairs 1 --device cpu --out made"
    )
    assert ran.code == 1 and "side4-seed0 failed: it diverged" in ran.err
    assert "Not finished: side4-seed0 (it diverged)." in (tmp_path / "made" / "table.md").read_text()


def test_a_failed_method_is_told(stylemap, monkeypatch):
    run, diverges = timing.time_method, [True]

    def fail(contender, *arguments):
        if contender.steps and diverges[0]:
            raise InputError("it diverged")
        return run(contender, *arguments)

    monkeypatch.setattr(timing, "time_method", fail)
    command = ("benchmark inversion --weights IN/w.safetensors --out made", QUICK, "--methods encoder hybrid:steps=2")
    ran = stylemap(*command)
    assert ran.code == 1 and ran.err.endswith("hybrid, 2 steps failed: it diverged\n")
    diverges[0] = False
    assert stylemap(*command).code == 0


def test_ablation_without_training(stylemap, recipe, monkeypatch):
    monkeypatch.setattr(running, "train", lambda *_: pytest.fail("was trained"))
    ran = stylemap(
        "benchmark ablation --config tiny.yaml --stylemap-sizes 4 --seeds 0 --no-train --device cpu --out made"
    )
    assert ran.code == 2
    assert ran.err == "error: made holds no finished run to measure: side4-seed0 (not begun)\n"


def test_a_training_that_fails_does_not_end_the_others(stylemap, recipe, monkeypatch):
    def fail(config, out, resume):
        raise InputError("it diverged")

    monkeypatch.setattr(running, "train", fail)
    ran = stylemap("benchmark ablation --config tiny.yaml --stylemap-sizes 2,4 --seeds 0 --device cpu --out made")
    assert ran.code == 2 and ran.err.splitlines() == [
        "side2-seed0 failed: it diverged",
        "side4-seed0 failed: it diverged",
        "error: made holds no finished run to measure: side2-seed0 (it diverged), side4-seed0 (it diverged)",
    ]
    monkeypatch.setattr(running, "train", lambda *_: 130)
    assert (
        stylemap("benchmark ablation --config tiny.yaml --stylemap-sizes 2 --seeds 0 --device cpu --out made").code
        == 130
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--config nowhere", "no recipe 'nowhere'"),
        ("--config avatars32_stylegan2", "has no stylemap"),
        ("--config tiny.yaml --stylemap-sizes 3", "stylemap_size 3"),
        ("--config tiny.yaml --stylemap-sizes 4,x", "is not a list like 0..3,7"),
        ("--config tiny.yaml --docs nowhere.md", "nowhere.md"),
    ],
)
def test_ablation_mistakes_cost_nothing(refused, recipe, monkeypatch, flags, says):
    monkeypatch.setattr(running, "train", lambda *_: pytest.fail("was trained"))
    assert says in refused("benchmark ablation --out made", flags)


EDITING = "--count 16 --edits 16 --batch-gpu 4 --perceptual-network none --device cpu --out made"


def test_editing(stylemap, vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 2)
    before, end = page.markers("editing")
    (tmp_path / "page.md").write_text(f"{before}\n{end}\n")
    command = ("benchmark editing", WEIGHTS, EDITING, "--docs page.md --methods encoder in-domain:steps=1")
    ran = stylemap(*command)
    assert ran.code == 0 and "s an edit" in ran.out
    found = json.loads((tmp_path / "made" / "result.json").read_text())
    assert [row["title"] for row in found["rows"]] == ["encoder", "in-domain, 1 steps"]
    assert {f.name for f in (tmp_path / "made").iterdir()} == {
        "result.json",
        "table.md",
        "plot.png",
        "sheet.webp",
        "edits",
    }
    assert (tmp_path / "made" / "table.md").read_text() in (tmp_path / "page.md").read_text()
    written = tree(tmp_path)
    monkeypatch.setattr(editors, "invert", lambda *_: pytest.fail("was run again"))
    assert stylemap(*command).code == 0
    assert tree(tmp_path) == written


def test_default_editors_are_those_that_the_weights_allow(stylemap, monkeypatch):
    def stop(*_):
        raise InputError("enough")

    monkeypatch.setattr(editors, "invert", stop)
    ran = stylemap("benchmark editing --weights IN/w.safetensors", EDITING, "--methods all")
    assert ran.code == 2 and ran.err.splitlines()[-1] == "error: no method succeeded: enough"
    assert "left out: method structured-noise needs weights of a vector-latent generator" in ran.err
    ours = ["encoder", "hybrid, 50 steps", "stylemap, 1000 steps", "pivotal, 350 steps"]
    assert [line.partition("  ")[0] for line in ran.out.splitlines()] == ours


def test_mistakes_of_editing(stylemap):
    ran = stylemap("benchmark editing --weights IN/w.safetensors --count 2 --out made")
    assert (ran.code, ran.err.count("\n")) == (2, 1) and "raise --count or --edits" in ran.err
