import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import checkpoint, images
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.cli import foresight
from stylemap.datasets import Avatars, unseen
from stylemap.metrics import classifier, latent_distance, suite
from stylemap.training import loop
from tests.cli.conftest import tree
from tests.tiny import TINY

QUICK = "--samples 12 --heldout 8 --pairs 4"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 2)
    monkeypatch.setattr(latent_distance, "DRAWS", 100)


def report(path) -> dict:
    return json.loads(path.read_text())


def test_defaults_need_nothing(stylemap, inputs, tmp_path):
    ran = stylemap("evaluate --weights IN/w.safetensors --out report.json", QUICK)
    weights = inputs / "w.safetensors"
    assert ran.code == 0
    assert ran.err == f"note: measured on 8 images of avatars that the training of {weights} held out\n"
    found = report(tmp_path / "report.json")
    assert tuple(found["metrics"]) == suite.DEFAULT
    assert all(isinstance(m["value"], float) for m in found["metrics"].values())
    assert found["weights"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
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
    assert ran.code == 0 and [line[:5] for line in ran.err.splitlines()] == ["note:"]
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
    ran = stylemap("local-edit batch --weights IN/w.safetensors --data avatars --part all --pairs 4 --out edits")
    assert ran.code == 0
    found, other = report(tmp_path / "report.json")["metrics"], report(tmp_path / "edits" / "report.json")
    for name in ("mse_src", "mse_ref"):
        assert found[name]["value"] == pytest.approx(other[name], rel=1e-4)


def test_pictures_of_a_folder(stylemap, tmp_path):
    """Three images: one is held out and nobody to edit it with, and nothing stops for that."""
    ran = stylemap(
        "evaluate --weights IN/w.safetensors --data IN/photos --metrics mse,swd,mse_src --out report.json", QUICK
    )
    assert ran.code == 0
    found = report(tmp_path / "report.json")
    assert (found["data"]["training"], found["data"]["heldout"]) == (1, 1)
    assert found["metrics"]["mse"]["value"] > 0
    assert found["metrics"]["swd"]["generated"] == found["metrics"]["swd"]["real"] == 1
    assert "two held-out images" in found["metrics"]["mse_src"]["reason"]


def test_part_labels_of_a_folder(stylemap, tmp_path):
    faces = Avatars(32, 6)
    for i in range(6):
        name = f"{'val' if i < 4 else 'train'}/{i}.png"
        images.write(tmp_path / "faces" / name, images.from_uint8(torch.from_numpy(faces[i])[None]))
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.parts(i)).save(tmp_path / "labels" / name)
    run = "evaluate --weights IN/w.safetensors --data faces --metrics mse_src --out report.json"
    assert stylemap(run, QUICK).code == 0
    assert report(tmp_path / "report.json")["metrics"]["mse_src"]["masks"] == "halves"
    assert stylemap(run, "--part-labels labels", QUICK).code == 0
    found = report(tmp_path / "report.json")["metrics"]["mse_src"]
    assert found["masks"] == "parts" and found["pairs"] == 2 and len(found["parts"]) == 10
    (tmp_path / "labels" / "val" / "2.png").unlink()
    ran = stylemap(run.replace("mse_src", "mse,mse_src"), "--part-labels labels", QUICK)
    assert ran.code == 0 and "val/2.png" in report(tmp_path / "report.json")["metrics"]["mse_src"]["reason"]


def test_shipped_weights_are_what_their_card_says(stylemap, tmp_path):
    ran = stylemap("evaluate --weights avatars32 --metrics mse,psnr --out report.json")
    assert ran.code == 0
    found = report(tmp_path / "report.json")["metrics"]
    assert found["mse"]["value"] == pytest.approx(0.0067, abs=5e-5)
    assert found["psnr"]["of_the_mean_error"] == pytest.approx(27.73, abs=0.02)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run, and the images it was trained on."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for i in range(60):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / "photos" / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = StylemapTraining("photos", 1, images=4, batch=4, workers=0, device="cpu", model=TINY)
        loop.train(config, Path("run"))
    return folder


