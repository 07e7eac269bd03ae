import pytest
import torch

from stylemap.metrics import streams
from tests.editing import tiny
from tests.inversion import tiny as vectors
from tests.metrics import toys


def test_choose():
    assert streams.choose(5, 9) == [0, 1, 2, 3, 4]
    chosen = streams.choose(1000, 50, seed=1)
    assert chosen == sorted(set(chosen)) and len(chosen) == 50
    assert chosen == streams.choose(1000, 50, seed=1) != streams.choose(1000, 50, seed=2)


def test_noise_goes_on():
    """More of it begins with less of it, and another use has another."""
    few, many = (streams.noise(toys.Flat(), n, seed=3) for n in (5, 50))
    assert torch.equal(few, many[:5])
    assert not torch.equal(few, streams.noise(toys.Flat(), 5, seed=3, use=streams.PAIRS))


def test_real_pictures(monkeypatch):
    monkeypatch.setattr(streams, "MOST", 3)
    pictures = toys.noise(8, side=8)
    found = list(streams.real(toys.Set(pictures.numpy()), [1, 3, 4, 7]))
    assert [len(x) for x in found] == [3, 1]
    assert torch.equal(torch.cat(found), pictures[[1, 3, 4, 7]])


def test_samples(monkeypatch):
    whole = torch.cat(list(streams.samples(toys.Flat(), 10, seed=1)))
    assert whole.shape == (10, 8, 8, 3) and whole.dtype == torch.uint8
    monkeypatch.setattr(streams, "MOST", 4)
    assert torch.equal(torch.cat(list(streams.samples(toys.Flat(), 10, seed=1))), whole)


@pytest.mark.parametrize("architecture", ["stylegan2", "stylegan"])
def test_samples_of_vectors_have_noise_of_their_own(architecture, monkeypatch):
    model = vectors.vectors(architecture)
    monkeypatch.setattr(model, "map", lambda z: torch.zeros(len(z), model.latents.count, z.shape[1]))
    whole = torch.cat(list(streams.samples(model, 5, seed=1))).int()
    assert (whole[0] - whole[1]).abs().max() > 10
    monkeypatch.setattr(streams, "MOST", 2)
    # up to the order of float sums
    assert (torch.cat(list(streams.samples(model, 5, seed=1))).int() - whole).abs().max() <= 1


def test_large_pictures_come_in_small_batches():
    assert [streams.per_pass(side) for side in (32, 256, 512, 1024)] == [64, 16, 4, 4]


def test_reconstructions():
    model = tiny.model()
    pictures = toys.Set(toys.noise(3, tiny.SIDE).numpy())
    latents = streams.latents_of(model, pictures)
    assert latents.shape == (3, tiny.CHANNELS, tiny.CELLS, tiny.CELLS)
    (made,) = streams.reconstructions(model, {"latent": latents})
    assert made.shape == (3, tiny.SIDE, tiny.SIDE, 3)
