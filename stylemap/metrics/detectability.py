"""Detectability: how well a classifier tells edited images from real ones, as average precision; 0.5 is chance.

The paper (StyleMapGAN, arXiv 2104.14754) took a downloaded detector (Wang et al. 2020). Here one is trained on the edits of
half of the images and judged on those of the other half. It knows the kind of edits it looks for, so it is a harder opponent, and
its numbers compare only with each other.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stylemap.errors import InputError
from stylemap.metrics import classifier, local_editing, streams
from stylemap.metrics.evaluation import Evaluation

LEAST = 4  # pairs in each half
RESAMPLED = 200  # draws for its standard error


class Detectability(NamedTuple):
    """Average precision, 0.5 = chance."""

    judged: float  # on images that the classifier was not trained on: the measure
    fitted: float  # on its training images; near chance it has learned nothing, and the measure says nothing about the edits
    error: float  # standard error of `judged`, by resampling the judged images; the classifier is one


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """``sum (R_k - R_(k-1)) P_k`` over thresholds: precision and recall of all with a score of at least the k-th.

    Equal scores share a threshold, so that a constant score has the share of positives.

    Args:
        scores: [N], higher for positive.
        positive: bool [N].

    Raises:
        ValueError: no positive, or a score that is not a number.
    """
    if not positive.any() or np.isnan(scores).any():
        raise ValueError("average precision needs a positive, and scores that are numbers")
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(positive[order])
    last = np.append(scores[1:] != scores[:-1], True)  # of its threshold
    recall, precision = hits[last] / hits[-1], hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(recall, prepend=0) * precision).sum())


def detectability(
    fitted: tuple[Tensor, Tensor], judged: tuple[Tensor, Tensor], seed: int = 0, device: torch.device | str = "cpu"
) -> Detectability:
    """Average precision of a classifier that is trained on the fitted images, on the judged images and on the fitted ones.

    Args:
        fitted, judged: (real, edited), uint8 [N, R, R, 3] and equally many, of disjoint images; see `classifier.reduced`.

    Raises:
        InputError: too few.
    """
    if min(len(x) for pair in (fitted, judged) for x in pair) < LEAST:
        raise InputError(f"detectability needs {2 * LEAST} edits or more; raise --pairs or --heldout")
    network = classifier.fit(torch.cat(fitted), _answers(*fitted)[:, None], seed, device)
    scores, fitted_scores = (classifier.logits(network, torch.cat(pair))[:, 0].numpy() for pair in (judged, fitted))
    edited, fitted_edited = (_answers(*pair).numpy() > 0 for pair in (judged, fitted))
    return Detectability(
        average_precision(scores, edited),
        average_precision(fitted_scores, fitted_edited),
        resampled_error(scores, edited, seed),
    )


def resampled_error(scores: np.ndarray, positive: np.ndarray, seed: int = 0) -> float:
    """The standard error of `average_precision`: its deviation over draws, with replacement, from either kind (the bootstrap)."""
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(positive == kind) for kind in (True, False)]
    drawn = (np.concatenate([rng.choice(kind, len(kind)) for kind in kinds if len(kind)]) for _ in range(RESAMPLED))
    return float(np.std([average_precision(scores[each], positive[each]) for each in drawn], ddof=1))


def _answers(real: Tensor, edited: Tensor) -> Tensor:
    return torch.cat([torch.zeros(len(real)), torch.ones(len(edited))])


def _detectability(e: Evaluation) -> tuple[float, dict]:
    order = np.random.default_rng([e.seed, streams.CHOICE]).permutation(e.kept).tolist()
    half = len(order) // 2
    fitted, judged = (_real_and_edited(e, sorted(part)) for part in (order[:half], order[half:]))
    result = detectability(fitted, judged, e.seed, e.model.device)
    return result.judged, {
        "chance": 0.5,
        "standard_error": result.error,
        "on_those_trained_on": result.fitted,
        "masks": local_editing.masks_of(e),
        "edits_trained_on": len(fitted[0]),
        "edits_judged_on": len(judged[0]),
        "seed": e.seed,
        "classifier": classifier.schedule(),
    }


def _real_and_edited(e: Evaluation, subset: list[int]) -> tuple[Tensor, Tensor]:
    """Sources and their edits among these held-out images, ``pairs`` over all parts together: they are kept in memory."""
    tasks = local_editing.tasks(e, subset, e.pairs)
    most = max(1, e.pairs // len(tasks))
    tasks = [task._replace(pairs=task.pairs[:most]) for task in tasks]
    edits = (edit for task in tasks for edit in local_editing.edits(e.model, e.heldout, e.encoded, task))
    sources, edited = zip(*((_reduced(edit.source), _reduced(edit.picture)) for edit in edits), strict=True)
    return torch.cat(sources), torch.cat(edited)


def _reduced(picture: np.ndarray) -> Tensor:
    return classifier.reduced(torch.from_numpy(picture)[None])


METRICS = {"detectability": _detectability}
