"""Foreign weights make the images that an independent reference makes of them; what does not fit is one line."""

import argparse
import contextlib
import re

import pytest
import torch

from stylemap.architectures.vector import conversion
from stylemap.errors import InputError
from tests.architectures.vector import foreign
from tests.architectures.vector.foreign import Ada, Rosinality, TensorFlow1, TensorFlow2, dump_tensorflow

# Images of about unit variance, float32 against float64.
TOLERANCE = 1e-4
Z = torch.randn(3, foreign.C, generator=torch.Generator().manual_seed(99))


def write(layout, entries, path, **settings):
    if layout is Rosinality:
        torch.save({"g_ema": entries, **settings}, path)
        return path
    return Ada.dump(entries, path, **settings) if layout is Ada else dump_tensorflow(entries, path, **settings)


def check_images(model, wanted):
    found = model.synthesize(model.map(Z)).double()
    assert found.shape == wanted.shape
    scale = wanted.std()
    assert scale > 0.1
    assert (found - wanted).abs().max() < TOLERANCE * max(1, scale)


def refuse(path):
    with pytest.raises(InputError) as caught:
        conversion.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


class TestImages:
    @pytest.mark.parametrize("layout", [Rosinality, Ada, TensorFlow2, TensorFlow1])
    def test_are_those_of_the_reference(self, layout, tmp_path):
        entries = layout.entries()
        model = conversion.load(write(layout, entries, tmp_path / "net"))
        assert model.config.architecture == ("stylegan" if layout is TensorFlow1 else "stylegan2")
        assert (model.config.latent_channels, model.config.mapping_layers) == (foreign.C, foreign.MAPPING)
        check_images(model, layout.render(entries, Z.double()))

    @pytest.mark.parametrize("layout", [Ada, TensorFlow2])
    @pytest.mark.parametrize("protocol", [2, 3, 5])
    def test_every_protocol(self, layout, protocol, tmp_path):
        entries = layout.entries()
        model = conversion.load(write(layout, entries, tmp_path / "net.pkl", protocol=protocol))
        check_images(model, layout.render(entries, Z.double()))

    def test_both_formats_of_torch(self, tmp_path):
        entries = Rosinality.entries()
        for zipped in (True, False):
            torch.save({"g_ema": entries}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
            check_images(conversion.load(tmp_path / "a.pt"), Rosinality.render(entries, Z.double()))

    def test_half_precision_entries(self, tmp_path):
        """Of an ADA network that was trained with float16 and stored so."""
        entries = {n: t.half() for n, t in Ada.entries().items()}
        model = conversion.load(Ada.dump(entries, tmp_path / "net.pkl"))
        check_images(model, Ada.render({n: t.float() for n, t in entries.items()}, Z.double()))

    @pytest.mark.parametrize(("setting", "from_side"), [(True, 8), (False, 1024)])
    def test_fused_scale(self, setting, from_side, tmp_path):
        entries = TensorFlow1.entries()
        path = dump_tensorflow(entries, tmp_path / "net.pkl", fused_scale=setting)
        check_images(conversion.load(path), TensorFlow1.render(entries, Z.double(), from_side))

    def test_a_turned_kernel_is_seen(self, tmp_path):
        """Or else the tests above would not tell the conventions apart."""
        entries = TensorFlow2.entries()
        wanted = TensorFlow2.render(entries, Z.double())
        name = "synthesis/8x8/Conv0_up/weight"
        turned = TensorFlow2.render({**entries, name: entries[name].flip(0, 1)}, Z.double())
        assert (wanted - turned).abs().max() > 100 * TOLERANCE


class TestRest:
    def test_model_is_for_use(self, tmp_path):
        model = conversion.load(write(Ada, Ada.entries(), tmp_path / "net.pkl"))
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())
        with pytest.raises(InputError, match="no encoder"):
            model.encode(torch.zeros(1, 3, 16, 16))

    @pytest.mark.parametrize(("layout", "name"), [(Ada, "mapping.w_avg"), (TensorFlow2, "dlatent_avg")])
    def test_mean_w(self, layout, name, tmp_path):
        entries = layout.entries()
        model = conversion.load(write(layout, entries, tmp_path / "net"))
        assert torch.equal(model.generator.w_avg, entries[name])
        assert torch.equal(model.mean_latent()[0, -1], entries[name])

    def test_mean_w_of_rosinality(self, tmp_path):
        entries, mean = Rosinality.entries(), torch.arange(5.0)
        model = conversion.load(write(Rosinality, entries, tmp_path / "a.pt", latent_avg=mean[None]))
        assert torch.equal(model.generator.w_avg, mean)
        model = conversion.load(write(Rosinality, entries, tmp_path / "a.pt"))
        assert torch.equal(model.generator.w_avg, model.statistics().mean[0, 0])

    @pytest.mark.parametrize("shape", [(5,), (1, 5), (6, 5), (1, 6, 5)], ids=str)
    def test_mean_w_of_one_or_many_rows(self, shape, tmp_path):
        mean = torch.arange(5.0).expand(shape).clone()
        model = conversion.load(write(Rosinality, Rosinality.entries(), tmp_path / "a.pt", latent_avg=mean))
        assert torch.equal(model.generator.w_avg, torch.arange(5.0))

    def test_mean_w_that_differs_from_layer_to_layer(self, tmp_path):
        rows = torch.stack([torch.zeros(5), torch.ones(5)])
        path = write(Rosinality, Rosinality.entries(), tmp_path / "a.pt", latent_avg=rows)
        with pytest.warns(UserWarning, match="differs from layer to layer"):
            model = conversion.load(path)
        assert torch.equal(model.generator.w_avg, torch.full((5,), 0.5))
        assert "latent_avg is [2, 4]" in refuse(
            write(Rosinality, Rosinality.entries(), tmp_path / "a.pt", latent_avg=rows[:, :4].clone())
        )

    @pytest.mark.parametrize("holds", ["g_ema", "module", "g", "bare", "psp", "e4e", "psp of several GPUs"])
    def test_where_the_generator_stands(self, holds, tmp_path):
        """pSp and e4e call it their decoder, beside an encoder that is not taken."""
        entries, mean = Rosinality.entries(), torch.arange(5.0)
        decoder = {f"decoder.{name}": x for name, x in entries.items()} | {"encoder.body.0.weight": torch.zeros(3)}
        opts = {"output_size": 16, "device": "cuda"}
        saved = {
            "g_ema": {"g_ema": entries, "latent_avg": mean},
            "module": {"g_ema": {f"module.{name}": x for name, x in entries.items()}, "latent_avg": mean},
            "g": {"g": entries, "latent_avg": mean},
            "bare": entries,
            "psp": {"state_dict": decoder, "latent_avg": mean.repeat(6, 1), "opts": opts},
            "e4e": {"state_dict": decoder, "latent_avg": mean.repeat(6, 1), "opts": argparse.Namespace(**opts)},
            "psp of several GPUs": {
                "state_dict": {f"module.{name}": x for name, x in decoder.items()},
                "latent_avg": mean,
            },
        }[holds]
        torch.save(saved, tmp_path / "a.pt")
        with pytest.warns(UserWarning, match="no running average") if holds == "g" else contextlib.nullcontext():
            model = conversion.load(tmp_path / "a.pt")
        check_images(model, Rosinality.render(entries, Z.double()))
        if holds != "bare":
            assert torch.equal(model.generator.w_avg, mean)

    def test_without_noise_maps(self, tmp_path):
        """As the published 550000.pt; the strengths of noise are kept, and the maps are the same in every conversion."""
        entries = {name: x for name, x in Rosinality.entries().items() if not name.startswith("noises.")}
        path = write(Rosinality, entries, tmp_path / "a.pt")
        with pytest.warns(UserWarning, match="holds no noise maps"):
            model = conversion.load(path)
        maps = {f"noises.noise_{i}": layer.constant for i, layer in enumerate(model.generator.synthesis.noises)}
        assert [x.shape for x in maps.values()] == [
            x.shape for name, x in Rosinality.entries().items() if name.startswith("noises.")
        ]
        check_images(model, Rosinality.render(entries | maps, Z.double()))
        assert all(0.5 < x.std() < 1.5 for x in maps.values())
        with pytest.warns(UserWarning, match="holds no noise maps"):
            again = conversion.load(path)
        assert all(
            torch.equal(a.constant, b.constant)
            for a, b in zip(model.generator.synthesis.noises, again.generator.synthesis.noises, strict=True)
        )

    def test_training_checkpoint_of_rosinality(self, tmp_path):
        more = {"g": {}, "d": {}, "g_optim": {}, "args": argparse.Namespace(size=16), "ada_aug_p": 0.1}
        conversion.load(write(Rosinality, Rosinality.entries(), tmp_path / "a.pt", **more))

    def test_learning_rate_of_the_mapping(self, tmp_path):
        path = dump_tensorflow(TensorFlow2.entries(), tmp_path / "net.pkl", mapping_lrmul=0.1)
        assert conversion.load(path).config.mapping_lr_mul == 0.1
        path = Ada.dump(Ada.entries(), tmp_path / "net.pkl", bias_gain=0.5)
        assert conversion.load(path).config.mapping_lr_mul == 0.5


