"""``stylemap import --stylegan``: foreign generators become weights for other verbs. --published: test_published.py."""

import pytest
import torch

from stylemap import checkpoint, images
from stylemap.architectures.vector import conversion
from stylemap.cli import main
from stylemap.datasets import Avatars
from tests.architectures.vector.foreign import Ada, Rosinality


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """(foreign file, converted file, what was printed)."""
    folder = tmp_path_factory.mktemp("foreign")
    foreign = Ada.dump(Ada.entries(), folder / "net.pkl")
    out = folder / "new" / "net.safetensors"
    assert main(["import", "--stylegan", str(foreign), "--out", str(out)]) == 0
    return foreign, out


def test_writes_what_was_read(converted):
    foreign, out = converted
    wanted, found = conversion.load(foreign).state_dict(), checkpoint.load_any(out).state_dict()
    assert list(wanted) == list(found)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert checkpoint.read_info(out) == {"imported_from": "net.pkl"}


def test_says_what_it_is(converted, tmp_path, capsys):
    model = checkpoint.load_any(converted[1])
    out = tmp_path / "net.safetensors"
    assert main(["import", "--stylegan", str(converted[0]), "--out", str(out)]) == 0
    r, count, width = model.config.resolution, model.latents.count, model.latents.z_channels
    assert capsys.readouterr().out == f"{out}  ({r} px, stylegan2, {count} vectors of {width})\n"


def test_says_what_is_not_as_it_was(tmp_path, capsys):
    foreign = Ada.dump(Ada.entries(), tmp_path / "net.pkl", conv_clamp=256)
    assert main(["import", "--stylegan", str(foreign), "--out", str(tmp_path / "net.safetensors")]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {foreign}: ") and "clamps activations at 256, which is not done here" in line


def test_samples_and_projects(converted, tmp_path):
    photo = tmp_path / "photo.png"
    images.write(photo, torch.zeros(3, 16, 16))
    weights = ["--weights", str(converted[1])]
    assert main(["generate", "samples", "--seeds", "0..1", "--out", str(tmp_path / "samples"), *weights]) == 0
    flags = ["--method", "w", "--steps", "3", "--perceptual-network", "none", "--film", "none", "--photos", str(photo)]
    assert main(["project", *flags, "--out", str(tmp_path / "latents"), *weights]) == 0
    assert list((tmp_path / "latents").glob("*.npy"))


def test_shipped_weights_in_half_precision(tmp_path):
    """Every part is there, and images keep their levels."""
    out = tmp_path / "half.safetensors"
    assert main(["import", "--weights", "avatars32", "--half", "--out", str(out)]) == 0
    shipped, half = checkpoint.load("avatars32"), checkpoint.load(out)
    assert checkpoint.read_info(out) == checkpoint.read_info("avatars32")
    assert checkpoint.holds_discriminator(out)
    x = images.from_arrays(Avatars(32, split="heldout")[i] for i in range(8))
    with torch.no_grad():
        levels = 127.5 * (shipped.synthesize(shipped.encode(x)) - half.synthesize(half.encode(x))).abs()
    # A layer rounds its weights by 2^-12 on average. About 20 layers add up like random steps: 20^0.5 * 2^-12 * 127.5 = 0.14.
    assert levels.mean() < 0.14 and levels.max() < 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--stylegan", "gone.pkl", "--out", "a.safetensors"], "gone.pkl: no such file"),
        (["--stylegan", "other.pt", "--out", "a.safetensors"], "g_ema"),
        (["--stylegan", "list.pt", "--out", "a.safetensors"], "it holds no G_ema, Gs, g_ema or g"),
        (
            ["--stylegan", "a", "--published", "b", "--out", "a.safetensors"],
            "give one of --published, --stylegan or --weights",
        ),
        (["--weights", "avatars32", "--stylegan", "a", "--out", "a.safetensors"], "give one of"),
        (["--stylegan", "x.safetensors", "--out", "x.safetensors"], "would be overwritten"),
        (["--out", "a.safetensors"], "--stylegan"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": torch.zeros(3)}, "other.pt")
    torch.save([1, 2, 3], "list.pt")
    torch.save(Rosinality.entries(), "x.safetensors")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["import", *flags]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
