import pytest
import torch

from stylemap.architectures.model import Moments
from stylemap.config import Latents
from stylemap.errors import InputError
from stylemap.metrics import latent_distance
from tests.editing import tiny
from tests.metrics import toys


def test_by_hand():
    """Layer 0: a distance of 5 in deviations of 2; layer 1: of 3 in deviations of 6; the mean is 1.5."""
    spread = Moments(torch.zeros(1, 2, 6), torch.tensor([2.0, 6.0]).double())
    spread.mean[0, 0, 0] = 1
    latents = torch.zeros(2, 2, 6)
    latents[0, 0, :2], latents[0, 1, 0], latents[1, 0, 0] = torch.tensor([4.0, 4.0]), 3, 1
    assert latent_distance.distance(toys.Flat(), latents, spread).tolist() == [1.5, 0]


def test_cells_are_layers():
    latents = Latents("stylemap 2x2", "stylemap", "cells", (6, 2, 2), 6, spatial=True)
    maps = torch.arange(2 * 3 * 4.0).view(1, 6, 2, 2)
    layers = latents.vectors(maps)
    assert layers.shape == (1, 4, 6)
    assert layers[0, 1].tolist() == maps[0, :, 0, 1].tolist()
    with pytest.raises(ValueError, match=r"\[N, 6, 2, 2\]"):
        latents.vectors(torch.zeros(2, 3))


def test_known_gaussian():
    """The toy's latents are z: mean 0 and a mean squared length of 6 in both layers."""
    spread = latent_distance.moments(toys.Flat(), count=20_000)
    torch.testing.assert_close(spread.mean, torch.zeros(1, 2, 6), rtol=0, atol=0.04)
    torch.testing.assert_close(spread.deviation, torch.full((2,), 6**0.5).double(), rtol=0.02, atol=0)
    far = torch.zeros(1, 2, 6)
    far[..., 0] = 4 * 6**0.5
    assert float(latent_distance.distance(toys.Flat(), far, spread)) == pytest.approx(4, rel=0.02)


def test_mapped_samples_are_at_one():
    """Over the very z that the deviation is of, the mean square of each cell's distance is 1."""
    model = tiny.model()
    spread = latent_distance.moments(model, seed=5, count=600)
    from stylemap.metrics import streams

    differences = model.latents.vectors(model.map(streams.noise(model, 600, 5)) - spread.mean).double()
    square = (differences.norm(dim=2) / spread.deviation).square().mean(dim=0)
    torch.testing.assert_close(square, torch.ones_like(square), rtol=1e-5, atol=0)


def test_nothing_varies():
    with pytest.raises(InputError, match="same latent for every z"):
        latent_distance.distance(
            toys.Flat(), torch.zeros(1, 2, 6), Moments(torch.zeros(1, 2, 6), torch.tensor([1.0, 0.0]))
        )
