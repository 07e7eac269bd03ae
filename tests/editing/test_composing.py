"""Composing edits: placements by an oracle, at every side alike; patches and pushes in turn; layers; where edits show."""

import math

import pytest
import torch
from torch import Tensor

from stylemap.editing import masks
from stylemap.editing.blending import in_space, render
from stylemap.editing.composing import centres, compose, place, region
from stylemap.editing.edit import Patch, Placement
from tests.editing import tiny
from tests.editing.tiny import (
    CELL,
    CHANNELS,
    SIDE,
    addition,
    assert_differ,
    assert_same,
    box_mask,
    patch,
    random_mask,
    stylemaps,
)
from tests.editing.translations import between, by_loops

MIDDLE = [(SIDE / 2, SIDE / 2)]
EXACT = {"rtol": 0, "atol": 2e-6}  # a few float32 roundings of values up to 1


def noise(samples: int = 2, channels: int = 3, side: int = SIDE, seed: int = 0) -> Tensor:
    return torch.rand(samples, channels, side, side, generator=torch.Generator().manual_seed(seed))


def moved(x: Tensor, edge: str = "replicate", about=MIDDLE, resolution: int = SIDE, **settings) -> Tensor:
    return place(x, Placement(**settings), resolution, about, edge)


class TestShift:
    x = noise(side=7)

    @pytest.mark.parametrize("edge", ["zeros", "replicate"])
    @pytest.mark.parametrize("down", [-7, -5, 0, 1, 6])
    @pytest.mark.parametrize("right", [-8, -3, 0, 2])
    def test_by_whole_pixels_is_slicing(self, down, right, edge):
        assert torch.equal(moved(self.x, edge, resolution=7, shift=(down, right)), by_loops(self.x, down, right, edge))

    @pytest.mark.parametrize("edge", ["zeros", "replicate"])
    @pytest.mark.parametrize(("down", "right"), [(0.5, 0), (0, -0.25), (-1.75, 2.5), (3.125, -3.0), (-0.5, -6.5)])
    def test_by_fractions_interpolates_linearly(self, down, right, edge):
        result = moved(self.x, edge, resolution=7, shift=(down, right))
        torch.testing.assert_close(result, between(self.x, down, right, edge), **EXACT)

    @pytest.mark.parametrize("side", [4, 8, 16, 32, 64])
    def test_counts_in_pixels_of_the_picture_at_every_side(self, side):
        x, unit = noise(side=side), side / SIDE
        result = moved(x, shift=(5, -3))
        torch.testing.assert_close(result, between(x, 5 * unit, -3 * unit, "replicate"), **EXACT)

    @pytest.mark.parametrize("far", [7, 7.5, 4096, -7, -8.5, -4096])
    def test_beyond_the_frame(self, far):
        assert moved(self.x, "zeros", resolution=7, shift=(far, 0)).abs().max() == 0
        assert moved(self.x, "zeros", resolution=7, shift=(0, far)).abs().max() == 0
        row = self.x[:, :, :1] if far > 0 else self.x[:, :, -1:]
        assert torch.equal(moved(self.x, resolution=7, shift=(far, 0)), row.expand_as(self.x))

    @pytest.mark.parametrize(("down", "right"), [(1, 2), (-2, 1), (-1, -3)])
    def test_there_and_back_is_the_interior(self, down, right):
        there = moved(self.x, "zeros", resolution=7, shift=(down, right))
        back = moved(there, "zeros", resolution=7, shift=(-down, -right))
        y = slice(max(-down, 0), 7 - max(down, 0))
        z = slice(max(-right, 0), 7 - max(right, 0))
        assert torch.equal(back[:, :, y, z], self.x[:, :, y, z])
        assert back.sum() == pytest.approx(float(self.x[:, :, y, z].sum()), rel=1e-5)  # and zeros around it

    def test_keeps_type_and_input(self):
        x = self.x.double()
        assert moved(x, resolution=7, shift=(0.3, -0.7)).dtype == torch.float64
        assert torch.equal(x, self.x.double())


