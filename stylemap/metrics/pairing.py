"""Pairs of images for the published measure of local editing, and its errors. Numbers, no torch.

Source: StyleMapGAN (arXiv 2104.14754), the evaluation of local editing. For each part, images are paired in which the part covers
much the same pixels. An edit is compared with the reference inside the mask and with the original outside.
"""

from collections.abc import Iterable

import numpy as np

GROUP = 4  # edits whose pixels are pooled before groups are averaged, as published
ROWS = 64  # masks multiplied at a time, which bounds the memory


def iou(masks: np.ndarray) -> np.ndarray:
    """Intersection over union of every mask with every other: bool [N, ...] -> float64 [N, N]; of two empty masks 0."""
    masks = masks.reshape(len(masks), -1)
    columns = masks.astype(np.float32).T  # whole numbers up to 2^24 are exact: masks of 4096 x 4096 pixels
    areas = masks.sum(1)
    result = np.zeros((len(masks), len(masks)))
    for row in range(0, len(masks), ROWS):
        both = (masks[row : row + ROWS].astype(np.float32) @ columns).astype(np.float64)
        either = areas[row : row + ROWS, None] + areas[None] - both
        np.divide(both, either, out=result[row : row + ROWS], where=either > 0)
    return result


def pair(scores: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs (original, reference), each image in one pair at most. The best pair is chosen first, then the best of the rest.

    Args:
        scores: [N, N], symmetric, see `iou`. Of equal pairs, that of the earlier images goes first.
        count: at most so many pairs; N images make up to N / 2.

    Returns:
        The best first; the earlier image is the original.
    """
    size = len(scores)
    first, second = np.triu_indices(size, 1)
    order = np.argsort(-scores[first, second], kind="stable")
    pairs: list[tuple[int, int]] = []
    used = np.zeros(size, bool)
    for k in order:
        if len(pairs) == count:
            break
        a, b = int(first[k]), int(second[k])
        if not used[a] and not used[b]:
            used[[a, b]] = True
            pairs.append((a, b))
    return pairs


def pair_by_chance(size: int, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """Up to ``count`` random pairs (original, reference) of ``size`` images, each image in one pair at most."""
    order = np.random.default_rng(seed).permutation(size).tolist()
    return list(zip(order[::2], order[1::2], strict=False))[:count]


def squared_errors(edit: np.ndarray, other: np.ndarray, where: np.ndarray) -> tuple[float, int]:
    """The sum of squared differences inside a mask, and the number of its values.

    Args:
        edit, other: uint8 [R, R, 3]; they are compared in [-1, 1].
        where: bool [R, R].
    """
    difference = (edit[where].astype(np.float64) - other[where]) / 127.5
    return float((difference**2).sum()), difference.size


def pooled(errors: Iterable[tuple[float, int]], group: int | None = GROUP) -> float | None:
    """The published mean of `squared_errors`: per value within groups of 4 edits, then over the groups that have values.

    Args:
        group: edits whose values are pooled; None pools all, so that every value counts alike.

    Returns:
        The mean; None where there is nothing to average.
    """
    errors = list(errors)
    size = group or max(1, len(errors))
    groups = [errors[k : k + size] for k in range(0, len(errors), size)]
    totals = [(sum(e for e, _ in g), sum(n for _, n in g)) for g in groups]
    means = [error / n for error, n in totals if n]
    return float(np.mean(means)) if means else None
