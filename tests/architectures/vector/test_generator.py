"""What both generators have in common: shapes, noise, the latent per layer, statistics of w."""

import math

import pytest
import torch

from stylemap.architectures.vector.config import StyleGAN2Config, StyleGANConfig, VectorConfig
from stylemap.architectures.vector.generator import Generator, style_mixing
from stylemap.architectures.vector.model import VectorModel
from tests.architectures.vector.tiny import ARCHITECTURES, config, generator
from tests.tiny import randn64 as randn

RESOLUTIONS = (8, 16, 32, 64, 128, 256, 512, 1024)
both = pytest.mark.parametrize("architecture", ARCHITECTURES)


def parameters(config: VectorConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Generator(config).parameters())


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestShapes:
    @both
    @pytest.mark.parametrize("resolution", RESOLUTIONS)
    def test_every_resolution(self, architecture, resolution):
        """Without memory."""
        with torch.device("meta"):
            g = Generator(config(architecture, resolution, channel_base=2048, channel_max=64))
            latent = torch.randn(2, g.config.layers, 5)
            images = g.synthesis(latent)
            assert g.mapping(torch.randn(2, 5)).shape == (2, 5)
            noise = [torch.randn(shape) for shape in g.config.latents.noise_shapes]
            assert g.synthesis(latent, noise).shape == images.shape == (2, 3, resolution, resolution)
        doublings = int(math.log2(resolution)) - 2
        assert g.config.layers == 2 * doublings + 2
        sides = [4] * (1 if architecture == "stylegan2" else 2) + [4 << (i // 2 + 1) for i in range(2 * doublings)]
        assert g.config.latents.noise_shapes == [(1, 1, side, side) for side in sides]

    @both
    @pytest.mark.parametrize("resolution", [8, 16, 32])
    def test_small_sizes_in_numbers(self, architecture, resolution):
        torch.manual_seed(0)
        g = Generator(config(architecture, resolution))
        images = g(torch.randn(3, 5))
        assert images.dtype == torch.float32
        assert images.isfinite().all()
        images.square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in g.parameters())

    def test_parameters_of_the_published_networks(self):
        """StyleGAN2 config F at 1024 px has 30,370,060: the known number of its generator. StyleGAN has 26.2 M (its section
        2), of which ours lacks the to-RGB layers of growing: 16 -> 3 channels at the last side is the only one."""
        second = StyleGAN2Config(resolution=1024)
        assert parameters(second) == 30_370_060
        first = StyleGANConfig(resolution=1024, channel_base=16384)
        assert parameters(first) == 26_212_019


@both
class TestLatents:
    def test_samples_do_not_see_each_other(self, architecture):
        g, z = generator(architecture), randn(4, 5)
        with torch.no_grad():
            torch.testing.assert_close(g(z), torch.cat([g(one) for one in z.split(1)]), atol=1e-10, rtol=0)

    def test_tiled_w_is_w_plus(self, architecture):
        g, w = generator(architecture), randn(2, 5)
        with torch.no_grad():
            tiled, repeated = g.synthesis(g.tile(w)), g.synthesis(torch.stack([w] * g.config.layers, dim=1))
            torch.testing.assert_close(tiled, repeated, atol=1e-10, rtol=0)

    def test_every_vector_is_used(self, architecture):
        g = generator(architecture)
        latent = randn(1, g.config.layers, 5).requires_grad_()
        (gradient,) = torch.autograd.grad(g.synthesis(latent).square().sum(), latent)
        assert (gradient.abs().sum(dim=2) > 0).all()

    def test_z_counts_by_its_direction(self, architecture):
        """Up to eps 1e-8 beside mean squares of about 1."""
        g, z = generator(architecture), randn(2, 5)
        torch.testing.assert_close(g.mapping(1000 * z), g.mapping(z), atol=1e-5, rtol=0)

    def test_differentiable_twice(self, architecture):
        g = generator(architecture, 8)
        latent = g.tile(randn(1, 5)).clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: g.synthesis(x).square().mean(), latent)
        assert torch.autograd.gradgradcheck(lambda x: g.synthesis(x).square().mean(), latent)


