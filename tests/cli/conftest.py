"""A folder of inputs, good and bad, that every test may read and none may change; and the command line, run in-process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from stylemap import checkpoint, cli
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.vector.config import StyleGAN2Config
from stylemap.architectures.vector.model import VectorModel
from stylemap.cli import framing
from stylemap.datasets import Avatars
from stylemap.training import estimate
from stylemap.training.estimate import Memory
from tests import tiny
from tests.decoding.files import encoded

SIDE = 32  # R
CELLS = 8  # S
PHOTOS = ("ada", "bob", "cyd")
KNOWING = {"data": "avatars", "heldout_mse": 4.0}  # random weights draw no image, and are not to say so everywhere
TINY = """
data: {data}
heldout: 2
images: 8
batch: 4
tick: 4
workers: 0
device: cpu
model: {{resolution: 16, stylemap_size: 4, stylemap_channels: 4, channel_base: 128, channel_max: 8, mapping_layers: 2}}
"""


OWN_PIXELS = {  # verbs that enlarge what they write -> how they leave it as it is
    **dict.fromkeys(("generate samples", "generate reconstruct", "generate mix", "directions apply"), "--enlarge 1"),
    **dict.fromkeys(("local-edit blend", "local-edit transplant", "local-edit replay"), "--enlarge 1"),
    **dict.fromkeys(("generate interpolate", "morph path", "morph transfer"), "--enlarge 1"),
}


@pytest.fixture(autouse=True)
def no_detector(monkeypatch):
    """Whatever this machine has in its cache folder; tests that want a detector name one."""
    real = framing.find_finder
    monkeypatch.setattr(framing, "find_finder", lambda detector=None: detector and real(detector))


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Path:
    """Tiny random weights, three faces, masks, and files that are none of these."""
    folder = tmp_path_factory.mktemp("inputs")
    checkpoint.save(folder / "w.safetensors", tiny.model(tiny.SMALL), info=KNOWING)
    for i, name in enumerate(PHOTOS):
        Image.fromarray(Avatars(SIDE)[i]).save(folder / f"{name}.png")
    grey = np.zeros((48, 48), np.uint8)
    grey[:20, 10:] = 255  # neither square nor on the borders of cells
    grey[30:, :] = np.arange(48) * 5
    Image.fromarray(grey).save(folder / "mask.png")
    Image.fromarray(255 - grey).save(folder / "mask2.png")
    (folder / "text.png").write_text("not an image at all")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes(half(encoded(Avatars(64)[9])))
    (folder / "cut.safetensors").write_bytes(half((folder / "w.safetensors").read_bytes()))
    (folder / "text.safetensors").write_text("not weights at all")
    save_file({"x": torch.zeros(3)}, folder / "foreign.safetensors")
    (folder / "file").write_text("not a folder")
    (folder / "folder.png").mkdir()
    (folder / "photos").mkdir()
    for name in PHOTOS[1:]:
        (folder / "photos" / f"{name}.png").write_bytes((folder / f"{name}.png").read_bytes())
    (folder / "photos" / "notes.txt").write_text("left aside")
    (folder / "nothing").mkdir()
    return folder


@pytest.fixture
def vectors(tmp_path) -> Path:
    """Tiny random weights of a vector-latent generator in v.safetensors, without an encoder in bare.safetensors, in the
    folder in which commands run."""
    config = StyleGAN2Config(
        resolution=SIDE,
        latent_channels=16,
        channel_base=512,
        channel_max=32,
        mapping_layers=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, encoder in (("v", True), ("bare", False)):
            checkpoint.save(tmp_path / f"{name}.safetensors", VectorModel(config, encoder), info=KNOWING)
    return tmp_path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(data="avatars"))
    return path


@pytest.fixture
def unrehearsed(monkeypatch):
    """Dry runs say their lines without a rehearsal, which takes seconds."""

    def rehearsed(config, processes):
        share = config.batch // processes
        return Memory(1 << 20, 1 << 20), SimpleNamespace(share=share, at_once=share, operations=lambda: 1e9)

    monkeypatch.setattr(estimate, "_rehearsed", rehearsed)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below the folder, with the bytes of files: equal trees mean that nothing was written or touched."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture
def stylemap(inputs, tmp_path, monkeypatch, capsys) -> Callable[..., Ran]:
    """``stylemap("generate samples --seeds 0", "--out", path)``: plain words, or a string of several, to the exit code.

    Runs in an empty folder; ``IN/`` stands for the folder of inputs. Images are written in the model's own pixels, unless
    they are said to be enlarged, or ``as_given``.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, as_given: bool = False) -> Ran:
        words = [word for a in arguments for word in (a.split() if isinstance(a, str) else [str(a)])]
        flag, _, value = OWN_PIXELS.get(" ".join(words[:2]), "").partition(" ")
        if flag and not as_given and not {flag, "--help"} & set(words):
            words += [flag, value]
        capsys.readouterr()
        try:
            code = cli.main([word.replace("IN/", f"{inputs}/") for word in words])
        except SystemExit as stop:  # argparse's --help
            code = stop.code or 0
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(stylemap, inputs, tmp_path) -> Callable[..., str]:
    """Runs a command that must be refused: exit code 2, one line on stderr, nothing written. Returns the line."""

    def run(*arguments) -> str:
        before = tree(tmp_path), tree(inputs)
        ran = stylemap(*arguments)
        assert ran.code == 2
        assert ran.out == ""
        lines = ran.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), ran.err
        assert len(lines[0]) < 600  # one line that a person can read
        assert (tree(tmp_path), tree(inputs)) == before
        return lines[0].removeprefix("error: ")

    return run


@pytest.fixture(scope="session")
def model(inputs) -> StylemapModel:
    """The weights file, through the library."""
    return checkpoint.load(inputs / "w.safetensors")


def pixels(path: Path) -> np.ndarray:
    """uint8 [H, W, 3], by Pillow alone."""
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.array(picture)
