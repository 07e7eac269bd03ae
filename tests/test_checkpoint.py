"""Weights files: what is saved is what is loaded, and every bad file is one line that names it."""

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stylemap import checkpoint, reading
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.vector.config import StyleGAN2Config
from stylemap.architectures.vector.model import VectorModel
from stylemap.errors import InputError

CONFIG = StylemapConfig(
    resolution=16,
    stylemap_size=4,
    stylemap_channels=3,
    channel_base=64,
    channel_max=6,
    mapping_layers=2,
    norm="instance",
)


def build(config: StylemapConfig = CONFIG, seed: int = 0) -> tuple[StylemapModel, Discriminator]:
    torch.manual_seed(seed)
    return StylemapModel(config), Discriminator(config)


@pytest.fixture
def path(tmp_path) -> Path:
    """Weights with a discriminator."""
    checkpoint.save(tmp_path / "w.safetensors", *build(), {"images": 12})
    return tmp_path / "w.safetensors"


def rewrite(path: Path, tensors: dict | None = None, **header: str | None) -> Path:
    """The file with other tensors, or entries of its header changed, or removed where None."""
    with safe_open(path, "pt") as f:
        metadata = {**f.metadata(), **header}
    kept = {key: value for key, value in metadata.items() if value is not None}
    save_file(load_file(path) if tensors is None else tensors, path, kept or None)
    return path


