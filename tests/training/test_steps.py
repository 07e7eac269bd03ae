"""Each phase of the cycle trains what it should and nothing else."""

import pytest
import torch

from stylemap.config import LossConfig
from stylemap.training import loop, losses, perceptual, steps


@pytest.fixture
def setup(config):
    networks, _, optimizers = loop.build(config, torch.device("cpu"))
    real = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    z = loop.noise(0, 0, 4, config.model.stylemap_channels)
    return networks, optimizers, real, z, config


def snapshot(networks):
    return {name: p.detach().clone() for name, p in networks.named_parameters()}


def changed(networks, before) -> set[str]:
    """Which of the networks have changed weights."""
    names = {name for name, p in networks.named_parameters() if not torch.equal(p, before[name])}
    parts = {
        "model.generator.mapping",
        "model.generator.resizer",
        "model.generator.synthesis",
        "model.encoder",
        "discriminator",
    }
    return {part for part in parts if any(name.startswith(part) for name in names)}


GENERATOR = {"model.generator.mapping", "model.generator.resizer", "model.generator.synthesis"}


def test_each_step_trains_its_networks(setup):
    networks, optimizers, real, z, config = setup
    before = snapshot(networks)
    terms, stylemap, fake = steps.generator_step(networks, optimizers, z[0], config.loss)
    assert changed(networks, before) == GENERATOR
    assert not stylemap.requires_grad and not fake.requires_grad

    before = snapshot(networks)
    terms |= steps.latent_step(networks, optimizers, stylemap, fake, config.loss)
    assert changed(networks, before) == {"model.encoder"}

    before = snapshot(networks)
    more, reconstruction = steps.discriminator_step(networks, optimizers, real, z[1], config.loss)
    terms |= more
    assert changed(networks, before) == {"discriminator"}
    assert reconstruction.requires_grad

    before = snapshot(networks)
    terms |= steps.r1_step(networks, optimizers, real, config.optim)
    assert changed(networks, before) == {"discriminator"}

    before = snapshot(networks)
    term = perceptual.by_discriminator
    terms |= steps.image_step(networks, optimizers, real, reconstruction, term, config.loss)
    # the image cycle does not pass through the mapping network
    assert changed(networks, before) == {"model.generator.resizer", "model.generator.synthesis", "model.encoder"}

    assert tuple(terms) == steps.TERMS  # all of them, in the order of the cycle
    assert all(not value.requires_grad and value.dim() == 0 for value in terms.values())
    assert all(p.requires_grad for p in networks.parameters())


def test_frozen_restores_after_an_error(setup):
    networks = setup[0]
    with pytest.raises(RuntimeError), steps.frozen(networks.discriminator):
        raise RuntimeError
    assert all(p.requires_grad for p in networks.discriminator.parameters())


def test_shared_reconstruction_gives_the_gradients_of_a_second_one(setup):
    """G(E(x)) of the discriminator's step, used after D has changed, is what a fresh computation gives."""
    networks, optimizers, real, z, config = setup
    _, shared = steps.discriminator_step(networks, optimizers, real, z[1], config.loss)
    fresh = networks.generator.synthesize(networks.encoder(real))
    gradients = []
    for reconstruction in (shared, fresh):
        networks.zero_grad(set_to_none=True)
        with steps.frozen(networks.discriminator):
            loss = losses.fools(networks.discriminator(reconstruction)).mean()
            loss = loss + losses.squared_error(reconstruction, real).mean()
            loss.backward()
        gradients.append([p.grad.clone() for p in networks.encoder.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert torch.equal(a, b)  # the same operations on the same numbers


def test_each_image_is_judged_with_its_own_kind(setup):
    """Minibatch statistics never mix real and fake: the discriminator sees three batches, not one."""
    networks, optimizers, real, z, config = setup
    sizes = []
    hook = networks.discriminator.from_rgb.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    steps.discriminator_step(networks, optimizers, real, z[1], config.loss)
    hook.remove()
    assert sizes == [4, 4, 4]


def test_r1_is_scaled_by_its_interval(setup):
    """One penalty in ``every`` iterations weighs as much as one at each: its gradient is ``every`` times as large."""
    networks, optimizers, real, _, config = setup
    weight = networks.discriminator.from_rgb.weight
    start, gradients = snapshot(networks), []
    from dataclasses import replace

    for every in (1, 4):
        steps.r1_step(networks, optimizers, real, replace(config.optim, r1_every=every))
        gradients.append(weight.grad.clone())
        with torch.no_grad():
            for name, p in networks.named_parameters():
                p.copy_(start[name])
    # a power of two scales exactly
    torch.testing.assert_close(gradients[1], 4 * gradients[0], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["image_reconstruction", "perceptual", "encoder_adversarial"])
def test_weights_of_the_image_cycle(setup, name):
    """With all weights but one at 0 the step follows that term alone."""
    networks, optimizers, real, z, _ = setup
    only = dict.fromkeys(("image_reconstruction", "perceptual", "encoder_adversarial"), 0.0) | {name: 1.0}
    reconstruction = networks.generator.synthesize(networks.encoder(real))
    with steps.frozen(networks.discriminator):
        features = networks.discriminator.features(reconstruction)
        term = {
            "image_reconstruction": lambda: losses.squared_error(reconstruction, real),
            "perceptual": lambda: perceptual.by_discriminator(real, reconstruction, networks.discriminator, features),
            "encoder_adversarial": lambda: losses.fools(networks.discriminator(reconstruction)),
        }[name]()
        weight = networks.encoder.from_rgb.weight
        (expected,) = torch.autograd.grad(term.mean(), weight)
    again = networks.generator.synthesize(networks.encoder(real))
    steps.image_step(networks, optimizers, real, again, perceptual.by_discriminator, LossConfig(**only))
    # the other terms add exact zeros, in another order of summation
    torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-6)


def test_discriminator_optimizer_is_lazy(config):
    networks, _, optimizers = loop.build(config, torch.device("cpu"))
    c = config.optim.r1_every / (config.optim.r1_every + 1)
    group = optimizers.discriminator.param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * c)
    assert group["betas"] == (0.0, pytest.approx(0.99**c))
    assert optimizers.generator.param_groups[0]["lr"] == 0.002
