"""How well a direction learned on samples acts on encoded images, at equal change elsewhere: a definition of this project.

Inversion has a trade-off (Tov et al. 2021, arXiv 2102.02766): latents that reconstruct better may answer worse to edits. Here
an edit is a direction: from the mean latent of samples that lack an attribute to that of samples that have it. Each image takes
steps along it, towards what it has not. A step changes the attribute, as a network sees it that was trained on labelled images.
It also changes pixels outside of the parts that have the attribute, which it should not. The number is the change of the
attribute where the pixels outside have changed by CHANGE, so that a long step does not count as a good one. The unit is one
standard deviation of the attribute among the held-out images. It is averaged over images, then over attributes.

Its standard error is found by drawing the images anew. Directions and networks stay as they are, so it does not include what
other samples or another training would change.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.datasets import Avatars
from stylemap.datasets.parts import part_ids
from stylemap.errors import InputError
from stylemap.metrics import classifier, separability, streams
from stylemap.metrics.detectability import RESAMPLED
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.metrics.separability import QUESTIONS, Question, labelled


class Attribute(NamedTuple):
    """Of drawn faces."""

    question: Question
    parts: tuple[str, ...]  # where the answer is to be seen


class Answers(NamedTuple):
    """What S steps change in N images."""

    elsewhere: np.ndarray  # [S, N], squared change, summed over the pixels outside
    pixels: np.ndarray  # [N], how many these are
    attribute: np.ndarray  # [S, N]

    def curves(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means over pixels outside and over images, [S] each, with weights [N] of the images."""
        return self.elsewhere @ weights / (self.pixels @ weights), self.attribute @ weights / weights.sum()

    def value(self, weights: np.ndarray) -> float:
        """The change of the attribute at an equal change elsewhere."""
        return at_equal_change(*self.curves(weights))


ATTRIBUTES = {
    "smile": Attribute(QUESTIONS["smile"], ("lip",)),
    "open mouth": Attribute(QUESTIONS["open mouth"], ("lip",)),
    "beard": Attribute(QUESTIONS["beard"], ("skin", "lip")),
    "dark hair": Attribute(lambda a: a["hair_colour"] in ("black", "dark_brown"), ("hair", "eyebrow")),
    "deep skin": Attribute(QUESTIONS["deep skin"], ("skin", "nose", "ear", "neck")),
}
MARGIN = 1 / 16  # of the side, around the parts: a mouth that opens is larger than before
CHANGE = 0.01  # mean squared change of the pixels outside, in [-1, 1]
STEPS = np.linspace(0, 2, 17)  # in differences of the means
MOST = 64  # images
EXTREMES = 0.2  # share of the samples at either end


def outside(labels: np.ndarray, parts: tuple[str, ...], side: int) -> Tensor:
    """bool [R, R]: where none of these parts lies, nor the margin around them.

    Args:
        labels: uint8 [H, W] of `parts.Part`.
    """
    ids = [part for name in parts for part in part_ids(name)]
    inside = F.adaptive_max_pool2d(torch.from_numpy(np.isin(labels, ids)).float()[None, None], side)
    margin = max(1, round(MARGIN * side))
    return F.max_pool2d(inside, 2 * margin + 1, 1, margin)[0, 0] == 0


def direction(latents: Tensor, scores: Tensor) -> Tensor:
    """From the samples with the lowest scores of an attribute to those with the highest: a difference of means.

    InterFaceGAN (arXiv 1907.10786) fits its plane to such extremes.

    Args:
        latents: [N, ...].
        scores: [N].

    Returns:
        [...].
    """
    order, count = scores.argsort(), max(1, round(EXTREMES * len(scores)))
    return latents[order[-count:]].mean(dim=0) - latents[order[:count]].mean(dim=0)


def at_equal_change(elsewhere: np.ndarray, attribute: np.ndarray, change: float = CHANGE) -> float:
    """The change of the attribute where that elsewhere is ``change``, on straight lines between the steps.

    Args:
        elsewhere, attribute: changes after each step, from 0. If ``change`` is never reached, the last step counts.
    """
    return float(np.interp(change, np.maximum.accumulate(elsewhere), attribute))


