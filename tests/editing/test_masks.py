"""Masks at lower sides: soft keeps the mean, hard takes every touched cell whole; what is no mask is refused."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from stylemap.editing import masks
from tests.editing.tiny import CELL, CELLS, SIDE, box_mask, random_mask

SIDES = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("side", SIDES)
def test_soft_is_the_mean_of_each_cell(side):
    mask = random_mask(3)
    cell = SIDE // side
    expected = mask.reshape(3, 1, side, cell, side, cell).mean(dim=(3, 5))
    # sums of at most 1024 numbers in [0, 1]: sqrt(1024) 2^-24 = 2e-6
    torch.testing.assert_close(masks.resize(mask, side, hard=False), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_stay_exact(side, hard, value):
    mask = torch.full((2, 1, SIDE, SIDE), value)
    assert torch.equal(masks.resize(mask, side, hard), torch.full((2, 1, side, side), value))


def test_any_single_pixel_takes_its_whole_cell_and_no_other():
    every_pixel = torch.eye(SIDE * SIDE).view(SIDE * SIDE, 1, SIDE, SIDE)  # sample i: pixel i alone
    index = torch.arange(SIDE * SIDE)
    cell_of_pixel = index // SIDE // CELL * CELLS + index % SIDE // CELL
    expected = torch.eye(CELLS * CELLS)[cell_of_pixel].view(-1, 1, CELLS, CELLS)
    assert torch.equal(masks.resize(every_pixel, CELLS, hard=True), expected)
    assert torch.equal(masks.resize(every_pixel, CELLS, hard=False), expected / CELL**2)


def test_hard_counts_pixels_above_one_half_alone():
    assert masks.resize(0.5 * box_mask(0, 0, 9, 9), CELLS, hard=True).sum() == 0
    assert masks.resize(0.51 * box_mask(0, 0, 9, 9), CELLS, hard=True).sum() == 9  # 3 x 3 cells, the last ones partly


def test_hard_never_takes_less_than_the_mask_asks():
    mask = random_mask(4)
    hard = masks.resize(mask, CELLS, hard=True).repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)
    assert (hard >= (mask > 0.5).float()).all()


@pytest.mark.parametrize("shape", [(2, 1, SIDE, SIDE), (1, 1, SIDE, SIDE)])
def test_fitting_shapes_pass(shape):
    masks.validate(torch.zeros(shape), samples=2, resolution=SIDE)


@pytest.mark.parametrize(
    "shape",
    [
        (SIDE, SIDE),
        (2, SIDE, SIDE),  # would meet the channels
        (1, SIDE, SIDE),
        (2, 3, SIDE, SIDE),  # a colour image
        (3, 1, SIDE, SIDE),  # another batch
        (0, 1, SIDE, SIDE),
        (2, 1, SIDE, SIDE // 2),
        (2, 1, SIDE // 2, SIDE),
        (2, 1, 2 * SIDE, 2 * SIDE),
        (2, 1, 1, 1),
        (1, 2, 1, SIDE, SIDE),
    ],
)
def test_other_shapes_are_refused_and_named(shape):
    with pytest.raises(ValueError, match="mask must be") as error:
        masks.validate(torch.zeros(shape), samples=2, resolution=SIDE)
    assert str(list(shape)) in str(error.value)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("inf"), float("-inf")])
def test_values_out_of_range_are_refused(value):
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 3, 5] = value
    with pytest.raises(ValueError, match="mask must lie in"):
        masks.validate(mask, samples=1, resolution=SIDE)


def test_nan_is_refused():
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 3, 5] = float("nan")
    with pytest.raises(ValueError, match="mask must lie in"):
        masks.validate(mask, samples=1, resolution=SIDE)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_types_that_cannot_be_averaged_are_refused(dtype):
    with pytest.raises(ValueError, match="mask must be float"):
        masks.validate(torch.zeros(1, 1, SIDE, SIDE, dtype=dtype), samples=1, resolution=SIDE)


def distance_to(area: Tensor) -> Tensor:
    """[R, R], pixels from the centre of each pixel to the nearest point of the area's pixels, by going through them all."""
    side = area.shape[-1]
    y, x = area.nonzero().double().T
    at = torch.arange(side, dtype=torch.float64)
    dy = ((at.view(-1, 1) - y).abs() - 0.5).clamp(min=0)  # [R, M]
    dx = ((at.view(-1, 1) - x).abs() - 0.5).clamp(min=0)
    return torch.hypot(dy[:, None], dx[None]).amin(-1)


