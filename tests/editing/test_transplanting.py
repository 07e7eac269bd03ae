"""Transplantation: boxes copy exactly the cells they name, masks move with what they cut out, translation by an oracle."""

import pytest
import torch
from torch import Tensor

from stylemap import Box, blend, transplant
from stylemap.editing import masks
from stylemap.editing.transplanting import copy_boxes, translate
from tests.editing import tiny
from tests.editing.tiny import (
    CELL,
    CELLS,
    CHANNELS,
    SIDE,
    SPACES,
    assert_differ,
    assert_same,
    box_mask,
    random_mask,
    stylemaps,
)

every_way = pytest.mark.parametrize(("space", "hard"), [(s, h) for s in SPACES for h in (False, True)])


def pictures(model, samples: int = 2) -> tuple[Tensor, Tensor]:
    return stylemaps(model, samples, 1), stylemaps(model, samples, 2)


def numbered(samples: int = 2, channels: int = 3, side: int = CELLS) -> Tensor:
    """[samples, channels, side, side], no two values the same."""
    return torch.arange(samples * channels * side * side, dtype=torch.float32).view(samples, channels, side, side)


class TestBoxes:
    @pytest.mark.parametrize(
        "box",
        [
            Box((0, 0), (0, 0), (CELLS, CELLS)),
            Box((1, 2), (4, 3), (3, 5)),  # no two numbers alike in y and x
            Box((7, 7), (0, 0), (1, 1)),
            Box((0, 5), (6, 0), (2, 3)),
        ],
    )
    def test_move_exactly_their_cells(self, box):
        original, reference = numbered(), -1 - numbered()
        expected = original.clone()
        for y in range(box.size[0]):
            for x in range(box.size[1]):
                cell = reference[:, :, box.source[0] + y, box.source[1] + x]
                expected[:, :, box.target[0] + y, box.target[1] + x] = cell
        assert torch.equal(copy_boxes(original, [reference], [box]), expected)
        assert torch.equal(original, numbered()) and torch.equal(reference, -1 - numbered())

    def test_the_later_box_covers_the_earlier(self):
        original, first, second = numbered(), numbered() + 1000, numbered() + 2000
        boxes = [Box((0, 0), (0, 0), (4, 4)), Box((0, 0), (2, 2), (4, 4))]
        result = copy_boxes(original, [first, second], boxes)
        assert torch.equal(result[..., :4, :2], first[..., :4, :2])
        assert torch.equal(result[..., 2:6, 2:6], second[..., :4, :4])
        assert torch.equal(result[..., 6:, :], original[..., 6:, :])

    def test_boxes_read_the_reference_and_not_one_another(self):
        """Two boxes that swap two cells of the picture itself."""
        original = numbered()
        swap = [Box((0, 0), (3, 4), (1, 1)), Box((3, 4), (0, 0), (1, 1))]
        result = copy_boxes(original, [original, original], swap)
        assert torch.equal(result[..., 0, 0], original[..., 3, 4]) and torch.equal(
            result[..., 3, 4], original[..., 0, 0]
        )

    @pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
    def test_strength(self, strength):
        original, reference = numbered(), -1 - numbered()
        result = copy_boxes(original, [reference], [Box((0, 0), (2, 2), (3, 3))], strength)
        expected = original.clone()
        expected[..., 2:5, 2:5] = (1 - strength) * original[..., 2:5, 2:5] + strength * reference[..., :3, :3]
        torch.testing.assert_close(result, expected)

    def test_are_rendered(self, model):
        a, b = pictures(model)
        box = Box((1, 2), (4, 3), (3, 5))
        assert_same(transplant(model, a, b, boxes=[box]), model.synthesize(copy_boxes(a, [b], [box])))

    def test_each_with_a_reference_of_its_own(self, model):
        a, b, c = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
        boxes = [Box((0, 0), (1, 1), (3, 3)), Box((4, 4), (3, 3), (2, 2))]
        one_by_one = copy_boxes(copy_boxes(a, [b], boxes[:1]), [c], boxes[1:])
        assert_same(transplant(model, a, [b, c], boxes=boxes), model.synthesize(one_by_one))
        assert_same(transplant(model, a, b, boxes=boxes), transplant(model, a, [b, b], boxes=boxes))

    @pytest.mark.parametrize("hard", [False, True])
    def test_at_the_same_place_are_a_blend_in_w(self, model, hard):
        a, b = pictures(model)
        boxed = transplant(model, a, b, boxes=[Box((2, 1), (2, 1), (3, 4))])
        assert_same(boxed, blend(model, a, b, box_mask(2 * CELL, CELL, 3 * CELL, 4 * CELL), "w", hard))
        assert_differ(boxed, model.synthesize(a))

    @pytest.mark.parametrize(
        ("box", "named"),
        [
            (Box((6, 0), (0, 0), (3, 3)), "source y=6"),
            (Box((0, 6), (0, 0), (3, 3)), "source x=6"),
            (Box((0, 0), (6, 0), (3, 3)), "target y=6"),
            (Box((0, 0), (0, 6), (3, 3)), "target x=6"),
            (Box((-1, 0), (0, 0), (3, 3)), "source y=-1"),
            (Box((0, 0), (0, -1), (3, 3)), "target x=-1"),
            (Box((0, 0), (0, 0), (0, 3)), "source y=0 with length 0"),
            (Box((0, 0), (0, 0), (3, -1)), "source x=0 with length -1"),
            (Box((0, 0), (0, 0), (CELLS + 1, 1)), f"source y=0 with length {CELLS + 1}"),
            (Box((CELLS, 0), (0, 0), (1, 1)), f"source y={CELLS}"),
        ],
    )
    def test_outside_the_map_names_the_axis(self, model, box, named):
        a, b = pictures(model, 1)
        with pytest.raises(ValueError, match=named):
            transplant(model, a, b, boxes=[box])

    def test_the_last_cells_are_inside(self):
        Box((CELLS - 1, 0), (0, CELLS - 1), (1, 1)).check(CELLS)

    @pytest.mark.parametrize(("references", "boxes"), [(2, 1), (1, 2), (0, 0)])
    def test_each_needs_a_reference(self, model, references, boxes):
        a, b = pictures(model, 1)
        with pytest.raises(ValueError, match="each box needs a reference"):
            transplant(model, a, [b] * references, boxes=[Box((0, 0), (0, 0), (1, 1))] * boxes)

    @pytest.mark.parametrize(
        "shape", [(2, 1, CELLS, CELLS), (3, CHANNELS, CELLS, CELLS), (2, CHANNELS, CELLS, 2 * CELLS)]
    )
    def test_reference_of_another_shape(self, model, shape):
        with pytest.raises(ValueError, match="must be"):
            transplant(model, stylemaps(model, 2, 1), torch.zeros(shape), boxes=[Box((0, 0), (0, 0), (2, 2))])


