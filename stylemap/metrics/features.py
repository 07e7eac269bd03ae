"""Features of pictures, what FID, KID, precision and recall compare; the network is given from outside."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.precision import in_float32

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
# The name of the published file ends in the first digits of its hash.
INCEPTION_SHA256 = "6726825d"


class Extractor(NamedTuple):
    """A network of features and where it comes from."""

    function: Callable[[Tensor], Tensor]  # uint8 [N, H, W, 3] -> [N, D]
    provenance: dict


def inception_file(path: str | None) -> Path:
    """Where Inception weights are looked for: the given path, else torch's cache."""
    return Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE


def inception(path: str | None, device: torch.device) -> Extractor:
    """The 2048 pooled features of the Inception network of 2015, as FID is defined with, by torch-fidelity.

    Args:
        path: of weights-inception-2015-12-05-6726825d.pth; None looks in torch's cache. It is never downloaded.

    Raises:
        InputError: torch-fidelity is not installed, or the weights are not there or are others.
    """
    fidelity = provenance.library("torch_fidelity")
    file = inception_file(path)
    if not file.is_file():
        raise InputError(f"needs Inception weights, not found at {file}: download {INCEPTION_URL} and give --inception")
    try:
        # torch-fidelity would run whatever code a pickle holds; a file that passes here holds tensors alone.
        torch.load(file, map_location="cpu", weights_only=True)
        network = fidelity.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=file)
    except Exception as err:  # torch.load and load_state_dict raise many kinds
        raise InputError(f"{file} does not hold torch-fidelity's Inception weights ({type(err).__name__})") from err
    network.to(device)
    sha = provenance.sha256(file)
    origin = {
        "network": "InceptionV3 2015-12-05, 2048 pooled features",
        "library": provenance.version("torch-fidelity"),
        "weights_sha256": sha,
        "comparable": sha.startswith(INCEPTION_SHA256),
        "resize": "bilinear to 299 as in TensorFlow 1, inside the network",
    }
    return Extractor(lambda x: network(x.to(device).permute(0, 3, 1, 2))[0], origin)


@in_float32
@torch.no_grad()
def extract(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """Features of all pictures, float64 [N, D] on the CPU. batches: uint8 [n, R, R, 3].

    Raises:
        InputError: a feature that is not a number, as of images of diverged weights.
    """
    features = torch.cat([extractor.function(batch).cpu() for batch in batches])
    if not features.isfinite().all():
        raise InputError("the network of features gives values that are not finite; check its weights")
    return features.double()
