"""The verb that trains an encoder for a generator that exists."""

import re
import signal

import pytest
import torch

from stylemap import architectures, checkpoint
from stylemap.cli import train_encoder
from stylemap.training import encoder
from tests import tiny
from tests.cli.conftest import KNOWING

COMMAND = "train-encoder --images 16 --batch 4 --perceptual-network none --weights"
FEW = KNOWING | {"heldout": 4}


@pytest.fixture
def old(vectors):
    """Weights whose training held out four images, with a discriminator; without an encoder, as imported ones are."""
    model = checkpoint.load_any(vectors / "bare.safetensors")
    checkpoint.save(vectors / "old.safetensors", model, architectures.build_discriminator(model.config), FEW)
    return vectors / "old.safetensors"


def test_styles_are_those_of_the_training():
    assert tuple(encoder.STYLES) == train_encoder.STYLES


def test_weights_with_another_encoder(stylemap, old):
    """The generator and all else in the file stay, and other verbs encode with it."""
    before, discriminator = checkpoint.load_any(old), checkpoint.load_discriminator(old)
    ran = stylemap(COMMAND, "old.safetensors --style psp --out new.safetensors")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert re.fullmatch(r" +4 images  held-out mse [\d.]+  pixels [\d.]+  perceptual [\d.]+  offsets [\d.]+", lines[1])
    assert re.fullmatch(r"new.safetensors  \(16 images, held-out mse [\d.]+\)", lines[-1])
    new = old.with_name("new.safetensors")
    after, known = checkpoint.load_any(new), checkpoint.read_info(new)
    kept, generator = after.generator.state_dict(), before.generator.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in generator.items())
    kept = checkpoint.load_discriminator(new).state_dict()
    assert all(torch.equal(kept[key], value) for key, value in discriminator.state_dict().items())
    assert not torch.equal(after.encode(tiny.randn(1, 3, 32, 32).clamp(-1, 1)), after.mean_latent())
    assert (known["data"], known["heldout"], known["encoder"]["style"]) == ("avatars", 4, "psp")
    assert known["encoder"]["adversarial"] == 0 and f"{known['heldout_mse']:.4f}" in lines[-1]
    assert not list(old.parent.glob("*.pt"))


def test_it_goes_on_where_it_was_stopped(stylemap, old, monkeypatch):
    """By a signal after two steps; other settings are refused until the state is gone."""
    command = f"{COMMAND} old.safetensors --out new.safetensors"
    assert stylemap(f"{COMMAND} old.safetensors --out whole.safetensors").code == 0
    step, steps = encoder.EncoderTrainer.step, []

    def stopped(self, pictures):
        steps.append(step(self, pictures))
        if len(steps) == 2:
            signal.raise_signal(signal.SIGTERM)
        return steps[-1]

    monkeypatch.setattr(encoder.EncoderTrainer, "step", stopped)
    ran = stylemap(command)
    assert (ran.code, ran.out.splitlines()[-1]) == (
        143,
        "stopped after 8 images; run the same command again to continue",
    )
    ran = stylemap(command, "--offset-weight 1")
    assert ran.code == 2 and "another offsets" in ran.err
    assert stylemap(command).code == 0
    assert len(steps) == 4
    assert old.with_name("new.safetensors").read_bytes() == old.with_name("whole.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("IN/w.safetensors --out new.safetensors", "has stylemaps"),
        ("v.safetensors --out v.safetensors", "v.safetensors"),
        ("v.safetensors --data IN/nothing --out new.safetensors", "nothing"),
        ("v.safetensors --perceptual-network discriminator --out new.safetensors", "no discriminator"),
    ],
)
def test_what_cannot_be_done_is_one_line(stylemap, vectors, command, problem):
    ran = stylemap(COMMAND.replace(" --perceptual-network none", ""), command)
    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err.splitlines()[-1]
    assert not (vectors / "new.safetensors").exists()
