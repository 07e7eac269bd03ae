"""Import of published checkpoints: no code in a file is run, a bad file is one line, the command writes what was read."""

import argparse
import functools
import os
import pickle
import struct
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stylemap import checkpoint, cli, pickles
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.stylemap import published
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.errors import InputError
from tests.parity import layout

FORMATS = [True, False]  # of torch.save: zip, and the one before PyTorch 1.6, which the published files are in
SIDE = 16  # one block in the generator: the smallest published layout


def kept(network: str, name: str) -> bool:
    """Whether an entry of the 64 px layout is in the 16 px one: every block has 512 channels in both."""
    blocks = {"generator": 1, "encoder": 1, "discriminator": 3}[network]
    parts = name.removeprefix("decoder.").split(".")
    if parts[0] == "convs":
        return int(parts[1]) < blocks
    return parts[0] != "convs_latent" or int(parts[1]) < 4


@functools.cache
def state(network: str) -> dict[str, Tensor]:
    """Every entry has a number of its own, repeated: so the file is small."""
    names = {name: shape for name, shape in layout.shapes(network).items() if kept(network, name)}
    return {
        name: layout.blur_buffer(name) if name.endswith("kernel") else torch.tensor(float(i + 1)).expand(shape)
        for i, (name, shape) in enumerate(names.items())
    }


def contents(**changes) -> dict:
    networks = [state(network) for network in ("generator", "encoder", "discriminator")]
    return layout.checkpoint(*networks, layout.arguments(size=SIDE)) | changes


def write(path: Path, saved: object, zipped: bool = True) -> Path:
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.fixture(scope="module", params=FORMATS, ids=["zip", "legacy"])
def good(tmp_path_factory, request) -> Path:
    return write(tmp_path_factory.mktemp("published") / "good.pt", contents(), request.param)


@pytest.fixture(scope="module")
def loaded(good) -> tuple[StylemapModel, Discriminator]:
    return published.load(good)


def refuse(path: Path) -> str:
    """The one line that says why the file cannot be used."""
    with pytest.raises(InputError) as caught:
        published.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def few(x: Tensor) -> list[Tensor]:
    """The one or two values that a tensor holds; sorting it, as `unique` does, takes ten times as long."""
    low, high = x.min(), x.max()
    assert ((x == low) | (x == high)).all()
    return [low] if low == high else [low, high]


class TestGoodFile:
    def test_config_and_every_entry(self, loaded):
        model, discriminator = loaded
        config = model.config
        assert (config.resolution, config.stylemap_shape, config.mapping_layers) == (SIDE, (64, 8, 8), 8)
        assert (config.channels(4), config.channels(64), config.channels(1024)) == (512, 512, 32)
        assert (config.norm, config.light, config.mapping_lr_mul) == ("layer", False, 0.01)
        found = [t for network in (model, discriminator) for t in network.state_dict().values()]
        values = [x.item() for t in found for x in few(t)]
        wanted = [
            t for n in ("generator", "encoder", "discriminator") for k, t in state(n).items() if "kernel" not in k
        ]
        # each number is in one entry, but gamma and beta, two entries there, are one here
        assert sorted(values) == sorted(t.flatten()[0].item() for t in wanted)
        assert sum(t.numel() for t in found) == sum(t.numel() for t in wanted)

    def test_takes_the_averages(self, tmp_path):
        other = {name: t + 1000 for name, t in state("generator").items()}
        shifted = {name: t + 1000 for name, t in state("encoder").items()}
        model, _ = published.load(write(tmp_path / "a.pt", contents(generator=other, encoder=shifted)))
        assert model.generator.synthesis.constant.max() < 1000
        assert model.encoder.from_rgb.bias.max() < 1000

    def test_gamma_comes_before_beta(self, loaded):
        head = loaded[0].generator.synthesis.head
        entries = state("generator")
        gamma, beta = (entries[f"decoder.conv1.conv.{name}.bias"][0] for name in ("gamma", "beta"))
        assert head.style.bias.unique().tolist() == sorted([gamma.item(), beta.item()])
        assert head.style.bias[0] == gamma
        assert head.style.bias[-1] == beta

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"normalize_mode": "LayerNorm"}, {"norm": "layer"}),
            ({"normalize_mode": "InstanceNorm2d"}, {"norm": "instance"}),
            ({"normalize_mode": "BatchNorm2d"}, {"norm": "batch"}),
            ({"normalize_mode": "GroupNorm"}, {"norm": "group"}),
            ({"small_generator": True, "size": 1024}, {"light": True, "resolution": 1024}),
            ({"channel_multiplier": 1}, {"channel_base": 16384}),
            ({"lr_mul": 1.0, "mapping_layer_num": 4}, {"mapping_lr_mul": 1.0, "mapping_layers": 4}),
        ],
    )
    def test_arguments(self, arguments, expected):
        config = published.convert_args(vars(layout.arguments(**arguments)))
        assert {name: getattr(config, name) for name in expected} == expected