class TestMask:
    @every_way
    def test_unmoved_is_a_blend(self, model, space, hard):
        a, b, mask = *pictures(model), random_mask(2)
        moved = transplant(model, a, b, mask=mask, shift=(0, 0), space=space, hard=hard, strength=0.7)
        assert_same(moved, blend(model, a, b, mask, space, hard, strength=0.7))

    @pytest.mark.parametrize("hard", [False, True])
    def test_of_whole_cells_in_w_is_a_box(self, model, hard):
        """(4, -4) pixels at R = 32 are cells (1, -1) at S = 8."""
        a, b = pictures(model)
        mask = box_mask(2 * CELL, 3 * CELL, 3 * CELL, 4 * CELL)
        moved = transplant(model, a, b, mask=mask, shift=(4, -4), space="w", hard=hard)
        assert_same(moved, transplant(model, a, b, boxes=[Box((2, 3), (3, 2), (3, 4))]))
        assert_differ(moved, transplant(model, a, b, boxes=[Box((2, 3), (2, 3), (3, 4))]))

    @every_way
    @pytest.mark.parametrize("shift", [(4, -4), (-8, 12), (3, 1), (0, -5)])
    def test_moves_with_the_styles_below_it(self, model, space, hard, shift):
        """The formula written out: the reference's maps and the mask, moved by the same way, then a blend."""
        a, b, mask = *pictures(model), random_mask(2)
        bases, others = ([a], [b]) if space == "w" else (model.resize(a), model.resize(b))
        moved_mask = by_loops(mask, *shift, edge="constant")
        maps = []
        for base, other in zip(bases, others, strict=True):
            side = base.shape[-1]
            other = between(other, shift[0] * side / SIDE, shift[1] * side / SIDE, edge="replicate")
            maps.append(torch.lerp(base, other, masks.resize(moved_mask, side, hard)))
        expected = model.synthesize(maps[0]) if space == "w" else model.render(maps)
        assert_same(transplant(model, a, b, mask=mask, shift=shift, space=space, hard=hard), expected)

    @every_way
    @pytest.mark.parametrize("shift", [(SIDE, 0), (0, -SIDE), (10**9, 10**9)])
    def test_moved_out_of_the_frame_leaves_the_original(self, model, space, hard, shift):
        a, b = pictures(model)
        moved = transplant(model, a, b, mask=torch.ones(2, 1, SIDE, SIDE), shift=shift, space=space, hard=hard)
        assert_same(moved, model.synthesize(a))

    @every_way
    @pytest.mark.parametrize("samples", [3, CHANNELS])
    def test_many_at_once_are_the_same_one_by_one(self, model, space, hard, samples):
        a, b, mask = *pictures(model, samples), random_mask(samples)
        at_once = transplant(model, a, b, mask=mask, shift=(5, -3), space=space, hard=hard)
        parts = zip(a.split(1), b.split(1), mask.split(1), strict=True)
        alone = [transplant(model, x, y, mask=m, shift=(5, -3), space=space, hard=hard) for x, y, m in parts]
        assert_same(at_once, torch.cat(alone))

    @every_way
    @pytest.mark.parametrize("cells", [1, 2, 4, 16, 32])
    def test_every_size_of_the_stylemap(self, space, hard, cells):
        model = tiny.model(stylemap_size=cells)
        a, b = pictures(model)
        full = torch.ones(2, 1, SIDE, SIDE)
        assert_same(transplant(model, a, b, mask=full, space=space, hard=hard), model.synthesize(b))
        moved = transplant(model, a, b, mask=random_mask(2), shift=(-7, 9), space=space, hard=hard)
        assert moved.shape == (2, 3, SIDE, SIDE) and moved.isfinite().all()

    @pytest.mark.parametrize(
        "mask", [torch.zeros(2, SIDE, SIDE), torch.zeros(3, 1, SIDE, SIDE), torch.full((2, 1, SIDE, SIDE), 2.0)]
    )
    def test_that_is_none(self, model, mask):
        with pytest.raises(ValueError, match="mask must"):
            transplant(model, *pictures(model), mask=mask, shift=(1, 1))


