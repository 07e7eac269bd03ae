"""Mixing, interpolation and transfer: their ends are the images themselves."""

import re

import pytest
import torch

from stylemap import blend, interpolate, mix
from stylemap.editing import masks
from stylemap.editing.mixing import COARSE, transfer
from tests.editing import tiny
from tests.editing.tiny import CHANNELS, SIDE, SPACES, assert_differ, assert_same, random_mask, stylemaps

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

    @pytest.mark.parametrize(("first", "end"), [(2, 4), (5, 6), (1, 5), (0, 6), (3, 3)])
    def test_layers_in_between(self, model, first, end):
        a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        of_a, of_b = model.resize(a), model.resize(b)
        expected = model.render(of_b[:first] + of_a[first:end] + of_b[end:])
        assert_same(mix(model, a, b, (first, end)), expected)

    @pytest.mark.parametrize("layers", [-1, STYLES + 1, (0, STYLES + 1), (-1, 2), (3, 2)])
    def test_layers_out_of_range(self, model, layers):
        a = stylemaps(model, 1, 1)
        with pytest.raises(ValueError, match=rf"layers must lie in 0\.\.{STYLES}, not {re.escape(str(layers))}"):
            mix(model, a, a, layers)

    def test_pictures_of_other_numbers(self, model):
        with pytest.raises(ValueError, match="must be alike"):
            mix(model, stylemaps(model, 1, 1), stylemaps(model, 2, 1))


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


@pytest.mark.parametrize("space", SPACES)
class TestTransfer:
    @pytest.mark.parametrize("samples", [1, 2, CHANNELS])
    def test_is_the_sum(self, model, space, samples):
        w1, w2, w3 = (stylemaps(model, samples, seed) for seed in (1, 2, 3))
        if space == "w":
            expected = model.synthesize(w1 + 0.7 * (w3 - w2))
        else:
            styles = zip(*map(model.resize, (w1, w2, w3)), strict=True)
            expected = model.render([a + 0.7 * (c - b) for a, b, c in styles])
        assert_same(transfer(model, w1, w2, w3, 0.7, space=space), expected)

    def test_nothing_of_it_is_the_target(self, model, space):
        w1, w2, w3 = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
        target = model.synthesize(w1)
        assert_same(transfer(model, w1, w2, w3, 0, space=space), target)
        assert_same(transfer(model, w1, w2, w2, 5, space=space), target)
        assert_same(transfer(model, w1, w2, w3, mask=torch.zeros(1, 1, SIDE, SIDE), space=space), target)
        assert_differ(transfer(model, w1, w2, w3, space=space), target)

    def test_from_the_neutral_to_the_expressive_and_on(self, model, space):
        w1, w2 = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        assert_same(transfer(model, w1, w1, w2, space=space), model.synthesize(w2))
        back = transfer(model, w2, w1, w2, -1, space=space)
        assert_same(back, model.synthesize(w1))

    @pytest.mark.parametrize("hard", [False, True])
    @pytest.mark.parametrize("samples", [1, 2, CHANNELS])
    def test_in_a_mask_from_the_neutral_it_is_the_blend(self, model, space, hard, samples):
        w1, w2, mask = stylemaps(model, samples, 1), stylemaps(model, samples, 2), random_mask(samples)
        for amount in (0.3, 1):
            expected = blend(model, w1, w2, mask, space, hard, amount)
            assert_same(transfer(model, w1, w1, w2, amount, mask, space, hard), expected)

    def test_one_mask_is_for_all(self, model, space):
        w1, w2, w3 = (stylemaps(model, 3, seed) for seed in (1, 2, 3))
        mask = random_mask(1)
        expected = transfer(model, w1, w2, w3, 1, mask.expand(3, -1, -1, -1), space)
        assert_same(transfer(model, w1, w2, w3, 1, mask, space), expected)

    def test_outside_the_mask_the_maps_are_the_target_s(self, model, space, monkeypatch):
        w1, w2, w3 = (stylemaps(model, 1, seed) for seed in (1, 2, 3))
        mask = torch.zeros(1, 1, SIDE, SIDE)
        mask[..., 9:20, 5:13] = 1
        rendered = []
        monkeypatch.setattr("stylemap.editing.blending.render", lambda model, maps, space: rendered.extend(maps))
        transfer(model, w1, w2, w3, 2, mask, space)
        before = [w1] if space == "w" else model.resize(w1)
        for a, b in zip(before, rendered, strict=True):
            outside = (masks.resize(mask, a.shape[-1], hard=False) == 0).expand_as(a)
            assert torch.equal(a[outside], b[outside])
            assert not torch.equal(a, b)

    @pytest.mark.parametrize("count", [1, 3, CHANNELS])
    def test_amounts_of_one_face_and_of_many(self, model, space, count):
        w1, w2, w3 = (stylemaps(model, 1, seed) for seed in (1, 2, 3))
        amounts, mask = torch.linspace(-0.5, 1.5, count), random_mask(1)
        each = torch.cat([transfer(model, w1, w2, w3, float(a), mask, space) for a in amounts])
        assert_same(transfer(model, w1, w2, w3, amounts, mask, space), each)
        many = (w.expand(count, -1, -1, -1) for w in (w1, w2, w3))
        assert_same(transfer(model, *many, amounts, mask, space), each)

    def test_wrong_shapes(self, model, space):
        a, b = stylemaps(model, 2, 1), stylemaps(model, 1, 1)
        for arguments in ((a, b, a), (a, a, b)):
            with pytest.raises(ValueError, match=r"must be \[2, 16, 8, 8\] like the target, not \[1, 16, 8, 8\]"):
                transfer(model, *arguments, space=space)
        for amount in (torch.ones(3), torch.ones(2, 1)):
            with pytest.raises(ValueError, match=r"amount must be a number or \[2\]"):
                transfer(model, a, a, a, amount, space=space)
        with pytest.raises(ValueError, match="mask must be"):
            transfer(model, a, a, a, 1, torch.ones(2, SIDE, SIDE), space)
        with pytest.raises(ValueError, match="mask must lie"):
            transfer(model, a, a, a, 1, 2 * random_mask(2), space)


def test_transfer_in_no_space(model):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="space must be"):
        transfer(model, a, a, a, space="z")
