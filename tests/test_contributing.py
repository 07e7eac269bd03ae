"""The worked examples of CONTRIBUTING.md, run as they stand there."""

import pickle
import re
import sys
import tarfile
import types
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import stylemap
from stylemap import architectures, images, perceptual
from stylemap.datasets import image_folder
from stylemap.datasets.avatars import Avatars
from stylemap.inversion import invert
from stylemap.metrics import suite
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.training import loop
from stylemap.training.log import read_log
from tests.tiny import TINY

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


EXAMPLE = "tests.example"


@pytest.fixture(autouse=True)
def module(monkeypatch):
    """In place of the file that an example is."""
    monkeypatch.setitem(sys.modules, EXAMPLE, types.ModuleType(EXAMPLE))


def example(heading: str) -> dict:
    """What the code under a heading defines."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    names: dict = vars(sys.modules[EXAMPLE])
    for code in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        exec(compile(code, heading, "exec"), names)
    return names


@pytest.fixture(scope="module")
def model() -> stylemap.StylemapModel:
    return stylemap.load("avatars32")


def test_a_loss(tmp_path, monkeypatch):
    example("A loss")
    monkeypatch.setitem(architectures.ARCHITECTURES, "stylemap", f"{EXAMPLE}:ARCHITECTURE")
    sizes = {"heldout": 2, "images": 8, "batch": 4, "tick": 8, "workers": 0}
    settings = {"data": "avatars", "device": "cpu", "model": asdict(TINY), "loss": {"absolute_error": 0.5}, **sizes}
    loop.train(architectures.train_config(settings), tmp_path / "run")
    (record,) = read_log(tmp_path / "run" / "log.jsonl")
    assert record["absolute_error"] > 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["loss"]["absolute_error"] == 0.5


def test_a_metric(model, monkeypatch):
    example("A metric")
    monkeypatch.setitem(sys.modules, "stylemap.metrics.largest_error", sys.modules[EXAMPLE])
    (line,) = re.findall(r"`\"largest_error\": (Metric\(.*\))`", TEXT)
    monkeypatch.setitem(suite.METRICS, "largest_error", eval(line, vars(suite)))
    heldout = Avatars(32, 3, "heldout")
    value, details, _ = Evaluation(model, Reference(Avatars(32, 4)), heldout).measure("largest_error")
    photos = images.from_arrays([heldout[i] for i in range(3)])
    difference = photos - images.from_uint8(images.to_uint8(model.synthesize(model.encode(photos))))
    assert value == pytest.approx(float(difference.abs().max()), abs=1e-6)
    assert details["pictures"] == 3


def test_a_data_set(tmp_path, monkeypatch):
    tar = example("A data set")["Tar"]
    faces = [Avatars(32, 4)[i] for i in range(4)]
    for i, face in enumerate(faces):
        Image.fromarray(face).save(tmp_path / f"{i}.png")
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for i in range(4):
            archive.add(tmp_path / f"{i}.png", f"{i}.png")
    monkeypatch.setattr(image_folder, "open_source", lambda path, side: tar(path))
    read = image_folder.ImageFolder(tmp_path / "faces.tar", 32)
    assert read.names == [f"{i}.png" for i in range(4)]
    again = pickle.loads(pickle.dumps(read._source))  # as loading processes get it
    assert again.read("2.png") == (tmp_path / "2.png").read_bytes()
    assert all((read[i] == faces[i]).all() for i in range(4))


def test_an_inversion(model):
    smooth = example("An inversion")["Smooth"]
    photos = images.from_arrays([Avatars(32, 1, "heldout")[0]])

    def roughness(weight: float) -> float:
        found = invert(smooth(steps=10, smoothness=weight), model, photos, perceptual.load("none"))
        return sum(float(found.latent.diff(dim=axis).square().mean()) for axis in (2, 3))

    assert roughness(1.0) < roughness(0.0)


def test_an_edit(model):
    exaggerate = example("An edit")["exaggerate"]
    stylemaps = model.encode(images.from_arrays([np.array(Avatars(32, 1)[0])]))
    left = torch.zeros(1, 1, 32, 32)
    left[..., :16] = 1
    before = model.synthesize(stylemaps)
    assert torch.allclose(exaggerate(model, stylemaps, left, 0.0), before, atol=1e-5)  # float32 of values about 1
    change = (exaggerate(model, stylemaps, left, 0.5) - before).abs().mean(dim=(0, 1, 2))
    assert change[:16].mean() > 3 * change[16:].mean()
