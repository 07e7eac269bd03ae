"""The three networks: shapes and sizes at every setting, gradients everywhere, no leak between samples."""

import itertools

import pytest
import torch

from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.networks import Encoder, Generator
from tests.tiny import randn

SIDES = (1, 2, 4, 8, 16, 32)
RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
PAIRS = [(s, r) for s, r in itertools.product(SIDES, RESOLUTIONS) if s <= r]
NORMS = ("layer", "instance", "batch", "group")


def small(resolution: int = 32, stylemap_size: int = 8, **settings) -> StylemapConfig:
    """8 channels everywhere, 6 in the stylemap: no two sizes that could be taken for one another but N = 8."""
    return StylemapConfig(
        **{
            "resolution": resolution,
            "stylemap_size": stylemap_size,
            "stylemap_channels": 6,
            "channel_base": 8 * resolution,
            "channel_max": 8,
            "mapping_layers": 3,
            **settings,
        }
    )


def parameters(network: type, config: StylemapConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in network(config).parameters())


def check_shapes(config: StylemapConfig, n: int) -> list[torch.Tensor]:
    """Run all three networks and compare every shape; what they return."""
    s, r, c = config.stylemap_size, config.resolution, config.stylemap_channels
    generator, encoder, discriminator = Generator(config), Encoder(config), Discriminator(config)
    stylemap = generator.mapping(torch.randn(n, c))
    styles = generator.resizer(stylemap)
    images = generator.synthesis(styles)
    encoded = encoder(images)
    logits = discriminator(images)
    features = discriminator.features(images)
    assert stylemap.shape == encoded.shape == (n, c, s, s)
    assert images.shape == (n, 3, r, r)
    assert logits.shape == (n, 1)
    sides = [s, s] + [side for side in RESOLUTIONS_AND_BELOW if s < side <= r for _ in range(2)]
    assert len(styles) == 2 * config.doublings + 2
    assert [tuple(x.shape) for x in styles] == [
        (n, c if config.light else config.channels(side), side, side) for side in sides
    ]
    down = [side for side in reversed(RESOLUTIONS_AND_BELOW) if 4 <= side <= r]
    assert [tuple(x.shape) for x in features] == [(n, config.channels(side), side, side) for side in down]
    return [stylemap, images, encoded, logits, *styles]


RESOLUTIONS_AND_BELOW = (1, 2, 4, 8, *RESOLUTIONS)


class TestShapes:
    @pytest.mark.parametrize(("side", "resolution"), PAIRS)
    @pytest.mark.parametrize("light", [False, True])
    def test_every_size(self, side, resolution, light):
        """Channels that shrink towards large sides, so that a width taken at the wrong side does not fit. Without memory."""
        config = small(resolution, side, light=light, channel_base=2 * 1024, channel_max=64)
        with torch.device("meta"):
            check_shapes(config, 2)

    @pytest.mark.parametrize(("side", "resolution"), [(s, r) for s, r in PAIRS if r <= 32])
    def test_small_sizes_in_numbers(self, side, resolution):
        torch.manual_seed(0)
        assert all(x.isfinite().all() for x in check_shapes(small(resolution, side), 2))

    def test_largest_size_in_numbers(self):
        torch.manual_seed(0)
        with torch.no_grad():
            config = small(1024, 32, light=True, channel_base=1024, channel_max=4, stylemap_channels=2)
            assert all(x.isfinite().all() for x in check_shapes(config, 1))

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("light", [False, True])
    @pytest.mark.parametrize("side", [2, 8, 32])
    def test_every_norm(self, norm, light, side):
        torch.manual_seed(0)
        config = small(32, side, norm=norm, light=light, channel_max=16, channel_base=32 * 8)
        assert all(x.isfinite().all() for x in check_shapes(config, 2))

    def test_published_settings_at_full_width(self):
        for config in (
            StylemapConfig(),
            StylemapConfig(resolution=1024, stylemap_size=16, light=True),
            StylemapConfig(resolution=1024, stylemap_size=32, light=True),
        ):
            with torch.device("meta"):
                check_shapes(config, 4)


