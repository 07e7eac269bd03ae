"""Inception, the network whose features FID, KID, precision and recall compare."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.precision import in_float32
from stylemap.published import INCEPTION


class Extractor(NamedTuple):
    """A network that describes a whole image by one vector."""

    function: Callable[[Tensor], Tensor]  # uint8 [N, H, W, 3] -> [N, D]
    origin: dict


def load(path: str | None, device: torch.device) -> Extractor:
    """The 2048 pooled features of the Inception network of 2015, as FID is defined with, by torch-fidelity.

    Args:
        path: of weights-inception-2015-12-05-6726825d.pth; None looks in torch's cache. It is never downloaded.

    Raises:
        InputError: torch-fidelity is not installed, or the weights are missing or are others.
    """
    fidelity = provenance.library("torch_fidelity")
    file = INCEPTION.path(path)
    if not file.is_file():
        raise InputError(f"needs Inception weights, not found at {file}: {INCEPTION.command} gets them")
    try:
        # torch-fidelity would run whatever code a pickle holds; a file that passes here holds tensors alone.
        torch.load(file, map_location="cpu", weights_only=True)
        network = fidelity.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=file)
    except Exception as err:  # torch.load and load_state_dict raise many kinds
        raise InputError(
            f"{file} does not hold torch-fidelity's Inception weights ({type(err).__name__}); {INCEPTION.command} gets them"
        ) from err
    network.to(device)
    origin = {
        "network": "InceptionV3 2015-12-05, 2048 pooled features",
        **INCEPTION.origin(file, "torch-fidelity"),
        "resize": "bilinear to 299 as in TensorFlow 1, inside the network",
    }
    return Extractor(lambda x: network(x.to(device).permute(0, 3, 1, 2))[0], origin)


@in_float32
@torch.no_grad()
def extract(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """Features of all images, float64 [N, D] on the CPU. batches: uint8 [n, R, R, 3].

    Raises:
        InputError: a feature is not finite, as of images of diverged weights.
    """
    features = torch.cat([extractor.function(batch).cpu() for batch in batches])
    if not features.isfinite().all():
        raise InputError("the network of features gives values that are not finite; check its weights")
    return features.double()