def refuse(path: Path | str, load=checkpoint.load) -> str:
    """The one line that says why the file cannot be used."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


class TestRoundTrip:
    @pytest.mark.parametrize(
        "config",
        [
            CONFIG,
            replace(CONFIG, norm="batch"),  # has buffers
            replace(CONFIG, light=True, stylemap_size=16, mapping_lr_mul=0.5),
            replace(CONFIG, resolution=32, channel_base=256, channel_max=8, norm="group"),
        ],
        ids=lambda c: f"{c.resolution}-{c.norm}",
    )
    def test_the_file_alone_rebuilds_the_networks(self, tmp_path, config):
        model, discriminator = build(config)
        with torch.no_grad():
            model.synthesize(torch.randn(4, *config.stylemap_shape))  # running statistics that are not the initial ones
        checkpoint.save(tmp_path / "a.safetensors", model, discriminator)
        loaded = checkpoint.load(tmp_path / "a.safetensors")
        assert loaded.config == config
        assert same(loaded, model)
        assert same(checkpoint.load_discriminator(tmp_path / "a.safetensors"), discriminator)
        stylemap = torch.randn(2, *config.stylemap_shape)
        with torch.no_grad():
            assert torch.equal(loaded.synthesize(stylemap), model.eval().synthesize(stylemap))

    def test_ready_to_use(self, path):
        for network in (checkpoint.load(path), checkpoint.load_discriminator(path)):
            assert not network.training
            assert not any(p.requires_grad for p in network.parameters())

    def test_saving_leaves_the_networks_alone(self, tmp_path):
        model, discriminator = build()
        checkpoint.save(tmp_path / "a.safetensors", model, discriminator)
        assert model.training
        assert all(p.requires_grad for p in model.parameters())
        assert same(model, build()[0])

    def test_values_are_kept_bit_by_bit(self, tmp_path):
        model, _ = build()
        with torch.no_grad():
            model.encoder.from_rgb.bias[:4] = torch.tensor([-3.4e38, -0.0, 1e-45, 3.4e38])
        checkpoint.save(tmp_path / "a.safetensors", model)
        loaded = checkpoint.load(tmp_path / "a.safetensors").encoder.from_rgb.bias
        assert torch.equal(loaded.view(torch.int32), model.encoder.from_rgb.bias.detach().view(torch.int32))

    def test_half_the_size_at_the_rounding_of_float16(self, tmp_path):
        model, discriminator = build()
        checkpoint.save(tmp_path / "a.safetensors", model, discriminator)
        checkpoint.save(tmp_path / "half.safetensors", model, discriminator, half=True)
        assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "a.safetensors").stat().st_size
        loaded = checkpoint.load(tmp_path / "half.safetensors").state_dict()
        for name, value in model.state_dict().items():
            assert loaded[name].dtype == value.dtype
            torch.testing.assert_close(
                loaded[name], value, rtol=2**-11, atol=2**-25, msg=name
            )  # 11 bits; 2^-24 apart at 0

    def test_numbers_too_large_for_float16_are_refused(self, tmp_path):
        model, _ = build()
        with torch.no_grad():
            model.encoder.from_rgb.bias[0] = 1e5
        with pytest.raises(InputError, match=r"model\.encoder\.from_rgb\.bias holds numbers beyond 65,504"):
            checkpoint.save(tmp_path / "a.safetensors", model, half=True)
        assert not list(tmp_path.iterdir())

    def test_info_needs_no_tensors(self, path):
        """Only the header is read: the file may end there."""
        path.write_bytes(path.read_bytes()[: 8 + int.from_bytes(path.read_bytes()[:8], "little")])
        assert checkpoint.read_info(path) == {"images": 12}

    def test_discriminator_is_optional(self, tmp_path):
        checkpoint.save(tmp_path / "a.safetensors", build()[0])
        assert same(checkpoint.load(tmp_path / "a.safetensors"), build()[0])
        assert "no discriminator" in refuse(tmp_path / "a.safetensors", checkpoint.load_discriminator)

    def test_whether_there_is_one_is_read_from_the_header(self, tmp_path, monkeypatch):
        model, discriminator = build()
        checkpoint.save(tmp_path / "a.safetensors", model)
        checkpoint.save(tmp_path / "b.safetensors", model, discriminator)
        monkeypatch.delattr(reading, "read_tensors")
        assert [checkpoint.holds_discriminator(tmp_path / f"{name}.safetensors") for name in "ab"] == [False, True]

    def test_info(self, path, tmp_path):
        assert checkpoint.read_info(path) == {"images": 12}
        info = {"command": "größer 'x'\n", "scores": [1.5, None, True], "nested": {"a": []}}
        checkpoint.save(tmp_path / "b.safetensors", build()[0], info=info)
        assert checkpoint.read_info(tmp_path / "b.safetensors") == info
        checkpoint.save(tmp_path / "b.safetensors", build()[0])
        assert checkpoint.read_info(tmp_path / "b.safetensors") == {}


def test_a_discriminator_that_is_not_in_the_file_begins_with_the_layers_of_the_encoder(tmp_path):
    model, _ = build()
    checkpoint.save(tmp_path / "a.safetensors", model)
    new, discriminator = build(seed=1)
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    checkpoint.load_into(tmp_path / "a.safetensors", new, discriminator)
    encoder = model.encoder.state_dict()
    shared = [name for name in encoder if name in before]
    assert {name.split(".")[0] for name in shared} == {"from_rgb", "blocks"}
    for name, value in discriminator.state_dict().items():
        assert torch.equal(value, encoder[name] if name in shared else before[name]), name


class TestFind:
    @pytest.fixture(autouse=True)
    def shipped(self, tmp_path, monkeypatch) -> Path:
        folder = tmp_path / "pretrained"
        checkpoint.save(folder / "faces.safetensors", build(seed=1)[0], info={"which": "faces"})
        checkpoint.save(folder / "cats.safetensors", build(seed=2)[0], info={"which": "cats"})
        monkeypatch.setattr(checkpoint, "PRETRAINED", folder)
        monkeypatch.chdir(tmp_path)
        return folder

    def test_by_name(self):
        assert checkpoint.read_info("cats") == {"which": "cats"}
        assert same(checkpoint.load("faces"), build(seed=1)[0])

    def test_by_path_as_text_or_path(self, path):
        assert checkpoint.find_file(str(path)) == checkpoint.find_file(path) == path

    def test_run_folder(self, tmp_path):
        checkpoint.save(tmp_path / "runs" / "1" / "weights.safetensors", build()[0], info={"which": "run"})
        assert checkpoint.read_info(tmp_path / "runs" / "1") == {"which": "run"}

    def test_a_shipped_name_goes_before_a_file_of_that_name(self, path, tmp_path):
        """Or the default would break in a folder that happens to hold such an entry; a path is spelt as one."""
        path.rename(tmp_path / "cats")
        assert checkpoint.find_file("cats") == checkpoint.PRETRAINED / "cats.safetensors"
        assert checkpoint.read_info("./cats") == {"images": 12}

    def test_unknown_name_lists_the_known(self):
        message = refuse("dogs")
        assert "cats, faces" in message

    @pytest.mark.parametrize("name", ["faces.safetensors", "../faces", "", "faces/", "*"])
    def test_only_the_exact_name(self, name, tmp_path):
        with pytest.raises(InputError) as caught:
            checkpoint.load(name)
        assert "\n" not in str(caught.value)

    def test_missing_file(self, tmp_path):
        refuse(tmp_path / "gone.safetensors")

    def test_empty_run_folder(self, tmp_path):
        (tmp_path / "run7").mkdir()
        assert "no weights.safetensors" in refuse(tmp_path / "run7")


class TestBadFiles:
    @pytest.mark.parametrize("load", [checkpoint.load, checkpoint.load_discriminator, checkpoint.read_info])
    @pytest.mark.parametrize("data", [b"", b"hello\n", b"\x89PNG\r\n\x1a\n" + bytes(50), bytes(100), b"\xff" * 100])
    def test_no_safetensors_file(self, tmp_path, data, load):
        (tmp_path / "a.safetensors").write_bytes(data)
        assert "copy it again" in refuse(tmp_path / "a.safetensors", load)

    def test_weights_without_encoder(self, path):
        header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])["__metadata__"]
        kept = {name: x for name, x in load_file(path).items() if not name.startswith(checkpoint.ENCODER)}
        save_file(kept, path, header)
        assert "holds no encoder: a StyleMapGAN needs its encoder" in refuse(path)

    def test_truncated(self, path):
        data = path.read_bytes()
        header = int.from_bytes(data[:8], "little")
        for length in (1, 7, 8, 9, header // 2, header + 7, header + 8, (header + len(data)) // 2, len(data) - 1):
            path.write_bytes(data[:length])
            refuse(path)

    def test_bytes_too_many(self, path):
        path.write_bytes(path.read_bytes() + b"\0")
        refuse(path)

    def test_flipped_bytes_in_the_header(self, path):
        """A changed byte is told, or it happens to change nothing the networks are built from."""
        data = path.read_bytes()
        header = 8 + int.from_bytes(data[:8], "little")
        refused = 0
        places = range(0, header, 29)  # prime, so that it meets every part of the entries
        for place in places:
            for bits in (1, 0xFF):
                damaged = bytearray(data)
                damaged[place] ^= bits
                path.write_bytes(damaged)
                try:
                    checkpoint.load(path)
                except InputError as err:
                    assert "\n" not in str(err)
                    assert path.name in str(err)
                    refused += 1
        assert refused > 0.9 * 2 * len(places)

    def test_another_programs_safetensors(self, path):
        assert "another program" in refuse(rewrite(path, format=None))
        assert "another program" in refuse(rewrite(path, format="stylemap-weights-9"))
        save_file({"weight": torch.zeros(3)}, path)
        assert "another program" in refuse(path)

    @pytest.mark.parametrize("model", [None, "", "{", "[]", "null", "3", '"x"', '{"resolution": 17}'])
    def test_damaged_config(self, path, model):
        assert "header" in refuse(rewrite(path, model=model))

    @pytest.mark.parametrize("info", [None, "", "{", "[]", "[" * 100_000, '{"a": 1, "a": 2}', "9" * 5000])
    def test_damaged_info(self, path, info):
        assert "header" in refuse(rewrite(path, info=info))

    def test_unknown_config_key(self, path):
        """From a newer version: ignoring it would build another network."""
        assert "model.attention" in refuse(rewrite(path, model=json.dumps({**asdict(CONFIG), "attention": True})))

    @pytest.mark.parametrize(
        "change",
        [{"stylemap_channels": 3.5}, {"channel_max": 6.5}, {"mapping_layers": 2.5}, {"resolution": "16"}],
        ids=repr,
    )
    def test_config_values_of_another_type(self, path, change):
        refuse(rewrite(path, model=json.dumps({**asdict(CONFIG), **change})))

    @pytest.mark.parametrize(
        "change",
        [{"mapping_layers": 3_000_000}, {"stylemap_channels": 20_000}, {"channel_max": 10**6}, {"channel_base": 10**9}],
        ids=repr,
    )
    def test_bounds_before_anything_is_built(self, path, change, monkeypatch):
        monkeypatch.setattr(checkpoint.architectures, "build", lambda *_: pytest.fail("built"))
        assert next(iter(change)) in refuse(rewrite(path, model=json.dumps({**asdict(CONFIG), **change})))

    @pytest.mark.parametrize("load", [checkpoint.load, checkpoint.load_discriminator])
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda x: x.to(torch.int32), "int32"),
            (lambda x: x.to(torch.complex64), "complex64"),
            (lambda x: x * float("nan"), "not finite"),
            (lambda x: x / 0, "not finite"),
        ],
        ids=["int", "complex", "nan", "inf"],
    )
    def test_values_that_no_network_has(self, path, load, change, says):
        good = load_file(path)
        prefix = "model." if load is checkpoint.load else "discriminator."
        name = next(name for name in good if name.startswith(prefix) and name.endswith("weight"))
        assert says in refuse(rewrite(path, good | {name: change(good[name])}), load)

    def test_other_precisions_are_converted(self, path):
        good = load_file(path)
        rewrite(path, {name: x.half() for name, x in good.items()})
        loaded = checkpoint.load(path)
        wanted = good["model.generator.synthesis.constant"].half().float()
        assert torch.equal(loaded.generator.synthesis.constant, wanted)
        assert {x.dtype for x in loaded.state_dict().values() if x.is_floating_point()} == {torch.float32}

    @pytest.mark.parametrize("change", [{"channel_max": 7}, {"stylemap_size": 8}, {"mapping_layers": 3}], ids=repr)
    def test_config_of_another_network(self, path, change):
        assert "does not fit its own config" in refuse(rewrite(path, model=json.dumps({**asdict(CONFIG), **change})))

    @pytest.mark.parametrize("load", [checkpoint.load, checkpoint.load_discriminator])
    def test_tensors_missing_wrong_or_too_many(self, path, load):
        prefix = "model." if load is checkpoint.load else "discriminator."
        good = load_file(path)
        name = next(name for name in good if name.startswith(prefix) and name.endswith("weight"))
        lacking = {key: value for key, value in good.items() if key != name}
        for tensors in (lacking, {**good, name: good[name][..., :1].clone()}, {**good, f"{prefix}x": torch.zeros(1)}):
            assert "does not fit" in refuse(rewrite(path, tensors), load)


class TestAtomic:
    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_a_full_disk_leaves_the_old_file(self, path, monkeypatch, step):
        before = path.read_bytes()

        def fail(*args, **kwargs):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, step, fail)
        refuse(path, lambda p: checkpoint.save(p, build(seed=5)[0]))
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]

    def test_an_interrupt_leaves_the_old_file(self, path, monkeypatch):
        before = path.read_bytes()

        def interrupt(self, data):
            with open(self, "wb") as f:
                f.write(data[: len(data) // 2])
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "write_bytes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(path, build(seed=5)[0])
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]

    def test_info_that_json_cannot_hold_leaves_the_old_file(self, path):
        before = path.read_bytes()
        with pytest.raises(TypeError):
            checkpoint.save(path, build(seed=5)[0], info={"x": object()})
        assert path.read_bytes() == before


class TestVectorModels:
    CONFIG = StyleGAN2Config(
        resolution=16,
        latent_channels=3,
        channel_base=64,
        channel_max=6,
        mapping_layers=2,
    )

    @pytest.mark.parametrize("encoder", [True, False])
    def test_round_trip(self, tmp_path, encoder):
        model = VectorModel(self.CONFIG, encoder)
        model.generator.w_avg.fill_(0.5)
        checkpoint.save(tmp_path / "v.safetensors", model, Discriminator(self.CONFIG))
        loaded = checkpoint.load_any(tmp_path / "v.safetensors")
        assert isinstance(loaded, VectorModel) and (loaded.encoder is not None) == encoder
        assert loaded.config == self.CONFIG
        ours, theirs = model.state_dict(), loaded.state_dict()
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
        z = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
        assert torch.equal(loaded.synthesize(loaded.map(z)), model.synthesize(model.map(z)))
        assert not any(p.requires_grad for p in loaded.parameters()) and not loaded.training
        checkpoint.load_discriminator(tmp_path / "v.safetensors")

    def test_an_encoder_with_a_missing_entry(self, path, tmp_path):
        checkpoint.save(path, VectorModel(self.CONFIG))
        tensors = load_file(path)
        del tensors["model.encoder.from_rgb.weight"]
        assert "does not fit its own config" in refuse(rewrite(path, tensors))
