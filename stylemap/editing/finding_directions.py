"""Finding semantic directions: from images with labels by three methods, and from images alone by PCA.

Which to take: the vector of "logistic" and "svm" is the normal of the plane between images with and without (InterFaceGAN,
arXiv 1907.10786, section 3.1). That is the best detector, and where all coordinates vary alike, as in z, the best way to go
too. Encoded stylemaps vary much more along some vectors than along others, and there the normal leans on what varies
little: it tells faces apart and hardly changes them. How stylemaps do change from without to with is the difference of the
means, which equals the normal times their covariance (Haufe et al., NeuroImage 2014): "means" is the default.
"""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stylemap import provenance
from stylemap.editing.directions import Direction, Origin, normalised
from stylemap.errors import InputError

HELDOUT = 0.2  # share of the images
LEAST = 5  # images with and as many without
SHRINKAGE = 0.1  # of the covariance towards a multiple of the identity
# scikit-learn's inverse regularisation; small, since there are more coordinates than images
LOGISTIC_C, SVM_C = 1e-3, 1e-4


class Fit(NamedTuple):
    """What a method finds in training images; ``x @ normal > threshold`` predicts the label."""

    vector: Tensor  # [D], the way to move, of any length
    normal: Tensor  # [D]
    threshold: float


def find(
    name: str, stylemaps: Tensor, labels: Tensor, method: str = "means", heldout: float = HELDOUT, seed: int = 0
) -> Direction:
    """The direction from images without an attribute to images with it.

    Args:
        stylemaps: [N, C, S, S].
        labels: bool [N].
        method: one of `METHODS`: the difference of the means, or the normal of logistic regression or of a support vector
            machine (InterFaceGAN's choice), which need scikit-learn. The accuracy is that of the classifier; for the means
            of Fisher's linear discriminant, which has these means and a common covariance.
        heldout: share of the images, of either label, that only the accuracy sees.
        seed: of the choice of these.

    Raises:
        InputError: too few images with or without the attribute, or scikit-learn is missing.
        ValueError: shapes that do not fit.
    """
    x, y = _flat(stylemaps), torch.as_tensor(labels).cpu()
    if y.shape != (len(x),) or y.dtype != torch.bool:
        raise ValueError(f"labels must be bool [{len(x)}], not {y.dtype} {list(y.shape)}")
    test = _stratified(name, y, heldout, seed)
    fit = METHODS[method](x[~test], y[~test])
    correct = (x[test] @ fit.normal > fit.threshold) == y[test]
    positive = float(y[test].float().mean())
    origin = Origin(
        method,
        pictures=len(x),
        positive=float(y.float().mean()),
        accuracy=float(correct.float().mean()),
        balanced_accuracy=float(sum(correct[y[test] == side].float().mean() for side in (True, False)) / 2),
        baseline=max(positive, 1 - positive),
    )
    vector = fit.vector.view(stylemaps.shape[1:])
    scale = deviation(vector, stylemaps) if fit.vector.norm() > 0 else 0.0
    return normalised(name, vector, scale, origin)


def pca(stylemaps: Tensor, components: int) -> list[Direction]:
    """The principal components of stylemaps, those of the largest variance first (GANSpace, arXiv 2004.02546, section 2.1).

    The sign of a component is free: its largest coordinate is made positive.

    Args:
        stylemaps: [N, C, S, S].
        components: 1 .. min(N - 1, C S S).

    Returns:
        Directions "pc1", "pc2" ..., orthogonal to each other.

    Raises:
        InputError: more components than there are.
    """
    x = _flat(stylemaps)
    n, size = x.shape
    most = min(n - 1, size)
    if not 1 <= components <= most:
        raise InputError(
            f"{components} components of {n} stylemaps of {size} numbers: must be 1 to {most}; "
            + ("give more images or fewer components" if components > most else "take 1 or more")
        )
    x = x - x.mean(dim=0)
    variances, vectors = torch.linalg.eigh((x @ x.T if n < size else x.T @ x) / (n - 1))  # ascending
    total = float(x.square().sum() / (n - 1))
    directions = []
    for i in range(components):
        vector, variance = vectors[:, -1 - i], float(variances[-1 - i])
        if not variance > 1e-12 * total:
            raise InputError(f"the {n} stylemaps vary in {i} ways only; give other images or fewer components")
        vector = x.T @ vector if n < size else vector
        vector = vector * vector[vector.abs().argmax()].sign()
        origin = Origin("pca", pictures=n, explained=variance / total)
        directions.append(normalised(f"pc{i + 1}", vector.view(stylemaps.shape[1:]), variance**0.5, origin))
    return directions