class TestOfARun:
    """A run that held out 1 of 60 images, where evaluate by itself would hold out 6."""

    @pytest.fixture
    def here(self, trained, tmp_path, stylemap):
        """Its data and weights, in the folder in which commands run."""
        for name in ("photos", "run"):
            (tmp_path / name).symlink_to(trained / name)
        shutil.copy(trained / "run" / "weights.safetensors", tmp_path / "copied.safetensors")
        return tmp_path

    def measured(self, here) -> int:
        """How many images; that they are those of the training, their names' hash says."""
        found = report(here / "r.json")
        assert found["data"]["names_sha256"] == found["weights"]["info"]["names_sha256"]
        return found["data"]["heldout"]

    @pytest.mark.parametrize("weights", ["run", "copied.safetensors"])
    @pytest.mark.parametrize("data", ["", "--data photos", "--data ./photos", "--data moved"])
    def test_its_own_held_out_pictures_are_measured(self, stylemap, here, weights, data):
        (here / "moved").symlink_to(here / "photos")
        ran = stylemap("evaluate --metrics mse --out r.json --weights", weights, data)
        assert ran.code == 0 and self.measured(here) == 1
        assert re.fullmatch(rf"note: measured on 1 image of \S+ that the training of {weights} held out\n", ran.err)

    def test_without_data_that_of_the_run_is_taken_from_anywhere(self, stylemap, here, trained, monkeypatch):
        (here / "elsewhere").mkdir()
        monkeypatch.chdir(here / "elsewhere")
        assert stylemap("evaluate --metrics mse --out ../r.json --weights", trained / "run").code == 0
        assert self.measured(here) == 1 and report(here / "r.json")["data"]["name"] == str(trained / "photos")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("--weights run --heldout 2", "cannot be measured: the training held out 1 and saw the others"),
            ("--weights lost.safetensors", "was trained on photos/../nowhere, which is not there; give --data"),
            ("--weights unknown.safetensors", "unknown.safetensors does not say what it was trained on; give --data"),
        ],
    )
    def test_what_contradicts_it_is_refused(self, refused, here, arguments, message):
        model = checkpoint.load(here / "run")
        checkpoint.save(here / "unknown.safetensors", model)
        checkpoint.save(here / "lost.safetensors", model, info={"data": "photos/../nowhere"})
        assert message in refused("evaluate --metrics mse --out r.json", arguments)

    def test_other_pictures_are_measured_and_said(self, stylemap, here):
        shutil.copytree(here / "photos", here / "others")
        (here / "others" / "7.png").rename(here / "others" / "seven.png")
        ran = stylemap("evaluate --metrics mse --out r.json --weights run --data others")
        assert ran.code == 0 and report(here / "r.json")["data"]["heldout"] == 6
        assert ran.err.startswith(
            "note: measured on 6 images of others. It is not certain that run never saw them: they were "
        )

    @pytest.mark.parametrize(("weights", "says"), [("run", "59 images to train on, 1 held out"), (None, "54 images")])
    def test_a_dry_run_counts_what_fine_tuning_would_hold_out(self, here, capsys, weights, says):
        config = StylemapTraining("photos", 6, init_from=weights, model=checkpoint.load(here / "run").config)
        assert list(foresight._missing(config, None, False)) == []
        assert says in capsys.readouterr().err

    def test_files_that_it_was_trained_on_are_told(self, stylemap, here):
        line = "note: run was trained on 59 of the 60 images: the numbers say little about other images\n"
        ran = stylemap("generate reconstruct --weights run --photos photos --out made")
        assert (ran.code, ran.err) == (0, line)
        ran = stylemap("local-edit batch --weights run --data photos --half left --pairs 30 --all --out edits")
        assert (ran.code, ran.err) == (0, line)
        (here / "l.csv").write_text("file,a\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(60)))
        ran = stylemap("directions train --weights run --data photos --labels l.csv --out d.safetensors")
        assert (ran.code, ran.err) == (0, line)
        ran = stylemap("local-edit batch --weights run --data photos --half left --pairs 30 --out edits2")
        assert ran.code == 2 and "has 1 image to pair" in ran.err
        (name,) = {f"{i}.png" for i in range(60)} - {path.name for path in self.saw(here)}
        ran = stylemap("project --method encoder --weights run --out one --film none --photos", f"photos/{name}")
        assert (ran.code, ran.err) == (0, "")
        ran = stylemap("project --method encoder --weights run --out two --film none --photos", self.saw(here)[0])
        assert ran.err.startswith("note: run was trained on the image:")

    def saw(self, here) -> list[Path]:
        return unseen.trained_on(sorted((here / "photos").iterdir()), checkpoint.seen_by(here / "run"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--metrics mse,nonsense --out r.json", "unknown metric 'nonsense'; known are all, default, mse, psnr"),
        ("--metrics mse", "--out"),
        ("--out r.txt", "must end in .json"),
        ("--out r.json --samples 0", "is not a whole number from 1 to"),
        ("--out r.json --heldout some", "is not a whole number from 1 to"),
        ("--out r.json --seed -1", "is not a whole number from 0"),
        ("--out r.json --data nowhere", "nowhere"),
        ("--out r.json --weights nowhere", "no weights 'nowhere'"),
        ("--out r.json --data avatars --part-labels IN/photos", "avatars have their own"),
        ("--out r.json --part-labels IN/photos", "avatars have their own"),
        ("--out r.json --vgg nowhere.pth", "--vgg nowhere.pth: no such file"),
        ("--out r.json --inception nowhere.pth", "--inception nowhere.pth: no such file"),
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
