"""Training of the mapping network alone: mapped z come to be like given stylemaps, and nothing else of the model changes."""

from dataclasses import replace

import pytest
import torch

from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.training.mapping import MappingTraining, StylemapDiscriminator, train_mapping
from tests import tiny

CONFIG = replace(tiny.TINY, mapping_lr_mul=0.1)
SHORT = MappingTraining(iterations=3, batch=8)


def stylemaps(count=64):
    """Of a distribution with means and deviations of its own in every channel."""
    c, s, _ = CONFIG.stylemap_shape
    means = torch.linspace(-2, 2, c).view(1, c, 1, 1)
    return means + 0.3 * tiny.randn(count, c, s, s)


def mapped(model, count=256):
    with torch.no_grad():
        return model.map(tiny.randn(count, model.latents.z_channels, seed=7))


def test_the_first_step_starts_at_the_mean_and_deviation_of_the_stylemaps():
    """Of every cell, to the error of 512 z: four standard errors of a mean, and of a deviation, are 0.18 and 0.13 of it."""
    model, real = tiny.model(CONFIG), stylemaps(4096)
    train_mapping(model, real, replace(SHORT, iterations=1, lr=1e-12))
    w = mapped(model, 4096)
    deviation = real.std(dim=0)
    assert ((w.mean(dim=0) - real.mean(dim=0)) / deviation).abs().amax() < 0.2
    assert (w.std(dim=0) / deviation - 1).abs().amax() < 0.3  # mapped z are not normal: their tails are longer


def test_mapped_z_take_on_how_channels_belong_together():
    """In the stylemaps, half of the channels are the negatives of the others. 600 steps teach most of it."""
    config = replace(CONFIG, stylemap_size=2, stylemap_channels=8)
    half = tiny.randn(512, 4, 1, 1).expand(-1, -1, 2, 2)

    def error(iterations):
        """Variance of the sums of channels and their negatives, 0 where they cancel; about 1 where they are independent."""
        model = tiny.model(config)
        training = MappingTraining(iterations=iterations, batch=16, lr=1e-2)
        train_mapping(model, torch.cat([half, -half], dim=1), training)
        w = mapped(model)
        first, second = (w - w.mean(dim=0)).chunk(2, dim=1)
        return float((first + second).square().mean() / (first.square().mean() + second.square().mean()))

    assert error(600) < 0.6 * error(1)


def test_only_the_mapping_network_changes():
    model = tiny.model(CONFIG)
    before = {name: p.clone() for name, p in model.named_parameters()}
    train_mapping(model, stylemaps(), SHORT)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if name.startswith("generator.mapping.")}
    assert not any(p.requires_grad for p in model.parameters())


def test_the_seed_decides_everything():
    def trained(seed):
        model = tiny.model(CONFIG)
        train_mapping(model, stylemaps(), replace(SHORT, seed=seed))
        return mapped(model)

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


@pytest.mark.parametrize("asked", [0, 2])
def test_it_stops_when_it_is_told_to(asked):
    """What is done until then is kept."""
    steps = []
    model, other = tiny.model(CONFIG), tiny.model(CONFIG)
    done = train_mapping(model, stylemaps(), SHORT, steps.append, lambda: len(steps) == asked)
    assert (done, steps) == (asked, list(range(1, asked + 1)))
    if asked:
        train_mapping(other, stylemaps(), replace(SHORT, iterations=asked))
    assert torch.equal(mapped(model), mapped(other))


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16, 32])
def test_the_discriminator_takes_stylemaps_of_every_side(side):
    config = StylemapConfig(resolution=32, stylemap_size=side, stylemap_channels=3, channel_base=256, channel_max=8)
    maps = tiny.randn(8, 3, side, side)
    discriminator = StylemapDiscriminator(config, maps.mean(dim=0, keepdim=True), torch.ones(1, 3, 1, 1))
    assert discriminator(maps).shape == (8, 1)


def test_a_channel_that_is_always_the_same_is_no_division_by_zero():
    model, real = tiny.model(CONFIG), stylemaps()
    real[:, 0] = 1.0
    train_mapping(model, real, SHORT)
    assert mapped(model).isfinite().all()
