"""Small random models, stylemaps and masks. Random weights suffice: every property here holds for any weights."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

import tests.tiny
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.composing import Change
from stylemap.editing.edit import Patch, Placement, Step
from tests.tiny import SMALL

SIDE = SMALL.resolution  # R
CELLS = SMALL.stylemap_size  # S
CELL = SIDE // CELLS  # pixels
CHANNELS = SMALL.stylemap_channels  # C
SPACES = ("w", "w+")


def model(seed: int = 0, **changes) -> StylemapModel:
    return tests.tiny.model(replace(SMALL, **changes), seed)


def stylemaps(of: StylemapModel, samples: int, seed: int) -> Tensor:
    """[samples, C, S, S] from noise of the seed."""
    z = torch.randn(samples, of.config.stylemap_channels, generator=torch.Generator().manual_seed(seed))
    return of.map(z)


def random_mask(samples: int, seed: int = 0, side: int = SIDE) -> Tensor:
    """[samples, 1, R, R], uniform in [0, 1]; different everywhere, so that a wrong sample, place or axis shows."""
    return torch.rand(samples, 1, side, side, generator=torch.Generator().manual_seed(seed))


def box_mask(y: int, x: int, height: int, width: int, side: int = SIDE) -> Tensor:
    """[1, 1, R, R], 1 inside the box of pixels."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., y : y + height, x : x + width] = 1
    return mask


def patch(maps: Sequence[Tensor], mask: Tensor, placement: Placement = Placement(), **settings) -> Change:  # noqa: B008
    """Maps of a reference over those of an image."""
    return Change(Patch(reference=0, mask=mask, placement=placement, **settings), maps)


def addition(maps: Sequence[Tensor], mask: Tensor | None = None, **settings) -> Change:
    """Maps that are added to those of an image, as a push does."""
    return Change(Step(mask=mask, **settings), maps)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    """Equal but for the order of float32 sums.

    A layer sums at most 32 x 9 = 288 products, so it is off by about sqrt(288) 2^-24 = 1e-6 of its size where the order
    changes (with the batch, with the memory format); the norms keep ten layers in a row from amplifying that: 1e-5.
    """
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * max(1.0, float(expected.abs().max())))


def assert_differ(a: Tensor, b: Tensor) -> None:
    """Apart by much more than `assert_same` forgives: the case under test has something to show."""
    assert (a - b).abs().max() > 0.01 * b.abs().max()