def deviation(vector: Tensor, stylemaps: Tensor) -> float:
    """Standard deviation of stylemaps [N, C, S, S] along a vector [C, S, S], as if it were of norm 1."""
    flat = vector.double().flatten()
    return float((_flat(stylemaps) @ (flat / flat.norm())).std())


def _means(x: Tensor, y: Tensor) -> Fit:
    n, size = x.shape
    positive, negative = x[y].mean(dim=0), x[~y].mean(dim=0)  # [D]
    delta = positive - negative
    rest = (x - torch.where(y[:, None], positive, negative)) / n**0.5  # rest' rest is the covariance within the two
    floor = SHRINKAGE * rest.square().sum() / size + torch.finfo(x.dtype).tiny
    if n < size:  # (floor + rest' rest)^-1 by Woodbury's identity, with as many equations as there are images
        inner = torch.linalg.solve(rest @ rest.T + floor * torch.eye(n, dtype=x.dtype), rest @ delta)
        normal = (delta - rest.T @ inner) / floor
    else:
        normal = torch.linalg.solve(rest.T @ rest + floor * torch.eye(size, dtype=x.dtype), delta)
    return Fit(delta, normal, float(normal @ (positive + negative) / 2))


def _logistic(x: Tensor, y: Tensor) -> Fit:
    model = _sklearn("linear_model")
    return _normal(model.LogisticRegression(C=LOGISTIC_C, class_weight="balanced", max_iter=1000), x, y)


def _svm(x: Tensor, y: Tensor) -> Fit:
    options = {"class_weight": "balanced", "dual": "auto", "random_state": 0, "max_iter": 10_000}
    return _normal(_sklearn("svm").LinearSVC(C=SVM_C, **options), x, y)


METHODS: dict[str, Callable[[Tensor, Tensor], Fit]] = {"means": _means, "logistic": _logistic, "svm": _svm}


def _normal(classifier, x: Tensor, y: Tensor) -> Fit:
    """The normal that a scikit-learn classifier finds in standardised coordinates, in those of stylemaps."""
    mean, deviations = x.mean(dim=0), x.std(dim=0, correction=0)
    deviations = torch.where(deviations > 1e-6 * deviations.max(), deviations, torch.inf)  # what never varies counts 0
    classifier.fit(((x - mean) / deviations).numpy(), y.numpy())
    normal = torch.from_numpy(np.ascontiguousarray(classifier.coef_[0], np.float64)) / deviations
    return Fit(normal, normal, float(normal @ mean - classifier.intercept_[0]))


def _stratified(name: str, labels: Tensor, heldout: float, seed: int) -> Tensor:
    """bool [N]: which images are held out; of either label the same share, and at least one."""
    if not 0 < heldout < 1:
        raise ValueError(f"heldout must lie between 0 and 1, not {heldout}")
    counts = int(labels.sum()), int((~labels).sum())
    if min(counts) < LEAST:
        raise InputError(
            f"{name!r}: {counts[0]} images have it and {counts[1]} do not; "
            f"give {LEAST} of each or more, or choose another attribute"
        )
    test = torch.zeros(len(labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    for side in (labels, ~labels):
        indices = side.nonzero()[:, 0]
        share = min(max(1, round(heldout * len(indices))), len(indices) - 2)
        test[indices[torch.randperm(len(indices), generator=generator)[:share]]] = True
    return test


def _flat(stylemaps: Tensor) -> Tensor:
    """float64 [N, C S S]."""
    if stylemaps.dim() != 4:
        raise ValueError(f"stylemaps must be [N, C, S, S], not {list(stylemaps.shape)}")
    return stylemaps.detach().cpu().double().flatten(1)


def _sklearn(module: str) -> ModuleType:
    try:
        return provenance.library(f"sklearn.{module}")
    except InputError as err:
        raise InputError(f"this method {err}, or take the method means") from err
