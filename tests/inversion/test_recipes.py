"""Every recipe as published: its numbers, what its phases make small, put together by hand here, and how they go about it."""

import math

import pytest
import torch
import torch.nn.functional as F

from stylemap import perceptual
from stylemap.inversion import PRESETS, Subject, Target, engine, invert, preset
from stylemap.inversion.methods import Inputs
from stylemap.perceptual import vgg
from stylemap.perceptual.registry import Pixels
from tests.inversion import tiny

FOUR = {"conv1_1": 1.0, "conv1_2": 1.0, "conv3_2": 1.0, "conv4_2": 1.0}
# The weight of conv4_3, 5e-5 of pixels in [0, 255], over VGG-16's mean deviation of pixels.
DOMAIN = 5e-5 * (0.226 * 255) ** 2
# Weights of the terms of the loss, by method and phase.
TERMS = {
    ("w", 0): {"distance": 1.0},
    ("w-ada", 0): {"distance": 1.0},
    ("w+", 0): {"distance": 1.0},
    ("w+rolux", 0): {"distance": 1.0},
    ("structured-noise", 0): {"distance": 1.0},
    ("stylemap", 0): {"distance": 1.0},
    ("image2stylegan", 0): {"pixels": 0.25, **FOUR},
    ("image2stylegan++", 0): {"pixels": 0.25, **FOUR},
    ("image2stylegan++", 1): {"pixels": 1.0},
    ("exchange-content", 0): FOUR,
    ("exchange-style", 0): {"style": 1.0},
    ("in-domain", 0): {"pixels": 1.0, "conv4_3": DOMAIN, "domain": 2.0},
    ("hybrid", 0): {"pixels": 1.0, "distance": 0.1},
}
# Cycle that are no projection: tensors, their full rate, and the share of the steps in which it falls to 0 at the end.
PLAIN = {
    ("image2stylegan", 0): (("latent",), 0.01, 0.0),
    ("image2stylegan++", 0): (("latent",), 0.01, 0.0),
    ("image2stylegan++", 1): (tuple(f"noise.{k}" for k in range(5)), 0.05, 0.25),
    ("exchange-content", 0): (("latent",), 0.01, 0.0),
    ("exchange-style", 0): (("latent",), 0.01, 0.0),
    ("in-domain", 0): (("latent",), 0.01, 0.0),
    ("hybrid", 0): (("latent",), 0.05, 0.5),
}
PROJECTIONS = ["w", "w-ada", "w+", "w+rolux", "structured-noise", "stylemap"]
SHARES = (0.0, 0.01, 0.025, 0.05, 0.3, 0.5, 0.74, 0.75, 0.8, 0.9, 0.999)


@pytest.fixture(scope="module")
def network():
    return vgg.random()


def inputs_of(name: str, network: perceptual.Perceptual, stylemaps: bool = False) -> Inputs:
    """Two images that the generator made."""
    model = tiny.stylemaps() if stylemaps or name == "stylemap" else tiny.vectors()
    return Inputs(Subject(model), [Target(tiny.images(model))], network)


def down(t: float, share: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / share)) if share else 1.0


def noise_ramp(t: float) -> float:
    return 0.05 * max(0.0, 1 - t / 0.75) ** 2


