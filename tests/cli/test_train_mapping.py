"""The verb that trains the mapping network alone."""

import re

import pytest
import torch

from stylemap import architectures, checkpoint
from tests import tiny
from tests.cli.conftest import KNOWING

SHORT = "--count 16 --iterations 3 --batch 4"


def test_samples_change_and_reconstructions_do_not(stylemap, inputs, tmp_path):
    ran = stylemap("train-mapping --weights IN/w.safetensors --out new.safetensors", SHORT)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert re.fullmatch(r"distance between stylemaps of samples and of 256 held-out images: [\d.]+", lines[0])
    steps = [re.fullmatch(r" *(\d) steps  distance [\d.]+", line)[1] for line in lines[1:-1]]
    assert steps == ["1", "2", "3"]
    assert lines[-1] == "new.safetensors  (3 steps)"
    old, new = checkpoint.load(inputs / "w.safetensors"), checkpoint.load(tmp_path / "new.safetensors")
    photo, z = tiny.randn(1, 3, 32, 32).clamp(-1, 1), tiny.randn(1, 16)
    with torch.no_grad():
        assert torch.equal(old.synthesize(old.encode(photo)), new.synthesize(new.encode(photo)))
        assert not torch.equal(old.map(z), new.map(z))
    before, after = checkpoint.read_info(inputs / "w.safetensors"), checkpoint.read_info(tmp_path / "new.safetensors")
    assert after.pop("mapping")["iterations"] == 3
    assert after == before


def test_the_discriminator_stays_in_the_file(stylemap, tmp_path):
    model = tiny.model(tiny.SMALL)
    discriminator = architectures.build_discriminator(model.config)
    checkpoint.save(tmp_path / "old.safetensors", model, discriminator, KNOWING)
    ran = stylemap("train-mapping --weights old.safetensors --out new.safetensors", SHORT)
    assert ran.code == 0, ran.err
    kept = checkpoint.load_discriminator(tmp_path / "new.safetensors").state_dict()
    assert all(torch.equal(kept[name], value) for name, value in discriminator.state_dict().items())


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("--weights IN/w.safetensors --out IN/w.safetensors", "w.safetensors"),
        ("--weights IN/foreign.safetensors --out new.safetensors", "another program"),
        ("--weights avatars32_stylegan2 --out new.safetensors", "stylegan2"),
        ("--weights IN/w.safetensors --data IN/nothing --out new.safetensors", "nothing"),
        ("--weights IN/w.safetensors --batch 2 --out new.safetensors", "--batch"),
    ],
)
def test_what_cannot_be_done_is_one_line(stylemap, tmp_path, command, problem):
    ran = stylemap("train-mapping", command)
    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err.splitlines()[-1]
    assert not (tmp_path / "new.safetensors").exists()