@both
class TestNoise:
    def test_constant_by_default(self, architecture):
        g, z = generator(architecture), randn(2, 5)
        with torch.no_grad():
            assert torch.equal(g(z), g(z))
            assert torch.equal(g(z), g(z, [layer.constant for layer in g.synthesis.noises]))

    def test_without_effect_at_the_start(self, architecture):
        torch.manual_seed(0)
        g = Generator(config(architecture))
        z = torch.randn(2, 5)
        with torch.no_grad():
            noise = [torch.randn(shape) for shape in g.config.latents.noise_shapes]
            assert torch.equal(g(z), g(z, noise))

    def test_given(self, architecture):
        g, z = generator(architecture), randn(2, 5)
        shared = [randn(*shape, seed=i) for i, shape in enumerate(g.config.latents.noise_shapes)]
        own = [torch.cat([noise, -noise]) for noise in shared]
        with torch.no_grad():
            together, first, second = g(z, own), g(z[:1], shared), g(z[1:], [-noise for noise in shared])
            torch.testing.assert_close(together, torch.cat([first, second]), atol=1e-10, rtol=0)

    def test_every_map_is_used(self, architecture):
        g = generator(architecture)
        maps = [randn(*shape, seed=i).requires_grad_() for i, shape in enumerate(g.config.latents.noise_shapes)]
        gradients = torch.autograd.grad(g(randn(1, 5), maps).square().sum(), maps)
        assert all(gradient.abs().max() > 0 for gradient in gradients)

    def test_wrong_maps(self, architecture):
        g, z = generator(architecture), randn(2, 5)
        maps = [randn(*shape) for shape in g.config.latents.noise_shapes]
        with pytest.raises(ValueError, match=f"{len(maps)} maps, not {len(maps) - 1}"):
            g(z, maps[:-1])
        for wrong in (randn(3, 1, 4, 4), randn(1, 3, 4, 4), randn(1, 1, 8, 8), randn(4, 4)):
            with pytest.raises(ValueError, match=r"noise\[0\]"):
                g(z, [wrong, *maps[1:]])


def of(generator: Generator) -> VectorModel:
    """A model with this generator."""
    model = VectorModel(generator.config, encoder=False)
    model.generator = generator
    return model


@both
class TestStatistics:
    def test_closed_form(self, architecture):
        """With a mapping that only scales z to unit mean square: ||w||^2 is C, up to 1e-8, and the mean goes to 0 like
        1 / sqrt(samples) in each of C places; so sigma^2 = C - ||mean||^2."""
        model = of(generator(architecture, mapping_layers=1))
        model.generator.mapping.layers = torch.nn.Sequential()
        mean, deviation = model.statistics(4000)
        mean, sigma = mean[0, 0], deviation[0].item()
        assert mean.norm() < 5 * math.sqrt(5 / 4000)
        assert sigma == pytest.approx(math.sqrt(5 - mean.square().sum().item()), abs=1e-6)

    def test_by_hand(self, architecture):
        g = generator(architecture)
        mean, deviation = of(g).statistics(5001, seed=3)
        assert torch.equal(mean, mean[:, :1].expand_as(mean)) and torch.equal(
            deviation, deviation[:1].expand_as(deviation)
        )
        mean, sigma = mean[0, 0], deviation[0].item()
        w = g.mapping(torch.randn(5001, 5, generator=rng(3)).double()).detach()
        torch.testing.assert_close(mean, w.mean(dim=0), atol=1e-12, rtol=0)
        summed = w.var(dim=0, correction=0).sum()
        assert sigma == pytest.approx(summed.sqrt().item(), abs=1e-10)

    def test_depends_on_the_seed_alone(self, architecture):
        model = of(generator(architecture))
        first, again, other = model.statistics(100), model.statistics(100), model.statistics(100, seed=1)
        assert torch.equal(first.mean, again.mean)
        assert torch.equal(first.deviation, again.deviation)
        assert not torch.equal(first.deviation, other.deviation)

    def test_running_mean(self, architecture):
        """After k batches of mean m it is (1 - 0.995^k) m."""
        g = generator(architecture)
        w = randn(4, 5).requires_grad_()
        for _ in range(10):
            g.track(w)
        torch.testing.assert_close(g.w_avg, (1 - 0.995**10) * w.detach().mean(dim=0), atol=1e-12, rtol=0)
        assert not g.w_avg.requires_grad


@both
def test_state_dict_round_trip(architecture):
    g, other = generator(architecture), generator(architecture, seed=1)
    g.track(randn(3, 5))
    other.load_state_dict(g.state_dict())
    z = randn(2, 5)
    with torch.no_grad():
        assert torch.equal(g(z), other(z))
    assert torch.equal(g.w_avg, other.w_avg)


class TestStyleMixing:
    def test_crossover(self):
        a, b = randn(2, 6, 5), randn(2, 6, 5, seed=1)
        for crossover in range(7):
            mixed = style_mixing(a, b, crossover)
            assert torch.equal(mixed[:, :crossover], a[:, :crossover])
            assert torch.equal(mixed[:, crossover:], b[:, crossover:])

    def test_one_for_many(self):
        mixed = style_mixing(randn(1, 6, 5), randn(3, 6, 5, seed=1), 2)
        assert mixed.shape == (3, 6, 5)

    def test_wrong_input(self):
        latent = randn(2, 6, 5)
        for other in (randn(2, 5), randn(2, 5, 5), randn(2, 6, 4)):
            with pytest.raises(ValueError, match="latents"):
                style_mixing(latent, other, 1)
        for crossover in (-1, 7):
            with pytest.raises(ValueError, match=f"crossover {crossover}"):
                style_mixing(latent, latent, crossover)