class Payload:
    """Unpickled without care it creates a file."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TestMalicious:
    def test_the_payload_bites(self, tmp_path):
        pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
        assert (tmp_path / "ran").exists()

    @pytest.mark.parametrize("zipped", FORMATS)
    @pytest.mark.parametrize("place", ["whole", "entry", "argument", "tensor"])
    def test_nothing_runs(self, tmp_path, zipped, place):
        payload = Payload(tmp_path / "ran")
        saved = {
            "whole": payload,
            "entry": contents(g_optim=payload),
            "argument": contents(train_args=argparse.Namespace(size=payload)),
            "tensor": contents(g_ema={**state("generator"), "decoder.input.input": payload}),
        }[place]
        message = refuse(write(tmp_path / "evil.pt", saved, zipped))
        assert "nothing in it was run" in message
        assert "weights_only" not in message  # torch's own message tells how to run it
        assert not (tmp_path / "ran").exists()

    def test_plain_pickle(self, tmp_path):
        (tmp_path / "evil.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=2))
        refuse(tmp_path / "evil.pt")
        assert not (tmp_path / "ran").exists()

    def test_namespace_is_not_trusted_afterwards(self, loaded, tmp_path):
        """The class is allowed while the file is read, not for the rest of the process."""
        with pytest.raises(pickle.UnpicklingError):
            torch.load(write(tmp_path / "a.pt", argparse.Namespace(a=1)), weights_only=True)


class TestBadFiles:
    def test_missing(self, tmp_path):
        assert "no such file" in refuse(tmp_path / "gone.pt")

    def test_folder(self, tmp_path):
        refuse(tmp_path)

    @pytest.mark.parametrize(
        "data", [b"", b"\0", b"hello\n", b"<!DOCTYPE html><html>404</html>", b"PK\x03\x04", bytes(range(256)) * 20]
    )
    def test_no_checkpoint_at_all(self, tmp_path, data):
        (tmp_path / "a.pt").write_bytes(data)
        refuse(tmp_path / "a.pt")

    def test_truncated(self, good, tmp_path):
        data = good.read_bytes()
        for share in range(0, 100, 4):
            (tmp_path / "cut.pt").write_bytes(data[: len(data) * share // 100])
            assert "cut.pt is" in refuse(tmp_path / "cut.pt"), share

    @pytest.mark.parametrize(
        "error",
        [
            AssertionError("storage key not found"),
            IndexError("pop from empty list"),
            AttributeError("'dict' object has no attribute 'dtype'"),
            TypeError("set_() received"),
            struct.error("unpack requires a buffer of 4 bytes"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_whatever_damage_comes_out_as(self, good, monkeypatch, error):
        """Damage may be any of these."""

        def damaged(*args, **kwargs):
            raise error

        monkeypatch.setattr(pickles, "content", damaged)
        assert "damaged" in refuse(good)

    @pytest.mark.parametrize("saved", [[1, 2], {"a": 1}, {}, torch.zeros(3)], ids=["list", "dict", "empty", "tensor"])
    def test_another_programs_file(self, tmp_path, saved):
        message = refuse(write(tmp_path / "a.pt", saved))
        assert "lacks g_ema, e_ema, discriminator, train_args" in message

    @pytest.mark.parametrize("entry", ["g_ema", "e_ema", "discriminator", "train_args"])
    def test_entry_missing(self, tmp_path, entry):
        saved = contents()
        del saved[entry]
        assert f"lacks {entry}" in refuse(write(tmp_path / "a.pt", saved))

    @pytest.mark.parametrize("entry", ["g_ema", "e_ema", "discriminator", "train_args"])
    @pytest.mark.parametrize("value", [None, 3, "text", [torch.zeros(2)], {"a": 1}, {1: torch.zeros(2)}], ids=repr)
    def test_entry_of_another_kind(self, tmp_path, entry, value):
        refuse(write(tmp_path / "a.pt", contents(**{entry: value})))

    @pytest.mark.parametrize(
        ("entry", "network", "name"),
        [
            ("g_ema", "generator", "mapping_z.3.weight"),
            ("g_ema", "generator", "decoder.conv1.conv.beta.weight"),
            ("e_ema", "encoder", "final_conv.1.bias"),
            ("discriminator", "discriminator", "convs.1.skip.1.weight"),
        ],
    )
    def test_name_missing(self, tmp_path, entry, network, name):
        lacking = {key: value for key, value in state(network).items() if key != name}
        refuse(write(tmp_path / "a.pt", contents(**{entry: lacking})))

    @pytest.mark.parametrize(
        ("entry", "network"), [("g_ema", "generator"), ("e_ema", "encoder"), ("discriminator", "discriminator")]
    )
    def test_surplus_name(self, tmp_path, entry, network):
        saved = contents(**{entry: {**state(network), "surplus.weight": torch.zeros(2)}})
        assert "surplus.weight" in refuse(write(tmp_path / "a.pt", saved))

    @pytest.mark.parametrize("name", ["mapping_z.3.weight", "decoder.conv1.conv.gamma.bias", "decoder.input.input"])
    @pytest.mark.parametrize("shape", [(), (3,), (64, 1)], ids=str)
    def test_shape(self, tmp_path, name, shape):
        refuse(write(tmp_path / "a.pt", contents(g_ema={**state("generator"), name: torch.zeros(shape)})))

    @pytest.mark.parametrize(
        "arguments",
        [
            {"size": 17},
            {"size": "256"},
            {"size": None},
            {"latent_spatial_size": 4},
            {"latent_channel_size": 32},
            {"normalize_mode": "Layernorm"},
            {"mapping_layer_num": 0},
            {"lr_mul": "0.01"},
        ],
        ids=repr,
    )
    def test_arguments_that_cannot_be(self, tmp_path, arguments):
        train_args = layout.arguments(**{"size": SIDE, **arguments})
        refuse(write(tmp_path / "a.pt", contents(train_args=train_args)))

    def test_arguments_missing(self, tmp_path):
        refuse(write(tmp_path / "a.pt", contents(train_args=argparse.Namespace(size=SIDE))))


class TestCommand:
    @pytest.fixture(autouse=True)
    def restore(self, monkeypatch):
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command line replaces it

    @pytest.mark.parametrize("good", [False], ids=["legacy"], indirect=True)
    def test_writes_what_was_read(self, good, loaded, tmp_path, capsys):
        out = tmp_path / "new" / "imported.safetensors"
        assert cli.main(["import", "--published", str(good), "--out", str(out)]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        assert said.out == f"{out}  (16 px, stylemap 8x8)\n"
        written = checkpoint.load(out), checkpoint.load_discriminator(out)
        for before, after in zip(loaded, written, strict=True):
            expected, actual = before.state_dict(), after.state_dict()
            assert list(expected) == list(actual)
            assert all(torch.equal(expected[name], actual[name]) for name in expected)
        assert written[0].config == loaded[0].config
        info = checkpoint.read_info(out)
        assert (
            info.keys() == {"imported_from", "samples_mse", "samples_explained"} and info["imported_from"] == "good.pt"
        )
        out.unlink()  # 200 MB, and pytest keeps the folders of three runs

    @pytest.mark.parametrize(
        ("flags", "says"),
        [
            (["--published", "good.pt", "--out", "a.pt"], "'a.pt' must end in .safetensors"),
            (["--published", "good.pt", "--out", ""], "must end in .safetensors"),
            (["--published", "good.pt"], "--out"),
            (["--out", "a.safetensors"], "--published"),
            (["--published", "gone.pt", "--out", "a.safetensors"], "gone.pt: no such file"),
            (["--publ", "good.pt", "--out", "a.safetensors"], "--published"),
            (["--published", "text.pt", "--out", "a.safetensors"], "text.pt"),
        ],
    )
    def test_mistakes_are_one_line_and_exit_code_2(self, tmp_path, monkeypatch, capsys, flags, says):
        monkeypatch.chdir(tmp_path)
        Path("text.pt").write_text("not a checkpoint")
        assert cli.main(["import", *flags]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert says in said.err
        assert sorted(os.listdir(tmp_path)) == ["text.pt"]  # nothing written
