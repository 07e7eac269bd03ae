"""Training of a mapping network alone: mapped z come to be like given stylemaps, and nothing else of the model changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.training import mapping
from stylemap.training.mapping import MappingTraining, train_mapping, with_flow
from tests import tiny

SHORT = MappingTraining(iterations=3, batch=8)
CONFIG = replace(tiny.TINY, stylemap_size=2, stylemap_channels=8)


def stylemaps(count=256, seed=0):
    """Half of the channels are the negatives of the others, whose means are -2 to 2. There are two kinds: 0.3 more and less."""
    kind = 0.3 * tiny.randn(count, 1, 1, 1, seed=seed).sign()
    half = torch.linspace(-2, 2, 4).view(1, 4, 1, 1) + kind + 0.05 * tiny.randn(count, 4, 2, 2, seed=seed + 1)
    return torch.cat([half, -half], dim=1)


def trained(config=SHORT, real=None, model=None, **calls):
    real = stylemaps() if real is None else real
    model = with_flow(tiny.model(CONFIG) if model is None else model, real, config.seed)
    train_mapping(model, real, real[:32], config, **calls)
    return model


def mapped(model, count=512):
    with torch.no_grad():
        return model.map(tiny.randn(count, model.latents.z_channels, seed=7))


def test_before_training_it_knows_the_mean_and_the_components():
    """Of stylemaps that are sums of three: the basis spans them, so shares of it add up to each."""
    real = 1 + torch.einsum("nk,kcij->ncij", tiny.randn(64, 3), tiny.randn(3, 8, 2, 2, seed=1))
    model = with_flow(tiny.model(CONFIG), real)
    flow = model.generator.mapping
    torch.testing.assert_close(model.mean_latent(), real.mean(dim=0, keepdim=True))
    flat = (real - flow.mean).flatten(1)
    basis = flow.basis[:3]
    shares = flat @ basis.T / basis.square().sum(dim=1)
    torch.testing.assert_close(shares @ basis, flat, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shares.square().mean(dim=0), torch.ones(3), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def samples():
    return mapped(trained(MappingTraining(iterations=400, batch=128, lr=5e-3), stylemaps(2048)))


class TestTrained:
    def test_means_and_deviations(self, samples):
        """To the error of 512 samples: four standard errors are 0.18 of a deviation for a mean, and 0.13 for a deviation."""
        real = stylemaps(2048, seed=5)
        deviation = real.std(dim=0)
        assert ((samples.mean(dim=0) - real.mean(dim=0)) / deviation).abs().amax() < 0.25
        assert (samples.std(dim=0) / deviation - 1).abs().amax() < 0.25

    def test_channels_belong_together(self, samples):
        first, second = samples.chunk(2, dim=1)
        assert (first + second).square().mean() < 0.02 * (first - first.mean(dim=0)).square().mean()

    def test_samples_are_of_one_kind_or_the_other(self, samples):
        """A normal distribution of the same deviation would leave 37 % of the samples between the kinds."""
        level = (samples[:, :4] - torch.linspace(-2, 2, 4).view(1, 4, 1, 1)).mean(dim=(1, 2, 3))
        assert (level.abs() < 0.15).float().mean() < 0.1
        assert 0.4 < (level > 0).float().mean() < 0.6


def test_only_the_mapping_network_changes():
    old = tiny.model(CONFIG)
    new = trained(model=old)
    before, after = old.state_dict(), new.state_dict()
    kept = [name for name in before if not name.startswith("generator.mapping.")]
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert {name for name in after if name not in kept} == {name for name in after if ".mapping." in name}
    assert new.config == replace(old.config, mapping="flow")
    assert not any(p.requires_grad for p in new.parameters())


def test_the_seed_decides_everything():
    assert torch.equal(mapped(trained(replace(SHORT, seed=1))), mapped(trained(replace(SHORT, seed=1))))
    assert not torch.equal(mapped(trained(replace(SHORT, seed=1))), mapped(trained(replace(SHORT, seed=2))))


@pytest.mark.parametrize("asked", [0, 2])
def test_it_stops_when_it_is_told_to(asked):
    """What is done until then is kept."""
    steps = []
    stopped = trained(advance=steps.append, stop=lambda: len(steps) == asked)
    assert steps == list(range(1, asked + 1))
    untrained = with_flow(tiny.model(CONFIG), stylemaps())
    assert torch.equal(mapped(stopped), mapped(untrained)) == (asked == 0)


def test_the_average_that_fits_held_out_stylemaps_best_is_kept():
    """Sixteen stylemaps are learned by heart, so that others fit worse and worse."""
    real, unseen = stylemaps(16), stylemaps(64, seed=9)
    config = MappingTraining(iterations=100, batch=64, lr=1e-2, examine_every=10)

    def error(config):
        model = with_flow(tiny.model(CONFIG), real)
        train_mapping(model, real, unseen, config)
        flow = model.generator.mapping
        with torch.no_grad():
            return float(mapping._loss(flow, mapping._components(flow, unseen), np.random.default_rng(0)))

    assert error(config) < 0.9 * error(replace(config, examine_every=100))


@pytest.mark.parametrize(
    "side", [1, pytest.param(2, marks=pytest.mark.slow), 4, pytest.param(16, marks=pytest.mark.slow)]
)
def test_stylemaps_of_every_side(side):
    """And fewer stylemaps than components."""
    config = StylemapConfig(resolution=32, stylemap_size=side, stylemap_channels=3, channel_base=256, channel_max=8)
    model = trained(real=tiny.randn(6, 3, side, side), model=tiny.model(config))
    assert mapped(model).shape == (512, 3, side, side) and mapped(model).isfinite().all()


def test_a_channel_that_is_always_the_same_is_no_division_by_zero():
    real = stylemaps()
    real[:, 0] = 1.0
    w = mapped(trained(real=real))
    assert w.isfinite().all()
    torch.testing.assert_close(w[:, 0], torch.ones_like(w[:, 0]), rtol=0, atol=1e-3)
