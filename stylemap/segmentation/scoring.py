"""How well label maps agree: intersection over union."""

from collections.abc import Iterable

import numpy as np

from stylemap.datasets.parts import Part


def confusion(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Pixels int64 [19, 19] by true and by found part, of pairs of label maps (truth, found) uint8 [R, R]."""
    counts = np.zeros((len(Part), len(Part)), np.int64)
    for truth, found in pairs:
        np.add.at(counts, (truth, found), 1)
    return counts


def ious(confusion: np.ndarray) -> dict[str, float]:
    """Intersection over union, by the name of each part that is in the truth; pixels of all images together."""
    both = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - both
    return {p.name.lower(): float(both[p] / union[p]) for p in Part if confusion[p].any()}


def miou(confusion: np.ndarray) -> float:
    """The mean of `ious`."""
    return float(np.mean(list(ious(confusion).values())))
