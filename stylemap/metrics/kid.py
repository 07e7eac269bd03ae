"""Kernel distance of features (Bińkowski et al. 2018), computed by torch-fidelity."""

from torch import Tensor

from stylemap.errors import InputError
from stylemap.metrics import provenance

SUBSETS, SUBSET_SIZE = 100, 1000  # torch-fidelity's defaults


def kid(generated: Tensor, real: Tensor, seed: int = 0) -> tuple[float, float]:
    """Unbiased squared MMD with the kernel ``(x . y / D + 1)^3``: mean and standard deviation over 100 random subsets.

    Symmetric in what is estimated. Subsets have 1000 pictures, or as many as the smaller set; unlike FID it does not depend
    on the number in the mean, and may be a little below 0.

    Args:
        generated, real: [N, D] and [M, D].

    Raises:
        InputError: torch-fidelity is not installed, or fewer than two pictures.
    """
    module = provenance.library("torch_fidelity.metric_kid")
    size = min(len(generated), len(real), SUBSET_SIZE)
    if size < 2:
        raise InputError("KID needs two pictures or more in each set")
    found = module.kid_features_to_metric(
        generated, real, kid_subsets=SUBSETS, kid_subset_size=size, rng_seed=seed, verbose=False
    )
    return found[module.KEY_METRIC_KID_MEAN], found[module.KEY_METRIC_KID_STD]
