"""Transplantation: boxes copy exactly the cells they name, masks move with what they cut out, by an oracle."""

import pytest
import torch
from torch import Tensor

from stylemap import Box, blend, transplant
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.editing import masks
from stylemap.editing.blending import in_space, render
from stylemap.editing.composing import Change, compose
from stylemap.editing.edit import Placement
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
    patch,
    random_mask,
    stylemaps,
)
from tests.editing.translations import between, by_loops

every_way = pytest.mark.parametrize(("space", "hard"), [(s, h) for s in SPACES for h in (False, True)])


def pictures(model, samples: int = 2) -> tuple[Tensor, Tensor]:
    return stylemaps(model, samples, 1), stylemaps(model, samples, 2)


def numbered(samples: int = 2, channels: int = 3, side: int = CELLS) -> Tensor:
    """[samples, channels, side, side], no two values the same."""
    return torch.arange(samples * channels * side * side, dtype=torch.float32).view(samples, channels, side, side)


def copy_boxes(original: Tensor, references: list[Tensor], boxes: list[Box], strength: float = 1.0) -> Tensor:
    """Stylemaps with the boxes of the references in them, without a network."""
    config = StylemapConfig(resolution=SIDE, stylemap_size=original.shape[-1])
    changes = [Change(box.patch(config, strength), [r]) for box, r in zip(boxes, references, strict=True)]
    return compose([original], changes, SIDE)[0]


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
        """Two boxes that swap two cells of the image itself."""
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
            (Box((6, 0), (0, 0), (3, 3)), "source: cells 6,0,3,3"),
            (Box((0, 6), (0, 0), (3, 3)), "source: cells 0,6,3,3"),
            (Box((0, 0), (6, 0), (3, 3)), "target: cells 6,0,3,3"),
            (Box((0, 0), (0, 6), (3, 3)), "target: cells 0,6,3,3"),
            (Box((-1, 0), (0, 0), (3, 3)), "source: cells -1,0,3,3"),
            (Box((0, 0), (0, -1), (3, 3)), "target: cells 0,-1,3,3"),
            (Box((0, 0), (0, 0), (0, 3)), "source: cells 0,0,0,3"),
            (Box((0, 0), (0, 0), (3, -1)), "source: cells 0,0,3,-1"),
            (Box((0, 0), (0, 0), (CELLS + 1, 1)), f"source: cells 0,0,{CELLS + 1},1"),
            (Box((CELLS, 0), (0, 0), (1, 1)), f"source: cells {CELLS},0,1,1"),
        ],
    )
    def test_outside_the_map_names_the_cells(self, model, box, named):
        a, b = pictures(model, 1)
        with pytest.raises(ValueError, match=named):
            transplant(model, a, b, boxes=[box])

    def test_the_last_cells_are_inside(self):
        Box((CELLS - 1, 0), (0, CELLS - 1), (1, 1)).patch(StylemapConfig(resolution=SIDE, stylemap_size=CELLS))

    @pytest.mark.parametrize(("references", "boxes"), [(2, 1), (1, 2), (0, 0)])
    def test_each_needs_a_reference(self, model, references, boxes):
        a, b = pictures(model, 1)
        with pytest.raises(ValueError, match="each part needs a reference"):
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
    @pytest.mark.parametrize("shift", [(SIDE, 0), (0, -SIDE), (4096, 4096)])
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


class TestSeveralMasks:
    @every_way
    def test_are_one_after_the_other(self, model, space, hard):
        """A part of each of two references, the second mirrored and enlarged over the first."""
        a, b, c = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
        first, second = box_mask(0, 0, 16, 16), box_mask(8, 8, 8, 12)
        places = [Placement((4, 4)), Placement((2, -3), 1.5, True)]
        edits = [
            patch(in_space(model, r, space), m, where, hard=hard)
            for r, m, where in zip((b, c), (first, second), places, strict=True)
        ]
        expected = render(model, compose(in_space(model, a, space), edits, SIDE), space)
        assert_same(
            transplant(model, a, [b, c], mask=[first, second], placement=places, space=space, hard=hard), expected
        )
        assert_differ(
            transplant(model, a, [c, b], mask=[second, first], placement=places[::-1], space=space, hard=hard), expected
        )

    def test_share_a_reference_and_a_placement(self, model):
        a, b = pictures(model)
        both, where = [box_mask(0, 0, 8, 8), box_mask(20, 20, 4, 4)], Placement((4, -4))
        once = transplant(model, a, b, mask=both, placement=where)
        assert_same(once, transplant(model, a, [b, b], mask=both, placement=[where, where]))
        assert_same(once, transplant(model, a, b, mask=both, shift=(4, -4)))

    def test_layers(self, model):
        a, b = pictures(model)
        full = torch.ones(1, 1, SIDE, SIDE)
        mixed = transplant(model, a, b, mask=full, layers=(0, 2))
        assert_same(mixed, model.render(model.resize(b)[:2] + model.resize(a)[2:]))

    def test_there_and_back_with_the_picture_s_own_part_changes_nothing(self, model):
        a = stylemaps(model, 2, 1)
        assert_same(transplant(model, a, a, mask=random_mask(2), placement=Placement()), model.synthesize(a))

    @pytest.mark.parametrize(
        ("masks", "references", "arguments", "message"),
        [
            (0, 0, {}, "each part needs a reference"),
            (2, 1, {}, "each part needs a reference: got 2 and 1"),
            (1, 1, {"placement": [Placement()] * 2}, "each part needs a placement: got 1 and 2"),
            (1, 1, {"placement": Placement(), "shift": (1, 0)}, "a shift or a placement"),
        ],
    )
    def test_mistakes(self, model, masks, references, arguments, message):
        a, b = pictures(model, 1)
        with pytest.raises(ValueError, match=message):
            transplant(model, a, [b] * references, mask=[random_mask(1)] * masks, **arguments)


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
