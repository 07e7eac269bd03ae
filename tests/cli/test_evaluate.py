import hashlib
import json

import pytest
import torch
from PIL import Image

from stylemap import images
from stylemap.datasets import avatars
from stylemap.metrics import classifier, latent_distance, suite
from tests.cli.conftest import tree

QUICK = "--count 12 --heldout 8 --pairs 4"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 2)
    monkeypatch.setattr(latent_distance, "DRAWS", 100)


def report(path) -> dict:
    return json.loads(path.read_text())


def test_defaults_need_nothing(stylemap, inputs, tmp_path):
    ran = stylemap("evaluate --weights IN/w.safetensors --out report.json", QUICK)
    assert ran.code == 0 and ran.err == ""
    found = report(tmp_path / "report.json")
    assert tuple(found["metrics"]) == suite.DEFAULT
    assert all(isinstance(m["value"], float) for m in found["metrics"].values())
    weights = (inputs / "w.safetensors").read_bytes()
    assert found["weights"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert found["weights"]["model"]["resolution"] == found["data"]["resolution"] == 32
    assert found["data"]["heldout"] == 8
    lines = ran.out.splitlines()
    assert len(lines) == len(suite.DEFAULT) + 1
    first = lines[0].split()
    assert first[:2] == ["mse", "↓"] and float(first[2]) == pytest.approx(found["metrics"]["mse"]["value"], rel=1e-3)


def test_repeats(stylemap, tmp_path):
    for name in ("a", "b"):
        assert (
            stylemap(
                "evaluate --weights IN/w.safetensors --metrics swd,mse_ref --seed 3 --out", name + ".json", QUICK
            ).code
            == 0
        )
    first, second = (report(tmp_path / name) for name in ("a.json", "b.json"))
    for found in (first, second):
        for metric in found["metrics"].values():
            del metric["seconds"]
    assert first == second


def test_what_cannot_be_computed_is_listed(stylemap, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no"))
    ran = stylemap("evaluate --weights IN/w.safetensors --metrics lpips,fid,mse --out report.json", QUICK)
    assert ran.code == 0 and ran.err == ""
    found = report(tmp_path / "report.json")["metrics"]
    assert found["lpips"]["value"] is None and "VGG-16" in found["lpips"]["reason"]
    assert found["fid"]["value"] is None and "Inception" in found["fid"]["reason"]
    assert found["mse"]["value"] > 0
    assert ran.out.splitlines()[0].split()[2] == "-"


def test_nothing_can_be_computed(stylemap, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no"))
    ran = stylemap("evaluate --weights IN/w.safetensors --metrics lpips --out report.json", QUICK)
    assert ran.code == 2
    assert ran.err.startswith("error: no metric could be computed: LPIPS needs VGG-16") and ran.err.count("\n") == 1
    assert report(tmp_path / "report.json")["metrics"]["lpips"]["value"] is None


def test_edits_are_those_of_local_edit_batch(stylemap, tmp_path):
    """Two ways to one number, up to what other batches do to rounding."""
    assert stylemap("evaluate --weights IN/w.safetensors --metrics mse_src,mse_ref --out report.json", QUICK).code == 0
    ran = stylemap("local-edit batch --weights IN/w.safetensors --images avatars --part all --pairs 4 --out edits")
    assert ran.code == 0
    found, other = report(tmp_path / "report.json")["metrics"], report(tmp_path / "edits" / "report.json")
    for name in ("mse_src", "mse_ref"):
        assert found[name]["value"] == pytest.approx(other[name], rel=1e-4)


def test_pictures_of_a_folder(stylemap, tmp_path):
    """Three pictures: one is held out and nobody to edit it with, and nothing stops for that."""
    ran = stylemap(
        "evaluate --weights IN/w.safetensors --data IN/photos --metrics mse,swd,mse_src --out report.json", QUICK
    )
    assert ran.code == 0
    found = report(tmp_path / "report.json")
    assert (found["data"]["training"], found["data"]["heldout"]) == (1, 1)
    assert found["metrics"]["mse"]["value"] > 0
    assert found["metrics"]["swd"]["generated"] == found["metrics"]["swd"]["real"] == 1
    assert "two held-out pictures" in found["metrics"]["mse_src"]["reason"]


def test_part_labels_of_a_folder(stylemap, tmp_path):
    faces = avatars.Avatars(32, 6)
    for i in range(6):
        name = f"{'val' if i < 4 else 'train'}/{i}.png"
        images.write(tmp_path / "faces" / name, images.from_uint8(torch.from_numpy(faces[i])[None]))
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.parts(i)).save(tmp_path / "labels" / name)
    run = "evaluate --weights IN/w.safetensors --data faces --metrics mse_src --out report.json"
    assert stylemap(run, QUICK).code == 0
    assert report(tmp_path / "report.json")["metrics"]["mse_src"]["masks"] == "halves"
    assert stylemap(run, "--parts labels", QUICK).code == 0
    found = report(tmp_path / "report.json")["metrics"]["mse_src"]
    assert found["masks"] == "parts" and found["pairs"] == 2 and len(found["parts"]) == 10
    (tmp_path / "labels" / "val" / "2.png").unlink()
    ran = stylemap(run.replace("mse_src", "mse,mse_src"), "--parts labels", QUICK)
    assert ran.code == 0 and "val/2.png" in report(tmp_path / "report.json")["metrics"]["mse_src"]["reason"]


def test_shipped_weights_are_what_their_card_says(stylemap, tmp_path):
    ran = stylemap("evaluate --metrics mse,psnr --out report.json")
    assert ran.code == 0
    found = report(tmp_path / "report.json")["metrics"]
    assert found["mse"]["value"] == pytest.approx(0.0067, abs=5e-5)
    assert found["psnr"]["of_the_mean_error"] == pytest.approx(27.73, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--metrics mse,nonsense --out r.json", "unknown metric 'nonsense'; known are default, all, mse, psnr"),
        ("--metrics mse", "--out"),
        ("--out r.txt", "must end in .json"),
        ("--out r.json --count 0", "whole number, 1 to"),
        ("--out r.json --heldout some", "whole number, 1 to"),
        ("--out r.json --seed -1", "not a seed"),
        ("--out r.json --data nowhere", "nowhere"),
        ("--out r.json --weights nowhere", "no weights 'nowhere'"),
        ("--out r.json --data avatars --parts IN/photos", "avatars have their own"),
        ("--out r.json --lpips-vgg nowhere.pth", "--lpips-vgg nowhere.pth is no file"),
        ("--out r.json --inception nowhere.pth", "--inception nowhere.pth is no file"),
    ],
)
def test_mistakes(refused, arguments, message):
    weights = "" if "--weights" in arguments else "--weights IN/w.safetensors"
    assert message in refused("evaluate", arguments, weights)


def test_help_names_all(stylemap):
    ran = stylemap("evaluate --help")
    assert ran.code == 0
    assert all(name in ran.out for name in suite.METRICS)


def test_nothing_but_the_report_is_written(stylemap, tmp_path):
    assert stylemap("evaluate --weights IN/w.safetensors --metrics mse --out deep/report.json", QUICK).code == 0
    assert set(tree(tmp_path)) == {"deep", "deep/report.json"}
