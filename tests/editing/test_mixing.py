"""Mixing and interpolation: their ends are the pictures themselves."""

import pytest
import torch

from stylemap import interpolate, mix
from stylemap.editing.mixing import COARSE
from tests.editing import tiny
from tests.editing.tiny import CHANNELS, assert_differ, assert_same, stylemaps

STYLES = 6  # 2 log2(32 / 8) + 2


class TestMix:
    @pytest.mark.parametrize("layers", range(STYLES + 1))
    def test_of_a_picture_with_itself_is_the_picture(self, model, layers):
        a = stylemaps(model, 2, 1)
        assert_same(mix(model, a, a, layers), model.synthesize(a))

    @pytest.mark.parametrize("cells", [1, 2, 4, 8, 16, 32])
    def test_ends(self, cells):
        model = tiny.model(stylemap_size=cells)
        a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        assert_same(mix(model, a, b, layers=0), model.synthesize(b))
        assert_same(mix(model, a, b, layers=2 * model.config.doublings + 2), model.synthesize(a))

    @pytest.mark.parametrize("layers", range(1, STYLES))
    def test_first_layers_are_the_coarse_ones(self, model, layers):
        a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        expected = model.render(model.resize(a)[:layers] + model.resize(b)[layers:])
        assert_same(mix(model, a, b, layers), expected)
        assert_differ(mix(model, b, a, layers), expected)

    def test_default_is_the_side_of_the_stylemap(self, model):
        a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        assert [style.shape[-1] for style in model.resize(a)[: COARSE + 1]] == [8, 8, 16]
        assert_same(mix(model, a, b), mix(model, a, b, COARSE))

    @pytest.mark.parametrize("layers", [-1, STYLES + 1])
    def test_layers_out_of_range(self, model, layers):
        a = stylemaps(model, 1, 1)
        with pytest.raises(ValueError, match=rf"layers must lie in 0\.\.{STYLES}, not {layers}"):
            mix(model, a, a, layers)


class TestInterpolate:
    def test_ends_and_middle(self, model):
        a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
        way = interpolate(a, b, 5)
        assert way.shape == (5, *model.config.stylemap_shape)
        assert torch.equal(way[:1], a) and torch.equal(way[-1:], b)
        torch.testing.assert_close(way[2:3], (a + b) / 2)

    @pytest.mark.parametrize("frames", [2, 3, CHANNELS])
    def test_steps_are_equal(self, model, frames):
        a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
        steps = interpolate(a, b, frames).diff(dim=0)
        # values below 1 to 2^-24, differences of two of them
        torch.testing.assert_close(steps, ((b - a) / (frames - 1)).expand_as(steps), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("frames", [1, 0, -1])
    def test_too_few_frames(self, model, frames):
        a = stylemaps(model, 1, 1)
        with pytest.raises(ValueError, match=f"frames must be at least 2, not {frames}"):
            interpolate(a, a, frames)

    @pytest.mark.parametrize("frames", [3, 4])
    def test_one_picture_at_each_end(self, model, frames):
        with pytest.raises(ValueError, match="must be"):
            interpolate(stylemaps(model, 3, 1), stylemaps(model, 3, 2), frames)
