"""Pairs of images for the published measure of local editing, and its errors. Numbers, no torch.

Source: StyleMapGAN (arXiv 2104.14754), the evaluation of local editing. For each part, images are paired in which the part covers
much the same pixels. An edit is compared with the reference inside the mask and with the original outside.
"""

from collections.abc import Iterable

import numpy as np

GROUP = 4  # edits whose pixels are pooled before groups are averaged, as published
ROWS = 64  # masks multiplied at a time, which bounds the memory


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every mask with every other.

    Args:
        first, second: bool [M, ...] and [N, ...].

    Returns:
        float64 [M, N] in [0, 1]; of two empty masks 0.

    Raises:
        ValueError: not bool, or masks of different shapes.
    """
    if first.dtype != bool or second.dtype != bool or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"masks must be bool and alike, not {first.dtype} {first.shape}, {second.dtype} {second.shape}"
        )
    first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
    result = np.zeros((len(first), len(second)))
    columns = second.astype(np.float32).T  # whole numbers up to 2^24 are exact: masks of 4096 x 4096 pixels
    for row in range(0, len(first), ROWS):
        part = first[row : row + ROWS]
        both = (part.astype(np.float32) @ columns).astype(np.float64)
        either = part.sum(1)[:, None] + second.sum(1)[None] - both
        np.divide(both, either, out=result[row : row + ROWS], where=either > 0)
    return result


def pair(scores: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pairs (original, reference), each image in one pair at most. The best pair is chosen first, then the best of the rest.

    Args:
        scores: [N, N], symmetric, see `iou`. Of equal pairs, that of the earlier images goes first.
        count: how many, at most N / 2.

    Returns:
        ``count`` pairs, the best first; the earlier image is the original.

    Raises:
        ValueError: not square, or more pairs than there are.
    """
    size = len(scores)
    if scores.shape != (size, size):
        raise ValueError(f"scores must be [N, N], not {list(scores.shape)}")
    _check_count(size, count)
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
    """``count`` random pairs (original, reference) of ``size`` images, each image in one pair at most.

    Raises:
        ValueError: more pairs than there are.
    """
    _check_count(size, count)
    order = np.random.default_rng(seed).permutation(size)[: 2 * count].tolist()
    return list(zip(order[::2], order[1::2], strict=True))


def _check_count(size: int, count: int) -> None:
    if not 0 <= count <= size // 2:
        raise ValueError(f"{size} images make up to {size // 2} pairs, not {count}")


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