class TestRefusals:
    @pytest.mark.parametrize("layout", [Rosinality, Ada, TensorFlow2, TensorFlow1])
    def test_missing_and_unknown_entries(self, layout, tmp_path):
        entries = layout.entries()
        needed = [n for n in entries if not n.endswith(("lod", "kernel", "filter")) and not re.search("lod[1-9]", n)]
        # a step that shares no factor with the number of entries of a layer meets every kind of them
        for name in needed[::7]:
            left = {n: t for n, t in entries.items() if n != name}
            assert "used: " in refuse(write(layout, left, tmp_path / "net")), name
        separator = "/" if layout in (TensorFlow1, TensorFlow2) else "."
        more = {**entries, f"synthesis{separator}embed": torch.zeros(3)}
        assert f"synthesis{separator}embed" in refuse(write(layout, more, tmp_path / "net"))

    @pytest.mark.parametrize(
        ("layout", "setting"),
        [
            (TensorFlow2, {"architecture": "resnet"}),
            (TensorFlow2, {"nonlinearity": "relu"}),
            (TensorFlow2, {"resample_kernel": [1, 2, 1]}),
            (TensorFlow1, {"use_pixel_norm": True}),
            (TensorFlow1, {"blur_filter": [1, 3, 3, 1]}),
            (Ada, {"activation": "relu"}),
            (Ada, {"architecture": "resnet"}),
        ],
    )
    def test_other_architectures(self, layout, setting, tmp_path):
        assert next(iter(setting)) in refuse(write(layout, layout.entries(), tmp_path / "net", **setting))

    def test_stylegan3_has_a_line(self, tmp_path):
        """By the names of its parts: a Fourier input, and layers L0_36_1024 to L14_256_3."""
        shapes = {"mapping.fc0.weight": (4, 4), "mapping.w_avg": (4,), "synthesis.input.weight": (4, 4)}
        shapes |= {"synthesis.L0_36_1024.weight": (4, 4, 3, 3), "synthesis.L14_256_3.weight": (3, 4, 1, 1)}
        said = refuse(Ada.dump(foreign.fill(shapes), tmp_path / "net.pkl", conv_clamp=256))
        assert "it is a StyleGAN3" in said and "StyleGAN2 can be imported" in said and "\n" not in said

    def test_settings_like_ours(self, tmp_path):
        settings = {"architecture": "skip", "resample_kernel": (1, 3, 3, 1), "truncation_psi": 0.5}
        conversion.load(dump_tensorflow(TensorFlow2.entries(), tmp_path / "net.pkl", **settings))

    @pytest.mark.parametrize(
        ("layout", "name"), [(Rosinality, "convs.0.conv.blur.kernel"), (Ada, "synthesis.b8.resample_filter")]
    )
    def test_other_filters(self, layout, name, tmp_path):
        entries = layout.entries()
        entries[name] = entries[name].flip(0) + torch.eye(4)
        assert name in refuse(write(layout, entries, tmp_path / "net"))

    def test_still_growing(self, tmp_path):
        entries = {**TensorFlow1.entries(), "synthesis/lod": torch.tensor(1.5)}
        assert "growing" in refuse(dump_tensorflow(entries, tmp_path / "net.pkl"))

    def test_widths_of_no_config(self, tmp_path, monkeypatch):
        monkeypatch.setattr(foreign, "WIDTHS", {4: 6, 8: 3, 16: 6})
        assert "[6, 3, 6]" in refuse(write(Rosinality, Rosinality.entries(), tmp_path / "a.pt"))

    def test_wrong_shapes(self, tmp_path):
        entries = {**Ada.entries(), "synthesis.b8.conv0.affine.bias": torch.zeros(4)}
        assert "synthesis.layers.1.conv.style.bias" in refuse(Ada.dump(entries, tmp_path / "net.pkl"))

    def test_other_files(self, tmp_path):
        assert "no such file" in refuse(tmp_path / "net.pkl")
        assert "folder" in refuse(tmp_path)
        for name, content in {"empty": b"", "text": b"hello", "half": b"\x80\x04\x95"}.items():
            (tmp_path / name).write_bytes(content)
            assert "damaged" in refuse(tmp_path / name)
        torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
        assert "g_ema" in refuse(tmp_path / "other.pt")
        good = write(Rosinality, Rosinality.entries(), tmp_path / "cut.pt")
        good.write_bytes(good.read_bytes()[:5000])
        refuse(good)
