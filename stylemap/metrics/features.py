"""FID, KID, precision and recall: sets of images compared by features of a network, computed by torch-fidelity.

Features are [N, D]. Each function raises InputError if torch-fidelity is not installed, or if there are too few images.
"""

from typing import NamedTuple

from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.metrics.evaluation import Evaluation
from stylemap.perceptual import inception

SUBSETS, SUBSET_SIZE = 100, 1000  # of KID, torch-fidelity's defaults
NEIGHBOUR = 3  # the ball of an image reaches to its third nearest
ROWS = 2000  # distances to so many images are in memory at once


def fid(generated: Tensor, real: Tensor) -> float:
    """Fréchet distance (Heusel et al. 2017): ``|mean difference|^2 + tr(A + B - 2 (A B)^(1/2))`` of the Gaussians fitted to
    two sets of features.

    Symmetric. It shrinks as sets grow: compare only numbers of as many images. With fewer images than features the
    covariances are singular; torch-fidelity takes the eigenvalues of their product, which stays defined.
    """
    module = provenance.library("torch_fidelity.metric_fid")
    if min(len(generated), len(real)) < 2:
        raise InputError("FID needs two images or more in each set")
    first, second = (module.fid_features_to_statistics(x.double()) for x in (generated, real))
    return module.fid_statistics_to_metric(first, second, verbose=False)[module.KEY_METRIC_FID]


class Kid(NamedTuple):
    mean: float  # over subsets of min(N, M, 1000) images
    deviation: float  # of the estimates from subsets of ``spread_over`` images
    spread_over: int  # min(N // 2, M // 2, 1000)


def kid(generated: Tensor, real: Tensor, seed: int = 0) -> Kid:
    """Kernel distance (Bińkowski et al. 2018): unbiased squared MMD with the kernel ``(x . y / D + 1)^3``, mean and standard
    deviation over 100 random subsets.

    Symmetric in what is estimated. Unlike FID it does not depend on the number of images in the mean, and it may be a little
    below 0. Subsets of the deviation hold half of the smaller set at most: larger ones share most of their images, and their
    estimates hardly differ. Halves of a set differ from each other by as much as sets of that size differ (the delete-half
    jackknife, Shao and Wu 1989), so that below 2000 images in each set the deviation is the standard error of the mean, or
    more than that where one set is larger. From 2000 on it is that of 1000 images, as it is published.
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


class PrecisionRecall(NamedTuple):
    precision: float  # share of generated images that lie in the ball of a real one
    recall: float  # share of real images that lie in the ball of a generated one


def precision_recall(generated: Tensor, real: Tensor) -> PrecisionRecall:
    """How much of what is generated looks real, and how much of what is real can be generated; the order matters
    (Kynkäänniemi et al. 2019, section 2)."""
    module = provenance.library("torch_fidelity.metric_prc")
    if min(len(generated), len(real)) <= NEIGHBOUR:
        raise InputError(f"precision and recall need more than {NEIGHBOUR} images in each set")
    result = module.prc_features_to_metric(
        generated, real, prc_neighborhood=NEIGHBOUR, prc_batch_size=ROWS, save_cpu_ram=True, verbose=False
    )
    return PrecisionRecall(result[module.KEY_METRIC_PRECISION], result[module.KEY_METRIC_RECALL])


def _fid(e: Evaluation) -> tuple[float, dict]:
    return fid(e.sample_features, e.reference.features), e.about_features()


def _fid_lerp(e: Evaluation) -> tuple[float, dict]:
    between = inception.extract(e.reference.extractor, e.interpolations(e.count))
    return fid(between, e.reference.features), e.about_features() | {"latents": len(e.kept)}


def _kid(e: Evaluation) -> tuple[float, dict]:
    result = kid(e.sample_features, e.reference.features, e.seed)
    details = {"deviation_of_subsets": result.deviation, "pictures_of_a_subset": result.spread_over}
    return result.mean, e.about_features() | details


def _precision_recall(e: Evaluation) -> PrecisionRecall:
    return precision_recall(e.sample_features, e.reference.features)


METRICS = {
    "fid": _fid,
    "fid_lerp": _fid_lerp,
    "kid": _kid,
    "precision": lambda e: (e.once(_precision_recall).precision, e.about_features()),
    "recall": lambda e: (e.once(_precision_recall).recall, e.about_features()),
}
