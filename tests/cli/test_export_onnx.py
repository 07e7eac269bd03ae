"""`stylemap export onnx`: what it prints and writes. The graphs themselves: tests/exporting."""

import json

import pytest

from stylemap import checkpoint
from tests import tiny

pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'stylemap[onnx]'")


@pytest.fixture
def weights(tmp_path):
    checkpoint.save(tmp_path / "tiny.safetensors", tiny.model(tiny.TINY))
    return tmp_path / "tiny.safetensors"


def test_writes_and_tells(stylemap, weights, tmp_path):
    command = f"export onnx --weights {weights} --graphs mapping --precision int8 --out {tmp_path / 'out'}"
    told, place = stylemap(command).out.splitlines()
    assert told.startswith("mapping.onnx") and "differs from PyTorch by " in told
    assert place == str(tmp_path / "out/manifest.json")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (list(manifest["graphs"]), manifest["precision"], manifest["licence"]) == (["mapping"], "int8", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--graphs decoder", "--graphs: invalid choice: 'decoder' (choose from "),
        ("--precision bfloat16", "--precision: invalid choice: 'bfloat16' (choose from "),
        ("--weights nowhere", "no weights 'nowhere'; "),
        ("--weights avatars32_sean", "avatars32_sean holds a sean generator, and only a StyleMapGAN can be exported; "),
    ],
)
def test_bad_input(refused, words, said):
    assert refused("export onnx --out out", words).startswith(said)