def resampled_errors(answers: Sequence[Answers], seed: int) -> tuple[list[float], float] | tuple[None, None]:
    """Standard errors of each value and of their mean, by drawing images with replacement (the bootstrap), the same for all.

    None for fewer than two images.
    """
    count = len(answers[0].pixels)
    if count < 2:
        return None, None
    draws = np.random.default_rng(seed).multinomial(count, [1 / count] * count, RESAMPLED)
    values = np.array([[each.value(weights) for each in answers] for weights in draws])  # [draws, attributes]
    return values.std(axis=0, ddof=1).tolist(), float(values.mean(axis=1).std(ddof=1))


def attribute_network(reference: Reference) -> nn.Module:
    """A network that is trained on drawn faces to tell ATTRIBUTES."""
    questions = {name: attribute.question for name, attribute in ATTRIBUTES.items()}
    known = labelled(reference.training, separability.LABELLED, reference.workers, questions)
    return classifier.fit(*known, reference.seed, reference.device)


def _editability(e: Evaluation) -> tuple[float, dict]:
    if not isinstance(e.reference.training, Avatars) or e.labels is None:
        raise InputError("needs images with known attributes and parts: --data avatars")
    network = e.reference.once(attribute_network)

    def seen(pictures: Tensor) -> Tensor:
        return classifier.logits(network, classifier.reduced(pictures))

    samples = torch.cat([seen(x) for x in e.samples(e.count)])
    mapped = torch.cat([w.cpu() for w in streams.mapped(e.model, streams.noise(e.model, e.count, e.seed))])
    kept = e.kept[:MOST]
    originals = seen(torch.from_numpy(np.stack([np.asarray(e.heldout[i]) for i in e.kept])))
    tensors = {name: x[:MOST] for name, x in e.tensors.items()}
    answers = {}
    for k, (name, attribute) in enumerate(ATTRIBUTES.items()):
        masks = torch.stack([outside(e.labels(i), attribute.parts, e.model.config.resolution) for i in kept])
        vector, towards = direction(mapped, samples[:, k]), -originals[: len(kept), k].sign()
        steps = [
            _step(e, tensors, amount * towards.view(-1, *[1] * vector.dim()) * vector) for amount in STEPS.tolist()
        ]
        before = steps[0]
        changes = [(x.float() - before.float()).div(127.5).square().mean(dim=3) * masks for x in steps]
        turns = [towards * (seen(x)[:, k] - seen(before)[:, k]) / originals[:, k].std() for x in steps]
        answers[name] = Answers(
            torch.stack(changes).sum(dim=(2, 3)).double().numpy(),
            masks.sum(dim=(1, 2)).numpy(),
            torch.stack(turns).double().numpy(),
        )
    alike = np.ones(len(kept))
    values = {name: each.value(alike) for name, each in answers.items()}
    curves = {
        name: dict(zip(("outside", "attribute"), each.curves(alike), strict=True)) for name, each in answers.items()
    }
    errors, error = resampled_errors(list(answers.values()), e.seed)
    details = {
        "definition": "of stylemap, see docs/metrics.md",
        "change": CHANGE,
        "pictures": len(kept),
        "standard_error": error,
        "of_attributes": values,
        "standard_errors_of_attributes": errors and dict(zip(answers, errors, strict=True)),
        "steps": STEPS.tolist(),
        "curves": {name: {of: curve.tolist() for of, curve in pair.items()} for name, pair in curves.items()},
        "samples": e.count,
        "seed": e.seed,
        "classifier": classifier.schedule() | {"faces": separability.LABELLED},
    }
    return sum(values.values()) / len(values), details


def _step(e: Evaluation, tensors: dict[str, Tensor], step: Tensor) -> Tensor:
    """The images whose latents have moved: uint8 [N, R, R, 3]."""
    moved = tensors | {"latent": tensors["latent"] + step}
    parts = zip(*(x.split(streams.per_pass(e.model.config.resolution)) for x in moved.values()), strict=True)
    return torch.cat([e.render(dict(zip(moved, part, strict=True))) for part in parts])


METRICS = {"editability": _editability}
