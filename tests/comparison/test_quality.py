"""Measures of results that are known."""

import numpy as np
import pytest
import torch

from stylemap import images
from stylemap.comparison import machine
from stylemap.comparison.quality import METRICS, Inverted, measure
from stylemap.comparison.timing import Outcome
from stylemap.inversion import Subject, render
from stylemap.metrics import features, latent_distance, streams, swd
from stylemap.metrics.evaluation import Reference
from stylemap.perceptual import inception
from stylemap.perceptual.inception import Extractor
from stylemap.perceptual.registry import Pixels
from tests.inversion import tiny
from tests.metrics.toys import Set

COUNT = 12


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(latent_distance, "DRAWS", 100)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def subject():
    return Subject(tiny.vectors())


def outcome(subject, shift: int = 0) -> Outcome:
    """Mapped latents with noise maps; their images, brighter by ``shift`` of 255."""
    latents = subject.model.map(tiny.randn(4, 12, seed=7))
    extras = {name: x + 0.1 * tiny.randn(*x.shape, seed=3) for name, x in subject.noise_drawn(4, 0).items()}
    made = images.to_uint8(render(subject.model, latents, extras)).int() + shift
    return Outcome(
        made.clamp(0, 255).byte(), {"latent": latents, **extras}, 1.0, [4.0], 0.1, 0.0, machine.Peak(), [], {}
    )


def reference(subject, seed: int = 0) -> Reference:
    return Reference(Set(images.to_uint8(tiny.images(subject.model, 16, seed=5)).numpy()), COUNT, seed)


def inverted(subject, result=None, originals=None, against=None) -> Inverted:
    result = outcome(subject) if result is None else result
    originals = outcome(subject).pictures if originals is None else originals
    return Inverted(subject.model, reference(subject) if against is None else against, originals, outcome=result)


def test_what_cannot_be_had_is_left_out_with_a_reason(subject):
    found = measure(inverted(subject, outcome(subject, 3)))
    assert found.keys() == {*METRICS, "editability_error", "of_attributes", "errors_of_attributes", "reasons"}
    assert (
        {name for name in METRICS if found[name] is None}
        == {"lpips", "fid_lerp", "editability"}
        == found["reasons"].keys()
    )
    assert "VGG-16" in found["reasons"]["lpips"] and "Inception" in found["reasons"]["fid_lerp"]


def test_perfect_pictures(subject):
    found = measure(inverted(subject))
    assert found["mse"] == 0 and found["ssim"] == pytest.approx(1)
    assert found["psnr"] is None and found["reasons"]["psnr"] == "the value is inf"


def test_error_is_of_pixels_from_minus_one_to_one(subject):
    grey = torch.full((4, tiny.SIDE, tiny.SIDE, 3), 100, dtype=torch.uint8)
    result = outcome(subject)
    result = Outcome(**{**vars(result), "pictures": grey + 51})
    found = measure(inverted(subject, result, grey))
    assert found["mse"] == pytest.approx(0.4**2)  # 51 of 127.5
    assert found["psnr"] == pytest.approx(10 * np.log10(4 / 0.16))


def test_networks_that_are_there_are_used(subject):
    means = Extractor(lambda x: x.float().mean(dim=(1, 2)), {})
    against = reference(subject)
    against.lpips, against.extractor = Pixels(), means
    grey = torch.full((4, tiny.SIDE, tiny.SIDE, 3), 100, dtype=torch.uint8)
    result = Outcome(**{**vars(outcome(subject)), "pictures": grey + 51})
    found = measure(inverted(subject, result, grey, against))
    assert found["lpips"] == pytest.approx(0.16)
    assert found["fid_lerp"] > 0


def test_ends_of_interpolations_are_the_reconstructions(subject, monkeypatch):
    """With everything that they are made of; and every image in between is of the same two."""
    result = outcome(subject)
    first, second = torch.tensor([0, 1, 2]), torch.tensor([3, 2, 2])
    monkeypatch.setattr(streams, "draw_pairs", lambda *_: (first, second, torch.tensor([1.0, 0.0, 0.5])))
    made = torch.cat(list(inverted(subject, result).interpolations(3)))
    expected = result.pictures[torch.tensor([0, 2, 2])]
    assert (made.int() - expected.int()).abs().max() <= 1  # float sums in another order


def test_interpolations_of_all_methods_have_the_same_places(subject, monkeypatch):
    seen = []
    draw = streams.draw_pairs
    monkeypatch.setattr(streams, "draw_pairs", lambda *a: seen.append(draw(*a)) or seen[-1])
    against = reference(subject, seed=2)
    for shift in (0, 5):
        measure(inverted(subject, outcome(subject, shift), against=against))
    assert len(seen) == 2 and all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


class TestWhatInterpolationsAreComparedWith:
    """Training images, of 16 as many as interpolations."""

    SEED = 5

    def test_the_seed_chooses(self, subject):
        one, same, other = (reference(subject, seed).chosen() for seed in (self.SEED, self.SEED, 6))
        assert one == same == streams.choose(16, COUNT, self.SEED)
        assert one != other and list(range(COUNT)) not in (one, other)

    def test_patches(self, subject, monkeypatch):
        against, seen, compared = reference(subject, self.SEED), [], swd.swd
        monkeypatch.setattr(swd, "swd", lambda *a: seen.append(a) or compared(*a))
        value = measure(inverted(subject, against=against))["swd_lerp"]
        real = swd.patches(streams.real(against.training, against.chosen()), self.SEED)
        generated = swd.patches(inverted(subject, against=against).interpolations(COUNT), self.SEED)
        ((first, second, _),) = seen
        assert torch.equal(second[tiny.SIDE], real[tiny.SIDE])
        assert torch.equal(first[tiny.SIDE], generated[tiny.SIDE])
        assert value == pytest.approx(compared(generated, real, self.SEED)[tiny.SIDE])

    def test_features(self, subject, monkeypatch):
        means = Extractor(lambda x: x.float().mean(dim=(1, 2)), {})
        against, seen = reference(subject, self.SEED), []
        against.extractor = means
        monkeypatch.setattr(features, "fid", lambda *a: seen.append(a) or 1.0)
        measure(inverted(subject, against=against))
        generated = inverted(subject, against=against).interpolations(COUNT)
        ((first, second),) = seen
        assert torch.equal(second, inception.extract(means, streams.real(against.training, against.chosen())))
        assert torch.equal(first, inception.extract(means, generated))


def test_real_images_are_read_once_for_all_methods(subject, monkeypatch):
    against, reads, real = reference(subject), [], streams.real
    monkeypatch.setattr(streams, "real", lambda *a, **k: reads.append(a) or real(*a, **k))
    for shift in (0, 5):
        measure(inverted(subject, outcome(subject, shift), against=against))
    assert len(reads) == 1