def term(name: str, inputs: Inputs, latent: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One of `TERMS`, by hand: [N]."""
    targets, network = inputs.targets[0].images, inputs.perceptual
    if name == "pixels":
        return (images - targets).square().mean(dim=(1, 2, 3))
    if name == "domain":
        return (latent - inputs.subject.model.encode(images)).square().flatten(1).mean(dim=1)
    if name == "distance":
        # LPIPS: unit features of the last layer of every block; the random network weighs the five alike
        total = 0.0
        for layer in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            a, b = (F.normalize(network.activations(x, (layer,))[0], dim=1) for x in (images, targets))
            total = total + (a - b).square().sum(dim=1).mean(dim=(1, 2)) / 5
        return total
    layer = "conv4_2" if name == "style" else name
    a, b = (network.activations(x, (layer,))[0] for x in (images, targets))
    if name == "style":
        a, b = (torch.einsum("nchw,ndhw->ncd", x, x) / x[0].numel() for x in (a, b))
    return (a - b).square().flatten(1).mean(dim=1)


def test_every_preset_that_optimises_is_here():
    """But for methods that optimise weights: `test_tuning`, `test_fitting`."""
    optimising = set(PRESETS) - {"encoder", "pivotal", "fit"}
    assert {name for name, _ in TERMS} == optimising
    assert {name for name, _ in PLAIN} | set(PROJECTIONS) == optimising


@pytest.mark.parametrize(
    ("name", "index", "stylemaps"),
    [*((*each, False) for each in TERMS), ("in-domain", 0, True), ("hybrid", 0, True)],
)
def test_loss_is_the_published_sum(network, name, index, stylemaps):
    inputs, method = inputs_of(name, network, stylemaps), PRESETS[name]
    start = method.start(inputs)
    phase = method.phases(inputs, start)[index]
    latent = start["latent"] + 0.5 * tiny.randn(*start["latent"].shape)
    images = inputs.subject.render({"latent": latent})
    parts = [weight * term(each, inputs, latent, images) for each, weight in TERMS[name, index].items()]
    torch.testing.assert_close(phase.loss({**start, "latent": latent}, images), sum(parts), rtol=1e-4, atol=0)
    # none so small that it could be left out unseen: ten times the tolerance at least
    assert all((part > 1e-3 * sum(parts)).all() for part in parts)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projections_are_those_of_stylegan2(network, name):
    """Rates, schedules and noise on the latent by the formulas of its appendix D; mean and spread are of 10,000 mapped z."""
    inputs, method = inputs_of(name, network), PRESETS[name]
    model = inputs.subject.model
    start = method.start(inputs)
    (phase,) = method.phases(inputs, start)
    w = model.map(tiny.randn(10_000, model.latents.z_channels, seed=123))
    if name != "stylemap":
        w = w[:, 0]
    mean = w.mean(dim=0)
    # summed over the numbers of one vector, w or a cell; over all 6 layers in rolux's
    spread = (w - mean).square().sum(dim=1).mean().sqrt().item() * (6**0.5 if name == "w+rolux" else 1)
    # so that a noise without it would be seen
    assert abs(spread - 1) > 0.1

    layers = {"stylemap": (), "w+": (6,), "w+rolux": (6,)}.get(name, (1,))
    torch.testing.assert_close(start["latent"], mean.expand(2, *layers, *mean.shape), rtol=0, atol=1e-5)
    # the given input hides the map of the layer before it; that of side 4 is still seen, in the colours of that side
    seen = {"stylemap": [], "structured-noise": ["noise.0", "noise.2", "noise.3", "noise.4", "input"]}
    maps = [f"noise.{k}" for k in range(5)]
    assert phase.rates == dict.fromkeys(["latent", *seen.get(name, maps)], 0.1)
    assert (phase.steps, phase.standardise) == (1000, True)
    for t in SHARES:
        assert phase.schedule(t) == pytest.approx(min(1.0, t / 0.05) * down(t, 0.25), abs=1e-12)
        assert phase.latent_noise(t) == pytest.approx(spread * noise_ramp(t), rel=1e-4)
    assert [phase.latent_noise(t) for t in SHARES if t >= 0.75] == [0.0] * 4


@pytest.mark.parametrize(("name", "levels"), [("w", 7), ("w+", 7), ("structured-noise", 6)])
def test_projections_regularise_noise_by_1e5(network, name, levels):
    """Of maps that are 1 everywhere: 2 for each level. Maps of side 4 and 8 have one, of side 16 two; there are 1, 2 and 2 of
    them, and a given input hides one of side 8.
    """
    inputs, method = inputs_of(name, network), PRESETS[name]
    start = method.start(inputs)
    (phase,) = method.phases(inputs, start)
    ones = {key: torch.ones_like(x) for key, x in start.items()}
    torch.testing.assert_close(phase.regulariser(ones, 0), torch.full((2,), 1e5 * 2 * levels))


@pytest.mark.parametrize(("name", "index"), PLAIN)
def test_others_go_by_their_rates_alone(network, name, index):
    """No noise on the latent, no ramp up, and nothing that holds the noise maps."""
    inputs, method = inputs_of(name, network), PRESETS[name]
    phase = method.phases(inputs, method.start(inputs))[index]
    names, rate, rampdown = PLAIN[name, index]
    assert phase.rates == dict.fromkeys(names, rate)
    for t in SHARES:
        assert phase.schedule(t) == pytest.approx(down(t, rampdown), abs=1e-12)
        assert phase.latent_noise(t) == 0
    assert (phase.regulariser, phase.standardise) == (None, False)


def test_the_loop_does_what_the_projector_says():
    """Adam's settings at every step, and what was added to the latents that were rendered."""
    steps, model, rendered, kept, groups = 40, tiny.vectors(), [], [], []

    class Watched(Subject):
        def render(self, tensors):
            rendered.append(tensors["latent"].detach().clone())
            return super().render(tensors)

    def tick(state, _):
        kept.append(state.tensors["latent"].clone())
        groups.append(state.adam["param_groups"])

    subject = Watched(model)
    mean, spread, _ = subject.statistics(10_000, 123)
    invert(preset("w", steps=steps), subject, tiny.images(model), Pixels(), every=1, tick=tick)
    before = [mean[:, :1].expand(2, 1, 12), *kept[:-1]]
    noise = []
    for k in range(steps):
        t = k / steps
        rate = 0.1 * min(1.0, t / 0.05) * down(t, 0.25)
        assert len(groups[k]) == 6  # the latent and five maps
        for group in groups[k]:
            assert group["lr"] == pytest.approx(rate, abs=1e-12)
            assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)
        added = rendered[k] - before[k]
        if t < 0.75:
            noise.append(added[0] / (spread * noise_ramp(t)))
        else:
            assert added.abs().max() == 0
    # at the first step the rate is 0
    torch.testing.assert_close(kept[0], before[0], rtol=0, atol=0)
    # standard normal draws, about 180 each, have mean square 1 with a deviation of sqrt(2 / 180); apart, so that the ramp counts
    for drawn in (torch.cat(noise[:15]), torch.cat(noise[15:])):
        assert abs(drawn.square().mean() - 1) < 4 * (2 / drawn.numel()) ** 0.5


