"""Adding an architecture takes its folder and a line in the table: everything else reads what it describes."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from stylemap import architectures, checkpoint, inversion
from stylemap.cli import main
from stylemap.errors import InputError
from stylemap.perceptual.registry import Pixels
from stylemap.training import loop, state
from tests.architectures.regions.config import RegionsConfig, RegionsLoss, RegionsTraining
from tests.architectures.regions.model import RegionsModel
from tests.metrics import toys

MODEL = RegionsConfig(resolution=16, channel_base=128, channel_max=8, code=5)


@pytest.fixture(autouse=True)
def line(monkeypatch):
    """The line of the table."""
    monkeypatch.setitem(architectures.ARCHITECTURES, "regions", "tests.architectures.regions:ARCHITECTURE")


@pytest.fixture
def training(config) -> RegionsTraining:
    shared = {
        name: getattr(config, name) for name in ("data", "heldout", "batch", "tick", "save_every", "workers", "device")
    }
    return RegionsTraining(**shared, images=24, model=MODEL, loss=RegionsLoss(balance=0.5))


def test_settings():
    assert architectures.model_config(asdict(MODEL)) == MODEL
    assert architectures.train_config({"model": {"architecture": "regions"}, "loss": {"balance": 1}}).loss.balance == 1
    with pytest.raises(InputError, match=r"model\.norm is a setting of model\.architecture stylemap, not of regions"):
        architectures.model_config({"architecture": "regions", "norm": "batch"})
    with pytest.raises(InputError, match=r"loss\.balance is a setting of model\.architecture regions, not of stylemap"):
        architectures.train_config({"loss": {"balance": 1}})
    with pytest.raises(InputError, match="'region' is not one of stylemap, stylegan2, stylegan, sean, regions"):
        architectures.model_config({"architecture": "region"})


def test_it_trains_goes_on_and_is_loaded(training, tmp_path):
    run = tmp_path / "run"
    assert loop.train(replace(training, images=8), run) == 8
    assert loop.train(training, run, resume=True) == 24
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert {"balance", "image_reconstruction", "heldout_mse", "code_std_of_regions", "sample_diversity"} <= last.keys()
    model = checkpoint.load_any(run)
    assert isinstance(model, RegionsModel) and model.config == MODEL
    average = state.load_newest(run)["average"]
    assert all(torch.equal(value, average[name]) for name, value in model.state_dict().items())


def test_verbs_and_measures_take_it(training, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loop.train(replace(training, images=8), tmp_path / "run")
    assert main(["generate", "samples", "--weights", "run", "--seeds", "0..1", "--out", "samples"]) == 0
    assert (tmp_path / "samples" / "seed0001.png").is_file()
    recipe = "data: nowhere\nmodel: {architecture: regions, resolution: 16, channel_base: 128, channel_max: 8}\n"
    (tmp_path / "regions.yaml").write_text(recipe)
    capsys.readouterr()
    assert main(["train", "--config", "regions.yaml", "--loss.balance", "2", "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "balance: 2" in printed.out and "16 px, 2 regions of 6, millions of parameters: generator" in printed.err

    model = checkpoint.load_any("run")
    images = toys.images(2, side=16)
    found = inversion.invert(inversion.preset("encoder"), model, images, Pixels())
    assert torch.equal(found.latent, model.encode(images))
    moments = model.statistics(100)
    assert moments.mean.shape == (1, 2, 5) and (moments.deviation > 0).all()