class TestFeather:
    @pytest.mark.parametrize("radius", [0.5, 1, 2, 3, 4.5, 6, 9])
    @pytest.mark.parametrize("shape", ["box", "corner", "cross", "dot", "hole"])
    def test_reaches_no_further_than_its_radius(self, radius, shape):
        mask = {
            "box": box_mask(8, 6, 14, 20),
            "corner": box_mask(0, 0, 15, 20),
            "cross": torch.maximum(box_mask(12, 0, 5, SIDE), box_mask(0, 9, SIDE, 6)),
            "dot": box_mask(20, 11, 1, 1),
            "hole": 1 - box_mask(14, 15, 2, 1),
        }[shape]
        soft = masks.feather(mask, radius)[0, 0]
        assert (soft[distance_to(mask[0, 0] > 0) > radius] == 0).all()
        assert (soft[distance_to(mask[0, 0] < 1) > radius] == 1).all()
        assert soft.min() >= 0 and soft.max() <= 1

    def test_is_soft_across_the_edge(self):
        """Falls steadily from 1 to 0 over nearly twice the radius, by 1 / radius a pixel at most, and is 1/2 at the edge."""
        line = masks.feather(box_mask(0, 0, SIDE, 16), 8)[0, 0, 5]
        fall = line[:-1] - line[1:]
        assert (fall >= 0).all() and fall.max() < 1 / 6
        assert ((line > 0) & (line < 1)).sum() >= 10
        assert float(line[15] + line[16]) == pytest.approx(1, abs=1e-6)

    def test_is_not_softened_at_the_frame(self):
        soft = masks.feather(box_mask(0, 0, SIDE, 16), 4)
        assert (soft[..., 0] == 1).all() and torch.equal(soft, soft[:, :, :1].expand_as(soft))
        assert torch.equal(masks.feather(torch.ones(2, 1, SIDE, SIDE), 100), torch.ones(2, 1, SIDE, SIDE))

    def test_radius_0_is_the_mask(self):
        mask = random_mask(2)
        assert torch.equal(masks.feather(mask, 0), mask)

    @pytest.mark.parametrize("radius", [1e9, SIDE])
    def test_larger_than_the_picture(self, radius):
        soft = masks.feather(box_mask(0, 0, SIDE, 16), radius)
        assert soft.min() > 0 and soft.max() < 1

    def test_samples_stay_apart(self):
        mask = random_mask(3)
        alone = torch.cat([masks.feather(m, 3) for m in mask.split(1)])
        torch.testing.assert_close(masks.feather(mask, 3), alone, rtol=0, atol=2e-6)  # the order of float32 sums

    @pytest.mark.parametrize("radius", [-1, math.nan, math.inf])
    def test_radius_that_is_none(self, radius):
        with pytest.raises(ValueError, match="radius"):
            masks.feather(random_mask(1), radius)


class TestParts:
    labels = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 8, 0), 8, 1)  # [32, 32]

    def test_are_where_their_ids_are(self):
        mask = masks.from_parts(self.labels, (5, 6), SIDE)
        assert torch.equal(mask, box_mask(8, 8, 8, 16)) and mask.dtype == torch.float32

    def test_are_averaged_by_area(self):
        mask = masks.from_parts(self.labels, (0,), 2)  # a quarter of the upper left pixel
        assert torch.equal(mask, torch.tensor([[[[0.25, 0], [0, 0]]]]))
        assert torch.equal(masks.from_parts(self.labels, (5,), 64), box_mask(16, 16, 16, 16, 64))

    def test_of_a_wide_picture_the_central_square(self):
        wide = np.pad(self.labels, ((0, 0), (6, 7)), constant_values=15)
        assert torch.equal(masks.from_parts(wide, (5,), SIDE), masks.from_parts(self.labels, (5,), SIDE))

    def test_sum_to_one(self):
        total = sum(masks.from_parts(self.labels, (i,), 23) for i in range(16))
        torch.testing.assert_close(total, torch.ones(1, 1, 23, 23), rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        "labels", [np.zeros((4, 4), int), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)]
    )
    def test_labels_that_are_none(self, labels):
        with pytest.raises(ValueError, match="labels must be"):
            masks.from_parts(labels, (1,), SIDE)

    def test_union(self):
        first, second = random_mask(2, 1), random_mask(2, 2)
        both = masks.union(first, second)
        assert (both >= first).all() and (both >= second).all() and ((both == first) | (both == second)).all()


class TestHalf:
    def test_is_where_it_says(self):
        assert torch.equal(masks.half("right", SIDE), box_mask(0, SIDE // 2, SIDE, SIDE // 2))
        assert torch.equal(masks.half("upper", SIDE), box_mask(0, 0, SIDE // 2, SIDE))

    @pytest.mark.parametrize("side", [1, 2, 7, 32])
    @pytest.mark.parametrize(("one", "other"), [("left", "right"), ("upper", "lower")])
    def test_two_make_a_whole(self, side, one, other):
        first, second = masks.half(one, side), masks.half(other, side)
        assert torch.equal(first + second, torch.ones(1, 1, side, side)) and first.mean() == 0.5

    def test_which_is_none(self):
        with pytest.raises(ValueError, match="half must be one of left, right, upper, lower"):
            masks.half("top", SIDE)