class TestFlipAndScale:
    def test_identity_is_the_input(self):
        x = noise()
        assert moved(x) is x

    @pytest.mark.parametrize("side", [1, 8, 32, 33])
    def test_flip_about_the_middle_mirrors_exactly(self, side):
        x = noise(side=side)
        assert torch.equal(moved(x, flip=True), x.flip(3))

    def test_flip_twice_is_the_same(self):
        x = noise()
        assert torch.equal(moved(moved(x, flip=True), flip=True), x)

    def test_flip_about_a_place(self):
        """Mirrored about the line between columns 9 and 10: column 9 and 10 swap, 5 and 14."""
        x = noise()
        result = moved(x, "zeros", about=[(0, 10)], flip=True)
        for a, b in ((9, 10), (5, 14), (0, 19)):
            assert torch.equal(result[..., a], x[..., b]) and torch.equal(result[..., b], x[..., a])
        assert result[..., 20:].abs().max() == 0

    def test_shift_comes_after_the_flip(self):
        x = noise()
        assert torch.equal(moved(x, "zeros", flip=True, shift=(0, 4))[..., 4:], x.flip(3)[..., :-4])

    @pytest.mark.parametrize("scale", [0.25, 0.3, 0.5, 1.7, 2, 4])
    @pytest.mark.parametrize("flip", [False, True])
    def test_of_a_constant_is_the_constant(self, scale, flip):
        torch.testing.assert_close(moved(torch.full((1, 2, SIDE, SIDE), 0.7), scale=scale, flip=flip),
                                   torch.full((1, 2, SIDE, SIDE), 0.7), **EXACT)  # fmt: skip

    @pytest.mark.parametrize("scale", [0.25, 0.5, 0.8, 1.5, 2, 3])
    @pytest.mark.parametrize("side", [16, 32, 64])
    def test_of_a_slope_is_a_slope(self, scale, side):
        """A linear function stays one where nothing from beyond the frame comes in: f(p) = a . (c + (p - c) / scale)."""
        ramp = (torch.arange(side) + 0.5) / side  # in sides of the image
        x = (ramp.view(-1, 1) + 2 * ramp).expand(1, 1, side, side)
        result = moved(x, scale=scale, about=[(12, 20)])
        y, z = (12 / SIDE + (ramp - 12 / SIDE) / scale, 20 / SIDE + (ramp - 20 / SIDE) / scale)
        expected = y.view(-1, 1) + 2 * z
        rim = 0.5 / side + 0.5 / (scale * side)  # half a pixel of the map, and half one of the result
        inside = ((y > rim) & (y < 1 - rim)).view(-1, 1) & (z > rim) & (z < 1 - rim)
        assert inside.any()
        torch.testing.assert_close(result[0, 0][inside], expected[inside], rtol=0, atol=1e-5)

    @pytest.mark.parametrize("scale", [0.25, 0.5, 2, 4])
    def test_a_box_grows_about_its_middle(self, scale):
        result = moved(box_mask(12, 12, 8, 8), "zeros", scale=scale)
        assert float(result.sum()) == pytest.approx(64 * scale**2, rel=0.02 if scale < 1 else 0.1)
        assert torch.equal(result, result.flip(2)) and torch.equal(result, result.mT)
        assert result.min() >= 0 and result.max() <= 1

    def test_shrinking_averages(self):
        """A checkerboard at a half is grey: no pixel is passed over."""
        board = ((torch.arange(SIDE).view(-1, 1) + torch.arange(SIDE)) % 2).float().expand(1, 1, SIDE, SIDE)
        result = moved(board, scale=0.5)[..., 9:-9, 9:-9]
        torch.testing.assert_close(result, torch.full_like(result, 0.5), **EXACT)

    def test_axes_are_treated_alike(self):
        x = noise()
        there = moved(x, scale=1.7, shift=(3, -2), about=[(10, 20)])
        torch.testing.assert_close(moved(x.mT, scale=1.7, shift=(-2, 3), about=[(20, 10)]).mT, there, **EXACT)

    def test_samples_have_centres_of_their_own(self):
        x, about = noise(3), [(4.0, 5.0), (20.0, 11.5), (16.0, 16.0)]
        alone = [moved(x[i : i + 1], about=about[i : i + 1], scale=2, flip=True) for i in range(3)]
        assert torch.equal(moved(x, about=about, scale=2, flip=True), torch.cat(alone))
        one = moved(x[:1], about=about, scale=2)  # one map for all
        assert torch.equal(one[2:], moved(x[:1], about=about[2:], scale=2))

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"scale": 0.2}, "scale"), ({"scale": 4.1}, "scale"), ({"scale": math.nan}, "scale"), ({"scale": 0}, "scale"),
            ({"shift": (math.inf, 0)}, "shift"), ({"shift": (1,)}, "shift"), ({"centre": (0, math.nan)}, "centre"),
        ],
    )  # fmt: skip
    def test_mistakes(self, settings, named):
        with pytest.raises(ValueError, match=named):
            Placement(**settings)


