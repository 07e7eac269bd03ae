"""Transplants as a training task: an ellipse of the next sample, at its place, and nothing else."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stylemap.architectures.stylemap import transplants
from stylemap.architectures.stylemap.config import StylemapLoss, StylemapTraining
from stylemap.errors import InputError
from tests import tiny

SIDE = 32


def draws(n=2, source=(0.0, 0.0), target=(0.0, 0.0), scale=1.0, radii=(0.3, 0.3), transplanted=True):
    row = torch.ones(n, 1)
    return transplants.StylemapChance(
        torch.zeros(2, n, 1),
        torch.full((n,), transplanted),
        torch.zeros(n, dtype=torch.bool),
        row * torch.tensor(source),
        row * torch.tensor(target),
        torch.full((n,), scale),
        row * torch.tensor(radii),
    )


def test_where_nothing_is_transplanted_nothing_changes():
    maps = tiny.randn(2, 3, SIDE, SIDE)
    assert torch.equal(transplants.lay(maps, draws(transplanted=False), SIDE), maps)


@pytest.mark.parametrize("pixels", [(0, 0), (4, -6)])
def test_inside_is_the_next_sample_at_its_place_and_outside_the_image_itself(pixels):
    """Shifts by whole pixels. Bilinear weights are off by float32's rounding of places, 32 * 2^-23 of a pixel."""
    maps = tiny.randn(3, 2, SIDE, SIDE)
    x, y = pixels
    chance = draws(3, target=(2 * x / SIDE, 2 * y / SIDE))
    mask = transplants.ellipse(chance, SIDE)
    inside, outside = mask == 1, mask == 0
    assert inside.any() and outside.any()
    laid = transplants.lay(maps, chance, SIDE)
    moved = maps.roll(-1, dims=0).roll((y, x), dims=(2, 3))
    torch.testing.assert_close(laid * inside, moved * inside, rtol=0, atol=1e-4)
    assert torch.equal(laid * outside, maps * outside)


def test_a_part_is_scaled_about_its_centre():
    """A disc of the next sample, of twice its radius, at another place: its area is four times as large."""
    line = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    disc = (torch.hypot(line[:, None] + 0.25, line[None, :] - 0.5) < 0.2).float()
    maps = torch.stack([torch.zeros(SIDE, SIDE), disc])[:, None]
    chance = draws(2, source=(0.5, -0.25), target=(-0.25, 0.25), scale=2.0, radii=(0.6, 0.6))
    laid = transplants.lay(maps, chance, SIDE)[0, 0]
    assert float(laid.sum() / disc.sum()) == pytest.approx(4, rel=0.1)  # the edge of the disc has 20 % of its pixels
    centre = (laid[..., None] * torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)).sum((0, 1)) / laid.sum()
    torch.testing.assert_close(centre, torch.tensor([0.25, -0.25]), rtol=0, atol=0.5 * 2 / SIDE)


@pytest.mark.parametrize("side", [2, 8, 16])
def test_maps_of_every_side_take_the_same_share(side):
    """Of images of one colour, so that it makes no difference whether cells are averaged before or after."""
    maps = tiny.randn(4, 3, 1, 1).expand(-1, -1, SIDE, SIDE).contiguous()
    chance = transplants.draw(StylemapTraining(batch=4, loss=StylemapLoss(transplants=1.0)), 0)
    laid = transplants.lay(maps, chance, SIDE)
    coarse = transplants.lay(F.adaptive_avg_pool2d(maps, side), chance, SIDE)
    # means of up to 256 values below 4, summed in another order
    torch.testing.assert_close(coarse, F.adaptive_avg_pool2d(laid, side), rtol=0, atol=1e-5)


def test_draws_are_the_same_for_any_division_of_the_batch():
    config = StylemapTraining(batch=8, loss=StylemapLoss(transplants=0.5))
    whole = transplants.draw(config, 40)
    for name in ("source", "target", "scale", "radii", "transplanted", "in_w"):
        assert torch.equal(getattr(whole.take([5, 2]), name), getattr(whole, name)[[5, 2]])
        assert torch.equal(getattr(transplants.draw(config, 40), name), getattr(whole, name))
    assert torch.equal(whole.take([5, 2]).z, whole.z[:, [5, 2]])


def test_each_transplant_is_laid_over_one_of_the_spaces():
    """Over w, the stylemap changes before the resizer; over w+, the resized stylemaps do; elsewhere, nothing."""
    model, images = tiny.model(tiny.TINY), tiny.randn(3, 3, 16, 16)
    chance = replace(draws(3), transplanted=torch.tensor([True, True, False]), in_w=torch.tensor([True, False, False]))
    stylemaps = model.encode(images)
    plain = model.resize(stylemaps)
    over_w = model.resize(transplants.lay(stylemaps, chance, 16))
    over_w_plus = [transplants.lay(maps, chance, 16) for maps in plain]
    for laid, *expected in zip(transplants.styles(model, images, chance), over_w, over_w_plus, plain, strict=True):
        torch.testing.assert_close(laid, torch.stack([maps[i] for i, maps in enumerate(expected)]))
    assert not torch.allclose(over_w[-1][0], over_w_plus[-1][0], atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_is_kept(share):
    """Four standard deviations of 4,096 coin tosses are at most 0.031."""
    config = StylemapTraining(batch=4096, loss=StylemapLoss(transplants=share))
    assert float(transplants.draw(config, 0).transplanted.float().mean()) == pytest.approx(share, abs=0.032)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(InputError, match="transplants"):
        replace(StylemapLoss(), transplants=share)
