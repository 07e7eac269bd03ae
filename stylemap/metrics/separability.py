"""Linear separability (StyleGAN, Karras et al. 2019, arXiv 1812.04948, section 4.2): do attributes have a plane?

A classifier of images labels samples, and a linear SVM predicts the labels from the latents. The entropy that remains, in bits,
is summed over attributes: ``2^(sum H(label | side of the plane))``, which is 1 if every attribute has a plane.

Two departures: the classifiers are trained here on labelled real images instead of 40 downloaded ones, and the SVM is judged
on samples it was not fitted to, since any labels of fewer samples than a stylemap has coordinates have a plane.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylemap import provenance
from stylemap.datasets import Avatars
from stylemap.errors import InputError
from stylemap.metrics import classifier, streams
from stylemap.metrics.evaluation import Evaluation

Question = Callable[[Mapping[str, Any]], bool]  # the attributes of a drawn face -> the answer
QUESTIONS: dict[str, Question] = {
    "glasses": lambda a: a["glasses"],
    "hat": lambda a: a["hat"],
    "beard": lambda a: a["beard"] != "none",
    "smile": lambda a: a["smile"] > 0.5,
    "open mouth": lambda a: a["mouth_open"] > 0.2,
    "deep skin": lambda a: a["skin_tone"] > 0.5,
}
LABELLED = 2000  # faces that the classifiers of these learn from

CONFIDENT = 0.5  # share of the samples that is kept, the most certain: 100,000 of 200,000 in the paper
C = 0.01  # scikit-learn's inverse regularisation, of standardised coordinates


def conditional_entropy(labels: np.ndarray, given: np.ndarray) -> float:
    """H(labels | given) in bits. bool [N] twice; 0 where the one decides the other, 1 for a coin that knows nothing."""
    total = 0.0
    for side in (False, True):
        inside = labels[given == side]
        for share in (inside.mean(), 1 - inside.mean()) if len(inside) else ():
            if share > 0:
                total -= len(inside) / len(labels) * share * math.log2(share)
    return total


def separability(latents: Tensor, logits: Tensor) -> tuple[float, list[float]]:
    """``2^(sum of entropies)`` and the entropy of each attribute in bits.

    Args:
        latents: [N, ...], flattened.
        logits: [N, K] of a classifier; their sign is the label and their size the confidence.

    Raises:
        InputError: scikit-learn is not installed, or too few samples.
    """
    flat = latents.flatten(1).numpy()
    entropies = [_entropy(flat, column.numpy()) for column in logits.T]
    return 2 ** sum(entropies), entropies


def _entropy(latents: np.ndarray, logits: np.ndarray) -> float:
    svm = provenance.library("sklearn.svm")
    kept = np.argsort(-np.abs(logits), kind="stable")[: math.ceil(CONFIDENT * len(logits))]
    if len(kept) < 4:
        raise InputError("separability needs 8 samples or more; raise --samples")
    x, labels = latents[kept], logits[kept] > 0
    # Every other one by confidence, so that both halves are alike.
    fitted, judged = slice(0, None, 2), slice(1, None, 2)
    if labels[fitted].all() or not labels[fitted].any():
        # No plane can be fitted; what is open is then all there is.
        return conditional_entropy(labels[judged], np.zeros_like(labels[judged]))
    mean, deviation = x[fitted].mean(axis=0), x[fitted].std(axis=0)
    x = (x - mean) / np.maximum(deviation, 1e-8)
    with warnings.catch_warnings():
        # A plane that is not quite the best is still a plane, and judged for what it is.
        warnings.simplefilter("ignore")
        plane = svm.LinearSVC(C=C, dual="auto", random_state=0).fit(x[fitted], labels[fitted])
    return conditional_entropy(labels[judged], plane.predict(x[judged]).astype(bool))


def labelled(faces: Avatars, most: int, workers: int, questions: Mapping[str, Question]) -> tuple[Tensor, Tensor]:
    """The first faces, see `classifier.reduced`, with their answers, bool [N, K]."""
    indices = range(min(most, len(faces)))
    rows = [faces.attributes(i) for i in indices]
    answers = np.stack([[ask(row) for ask in questions.values()] for row in rows])
    drawn = streams.real(faces, indices, workers, "labelled faces")
    return torch.cat([classifier.reduced(x) for x in drawn]), torch.from_numpy(answers)


def attribute_network(e: Evaluation) -> nn.Module:
    """A network that is trained on drawn faces to answer QUESTIONS."""
    training = e.reference.training
    if not isinstance(training, Avatars):
        raise InputError("needs images with known attributes: --data avatars")
    return classifier.fit(*labelled(training, LABELLED, e.reference.workers, QUESTIONS), e.seed, e.model.device)


def attribute_accuracy(e: Evaluation) -> list[float]:
    """Of the network on held-out faces, for each question."""
    faces, answers = labelled(e.heldout, len(e.heldout), e.reference.workers, QUESTIONS)
    return ((classifier.logits(e.once(attribute_network), faces) > 0) == answers).double().mean(dim=0).tolist()


def attribute_logits(e: Evaluation) -> Tensor:
    """What the network says of the samples: [count, K]."""
    network = e.once(attribute_network)
    return torch.cat([classifier.logits(network, classifier.reduced(x)) for x in e.samples(e.count)])


def _separability(e: Evaluation, space: str) -> tuple[float, dict]:
    provenance.library("sklearn.svm")  # before the samples are made
    logits, z = e.once(attribute_logits), streams.noise(e.model, e.count, e.seed)
    latents = torch.cat([w.cpu() for w in streams.mapped(e.model, z)]) if space == "w" else z
    value, entropies = separability(latents, logits)

    def by_question(values: Iterable[float]) -> dict[str, float]:
        return dict(zip(QUESTIONS, values, strict=True))

    accuracy = by_question(e.once(attribute_accuracy))
    return value, {
        "samples": e.count,
        "kept": CONFIDENT,
        "bits": by_question(entropies),
        "share_of_samples": by_question((logits > 0).float().mean(dim=0).tolist()),
        "seed": e.seed,
        "classifier": classifier.schedule() | {"faces": LABELLED, "heldout_accuracy": accuracy},
    }


METRICS = {
    "separability_z": lambda e: _separability(e, "z"),
    "separability_w": lambda e: _separability(e, "w"),
}
