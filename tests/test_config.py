"""Settings check themselves: a bad value is one line that names the field; the defaults are the published ones."""

import dataclasses
import math

import pytest

from stylemap import architectures
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapLoss, StylemapTraining
from stylemap.config import AugmentConfig, EmaConfig, OptimConfig
from stylemap.errors import InputError

NAN = math.nan


@pytest.mark.parametrize(
    ("config", "name", "values"),
    [
        (StylemapConfig, "resolution", [0, -16, 1, 8, 17, 48, 2048]),
        (StylemapConfig, "stylemap_size", [0, -8, 3, 12, 64, 256]),
        (StylemapConfig, "stylemap_channels", [0, -1]),
        (StylemapConfig, "channel_base", [0, -1, 255]),
        (StylemapConfig, "channel_max", [0, -1]),
        (StylemapConfig, "mapping_layers", [0, -1]),
        (StylemapConfig, "mapping_lr_mul", [0, -0.01, NAN]),
        (StylemapConfig, "norm", ["", "LayerNorm", "Layer", None, []]),
        (StylemapConfig, "architecture", ["", "StyleGAN2", "stylegan3", None, []]),
        (OptimConfig, "lr", [0, -0.002, NAN]),
        (OptimConfig, "beta1", [-0.1, 1.0, NAN]),
        (OptimConfig, "beta2", [-0.1, 1.0, NAN]),
        (OptimConfig, "r1_gamma", [-1.0, NAN]),
        (OptimConfig, "r1_every", [0, -16]),
        (StylemapLoss, "generator_adversarial", [-1.0, NAN]),
        (StylemapLoss, "latent_reconstruction", [-1.0, NAN]),
        (StylemapLoss, "image_reconstruction", [-1.0, NAN]),
        (StylemapLoss, "perceptual", [-1.0, NAN]),
        (StylemapLoss, "encoder_adversarial", [-1.0, NAN]),
        (StylemapLoss, "discriminator_reconstruction", [-1.0, NAN]),
        (StylemapLoss, "perceptual_network", ["", "LPIPS", "vgg", None]),
        (EmaConfig, "half_life", [-1.0, NAN]),
        (EmaConfig, "ramp", [0, -0.05, NAN]),
        (AugmentConfig, "mode", ["", "ada", None]),
        (AugmentConfig, "p", [-0.1, 0.9, NAN]),  # above the limit
        (AugmentConfig, "target", [-1.0, 1.0, NAN]),
        (AugmentConfig, "speed", [0, -500_000, NAN]),
        (AugmentConfig, "every", [0, -256]),
        (AugmentConfig, "limit", [0, -0.8, 1.1, NAN]),
        (StylemapTraining, "heldout", [0, -1]),
        (StylemapTraining, "images", [0, -1]),
        (StylemapTraining, "batch", [0, -1]),
        (StylemapTraining, "tick", [0, -1]),
        (StylemapTraining, "save_every", [0, -1]),
        (StylemapTraining, "keep_states", [0, -1]),
        (StylemapTraining, "workers", [-1]),
        (StylemapTraining, "seed", [-1]),
    ],
)
def test_bad_value_is_one_line_that_names_the_field(config, name, values):
    for value in values:
        with pytest.raises(InputError) as caught:
            config(**{name: value})
        assert name in str(caught.value), value
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config", [StylemapConfig, OptimConfig, StylemapLoss, EmaConfig, AugmentConfig, StylemapTraining]
)
def test_defaults_are_valid_and_frozen(config):
    made = config()
    for field in dataclasses.fields(config):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, 1)


def test_edges_that_are_legal():
    OptimConfig(r1_gamma=0, r1_every=1, beta1=0, beta2=0)
    StylemapLoss(perceptual=0, perceptual_network="none")
    EmaConfig(half_life=0, ramp=None)
    StylemapTraining(workers=0, batch=1, seed=0)
    for resolution in (16, 32, 64, 128, 256, 512, 1024):
        for side in (1, 2, 4, 8, 16, 32):
            if side <= resolution:
                assert StylemapConfig(resolution=resolution, stylemap_size=side).doublings == math.log2(
                    resolution / side
                )


