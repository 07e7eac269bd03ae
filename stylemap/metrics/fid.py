"""Fréchet distance of features (Heusel et al. 2017), computed by torch-fidelity."""

from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.metrics.evaluation import Evaluation
from stylemap.perceptual import inception


def fid(generated: Tensor, real: Tensor) -> float:
    """``|mean difference|^2 + tr(A + B - 2 (A B)^(1/2))`` of the Gaussians fitted to two sets of features.

    Symmetric. It shrinks as sets grow: compare only numbers of as many images. With fewer images than features the
    covariances are singular; torch-fidelity takes the eigenvalues of their product, which stays defined.

    Args:
        generated, real: float64 [N, D] and [M, D].

    Raises:
        InputError: torch-fidelity is not installed, or fewer than two images.
    """
    module = provenance.library("torch_fidelity.metric_fid")
    if min(len(generated), len(real)) < 2:
        raise InputError("FID needs two images or more in each set")
    first, second = (module.fid_features_to_statistics(x.double()) for x in (generated, real))
    return module.fid_statistics_to_metric(first, second, verbose=False)[module.KEY_METRIC_FID]


def _fid(e: Evaluation) -> tuple[float, dict]:
    return fid(e.sample_features, e.reference.features), e.about_features()


def _fid_lerp(e: Evaluation) -> tuple[float, dict]:
    between = inception.extract(e.reference.extractor, e.interpolations(e.count))
    return fid(between, e.reference.features), e.about_features() | {"latents": len(e.kept)}


METRICS = {"fid": _fid, "fid_lerp": _fid_lerp}
