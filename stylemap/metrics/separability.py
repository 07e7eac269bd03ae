"""Linear separability (StyleGAN, Karras et al. 2019, arXiv 1812.04948, section 4.2): do attributes have a plane?

Samples get labels from a classifier of pictures; a linear SVM tells the labels from the latents. What it leaves open, in bits,
is summed over attributes: ``2^(sum H(label | side of the plane))``, 1 where every attribute has a plane of its own.

Two departures: the classifiers are trained here on labelled real pictures instead of 40 downloaded ones, and the SVM is judged
on samples it was not fitted to, since any labels of fewer samples than a stylemap has coordinates have a plane.
"""

import math
import warnings

import numpy as np
from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError

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
        raise InputError("separability needs 8 samples or more; raise --count")
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