def test_augmentation_that_would_do_nothing():
    with pytest.raises(InputError, match=r"augment.mode fixed needs augment.p above 0"):
        AugmentConfig(mode="fixed")
    for mode in ("fixed", "adaptive"):
        with pytest.raises(InputError, match="augment needs blit, geometry or colour"):
            AugmentConfig(mode=mode, p=0.5, blit=False, geometry=False, colour=False)
    AugmentConfig(mode="none", blit=False, geometry=False, colour=False)
    AugmentConfig(mode="fixed", p=1, limit=1)
    AugmentConfig(mode="adaptive", p=0.8)


def test_stylemap_larger_than_the_image():
    with pytest.raises(InputError, match="stylemap_size 32"):
        StylemapConfig(resolution=16, stylemap_size=32)


def test_group_norm_needs_channels_in_eights():
    with pytest.raises(InputError, match=r"norm group .* \[4, 8\]"):
        StylemapConfig(resolution=32, norm="group", channel_base=128, channel_max=8)
    StylemapConfig(resolution=32, norm="group", channel_base=256, channel_max=8)


@pytest.mark.parametrize(("norm", "channels"), [("instance", 16), ("group", 8)])
def test_one_cell_cannot_be_normalised_alone(norm, channels):
    """One value by itself has no deviation: it would always become zero, and PyTorch refuses a batch of one."""
    with pytest.raises(InputError, match="norm"):
        StylemapConfig(resolution=16, stylemap_size=1, norm=norm, channel_base=16 * channels, channel_max=channels)


def test_published_defaults():
    model, optim, train = StylemapConfig(), OptimConfig(), StylemapTraining()
    assert (model.resolution, model.stylemap_shape, model.mapping_layers, model.norm) == (256, (64, 8, 8), 8, "layer")
    assert (optim.lr, optim.beta1, optim.beta2, optim.r1_gamma, optim.r1_every) == (0.002, 0, 0.99, 10, 16)
    assert (train.batch, train.mirror, train.model) == (16, True, model)
    weights = {name: value for name, value in vars(StylemapLoss()).items() if isinstance(value, float)}
    assert weights.pop("transplants") == 0  # our own
    assert set(weights.values()) == {1.0}


def test_published_average_in_images():
    """0.999 for every iteration of 16 images."""
    decay = 0.5 ** (16 / EmaConfig().half_life)
    assert decay == pytest.approx(0.999, abs=1e-7)  # the half-life is rounded to images: 0.001 * 1 / 11085


@pytest.mark.parametrize(
    ("side", "channels"),
    [(1, 512), (4, 512), (8, 512), (16, 512), (32, 512), (64, 512), (128, 256), (256, 128), (512, 64), (1024, 32)],
)
def test_channels_at_multiplier_two(side, channels):
    assert StylemapConfig().channels(side) == channels


def test_channels_of_a_small_net():
    config = StylemapConfig(resolution=32, channel_base=400, channel_max=20)
    assert [config.channels(side) for side in (4, 8, 16, 32)] == [20, 20, 20, 12]


@pytest.mark.parametrize("architecture", ["stylegan2", "stylegan"])
class TestVectorArchitectures:
    def test_settings_of_a_stylemap_are_refused(self, architecture):
        for setting in ({"norm": "instance"}, {"linear_rgb": True}, {"light": True}, {"stylemap_size": 8}):
            with pytest.raises(InputError, match=f"model.{next(iter(setting))} .*{architecture}") as caught:
                architectures.model_config({"architecture": architecture, **setting})
            assert "\n" not in str(caught.value)

    def test_every_resolution(self, architecture):
        kind = architectures.find(architecture).config
        for resolution in (8, 16, 32, 64, 128, 256, 512, 1024):
            config = kind(resolution=resolution)
            assert architectures.model_config(dataclasses.asdict(config)) == config
        for resolution in (4, 24, 2048):
            with pytest.raises(InputError, match="resolution"):
                kind(resolution=resolution)


class TestFromDict:
    def test_round_trip(self):
        config = StylemapConfig(
            resolution=64,
            stylemap_size=16,
            stylemap_channels=8,
            channel_base=1024,
            channel_max=100,
            mapping_layers=3,
            mapping_lr_mul=0.5,
            norm="batch",
            linear_rgb=True,
        )
        assert architectures.model_config(dataclasses.asdict(config)) == config

    def test_older_file_without_a_field_takes_the_default(self):
        assert architectures.model_config({"resolution": 64}) == StylemapConfig(resolution=64)

    def test_unknown_field(self):
        with pytest.raises(InputError, match="model.heads, model.windows"):
            architectures.model_config({"resolution": 64, "windows": 1, "heads": 2})
