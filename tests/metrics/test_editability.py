"""Editability by hand: masks, directions, equal change; and a model whose edits are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stylemap.config import Latents
from stylemap.datasets import Avatars
from stylemap.datasets.parts import Part
from stylemap.metrics import editability
from stylemap.metrics.editability import (
    Answers,
    Attribute,
    at_equal_change,
    attribute_network,
    direction,
    outside,
    resampled_errors,
)
from stylemap.metrics.evaluation import Evaluation, Reference
from tests.metrics import toys


def test_outside_leaves_out_the_part_and_a_margin():
    """At side 16 the margin is one pixel; labels have twice the side."""
    labels = np.zeros((32, 32), np.uint8)
    labels[8:12, 16:20] = Part.UPPER_LIP
    labels[0, 0] = Part.NOSE
    free = outside(labels, ("lip",), 16)
    expected = torch.ones(16, 16, dtype=torch.bool)
    expected[3:7, 7:11] = False
    assert torch.equal(free, expected)


def test_a_direction_leads_from_the_lowest_to_the_highest():
    """Of ten samples, two at either end."""
    scores = torch.tensor([5.0, 9, 1, 0, 4, 6, 2, 8, 7, 3])
    latents = torch.stack([scores, scores**2], dim=1)[:, None]
    assert direction(latents, scores).tolist() == [[8.0, (81 + 64 - 1) / 2]]


@pytest.mark.parametrize(
    ("elsewhere", "attribute", "value"),
    [
        ([0, 0.02, 0.04], [0, 1, 3], 0.5),
        ([0, 0.005, 0.004, 0.015], [0, 1, 2, 4], 3),  # a step that changes less than the one before
        ([0, 0.001], [0, 7], 7),  # the last step
    ],
)
def test_the_change_of_the_attribute_at_an_equal_change_elsewhere(elsewhere, attribute, value):
    assert at_equal_change(np.array(elsewhere), np.array(attribute)) == pytest.approx(value)


def test_an_image_counts_by_its_pixels_outside_and_by_its_weight():
    """Two steps of two images, with one and three pixels outside: (0.01 + 3 * 0.03) / 4 after the first step."""
    answers = Answers(np.array([[0, 0], [0.01, 0.09]]), np.array([1, 3]), np.array([[0, 0], [1, 2]]))
    elsewhere, attribute = answers.curves(np.ones(2))
    assert elsewhere == pytest.approx([0, 0.025]) and attribute == pytest.approx([0, 1.5])
    twice, once = (answers.curves(np.array(weights)) for weights in ([3, 0], [1, 0]))
    assert np.allclose(twice, once) and np.allclose(once, [[0, 0.01], [0, 1]])


def test_the_standard_error_is_that_of_a_mean():
    """Where all images change alike elsewhere, the value is a mean over images, whose error is known: deviation over sqrt(N). 200
    draws find it within 1 / sqrt(400), and three times that is allowed. Two equal attributes err together."""
    attribute = np.random.default_rng(0).normal(size=50)
    answers = Answers(np.array([[0.0], [0.01]]).repeat(50, 1), np.ones(50), np.stack([0 * attribute, attribute]))
    errors, error = resampled_errors([answers, answers], seed=1)
    assert errors == pytest.approx([attribute.std(ddof=0) / 50**0.5] * 2, rel=0.15)
    assert error == pytest.approx(errors[0])
    steady = answers._replace(attribute=np.zeros((2, 50)))
    assert resampled_errors([answers, steady], seed=1) == (pytest.approx([errors[0], 0]), pytest.approx(error / 2))
    single = Answers(answers.elsewhere[:, :1], answers.pixels[:1], answers.attribute[:, :1])
    assert resampled_errors([single], seed=1) == (None, None)


class Halves(toys.Flat):
    """z is a latent of two numbers: the colour of the left half, and that of the right half."""

    config = SimpleNamespace(
        resolution=8, labelled=False, latents=Latents("", "latent", "layers", (1, 2), 2, spatial=False)
    )

    def map(self, z):
        return z[:, None] * 0.1

    def synthesize(self, latent):
        return latent[:, 0, :, None, None].repeat_interleave(4, dim=1).permute(0, 2, 3, 1).expand(-1, 3, 8, -1)


class Left(torch.nn.Module):
    """The attribute is the colour of the left half."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, images):
        return images[..., :4].mean(dim=(1, 2, 3))[:, None]


def edited(leak: float) -> float:
    """Of images whose right half follows the left one by that share, when it is moved along the direction."""

    class Leaking(Halves):
        def synthesize(self, latent):
            left, right = latent.unbind(dim=-1)
            return super().synthesize(torch.stack([left, right + leak * left], dim=-1))

    model = Leaking()
    heldout = toys.noise(6, 8, high=1).numpy() + np.array([90, 110, 120, 140, 150, 160], np.uint8)[:, None, None, None]
    labels = np.repeat(np.array([Part.SKIN, Part.BACKGROUND], np.uint8), 4)[None].repeat(8, axis=0)
    reference = Reference(Avatars(16, 10), 400)
    reference.cache[attribute_network] = Left()
    e = Evaluation(model, reference, toys.Set(heldout), labels=lambda i: labels)
    e.encoded = {"latent": torch.zeros(6, 1, 2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editability, "ATTRIBUTES", {"left": Attribute(lambda a: True, ("skin",))})
        patch.setattr(editability, "STEPS", np.linspace(0, 6, 49))
        result = e.measure("editability")
    assert result.details["of_attributes"] == {"left": result.value}
    assert result.details["standard_errors_of_attributes"] == {"left": result.details["standard_error"]}
    return result.value


def test_what_an_edit_changes_elsewhere_counts_against_it():
    """The left half changes by d where the right one, beyond the margin, changes by CHANGE ** 0.5 = leak d = 0.1, so
    d = 0.1 / leak, and the unit is the deviation of the six originals. The direction has a share of the right half by chance,
    of 1 in sqrt(80) or so, and colours have 8 bits: together less than a fifth."""
    originals = torch.tensor([90.0, 110, 120, 140, 150, 160]) / 127.5
    expected = 0.1 / originals.std()
    assert edited(leak=1.0) == pytest.approx(float(expected), rel=0.2)
    assert edited(leak=0.5) == pytest.approx(float(expected) / 0.5, rel=0.2)


def test_images_without_attributes_are_refused():
    model = Halves()
    e = Evaluation(model, Reference(toys.Set(toys.noise(4, 8).numpy())), toys.Set(toys.noise(4, 8).numpy()))
    assert "avatars" in e.measure("editability").details["reason"]
