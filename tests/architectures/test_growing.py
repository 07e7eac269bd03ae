"""Growing: at first, grown networks do what the smaller ones did, and every new layer can learn."""

from dataclasses import replace

import pytest
import torch

from stylemap import architectures, checkpoint
from stylemap.architectures.layers import BLUR, enlarge
from stylemap.architectures.vector.config import StyleGAN2Config, StyleGANConfig
from stylemap.errors import InputError
from stylemap.operators import upfirdn2d
from tests import tiny

STYLEMAP = replace(tiny.TINY, channel_base=1024)
STYLEGAN2 = StyleGAN2Config(resolution=16, latent_channels=8, channel_base=1024, channel_max=8, mapping_layers=2)

CONFIGS = {
    "stylemap": STYLEMAP,
    "linear to-RGB": replace(STYLEMAP, linear_rgb=True),
    "light": replace(STYLEMAP, light=True),
    "instance norm": replace(STYLEMAP, norm="instance"),
    "grown before": replace(STYLEMAP, resolution=32, rgb_skips=1),
    "stylegan2": STYLEGAN2,
}


def build(config, seed=0):
    torch.manual_seed(seed)
    model, discriminator = architectures.build(config), architectures.build_discriminator(config)
    with torch.no_grad():
        for parameter in (*model.parameters(), *discriminator.parameters()):  # also those that start at 0
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval().double(), discriminator.eval().double()


def grow(config, doublings, tmp_path):
    """(networks, networks grown from their weights), each a model and a discriminator, in float64."""
    old = build(config)
    checkpoint.save(tmp_path / "w.safetensors", *old)
    for _ in range(doublings):
        config = config.grown()
    new = build(config, seed=1)
    checkpoint.load_into(tmp_path / "w.safetensors", *(network.float() for network in new))
    return [network.float().double() for network in old], [network.double() for network in new]


@pytest.mark.parametrize("doublings", [1, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_grown_networks_do_what_the_old_ones_did(name, doublings, tmp_path):
    (old, old_discriminator), (new, new_discriminator) = grow(CONFIGS[name], doublings, tmp_path)
    r = new.config.resolution
    images = torch.rand(4, 3, r, r, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    halves = images
    for _ in range(doublings):
        halves = upfirdn2d(halves, BLUR, down=2, pad=(1, 1))
    with torch.no_grad():
        latents, new_latents = old.encode(halves), new.encode(images)
        larger = old.synthesize(latents)
        for _ in range(doublings):
            larger = enlarge(larger)
        # Weights are kept in float32: a sum of n products is off by about sqrt(n) 2^-24. Here n is under 1,000.
        torch.testing.assert_close(new_latents[:, : latents.shape[1]], latents, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(new_discriminator(images), old_discriminator(halves), rtol=1e-5, atol=1e-5)
        # The synthesis network keeps its weights, so only the order of sums can differ.
        torch.testing.assert_close(new.synthesize(new_latents), larger, rtol=0, atol=1e-4 * float(larger.abs().max()))
        z = torch.randn(2, new.latents.z_channels, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        shared = old.map(z)
        torch.testing.assert_close(new.map(z)[:, : shared.shape[1]], shared)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_new_layer_learns_within_two_steps(name, tmp_path):
    _, (model, discriminator) = grow(CONFIGS[name], 1, tmp_path)
    r = model.config.resolution
    images = torch.rand(4, 3, r, r, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    parameters = dict(model.named_parameters()) | {f"d.{k}": p for k, p in discriminator.named_parameters()}
    for _ in range(2):  # the new to-RGB moves first, and lets the gradient through
        for parameter in parameters.values():
            parameter.grad = None
        (model.synthesize(model.encode(images)) - images).square().mean().backward()
        (model.synthesize(model.map(torch.randn(4, model.latents.z_channels).double())).square().mean()).backward()
        discriminator(images).square().mean().backward()
        still = [k for k, p in parameters.items() if p.grad is None or not p.grad.any()]
        with torch.no_grad():
            for parameter in parameters.values():
                parameter -= 0.01 * parameter.grad if parameter.grad is not None else 0
    assert all("noise" in name for name in still), still  # stylegan2's strengths, which start to count with its noise


def test_weights_of_half_the_resolution_ask_for_the_setting_that_grows(tmp_path):
    model, discriminator = build(STYLEMAP)
    checkpoint.save(tmp_path / "w.safetensors", model, discriminator)
    with pytest.raises(InputError, match=r"--model\.rgb-skips 1$"):
        checkpoint.fitting(tmp_path / "w.safetensors", replace(STYLEMAP, resolution=32))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (StyleGANConfig(resolution=16, latent_channels=8, channel_base=1024, channel_max=8), "stylegan"),
        (replace(STYLEMAP, channel_base=128), "at least 6 channels"),
    ],
)
def test_networks_that_cannot_grow_say_so(config, problem, tmp_path):
    with pytest.raises(InputError, match=problem):
        grow(config, 1, tmp_path)


@pytest.mark.parametrize(("skips", "fits"), [(-1, False), (0, True), (2, True), (3, False)])
def test_there_are_at_most_as_many_skips_as_doublings(skips, fits):
    if fits:
        assert len(architectures.build(replace(STYLEMAP, rgb_skips=skips)).generator.synthesis.rgb_skips) == skips
    else:
        with pytest.raises(InputError, match="rgb_skips"):
            replace(STYLEMAP, rgb_skips=skips)
