"""Weights of vector-latent generators: what works with them, and one line from what does not."""

import json

import pytest

from stylemap import checkpoint
from stylemap.cli import main
from stylemap.metrics import latent_distance
from stylemap.training import estimate


def test_samples(stylemap, vectors):
    ran = stylemap("generate samples --seeds 0,1 --truncation 0.7 --out made --weights bare.safetensors")
    assert (ran.code, ran.err) == (0, "")
    assert (vectors / "made" / "seed0001.png").read_bytes() != (vectors / "made" / "seed0000.png").read_bytes()


def test_reconstructions(stylemap, vectors):
    ran = stylemap("generate reconstruct --photos IN/ada.png IN/bob.png --out made --weights v.safetensors")
    assert (ran.code, ran.err) == (0, "")
    assert sorted(json.loads((vectors / "made" / "report.json").read_text())["images"]) == ["ada.png", "bob.png"]
    ran = stylemap("generate reconstruct --photos IN/ada.png --out other --weights bare.safetensors")
    assert ran.code == 2
    assert ran.err.startswith("error: these weights have no encoder") and ran.err.count("\n") == 1


@pytest.mark.parametrize(("name", "found"), [("v", {"mse", "swd", "swd_lerp", "latent_distance"}), ("bare", {"swd"})])
def test_evaluation(stylemap, vectors, monkeypatch, name, found):
    """What needs stylemaps, or an encoder that is not there, is listed with its reason."""
    monkeypatch.setattr(latent_distance, "DRAWS", 100)
    ran = stylemap(
        "evaluate --metrics mse,mse_src,swd,swd_lerp,latent_distance --samples 12 --heldout 8 --out report.json --weights",
        f"{name}.safetensors",
    )
    note = f"note: measured on 8 images of avatars that the training of {name}.safetensors held out\n"
    assert (ran.code, ran.err) == (0, note)
    metrics = json.loads((vectors / "report.json").read_text())["metrics"]
    assert {n for n, metric in metrics.items() if metric["value"] is not None} == found
    assert all("\n" not in metric.get("reason", "") for metric in metrics.values())


@pytest.mark.parametrize(
    "command",
    [
        "generate mix --coarse IN/ada.png --fine IN/bob.png --out m.png",
        "generate interpolate IN/ada.png IN/bob.png --out m.gif",
        "local-edit blend --original IN/ada.png --reference IN/bob.png --mask IN/mask.png --out m.png",
        "serve --port 0",
    ],
)
def test_editing_refuses_them(stylemap, vectors, command):
    ran = stylemap(command, "--weights v.safetensors")
    assert ran.code == 2
    assert ran.err.startswith("error: v.safetensors holds a stylegan2 generator") and ran.err.count("\n") == 1
    assert "stylemap project, evaluate, generate samples" in ran.err
    assert not list(vectors.glob("m.*"))


def test_dry_run_foresees_them_too(recipe, capsys, monkeypatch):
    monkeypatch.setattr(estimate, "CARDS", (8,))  # each card takes rehearsals
    recipe.write_text(recipe.read_text().replace("stylemap_size: 4, stylemap_channels", "latent_channels"))
    flags = ["--model.architecture", "stylegan2", "--dry-run", "--batch", "5", "--data", "nowhere"]
    assert main(["train", "--config", str(recipe), *flags]) == 0
    err = capsys.readouterr().err
    assert "16 px, stylegan2, 6 vectors of 4, millions of parameters: generator" in err
    assert "data and activations" in err and "about" in err
    assert "warning: nowhere: no such folder" in err


def test_a_flag_takes_the_values_of_every_architecture(recipe, capsys, unrehearsed):
    """wgan-gp belongs to the vector-latent generators only; its flag is shared with the stylemap's."""
    text = recipe.read_text()
    recipe.write_text(text.replace("stylemap_size: 4, stylemap_channels", "latent_channels"))
    flags = ["--dry-run", "--loss.adversarial", "wgan-gp", "--optim.r1-gamma", "0"]
    assert main(["train", "--config", str(recipe), "--model.architecture", "stylegan", *flags]) == 0
    assert "adversarial: wgan-gp" in capsys.readouterr().out
    recipe.write_text(text)
    assert main(["train", "--config", str(recipe), *flags]) == 2
    assert "loss.adversarial must be one of nonsaturating, relativistic, not 'wgan-gp'" in capsys.readouterr().err


def test_training_without_an_encoder_says_less(recipe, capsys, tmp_path):
    recipe.write_text(recipe.read_text().replace("stylemap_size: 4, stylemap_channels", "latent_channels"))
    flags = ["--model.architecture", "stylegan", "--vector.encoder", "false", "--out", str(tmp_path / "run")]
    assert main(["train", "--config", str(recipe), *flags]) == 0
    out = capsys.readouterr().out
    assert "generator" in out and "encoder" not in out.splitlines()[0]
    assert "images/s" not in out and "held-out" not in out
    assert checkpoint.load_any(tmp_path / "run").config.architecture == "stylegan"
