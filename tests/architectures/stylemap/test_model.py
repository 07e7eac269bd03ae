"""The model people use: shapes are checked, the mean stylemap is fixed, truncation is a straight line."""

import pytest
import torch

from stylemap.architectures import build
from stylemap.architectures import model as model_module
from stylemap.architectures.model import truncate
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.vector.config import StyleGAN2Config
from stylemap.architectures.vector.model import VectorModel
from tests import tiny
from tests.memory import peak
from tests.tiny import randn

CONFIG = StylemapConfig(
    resolution=16, stylemap_size=4, stylemap_channels=3, channel_base=128, channel_max=8, mapping_layers=2
)


@pytest.fixture(scope="module")
def model() -> StylemapModel:
    torch.manual_seed(0)
    return StylemapModel(CONFIG).eval().requires_grad_(False)


class TestShapes:
    @pytest.mark.parametrize("n", [1, 2, 3])  # 3 is also the number of channels of images and stylemaps
    def test_results(self, model, n):
        stylemap = model.map(randn(n, 3))
        images = model.synthesize(stylemap)
        assert stylemap.shape == model.encode(images).shape == (n, 3, 4, 4)
        assert images.shape == (n, 3, 16, 16)
        assert [tuple(s.shape) for s in model.resize(stylemap)] == [(n, 8, side, side) for side in (4, 4, 8, 8, 16, 16)]

    def test_synthesize_is_resize_and_render(self, model):
        stylemap = randn(2, 3, 4, 4)
        assert torch.equal(model.synthesize(stylemap), model.render(model.resize(stylemap)))

    def test_memory_format_of_the_input_does_not_matter(self, model):
        for function, x in ((model.encode, randn(2, 3, 16, 16)), (model.synthesize, randn(2, 3, 4, 4))):
            other = x.contiguous(memory_format=torch.channels_last)
            assert torch.equal(function(x), function(other))

    @pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 16, 3), (2, 1, 16, 16), (2, 3, 32, 32), (2, 3, 16, 8), ()])
    def test_images(self, model, shape):
        with pytest.raises(ValueError, match=r"images must be \[N, 3, 16, 16\], not \[.*\]"):
            model.encode(torch.zeros(shape))

    @pytest.mark.parametrize("shape", [(3, 4, 4), (2, 48), (2, 4, 4, 3), (2, 3, 8, 8), (2, 3, 4, 2), (2, 6, 4, 4)])
    def test_stylemaps(self, model, shape):
        for function in (model.synthesize, model.resize):
            with pytest.raises(ValueError, match=r"stylemap must be \[N, 3, 4, 4\], not \[.*\]"):
                function(torch.zeros(shape))

    @pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 1), ()])
    def test_z(self, model, shape):
        for function in (model.map, model.mean_mapped):
            with pytest.raises(ValueError, match=r"z must be \[N, 3\], not \[.*\]"):
                function(torch.zeros(shape))

    @pytest.mark.parametrize(
        "change",
        [
            lambda styles: styles[:-1],
            lambda styles: [],
            lambda styles: [*styles, styles[-1]],  # would silently shift what to-RGB sees
            lambda styles: styles[::-1],
            lambda styles: [s[:, :4] for s in styles],
            lambda styles: [torch.cat([styles[0], styles[0]]), *styles[1:-1], torch.cat([styles[-1]] * 3)],
        ],
        ids=["too few", "none", "too many", "reversed", "channels", "samples"],
    )
    def test_styles(self, model, change):
        styles = model.resize(randn(1, 3, 4, 4))
        with pytest.raises(ValueError, match="styles"):
            model.render(change(styles))

    @pytest.mark.parametrize(
        "change",
        [
            lambda maps: maps[:-1],
            lambda maps: [*maps, maps[-1]],
            lambda maps: maps[::-1],
            lambda maps: [m[:, 1:] for m in maps],
            lambda maps: [torch.cat([maps[0]] * 2), *maps[1:]],
        ],
    )
    def test_modulations(self, model, change):
        maps = model.modulations(model.resize(randn(1, 3, 4, 4)))
        with pytest.raises(ValueError, match="modulations"):
            model.render_modulated(iter(change(maps)))


