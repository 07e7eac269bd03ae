"""The commands of README and guides run as they stand there, each page in a folder that has the files it names."""

import csv
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylemap
from stylemap import cli, project, resources
from stylemap.datasets import Avatars
from stylemap.datasets.parts import part_ids
from stylemap.editing import Edit, Patch, masks
from stylemap.photos import photo as photos
from tests.decoding.files import encoded
from tests.test_docs import ROOT, commands

PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("data", "directions", "export", "inversion", "local_editing", "metrics", "motion")
    ),
)
NOT_RUN = {  # pattern -> why, and what tests it instead
    r"^stylemap serve": "it ends with Ctrl-C; tests/cli/test_serve.py",
    r"^stylemap (train|train-mapping|train-encoder|benchmark|parts train) ": "hours; tests/cli and tests/training",
    r"weights pull": "a network; tests/test_fetching.py",
    r"export web": "a file of others; tests/webapp",
    r"--published|--stylegan|ffhq\.safetensors": "files of others; tests/parity and tests/inversion",
    r"party\.jpg|data align": "a face detector; tests/cli/test_photos.py and tests/cli/test_align.py",
    r"local-edit video": "a clip and a face detector; tests/cli/test_edit_video.py",
    r"--metrics all": "networks of others; tests/metrics",
    r"celeba|afhq\.zip": "data sets of others; tests/data",
    r"pretrained/directions": "minutes, and it writes what is shipped; tests/cli/test_directions.py",
    r"latents (morph|edit|exchange)": "files of a projection that takes minutes; tests/inversion",
    r"--method w\+": "minutes; tests/cli/test_project_verb.py",
}
FACES = ("a", "b", "ada", "bob", "cyd", "me", "you", "them", "photo", "you-smiling", "bob-smiling")
SIDE = 64


def reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), None)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Every file that the pages name: drawn faces, masks, labels, a project, weights of a run, photos with a table."""
    faces = Avatars(SIDE, split="heldout")
    with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
        for i, name in enumerate(FACES):
            for ending in ("png", "jpg"):
                Image.fromarray(faces[i]).save(tmp_path / f"{name}.{ending}")
            archive.writestr(f"{name}.png", encoded(faces.parts(i)))
    parts = {"m": "nose", "mouth": "lip", "eye": "eye", "eyes": "eye"}
    for name, named in parts.items():
        ids = part_ids(named)
        Image.fromarray(np.isin(faces.parts(0), ids).astype(np.uint8) * 255).save(tmp_path / f"{name}.png")
    shutil.copytree(resources.PRETRAINED, tmp_path / "pretrained")
    for run in ("RUN", "runs/mine"):
        (tmp_path / run).mkdir(parents=True)
        shutil.copy(resources.PRETRAINED / "avatars64.safetensors", tmp_path / run / "weights.safetensors")
    many = Avatars(32, 60, "heldout")
    for folder in ("photos", "FOLDER", "faces"):
        (tmp_path / folder).mkdir(parents=True)
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "smile"])
        for i in range(60):
            Image.fromarray(many[i]).save(tmp_path / "photos" / f"{i}.png")
            Image.fromarray(many[i]).save(tmp_path / "FOLDER" / f"{i}.png")
            table.writerow([f"{i}.png", int(many.attributes(i)["smile"] > 0.5)])
    for i in range(2):
        Image.fromarray(faces[i]).save(tmp_path / f"faces/{i:06}.png")
    (tmp_path / "labels").mkdir()
    for i, name in enumerate(FACES):
        Image.fromarray(faces.parts(i)).save(tmp_path / "labels" / f"{name}.png")
    _write_project(tmp_path / "edit.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@torch.no_grad()
def _write_project(path: Path) -> None:
    model = stylemap.load("avatars128")
    faces = Avatars(128, split="heldout")
    opened = {"original": photos.from_pixels(faces[0]), "0": photos.from_pixels(faces[1])}
    stylemaps = {
        slot: model.encode(stylemap.from_uint8(torch.from_numpy(p.pixels)[None])) for slot, p in opened.items()
    }
    edit = Edit(patches=(Patch(reference=0, mask=masks.half("lower", 128)),))
    made = project.Project("avatars128", model.fingerprint(), model.config, opened, stylemaps, edit, {})
    path.write_bytes(project.to_bytes(made))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_do_what_the_page_says(page, workspace):
    ran = 0
    for command in commands(ROOT / page):
        if reason(command):
            continue
        words = [word for given in shlex.split(command, comments=True)[1:] for word in _expanded(given)]
        assert cli.main(words) == 0, command
        ran += 1
    assert ran


def _expanded(word: str) -> list[str]:
    """As the shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def test_no_reason_is_idle():
    everything = [command for page in PAGES for command in commands(ROOT / page)]
    assert all(any(re.search(pattern, command) for command in everything) for pattern in NOT_RUN)
