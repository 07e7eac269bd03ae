"""The first StyleGAN's synthesis."""

import math

import torch
import torch.nn.functional as F

from stylemap.architectures.vector.adain import AdaIN, upsample
from stylemap.architectures.vector.generator import Generator
from tests.architectures.vector import reference
from tests.architectures.vector.reference import Styled
from tests.architectures.vector.tiny import config, generator
from tests.tiny import randn64 as randn


def test_upsampling_is_repeat_convolve_blur():
    x, weight = randn(2, 4, 5, 5), randn(7, 4, 3, 3, seed=1)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    wanted = reference.filtered(F.conv2d(repeated, weight, padding=1), [1, 2, 1], (1, 1))
    torch.testing.assert_close(upsample(x, weight), wanted, atol=1e-10, rtol=0)


class TestAdaIN:
    def test_sets_mean_and_deviation(self):
        torch.manual_seed(0)
        norm = AdaIN(4, 5).double()
        x, w = 3 + 2 * randn(2, 4, 6, 6), randn(2, 5, seed=1)
        scale, shift = norm.style(w).chunk(2, dim=1)
        out = norm(x, w)
        torch.testing.assert_close(out.mean(dim=(2, 3)), shift, atol=1e-10, rtol=0)
        # eps is 1e-8 beside variances of about 4
        torch.testing.assert_close(out.std(dim=(2, 3), correction=0), scale.abs(), atol=1e-7, rtol=0)

    def test_does_not_see_scale_and_shift_of_its_input(self):
        norm = AdaIN(4, 5).double()
        x, w = randn(2, 4, 6, 6), randn(2, 5, seed=1)
        torch.testing.assert_close(norm(7 * x - 3, w), norm(x, w), atol=1e-6, rtol=0)

    def test_initial_style_is_scale_one_shift_zero(self):
        style = AdaIN(3, 5).style(torch.zeros(1, 5))
        assert style.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_is_the_reference():
    g = generator("stylegan", 32)
    s = g.synthesis
    layers = []
    for i, layer in enumerate(s.layers):
        bias = layer.norm.style.bias - torch.cat([torch.ones(layer.norm.channels), torch.zeros(layer.norm.channels)])
        style = layer.norm.style.weight * layer.norm.style.scale, bias
        kernel = None if i == 0 else layer.weight * layer.scale
        noise = layer.noise.strength.flatten(), layer.noise.constant
        layers.append(Styled(kernel, style, layer.bias, *noise, up=i >= 2 and i % 2 == 0))
    # the gain on weight and bias, for the reference's activation has none
    gain = math.sqrt(2)
    mapping = [(gain * layer.weight * layer.scale, gain * layer.bias * layer.lr_mul) for layer in g.mapping.layers]
    rgb = s.to_rgb.weight[:, :, 0, 0] * s.to_rgb.scale, s.to_rgb.bias
    z = randn(3, 5, seed=4)
    with torch.no_grad():
        wanted = reference.stylegan(z, mapping, s.constant, layers, rgb)
        torch.testing.assert_close(g(z), wanted, atol=1e-9, rtol=0)


def test_constant_starts_at_one_and_gives_finite_gradients():
    """Its variance over places is zero then, and only eps is left to divide by."""
    torch.manual_seed(0)
    g = Generator(config("stylegan"))
    assert torch.equal(g.synthesis.constant, torch.ones_like(g.synthesis.constant))
    g(torch.randn(2, 5)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in g.parameters())
