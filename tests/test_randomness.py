"""Every purpose of a training has random numbers of its own."""

import itertools

from stylemap import randomness
from stylemap.architectures import chance
from stylemap.architectures.vector import chance as vector_chance
from stylemap.architectures.vector.config import StyleGAN2Config, StyleGAN2Training
from stylemap.datasets import stream
from stylemap.randomness import Purpose
from stylemap.training import augment


def test_no_numbers_are_shared():
    """Nor between seeds and places that differ by a word of 32 bits, nor with the plain generators of the same numbers."""
    seeds, places = (0, 1, 2, 3, 2**32, 2**32 + 1, 2**62), (0, 1, 2, 3, 4, 11, 2**31)
    where = itertools.product(Purpose, seeds, places)
    first = [tuple(randomness.generator(*one).integers(2**63, size=2)) for one in where]
    assert len(set(first)) == len(first) == len(Purpose) * 7 * 7


def test_what_is_drawn_for_one_purpose(monkeypatch):
    """The same seed and place, as at the start of a training, in everything that draws."""
    asked, generator = [], randomness.generator
    monkeypatch.setattr(randomness, "generator", lambda *where: asked.append(where) or generator(*where))
    stream.epoch(5, 0, 7, True)
    config = StyleGAN2Training(seed=5, batch=4, model=StyleGAN2Config(resolution=16, latent_channels=3))
    chance.of_grid(config, 4)
    augment.draw(5, 0, 4)
    vector_chance.draw(config, 0)  # z too
    assert sorted(asked) == [
        (purpose, 5, 0) for purpose in Purpose if purpose not in (Purpose.MAPPING, Purpose.ENCODER)
    ]  # these train alone