class TestCentre:
    def patch(self, mask: Tensor, **settings) -> Patch:
        return Patch(reference=0, mask=mask, placement=Placement(**settings))

    def test_is_the_middle_of_the_box_of_each_mask(self):
        mask = torch.cat([box_mask(4, 6, 8, 14), box_mask(0, 31, 1, 1)])
        assert centres(self.patch(mask), SIDE) == [(8, 13), (0.5, 31.5)]

    def test_soft_masks_by_what_is_over_half_of_their_maximum(self):
        soft = masks.feather(box_mask(8, 8, 12, 12), 3) * 0.3
        assert centres(self.patch(soft), SIDE) == [(14, 14)]

    def test_of_an_empty_mask_is_the_picture_s(self):
        assert centres(self.patch(torch.zeros(1, 1, SIDE, SIDE)), SIDE) == MIDDLE

    def test_as_given(self):
        assert centres(self.patch(box_mask(0, 0, 4, 4), centre=(3, 4.5)), SIDE) == [(3, 4.5)]


@pytest.fixture
def maps(model):
    """w+ of three images of two samples."""
    return [in_space(model, stylemaps(model, 2, seed), "w+") for seed in (1, 2, 3)]


def equal(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


class TestCompose:
    def test_nothing_is_the_original(self, maps):
        assert equal(compose(maps[0], [], SIDE), maps[0])

    @pytest.mark.parametrize("hard", [False, True])
    @pytest.mark.parametrize("placement", [Placement(), Placement((3, -2), 1.5, True)])
    def test_an_empty_mask_is_the_original(self, maps, hard, placement):
        empty = patch(maps[1], torch.zeros(2, 1, SIDE, SIDE), placement, hard=hard)
        assert equal(compose(maps[0], [empty], SIDE), maps[0])

    @pytest.mark.parametrize("hard", [False, True])
    def test_a_full_mask_is_the_reference(self, maps, hard):
        assert equal(compose(maps[0], [patch(maps[1], torch.ones(1, 1, SIDE, SIDE), hard=hard)], SIDE), maps[1])

    def test_the_formula(self, model, maps):
        """Mask and maps go through the same placement about the same centre, then a blend at every side."""
        mask, where = box_mask(6, 4, 10, 14), Placement((5, -2), 1.4, True)
        expected = []
        for a, b in zip(maps[0], maps[1], strict=True):
            share = masks.resize(place(mask, where, SIDE, [(11, 11)], "zeros"), a.shape[-1], hard=False)
            expected.append(torch.lerp(a, place(b, where, SIDE, [(11, 11)], "replicate"), 0.8 * share))
        actual = compose(maps[0], [patch(maps[1], mask, where, strength=0.8)], SIDE)
        for a, b in zip(actual, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        assert_differ(render(model, actual, "w+"), render(model, maps[0], "w+"))

    def test_flip_mirrors_map_and_mask(self, maps):
        """About the middle of the image it is the patch of the mirrored reference."""
        mask = random_mask(2)
        flipped = patch(maps[1], mask, Placement(flip=True, centre=MIDDLE[0]))
        by_hand = patch([m.flip(3) for m in maps[1]], mask.flip(3))
        assert equal(compose(maps[0], [flipped], SIDE), compose(maps[0], [by_hand], SIDE))

    @pytest.mark.parametrize("space", ["w", "w+"])
    def test_a_mirrored_reference_is_the_mirrored_picture_s(self, model, space):
        """All of it, about the middle: what is made of the mirrored image's stylemap. Mirrored maps alone are not that."""
        a, turned = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
        where, full = Placement(flip=True), torch.ones(1, 1, SIDE, SIDE)
        result = compose(
            in_space(model, a, space), [patch([m.flip(3) for m in in_space(model, turned, space)], full, where)], SIDE
        )
        assert_same(render(model, result, space), model.synthesize(turned))
        assert_differ(model.synthesize(turned.flip(3)).flip(3), model.synthesize(turned))

    def test_in_turn_is_one_after_the_other(self, maps):
        edits = [
            patch(maps[1], random_mask(2), Placement((4, 0))),
            addition([0.1 * m for m in maps[2]], random_mask(1, 5)),
            patch(maps[2], random_mask(2, 7), strength=0.4, layers=(0, 3)),
        ]
        step = maps[0]
        for edit in edits:
            step = compose(step, [edit], SIDE)
        assert equal(compose(maps[0], edits, SIDE), step)
        assert not equal(compose(maps[0], edits[::-1], SIDE), step)

    def test_the_last_is_on_top(self, maps):
        full = torch.ones(1, 1, SIDE, SIDE)
        assert equal(compose(maps[0], [patch(maps[1], full), patch(maps[2], full)], SIDE), maps[2])

    @pytest.mark.parametrize("samples", [3, CHANNELS])
    def test_many_at_once_are_the_same_one_by_one(self, model, samples):
        """With as many samples as channels too, where a mask could meet the channels; each with a centre of its own."""
        a, b = (in_space(model, stylemaps(model, samples, seed), "w+") for seed in (1, 2))
        mask = torch.cat([box_mask(i, 2, 7, 5 + i) for i in range(samples)])
        where = Placement((2, 1), 1.5, True)
        at_once = compose(a, [patch(b, mask, where)], SIDE)
        for i in range(samples):
            one = patch([m[i : i + 1] for m in b], mask[i : i + 1], where)
            assert equal(compose([m[i : i + 1] for m in a], [one], SIDE), [m[i : i + 1] for m in at_once])

    def test_one_reference_for_all(self, maps):
        one = [m[:1] for m in maps[1]]
        mask = random_mask(2)
        assert equal(
            compose(maps[0], [patch(one, mask)], SIDE),
            compose(maps[0], [patch([m.expand(2, -1, -1, -1) for m in one], mask)], SIDE),
        )

    @pytest.mark.parametrize("layers", [(0, 2), (2, 3), (1, 6), (5, 6)])
    def test_layers_change_only_those(self, maps, layers):
        full = torch.ones(1, 1, SIDE, SIDE)
        for edit in (patch(maps[1], full, layers=layers), addition(maps[1], layers=layers)):
            result = compose(maps[0], [edit], SIDE)
            changed = [not torch.equal(a, b) for a, b in zip(result, maps[0], strict=True)]
            assert changed == [layers[0] <= i < layers[1] for i in range(len(changed))]

    def test_push_adds(self, maps):
        result = compose(maps[0], [addition(maps[1])], SIDE)
        assert equal(result, [a + b for a, b in zip(maps[0], maps[1], strict=True)])

    def test_push_within_a_mask(self, maps):
        mask = box_mask(0, 0, 2 * CELL, SIDE)
        result = compose(maps[0], [addition(maps[1], mask)], SIDE)
        for new, old, delta in zip(result, maps[0], maps[1], strict=True):
            rows = old.shape[-1] // 4
            assert torch.equal(new[:, :, :rows], (old + delta)[:, :, :rows])
            assert torch.equal(new[:, :, rows:], old[:, :, rows:])

    def test_a_direction_s_way_is_the_whole_step(self, model):
        """in_space(w + d) - in_space(w), pushed everywhere, is the image of w + d."""
        w, d = stylemaps(model, 1, 1), 0.3 * stylemaps(model, 1, 2)
        start, end = in_space(model, w, "w+"), in_space(model, w + d, "w+")
        step = addition([b - a for a, b in zip(start, end, strict=True)])
        assert_same(render(model, compose(start, [step], SIDE), "w+"), model.synthesize(w + d))

    def test_inputs_are_left_alone(self, maps):
        mask = random_mask(2)
        before = [m.clone() for m in [*maps[0], *maps[1], mask]]
        compose(maps[0], [patch(maps[1], mask, Placement((1, 1), 2, True)), addition(maps[1])], SIDE)
        assert equal([*maps[0], *maps[1], mask], before)

    def test_layers_in_w_are_refused(self, model):
        w = [stylemaps(model, 1, 1)]
        with pytest.raises(ValueError, match="w has only one stylemap"):
            compose(w, [patch(w, random_mask(1), layers=(0, 1))], SIDE)

    @pytest.mark.parametrize("layers", [(-1, 2), (2, 2), (3, 1), (0, 7)])
    def test_layers_that_there_are_not(self, maps, layers):
        with pytest.raises(ValueError, match="layers"):
            compose(maps[0], [patch(maps[1], random_mask(1), layers=layers)], SIDE)

    def test_maps_of_another_space(self, model, maps):
        with pytest.raises(ValueError, match="one space"):
            compose(maps[0], [patch([stylemaps(model, 2, 1)], random_mask(1))], SIDE)

    def test_maps_of_another_number_of_samples(self, model, maps):
        three = in_space(model, stylemaps(model, 3, 1), "w+")
        for edit in (patch(three, random_mask(1)), addition(three)):
            with pytest.raises(ValueError, match="like the original's"):
                compose(maps[0], [edit], SIDE)

    @pytest.mark.parametrize("mask", [torch.zeros(2, SIDE, SIDE), torch.full((2, 1, SIDE, SIDE), 1.1)])
    def test_masks_that_are_none(self, maps, mask):
        for edit in (patch(maps[1], mask, Placement((1, 0), centre=(0, 0))), addition(maps[1], mask)):
            with pytest.raises(ValueError, match="mask must"):
                compose(maps[0], [edit], SIDE)

    @pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
    def test_strength(self, maps, strength):
        with pytest.raises(ValueError, match="strength"):
            patch(maps[1], random_mask(2), strength=strength)


class TestRegion:
    def test_is_the_masks_where_they_go(self, maps):
        first, second = box_mask(0, 0, 4, 4), box_mask(10, 10, 4, 4)
        both = region([patch(maps[1], first, Placement((8, 0))), addition(maps[1], second)], SIDE)
        assert torch.equal(both, torch.maximum(box_mask(8, 0, 4, 4), second))

    def test_hard_takes_whole_cells(self, maps):
        assert torch.equal(region([patch(maps[1], box_mask(17, 9, 1, 1), hard=True)], SIDE), box_mask(16, 8, 4, 4))

    def test_hard_in_fine_layers_takes_finer_cells(self, maps):
        one = patch(maps[1], box_mask(17, 9, 1, 1), hard=True, layers=(2, 6))
        assert torch.equal(region([one], SIDE), box_mask(16, 8, 2, 2))

    def test_of_a_push_everywhere_is_everything(self, maps):
        assert region([patch(maps[1], box_mask(0, 0, 1, 1)), addition(maps[1])], SIDE).min() == 1

    def test_of_nothing_is_nothing(self):
        assert torch.equal(region([], SIDE), torch.zeros(1, 1, SIDE, SIDE))

    @pytest.mark.parametrize("scale", [0.3, 1.3])
    def test_stays_in_range(self, maps, scale):
        where = region([patch(maps[1], random_mask(2), Placement((0.3, 1.7), scale, True))], SIDE)
        assert where.shape == (2, 1, SIDE, SIDE) and where.min() >= 0 and where.max() <= 1

    def test_maps_beyond_it_are_the_original_s(self, maps):
        """Where a cell has nothing of the region, its styles stay."""
        part = patch(maps[1], box_mask(3, 5, 9, 6), Placement((7, 4), 1.3, True))
        where = region([part], SIDE)
        for new, old in zip(compose(maps[0], [part], SIDE), maps[0], strict=True):
            untouched = (masks.resize(where, old.shape[-1], hard=False) == 0).expand_as(old)
            assert untouched.any() and torch.equal(new[untouched], old[untouched])


@pytest.mark.parametrize("cells", [1, 4, 32])
def test_every_size_of_the_stylemap(cells):
    model = tiny.model(stylemap_size=cells)
    a, b = (in_space(model, stylemaps(model, 2, seed), "w+") for seed in (1, 2))
    result = compose(a, [patch(b, random_mask(2), Placement((-7, 9), 0.6, True))], SIDE)
    assert render(model, result, "w+").isfinite().all()