class TestArguments:
    def test_neither_boxes_nor_mask(self, model):
        with pytest.raises(ValueError, match="boxes or a mask"):
            transplant(model, *pictures(model))

    def test_both(self, model):
        with pytest.raises(ValueError, match="boxes or a mask"):
            transplant(model, *pictures(model), boxes=[Box((0, 0), (0, 0), (1, 1))], mask=random_mask(2))

    @pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
    def test_strength(self, model, strength):
        with pytest.raises(ValueError, match="strength"):
            transplant(model, *pictures(model), mask=random_mask(2), strength=strength)

    def test_space(self, model):
        with pytest.raises(ValueError, match="space"):
            transplant(model, *pictures(model), mask=random_mask(2), space="x")


def by_loops(x: Tensor, down: int, right: int, edge: str) -> Tensor:
    """Translation by whole pixels, pixel by pixel."""
    height, width = x.shape[2:]
    result = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            y, z = i - down, j - right
            if edge == "replicate":
                y, z = min(max(y, 0), height - 1), min(max(z, 0), width - 1)
            if 0 <= y < height and 0 <= z < width:
                result[:, :, i, j] = x[:, :, y, z]
    return result


def between(x: Tensor, down: float, right: float, edge: str) -> Tensor:
    """Translation by fractions: the weighted mean of the four whole ones around it."""
    total = torch.zeros_like(x)
    floor_y, floor_x = int(down // 1), int(right // 1)
    for y, weight_y in ((floor_y, floor_y + 1 - down), (floor_y + 1, down - floor_y)):
        for z, weight_x in ((floor_x, floor_x + 1 - right), (floor_x + 1, right - floor_x)):
            if weight_y * weight_x:
                total += weight_y * weight_x * by_loops(x, y, z, edge)
    return total


class TestTranslate:
    """On 5 x 7 pixels, so that height is not width."""

    x = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("edge", ["constant", "replicate"])
    @pytest.mark.parametrize("down", [-7, -5, -2, 0, 1, 4, 5, 6])
    @pytest.mark.parametrize("right", [-8, -3, 0, 2, 7])
    def test_whole_pixels(self, down, right, edge):
        assert torch.equal(translate(self.x, down, right, edge), by_loops(self.x, down, right, edge))

    @pytest.mark.parametrize("edge", ["constant", "replicate"])
    @pytest.mark.parametrize(("down", "right"), [(0.5, 0), (0, -0.25), (-1.75, 2.5), (3.125, -3.0), (-0.5, -6.5)])
    def test_fractions_interpolate_linearly(self, down, right, edge):
        expected = between(self.x, down, right, edge)
        torch.testing.assert_close(translate(self.x, down, right, edge), expected, rtol=0, atol=1e-6)

    def test_continuous_across_whole_pixels(self):
        for whole in (-2, 0, 3):
            for near in (whole - 1e-6, whole + 1e-6):
                moved, at = translate(self.x, near, near, "replicate"), translate(self.x, whole, whole, "replicate")
                torch.testing.assert_close(moved, at, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("far", [5, 5.5, 8, 1e9, -5, -5.5, -1e9])
    def test_beyond_the_frame(self, far):
        assert translate(self.x, far, 0).abs().max() == 0
        row = self.x[:, :, :1] if far > 0 else self.x[:, :, -1:]
        assert torch.equal(translate(self.x, far, 0, "replicate"), row.expand_as(self.x))
        assert translate(self.x, 0, 1.4 * far).abs().max() == 0

    @pytest.mark.parametrize(("down", "right"), [(1, 2), (-2, 1), (-1, -3)])
    def test_there_and_back_is_the_interior(self, down, right):
        back = translate(translate(self.x, down, right), -down, -right)
        y = slice(max(-down, 0), 5 - max(down, 0))
        z = slice(max(-right, 0), 7 - max(right, 0))
        assert torch.equal(back[:, :, y, z], self.x[:, :, y, z])
        assert back.sum() == pytest.approx(float(self.x[:, :, y, z].sum()), rel=1e-6)  # and zeros around it

    @pytest.mark.parametrize("edge", ["constant", "replicate"])
    def test_axes_are_treated_alike(self, edge):
        assert torch.equal(translate(self.x, 1.5, -2, edge), translate(self.x.mT, -2, 1.5, edge).mT)

    @pytest.mark.parametrize("edge", ["constant", "replicate"])
    def test_one_pixel(self, edge):
        x = torch.ones(1, 1, 1, 1)
        assert translate(x, 0.25, 0, edge).item() == {"constant": 0.75, "replicate": 1}[edge]

    def test_keeps_type_and_input(self):
        x = self.x.double()
        assert translate(x, 0.3, -0.7).dtype == torch.float64
        assert torch.equal(x, self.x.double())
