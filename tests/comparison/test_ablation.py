"""Which runs are whose and how far they are, without training any; the tables and plots of measures that are made up."""

import json
from dataclasses import asdict, replace

import pytest
import torch
import yaml
from PIL import Image

from stylemap import checkpoint, datasets, files
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.comparison import ablation
from stylemap.comparison.ablation import Measuring, Run
from stylemap.config import AugmentConfig
from stylemap.errors import InputError
from stylemap.metrics.evaluation import Reference
from tests.tiny import TINY

MODEL = replace(TINY, linear_rgb=True)
CONFIG = StylemapTraining(images=8, heldout=4, batch=4, model=MODEL)


def begun(run: Run, config: StylemapTraining | None = None, seen: int | None = None) -> Run:
    """What a training would leave in the folder, after so many images."""
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / checkpoint.CONFIG_FILE).write_text(yaml.safe_dump(asdict(config or run.config)))
    if seen is not None:
        (run.folder / f"state-{seen:010d}.pt").touch()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            checkpoint.save(run.folder / "weights.safetensors", StylemapModel(run.config.model))
    return run


def test_runs(tmp_path):
    found = ablation.runs(CONFIG, [4, 1], [0, 3], tmp_path)
    assert [run.name for run in found] == ["side4-seed0", "side1-seed0", "side4-seed3", "side1-seed3"]
    assert [(r.config.model.stylemap_size, r.config.seed) for r in found] == [(4, 0), (1, 0), (4, 3), (1, 3)]
    same = [replace(r.config, seed=0, model=replace(r.config.model, stylemap_size=4)) for r in found]
    assert all(config == same[0] for config in same)
    assert {run.status() for run in found} == {"new"} and not list(tmp_path.iterdir())


def test_a_side_that_does_not_fit(tmp_path):
    with pytest.raises(InputError, match="stylemap_size 3"):
        ablation.runs(CONFIG, [3], [0], tmp_path)


def test_status(tmp_path):
    (run,) = ablation.runs(CONFIG, [4], [0], tmp_path)
    assert begun(run).status() == "unfinished"
    assert begun(run, seen=4).status() == "unfinished"
    assert begun(run, seen=8).status() == "finished"


def test_runs_started_by_hand_are_recognised(tmp_path):
    """Whatever their ticks; and where what `auto` means was already decided."""
    own = replace(
        CONFIG, tick=2, save_every=4, keep_states=1, workers=2, device="cpu", augment=AugmentConfig(mode="none")
    )
    (run,) = ablation.runs(CONFIG, [4], [0], tmp_path)
    begun(run, own, seen=8)
    assert ablation.runs(CONFIG, [4], [0], tmp_path)[0].status() == "finished"
    assert run.known_config == own


@pytest.mark.parametrize(
    ("change", "says"),
    [({"images": 12}, "images 12 instead of 8"), ({"seed": 5}, "seed 5 instead of 0"),
     ({"model": replace(MODEL, norm="batch")}, "model.norm batch instead of layer")],
)  # fmt: skip
def test_other_runs_are_refused(tmp_path, change, says):
    (run,) = ablation.runs(CONFIG, [4], [0], tmp_path)
    begun(run, replace(run.config, **change))
    with pytest.raises(InputError, match=f"side4-seed0 holds another run: {says}"):
        ablation.runs(CONFIG, [4], [0], tmp_path)


def test_a_damaged_config_is_named(tmp_path):
    (run,) = ablation.runs(CONFIG, [4], [0], tmp_path)
    begun(run)
    (run.folder / checkpoint.CONFIG_FILE).write_text("- no config")
    with pytest.raises(InputError, match="config.yaml holds no settings.*give another --out"):
        run.status()


def test_a_run_of_another_process_is_left_alone(tmp_path):
    (run,) = ablation.runs(CONFIG, [4], [0], tmp_path)
    with files.owned(run.folder):
        assert run.status() == "busy"
        begun(run, seen=4)
        assert run.status() == "busy"
        assert (run.folder / ".lock").exists()
        begun(run, seen=8)  # what is finished may be read
        assert run.status() == "finished"
    begun(run, seen=4)
    (run.folder / "state-0000000008.pt").unlink()
    (run.folder / ".lock").touch()  # left by a process that was killed
    assert run.status() == "unfinished"


@pytest.fixture
def finished(tmp_path):
    return [begun(run, seen=8) for run in ablation.runs(CONFIG, [1, 4], [0], tmp_path)]


def measuring(tmp_path) -> Measuring:
    training, heldout = datasets.open_split("avatars", 16, 4)
    return Measuring(Reference(training, count=6), heldout, 2, tmp_path)


def test_measures_are_kept_until_the_weights_change(finished, tmp_path, monkeypatch):
    how, calls = measuring(tmp_path), []
    evaluation = Measuring.evaluation
    monkeypatch.setattr(Measuring, "evaluation", lambda self, run: calls.append(run.name) or evaluation(self, run))
    first = how.measure(finished[1])
    assert set(ablation.METRICS) <= first.keys() and all(first[name] is not None for name in ablation.METRICS)
    assert (first["side"], first["seed"], first["images"]) == (4, 0, 8)
    assert how.measure(finished[1]) == json.loads(json.dumps(first)) and len(calls) == 1
    begun(replace(finished[1], seed=9), seen=8)
    assert how.measure(finished[1])["mse"] != first["mse"] and len(calls) == 2
    monkeypatch.setattr(Measuring, "evaluation", lambda *_: pytest.fail("measured anew"))
    with pytest.raises(pytest.fail.Exception):
        replace(how, pairs=1).measure(finished[1])


def test_sheets_have_a_column_for_each_side(finished, tmp_path):
    made, edited = measuring(tmp_path).sheets(finished)
    assert made.shape[2] == 4 + 3 * 132 and edited.shape[2] == 4 + 5 * 132


def measures(*rows) -> list[dict]:
    return [
        {"side": s, "seed": k, "mse": e, "psnr": 20.0, "mse_src": e, "mse_ref": e, "swd_lerp": None} for s, k, e in rows
    ]


def test_table_has_the_mean_and_each_seed():
    text = ablation.table(measures((8, 0, 0.01), (8, 1, 0.03), (1, 0, 0.5)), ["a note"])
    _, _, first, second, *rest = text.splitlines()
    assert first.startswith("| 1 x 1 | 0 | 0.5 |")
    assert second.startswith("| 8 x 8 | 0, 1 | 0.02 (0.01, 0.03) |") and second.endswith("| – |")
    assert rest[-1] == "- a note"


def test_files(tmp_path):
    blank = torch.zeros(3, 8, 8)
    some = measures((1, 0, 0.5), (8, 0, 0.01), (8, 1, 0.03))
    ablation.write(some, {"config": {}}, [], (blank, blank), tmp_path)
    assert json.loads((tmp_path / ablation.RESULT).read_text())["runs"] == some
    with Image.open(tmp_path / ablation.PLOT) as plot:
        assert plot.size == (2 * ablation.PANEL[0], 2 * ablation.PANEL[1])
