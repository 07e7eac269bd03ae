import numpy as np
import pytest
import torch

from stylemap import images
from stylemap.metrics import streams
from tests.metrics import toys


def interpolations(model, latents: torch.Tensor, count: int, seed: int = 0):
    def render(tensors):
        return streams.rendered(model, tensors)

    return streams.interpolations({"latent": latents}, render, count, toys.SIDE, seed)


def test_draws():
    """With replacement, so that a latent meets itself once in ``size`` pairs; the amount is uniform."""
    first, second, amount = streams.draw_pairs(10, 20_000)
    assert set(first.tolist()) == set(second.tolist()) == set(range(10))
    assert float((first == second).double().mean()) == pytest.approx(0.1, abs=0.01)
    assert amount.min() >= 0 and amount.max() < 1
    assert float(amount.double().mean()) == pytest.approx(0.5, abs=0.01)
    assert float(amount.double().var()) == pytest.approx(1 / 12, abs=0.002)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_the_amount_belongs_to_the_first(monkeypatch):
    """lambda w1 + (1 - lambda) w2, rounded to 8 bits."""
    latents = torch.zeros(2, 2, 6)
    latents[0], latents[1] = 1.0, -1.0
    given = torch.tensor([0, 1, 0]), torch.tensor([1, 0, 0]), torch.tensor([0.75, 0.75, 0.3])
    monkeypatch.setattr(streams, "draw_pairs", lambda size, count, seed: given)
    found = torch.cat(list(interpolations(toys.Flat(), latents, 3)))
    assert found.dtype == torch.uint8 and found.shape == (3, 8, 8, 3)
    assert found[:, 0, 0, 0].tolist() == [191, 64, 255]


def test_batches_do_not_matter(monkeypatch):
    latents = toys.Flat().map(torch.randn(5, 6, generator=torch.Generator().manual_seed(0)))
    whole = torch.cat(list(interpolations(toys.Flat(), latents, 20, seed=1)))
    monkeypatch.setattr(streams, "MOST", 3)
    parts = list(interpolations(toys.Flat(), latents, 20, seed=1))
    assert len(parts) == 7
    assert torch.equal(torch.cat(parts), whole)


def test_stylemaps_too():
    class Maps(toys.Flat):
        def synthesize(self, stylemap):
            assert stylemap.shape[1:] == (3, 8, 8)
            return stylemap

    maps = images.from_uint8(toys.noise(4, side=8))
    (found,) = interpolations(Maps(), maps, 9, seed=2)
    first, second, amount = streams.draw_pairs(4, 9, seed=2)
    expected = torch.lerp(maps[second], maps[first], amount.view(-1, 1, 1, 1))
    assert torch.equal(found, images.to_uint8(expected))
