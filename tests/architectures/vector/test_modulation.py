"""StyleGAN2's synthesis: one kernel for all samples is a kernel per sample, and demodulation keeps the variance."""

import pytest
import torch

from stylemap.architectures.layers import same, upsample
from stylemap.architectures.vector.modulation import Layer, ModulatedConv
from tests.architectures.vector import reference
from tests.architectures.vector.reference import Conv
from tests.architectures.vector.tiny import generator
from tests.tiny import randn64 as randn

# Float64 sums of some hundred terms of unit size.
EXACT = 1e-10


def conv_of(module: ModulatedConv, up: bool = False) -> Conv:
    """As the reference wants it: scaled, and turned where ours is a transposed convolution."""
    kernel = module.weight.detach() * module.scale
    style = module.style.weight.detach() * module.style.scale, module.style.bias.detach()
    return Conv(kernel.flip(2, 3) if up else kernel, style, None, up=up)


def made(seed: int = 0, **settings) -> ModulatedConv:
    torch.manual_seed(seed)
    return ModulatedConv(4, 7, 5, **settings).double()


class TestModulatedConv:
    @pytest.mark.parametrize("demodulate", [True, False])
    @pytest.mark.parametrize(("convolve", "kernel"), [(same, 3), (same, 1), (upsample, 3)])
    def test_is_a_grouped_convolution(self, convolve, kernel, demodulate):
        module = made(kernel=kernel, convolve=convolve, demodulate=demodulate)
        x, w = randn(3, 4, 6, 6), randn(3, 5, seed=1)
        wanted = reference.modulated(x, w, conv_of(module, convolve is upsample), demodulate)
        assert module(x, w).shape == wanted.shape == (3, 7, *([12, 12] if convolve is upsample else [6, 6]))
        torch.testing.assert_close(module(x, w), wanted, atol=EXACT, rtol=0)

    @pytest.mark.parametrize("convolve", [same, upsample])
    def test_gradients_are_those_of_a_grouped_convolution(self, convolve):
        module = made(convolve=convolve)
        x, w = (t.requires_grad_() for t in (randn(3, 4, 6, 6), randn(3, 5, seed=1)))
        ours = module(x, w)
        wanted = reference.modulated(x, w, conv_of(module, convolve is upsample), True)
        cotangent = randn(*ours.shape, seed=2)
        found, expected = (torch.autograd.grad(y, (x, w), cotangent) for y in (ours, wanted))
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, atol=EXACT, rtol=0)

    def test_gain_multiplies(self):
        module, x, w = made(), randn(2, 4, 6, 6), randn(2, 5, seed=1)
        torch.testing.assert_close(module(x, w, 3.0), 3 * module(x, w), atol=EXACT, rtol=0)

    def test_demodulation_gives_unit_variance(self):
        """Of independent unit normal inputs, inside the image, whatever the style: equation 2. Checked by the kernel's norm,
        which is that variance's root, through the response to single ones."""
        module = made()
        with torch.no_grad():
            module.style.bias.uniform_(0.1, 9)
        ones = torch.eye(4 * 9, dtype=torch.float64).reshape(36, 4, 3, 3)
        middle = module(ones, randn(1, 5).expand(36, 5))[:, :, 1, 1]  # [36, 7]
        # eps 1e-8 in a sum of at least 0.1^2
        torch.testing.assert_close(middle.square().sum(dim=0), torch.ones(7).double(), atol=1e-6, rtol=0)

    def test_does_not_see_the_scale_of_the_style(self):
        module, x = made(), randn(2, 4, 6, 6)
        with torch.no_grad():
            module.style.bias.zero_()
        w = randn(2, 5, seed=1)
        # eps is 1e-8 beside squared norms of about 1
        torch.testing.assert_close(module(x, 1000 * w), module(x, w), atol=1e-6, rtol=0)
        module.demodulate = False
        torch.testing.assert_close(module(x, 1000 * w), 1000 * module(x, w), atol=1e-6, rtol=0)

    def test_is_linear_in_its_input(self):
        module, w = made(convolve=upsample), randn(2, 5, seed=1)
        a, b = randn(2, 4, 6, 6), randn(2, 4, 6, 6, seed=3)
        torch.testing.assert_close(module(2 * a - 3 * b, w), 2 * module(a, w) - 3 * module(b, w), atol=EXACT, rtol=0)

    def test_initial_style_is_about_one(self):
        module = ModulatedConv(4, 7, 5)
        assert torch.equal(module.style(torch.zeros(2, 5)), torch.ones(2, 4))


class TestSynthesis:
    def test_is_the_reference(self):
        g = generator("stylegan2", 32)
        s = g.synthesis
        layers = []
        for i, layer in enumerate(s.layers):
            conv = conv_of(layer.conv, i % 2 == 1)
            conv.bias, conv.strength, conv.noise = layer.bias, layer.noise.strength, layer.noise.constant
            layers.append(conv)
        rgbs = [conv_of(rgb.conv) for rgb in s.to_rgb]
        for conv, rgb in zip(rgbs, s.to_rgb, strict=True):
            conv.bias = rgb.bias
        mapping = [(layer.weight * layer.scale, layer.bias * layer.lr_mul) for layer in g.mapping.layers]
        z = randn(3, 5, seed=4)
        with torch.no_grad():
            wanted = reference.stylegan2(z, mapping, s.constant, layers, rgbs)
            torch.testing.assert_close(g(z), wanted, atol=1e-9, rtol=0)

    def test_every_layer_has_its_latent(self):
        """Layer i takes vector i, to-RGB of a side the vector after its last layer's."""
        g = generator("stylegan2", 16)
        latent = g.tile(randn(1, 5)).clone().requires_grad_()
        for j, rgb in enumerate(g.synthesis.to_rgb):
            seen = []
            handle = rgb.conv.style.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
            g.synthesis(latent)
            handle.remove()
            (gradient,) = torch.autograd.grad(seen[0].sum(), latent)
            assert gradient[0].abs().sum(dim=1).nonzero().flatten().tolist() == [2 * j + 1]

    def test_a_layer_keeps_the_variance(self):
        """Unit normal features become unit normal before the activation, whose mean square is then 2 (1 + 0.2^2) / 2 = 1.04.

        Over 8 x 32 x 14^2 values, inside the image: deviation about sqrt(2 / 50,000), some times more as they overlap.
        """
        torch.manual_seed(0)
        layer = Layer(48, 32, 5, 16, same).double()
        out = layer(randn(8, 48, 16, 16), randn(8, 5, seed=1), torch.zeros(1, 1, 16, 16))
        assert out[..., 1:-1, 1:-1].square().mean().item() == pytest.approx(1.04, abs=0.04)