class TestSizes:
    def test_published_256(self):
        """The paper's 8 x 8 model: 79.7, 17.6 and 28.9 million."""
        config = StylemapConfig(resolution=256, stylemap_size=8)
        sizes = [parameters(network, config) for network in (Generator, Encoder, Discriminator)]
        assert sizes == [79_744_323, 17_617_600, 28_864_129]

    def test_light_has_narrow_styles(self):
        full, light = (StylemapConfig(resolution=1024, stylemap_size=32, light=light) for light in (False, True))
        assert parameters(Generator, light) < 0.6 * parameters(Generator, full)
        assert parameters(Encoder, light) == parameters(Encoder, full)

    @pytest.mark.parametrize("norm", NORMS)
    def test_norms_have_no_parameters(self, norm):
        assert parameters(Generator, small(norm=norm)) == parameters(Generator, small())


class TestBehaviour:
    # Rounding: a layer sums at most 72 products, so two orders of summation differ by about 72 * 2^-24 = 4e-6 relative to the
    # largest value; the path has 16 layers, none of which amplifies on average: 7e-5. Values are below 10.
    TOLERANCE = 1e-3

    @pytest.mark.parametrize("n", [3, 6, 8])  # 6 and 8 are also the numbers of channels
    @pytest.mark.parametrize("norm", ["layer", "instance", "group"])
    def test_a_sample_does_not_depend_on_the_others(self, n, norm):
        torch.manual_seed(0)
        config = small(norm=norm)
        generator, encoder = Generator(config), Encoder(config)
        z = randn(n, 6) * torch.linspace(0.1, 3, n).view(-1, 1)
        images = randn(n, 3, 32, 32, seed=1) * torch.linspace(0.1, 3, n).view(-1, 1, 1, 1)
        with torch.no_grad():
            for network, x in ((generator, z), (encoder, images)):
                together = network(x)
                alone = torch.cat([network(part) for part in x.split(1)])
                assert (together - alone).abs().max() <= self.TOLERANCE
                # and the samples do differ from one another by far more than that
                assert (together[1:] - together[:-1]).abs().amax(dim=(1, 2, 3)).min() > 50 * self.TOLERANCE

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("light", [False, True])
    def test_gradients_reach_every_parameter(self, norm, light):
        torch.manual_seed(0)
        config = small(norm=norm, light=light)
        generator, encoder, discriminator = Generator(config), Encoder(config), Discriminator(config)
        images = generator(randn(4, 6))
        encoder_loss = (encoder(images) * randn(4, 6, 8, 8, seed=1)).sum()
        (encoder_loss + discriminator(images).square().sum()).backward()
        for network in (generator, encoder, discriminator):
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name
                assert parameter.grad.any(), name

    def test_forward_is_its_parts(self):
        torch.manual_seed(0)
        generator = Generator(small())
        z = randn(2, 6)
        with torch.no_grad():
            parts = generator.synthesis(generator.resizer(generator.mapping(z)))
            assert (generator(z) - parts).abs().max() <= self.TOLERANCE

    def test_mapping_sees_the_direction_of_z_only(self):
        torch.manual_seed(0)
        mapping = Generator(small()).mapping.double()
        z = randn(4, 6).double()
        # pixel norm with eps 1e-8: scaling by 3 changes the norm by a share of 1e-8 / mean square of z
        assert torch.allclose(mapping(3 * z), mapping(z), rtol=1e-6, atol=1e-9)
        assert (mapping(-z) - mapping(z)).abs().max() > 1e-3

    def test_stylemap_acts_where_it_is(self):
        """A cell of the stylemap reaches the features through 3 x 3 kernels only: rows far from it stay, the norm aside."""
        torch.manual_seed(0)
        resizer = Generator(small(64, 32)).resizer
        stylemap = randn(1, 6, 32, 32)
        changed = stylemap.clone()
        changed[:, :, 0] += 1
        with torch.no_grad():
            for before, after in zip(resizer(stylemap), resizer(changed), strict=True):
                # two convs at side 32 reach 2 rows, an upsampling conv at most 2 more, one conv at 64: well below a half
                rows = (before - after).abs().amax(dim=(0, 1, 3)) > 0
                assert rows[0]
                assert not rows[len(rows) // 2 :].any()

    def test_discriminator_orders_features_by_channel_first(self):
        """Memory format must not decide which weight meets which feature."""
        torch.manual_seed(0)
        discriminator = Discriminator(small()).double()
        images = randn(4, 3, 32, 32).double()
        with torch.no_grad():
            plain = discriminator(images)
            last = discriminator.to(memory_format=torch.channels_last)(
                images.contiguous(memory_format=torch.channels_last)
            )
        assert (plain - last).abs().max() <= 1e-12  # float64: some thousand roundings
        assert plain.std() > 1e-3