def test_presets_are_the_published_numbers():
    w, i2s, domain, hybrid = (PRESETS[name] for name in ("w", "image2stylegan", "in-domain", "hybrid"))
    assert (w.steps, w.rate, w.rampup, w.rampdown, w.noise, w.noise_ramp) == (1000, 0.1, 0.05, 0.25, 0.05, 0.75)
    assert (w.regularisation, w.statistics_samples, w.pixels) == (1e5, 10_000, 0.0)
    assert (engine.BETAS, engine.EPS) == ((0.9, 0.999), 1e-8)

    more = PRESETS["image2stylegan++"]
    for each in (i2s, more):
        assert (each.init, each.steps, each.rate) == ("mean", 5000, 0.01)
        assert (each.pixels, each.features, each.style) == (0.25, 1.0, 0.0)
        assert each.layers == ("conv1_1", "conv1_2", "conv3_2", "conv4_2")
    assert (more.noise_steps, more.noise_rate, more.noise_regularisation) == (3000, 0.05, 0.0)
    for each, weights in (("exchange-content", (0.0, 1.0, 0.0)), ("exchange-style", (0.0, 0.0, 1.0))):
        method = PRESETS[each]
        assert (method.init, method.steps, method.rate) == ("zeros", 1000, 0.01)
        assert (method.pixels, method.features, method.style) == weights

    assert (domain.steps, domain.rate, domain.rampdown) == (100, 0.01, 0.0)
    assert (domain.pixels, domain.distance, domain.domain) == (1.0, 0.0, 2.0)
    assert domain.features == pytest.approx(DOMAIN)
    assert (hybrid.steps, hybrid.rate, hybrid.rampdown) == (50, 0.05, 0.5)
    assert (hybrid.pixels, hybrid.features, hybrid.distance, hybrid.domain) == (1.0, 0.0, 0.1, 0.0)
