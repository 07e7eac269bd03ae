"""Masks at lower sides: soft keeps the mean, hard takes every touched cell whole; what is no mask is refused."""

import pytest
import torch

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
    masks.check(torch.zeros(shape), samples=2, resolution=SIDE)


@pytest.mark.parametrize(
    "shape",
    [
        (SIDE, SIDE),
        (2, SIDE, SIDE),  # would meet the channels
        (1, SIDE, SIDE),
        (2, 3, SIDE, SIDE),  # a colour picture
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
        masks.check(torch.zeros(shape), samples=2, resolution=SIDE)
    assert str(list(shape)) in str(error.value)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("inf"), float("-inf")])
def test_values_out_of_range_are_refused(value):
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 3, 5] = value
    with pytest.raises(ValueError, match="mask must lie in"):
        masks.check(mask, samples=1, resolution=SIDE)


def test_nan_is_refused():
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 3, 5] = float("nan")
    with pytest.raises(ValueError, match="mask must lie in"):
        masks.check(mask, samples=1, resolution=SIDE)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_types_that_cannot_be_averaged_are_refused(dtype):
    with pytest.raises(ValueError, match="mask must be float"):
        masks.check(torch.zeros(1, 1, SIDE, SIDE, dtype=dtype), samples=1, resolution=SIDE)