class TestMeanStylemap:
    def test_fixed_whatever_the_global_seed(self, model):
        torch.manual_seed(1)
        first = model.mean_latent()
        torch.manual_seed(2)
        assert torch.equal(model.mean_latent(), first)
        assert first.shape == (1, 3, 4, 4)

    def test_does_not_disturb_the_global_generator(self, model):
        torch.manual_seed(1)
        expected = torch.randn(3)
        torch.manual_seed(1)
        model.mean_latent()
        assert torch.equal(torch.randn(3), expected)

    def test_mean_of_mapped_z(self, model):
        z = randn(5, 3)
        expected = torch.stack([model.map(z[k : k + 1])[0] for k in range(5)]).mean(dim=0, keepdim=True)
        # float32 sums of 5 values of size 1
        assert (model.mean_mapped(z) - expected).abs().max() <= 1e-6

    def test_near_the_mean_of_other_draws(self, model):
        mapped = model.map(randn(4096, 3, seed=9))
        error = mapped.std(dim=0) * (2 / 4096) ** 0.5  # both means are of 4096 draws
        assert ((model.mean_latent() - mapped.mean(dim=0)).abs() < 6 * error + 1e-6).all()

    def test_never_holds_more_than_a_part(self, monkeypatch):
        """Mapped at once, 4096 stylemaps take 4096 / 256 times as much as the parts do, one after the other."""
        monkeypatch.setattr(model_module, "MAPPED", 256)
        stylemaps = 4096 * 3 * 4 * 4 * 4  # bytes
        assert peak(StylemapModel(CONFIG).mean_latent) < stylemaps  # whose weights learn: a graph would keep all

    def test_in_parts_as_at_once(self, model, monkeypatch):
        z = randn(7, 3)
        whole = model.mean_mapped(z)
        monkeypatch.setattr(model_module, "MAPPED", 2)
        # float32 sums of 7 values of size 1
        assert (model.mean_mapped(z) - whole).abs().max() <= 1e-6


class TestTruncate:
    def test_psi_one_is_the_identity(self):
        w, mean = randn(2, 3, 4, 4), randn(1, 3, 4, 4, seed=1)
        assert torch.equal(truncate(w, mean, 1), w)

    def test_psi_zero_is_the_mean(self):
        w, mean = randn(2, 3, 4, 4), randn(1, 3, 4, 4, seed=1)
        assert torch.equal(truncate(w, mean, 0), mean.expand_as(w))

    @pytest.mark.parametrize("psi", [-0.5, 0.3, 0.7, 1.5])
    def test_straight_line(self, psi):
        w, mean = randn(2, 3, 4, 4).double(), randn(1, 3, 4, 4, seed=1).double()
        assert torch.allclose(truncate(w, mean, psi), mean + psi * (w - mean), rtol=0, atol=1e-14)


def test_a_config_means_one_kind_of_model():
    vectors = StyleGAN2Config(
        resolution=32,
        latent_channels=8,
        channel_base=128,
        channel_max=8,
    )
    assert isinstance(build(CONFIG), StylemapModel)
    assert isinstance(build(vectors), VectorModel)
    assert build(vectors, encoder=False).encoder is None
    with pytest.raises(ValueError, match="needs its encoder"):
        build(CONFIG, encoder=False)


@pytest.mark.parametrize("most", [1, 8, 16, 64])
def test_features_are_what_images_are_made_of(most):
    """The outputs of the head and of the blocks, as a rendering computes them, up to a side."""
    model, seen = tiny.model(tiny.TINY), []
    w = randn(2, *tiny.TINY.stylemap_shape)
    synthesis = model.generator.synthesis
    for layer in (synthesis.head, *synthesis.blocks):
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    model.synthesize(w)
    expected, seen[:] = seen[:], []
    features = model.features(w, most)
    assert [x.shape[-1] for x in features] == [side for side in (4, 8, 16) if side <= max(most, 4)]
    assert all(torch.equal(x, y) for x, y in zip(features, expected, strict=False))
