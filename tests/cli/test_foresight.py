"""What a run says before it starts."""

import subprocess
import sys

import pytest
import torch
import yaml

from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.cli import foresight, main
from stylemap.published import VGG
from stylemap.training import batching, distributed, estimate
from stylemap.training.estimate import Estimate, FittingSettings
from tests.archives import fill, picture
from tests.cli.test_train import parse


def test_dry_run_says_what_it_takes_and_touches_no_gpu(recipe, tmp_path, monkeypatch, capsys):
    def no_gpu() -> None:
        raise AssertionError("a CUDA context was made")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "_lazy_init", no_gpu)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(estimate, "CARDS", (8,))  # each card takes rehearsals
    before = sorted(tmp_path.rglob("*"))
    flags = ["--device", "cuda", "--speed.precision", "bfloat16", "--augment.mode", "adaptive"]
    assert main(["train", "--config", str(recipe), *flags, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["device"] == "cuda"
    for word in ("parameters", "activations", "TFLOP", "float32", "bfloat16", "A100", "estimated, not measured"):
        assert word in err
    assert "this CPU" not in err and "warning" not in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.filterwarnings("always:.*passed over")
def test_dry_run_says_how_many_pictures(recipe, tmp_path, capsys, unrehearsed):
    files = {f"{i}.png": picture(i) for i in range(24)} | {f"{i}.svg": b"<svg>" for i in range(6)} | {"notes.txt": b""}
    assert main(["train", "--config", str(recipe), "--data", str(fill(tmp_path / "set", files)), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert (
        "22 images to train on, 2 held out by the hash of their names; other files are passed over: .svg 6, .txt 1\n"
        in said
    )
    assert "warning: " in said and "passed over 6 files that may be images (.svg 6); convert them to use them\n" in said


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--init-from", "nowhere"], "no weights 'nowhere'"),
        (["--init-from", "avatars32"], "has other networks; to start from it give --model.resolution 32"),
        (["--device", "cuda:7"], "no NVIDIA GPU"),
        (["--data", "EMPTY"], "empty"),
        (["--batch-gpu", "2"], "groups of 2 instead of 4"),
        (["--out", "HELD"], "holds another run"),
    ],
)
def test_dry_run_says_what_would_stop_the_run(recipe, tmp_path, monkeypatch, capsys, flags, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "config.yaml").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    flags = [flag.replace("EMPTY", str(tmp_path / "empty")).replace("HELD", str(tmp_path / "held")) for flag in flags]
    config, out, resume, _ = parse(["--config", str(recipe), *flags, "--dry-run"])
    world = distributed.World(0, 1)
    found = [*foresight._missing(config, out, resume), batching.small_groups_warning(config, world) or ""]
    assert words in " ".join(found)
    assert all("\n" not in text for text in found)


def test_dry_run_times_this_cpu(recipe, capsys, unrehearsed):
    assert main(["train", "--config", str(recipe), "--dry-run"]) == 0
    assert "this CPU" in capsys.readouterr().err


def test_dry_run_warns_of_what_is_missing(recipe, tmp_path, monkeypatch, capsys, unrehearsed):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(estimate, "CONTEXT", 30 * estimate.GIB)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    flags = ["--data", str(tmp_path / "nowhere"), "--loss.perceptual-network", "lpips"]
    assert main(["train", "--config", str(recipe), *flags, "--dry-run"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    found = " ".join(warnings)
    assert len(warnings) == 4
    for word in ("multiple of 3", "nowhere", VGG.command, "24 GiB: too small", "40 GiB: enough"):
        assert word in found


@pytest.mark.slow
def test_dry_run_of_a_large_model_takes_little(recipe):
    """Peak memory of the process against that of a small model: what the libraries take is in both."""
    script = (
        "import resource, sys; from stylemap.cli import main; main(['train', '--dry-run', *sys.argv[1:]]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def kibibytes(*flags: str) -> int:
        command = [sys.executable, "-c", script, *flags, "--device", "cuda"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        return int(result.stdout.splitlines()[-1])

    large, small = kibibytes("--config", "ffhq1024_light"), kibibytes("--config", str(recipe))
    assert large - small < 400 * 1024  # a thousandth of what the run would take; more than half is LPIPS's library


@pytest.mark.parametrize(
    "fit, words",
    [
        (None, "too small"),
        (FittingSettings(16, False), "enough"),
        (FittingSettings(4, False), "give --batch-gpu 4"),
        (FittingSettings(4, True), "give --batch-gpu 4 --speed.checkpointing true"),
        (FittingSettings(1, False), "give --batch-gpu 1 (and smaller groups in the discriminator)"),
    ],
)
def test_ways_to_fit(fit, words):
    estimated = Estimate(1, 1, 16, 16, {}, 0.0, "bfloat16", {})
    assert foresight._way(fit, estimated, StylemapTraining()) == words
