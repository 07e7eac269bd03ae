"""Kernel distance of features (Bińkowski et al. 2018), computed by torch-fidelity."""

from typing import NamedTuple

from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.metrics.evaluation import Evaluation

SUBSETS, SUBSET_SIZE = 100, 1000  # torch-fidelity's defaults


class Kid(NamedTuple):
    mean: float  # over subsets of min(N, M, 1000) images
    deviation: float  # of the estimates from subsets of ``spread_over`` images
    spread_over: int  # min(N // 2, M // 2, 1000)


def kid(generated: Tensor, real: Tensor, seed: int = 0) -> Kid:
    """Unbiased squared MMD with the kernel ``(x . y / D + 1)^3``: mean and standard deviation over 100 random subsets.

    Symmetric in what is estimated. Unlike FID it does not depend on the number of images in the mean, and it may be a little
    below 0. Subsets of the deviation hold half of the smaller set at most: larger ones share most of their images, and their
    estimates hardly differ. Halves of a set differ from each other by as much as sets of that size differ (the delete-half
    jackknife, Shao and Wu 1989), so that below 2000 images in each set the deviation is the standard error of the mean, or
    more than that where one set is larger. From 2000 on it is that of 1000 images, as it is published.

    Args:
        generated, real: [N, D] and [M, D].

    Raises:
        InputError: torch-fidelity is not installed, or fewer than four images.
    """
    module = provenance.library("torch_fidelity.metric_kid")
    smaller, larger = sorted((len(generated), len(real)))
    if smaller < 4:
        raise InputError("KID needs four images or more in each set")

    def over(size: int) -> tuple[float, float]:
        subsets = 1 if size == larger else SUBSETS  # all of both sets is one subset
        result = module.kid_features_to_metric(
            generated, real, kid_subsets=subsets, kid_subset_size=size, rng_seed=seed, verbose=False
        )
        return result[module.KEY_METRIC_KID_MEAN], result[module.KEY_METRIC_KID_STD]

    size, half = min(smaller, SUBSET_SIZE), min(smaller // 2, SUBSET_SIZE)
    mean, deviation = over(size)
    return Kid(mean, deviation if half == size else over(half)[1], half)


def _kid(e: Evaluation) -> tuple[float, dict]:
    result = kid(e.sample_features, e.reference.features, e.seed)
    details = {"deviation_of_subsets": result.deviation, "pictures_of_a_subset": result.spread_over}
    return result.mean, e.about_features() | details


METRICS = {"kid": _kid}
