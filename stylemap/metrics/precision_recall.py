"""Improved precision and recall (Kynkäänniemi et al. 2019, section 2), computed by torch-fidelity."""

from typing import NamedTuple

from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.metrics.evaluation import Evaluation

NEIGHBOUR = 3  # the ball of an image reaches to its third nearest
ROWS = 2000  # distances to so many images are in memory at once


class PrecisionRecall(NamedTuple):
    precision: float  # share of generated images that lie in the ball of a real one
    recall: float  # share of real images that lie in the ball of a generated one


def precision_recall(generated: Tensor, real: Tensor) -> PrecisionRecall:
    """How much of what is generated looks real, and how much of what is real can be generated; the order matters.

    Args:
        generated, real: [N, D] and [M, D].

    Raises:
        InputError: torch-fidelity is not installed, or too few images for a third neighbour.
    """
    module = provenance.library("torch_fidelity.metric_prc")
    if min(len(generated), len(real)) <= NEIGHBOUR:
        raise InputError(f"precision and recall need more than {NEIGHBOUR} images in each set")
    result = module.prc_features_to_metric(
        generated, real, prc_neighborhood=NEIGHBOUR, prc_batch_size=ROWS, save_cpu_ram=True, verbose=False
    )
    return PrecisionRecall(result[module.KEY_METRIC_PRECISION], result[module.KEY_METRIC_RECALL])


def _both(e: Evaluation) -> PrecisionRecall:
    return precision_recall(e.sample_features, e.reference.features)


METRICS = {
    "precision": lambda e: (e.once(_both).precision, e.about_features()),
    "recall": lambda e: (e.once(_both).recall, e.about_features()),
}
