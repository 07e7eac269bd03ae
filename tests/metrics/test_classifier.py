import pytest
import torch

from stylemap.metrics import classifier
from tests.metrics import toys


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 40)


def striped(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, of which a half has a faint grid, and a third, in any order, is dark."""
    pictures = toys.noise(count, side=16, seed=seed, low=80, high=176)
    grid, dark = torch.arange(count) % 2 == 1, torch.arange(count) % 3 == 0
    pictures[grid, ::2] += 40
    pictures[dark] -= 40
    return pictures, torch.stack([grid, dark], dim=1)


def test_learns_what_can_be_learned():
    network = classifier.fit(*striped(80, seed=0))
    pictures, answers = striped(60, seed=1)
    logits = classifier.logits(network, pictures)
    assert logits.shape == (60, 2)
    assert ((logits > 0) == answers).float().mean() > 0.9


def test_the_seed_decides(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 3)
    pictures, answers = striped(40, seed=0)
    state = torch.random.get_rng_state()
    first, again, other = (classifier.logits(classifier.fit(pictures, answers, s), pictures) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_learns_within_no_grad(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 2)
    with torch.no_grad():
        network = classifier.fit(*striped(8, seed=0))
    assert not any(p.requires_grad for p in network.parameters())


def test_reduced():
    small = toys.noise(2, side=16)
    assert classifier.reduced(small) is small
    large = small.repeat_interleave(32, 1).repeat_interleave(32, 2)  # 512 pixels in blocks of 32
    assert torch.equal(classifier.reduced(large), small.repeat_interleave(16, 1).repeat_interleave(16, 2))


@pytest.mark.parametrize("side", [16, 32, 100, 256])
def test_any_size(side, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 1)
    pictures = toys.noise(2, side=side)
    network = classifier.fit(pictures, torch.tensor([[0], [1]]))
    assert classifier.logits(network, pictures).shape == (2, 1)
