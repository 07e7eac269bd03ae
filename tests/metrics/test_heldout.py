import math

import pytest
import torch

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.metrics import heldout
from tests.tiny import TINY


class Pretender:
    """A model whose stylemaps are the images and whose reconstruction is ``f`` of them."""

    device = torch.device("cpu")

    def __init__(self, f):
        self.f = f

    def extras_of(self, labels):
        return {}

    def encode(self, x):
        return x

    def render_with(self, w, extras):
        return self.f(w)


@pytest.fixture
def pictures():
    return torch.randint(64, 192, (130, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_perfect(pictures):
    scores = heldout.score(Pretender(lambda x: x), pictures)
    assert scores == heldout.Scores(0.0, math.inf, 1.0)


def test_mean_image_explains_nothing(pictures):
    mean = images.from_uint8(pictures).mean(dim=0)
    scores = heldout.score(Pretender(lambda x: mean.expand_as(x)), pictures)
    assert scores.explained == pytest.approx(0, abs=1e-5)


def test_known_offset(pictures):
    """Pixels lie in [-0.5, 0.51], so an offset of 0.2 is not clamped: error 0.04, 10 log10(4 / 0.04) = 20 dB."""
    scores = heldout.score(Pretender(lambda x: x + 0.2), pictures)
    assert scores.mse == pytest.approx(0.04, rel=1e-4)
    assert scores.psnr == pytest.approx(20, abs=1e-3)


def test_reconstructions_are_clamped():
    white = torch.full((3, 8, 8, 3), 255, dtype=torch.uint8)
    assert heldout.score(Pretender(lambda x: x + 5), white).mse == 0


def test_grid_has_a_row_per_picture(pictures):
    torch.manual_seed(0)
    model = StylemapModel(TINY)
    pictures = pictures.repeat_interleave(2, 1).repeat_interleave(2, 2)[:3]  # 16 px
    grid = heldout.picture_grid(model.requires_grad_(False), pictures, torch.zeros(3, 4))
    tile = 16 * 6 + 2  # the least multiple of 16 that is 96, and the line between tiles
    assert grid.shape == (3, 3 * tile + 2, 4 * tile + 2)
    first = grid[:, 2 : 2 + 96 : 6, 2 : 2 + 96 : 6]
    torch.testing.assert_close(first, images.from_uint8(pictures)[0], rtol=0, atol=0)
