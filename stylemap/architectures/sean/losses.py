"""The losses of SEAN: hinge and feature matching, over the scales of the patch discriminators. Logits are positive for real."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.precision import in_float32

Scales = list[list[Tensor]]  # of each scale the features of all layers, then the logits [N, 1, h, w]


@in_float32
def hinge_real(scales: Scales) -> Tensor:
    """Discriminator loss on real images (Lim & Ye 2017): mean of max(0, 1 - D) over patches and scales. -> [N]."""
    return _mean_over_scales([F.relu(1 - scale[-1]) for scale in scales])


@in_float32
def hinge_fake(scales: Scales) -> Tensor:
    """Discriminator loss on fakes: mean of max(0, 1 + D) over patches and scales. -> [N]."""
    return _mean_over_scales([F.relu(1 + scale[-1]) for scale in scales])


@in_float32
def hinge_fools(scales: Scales) -> Tensor:
    """Generator loss that goes with the hinge: mean of -D over patches and scales. -> [N]."""
    return _mean_over_scales([-scale[-1] for scale in scales])


@in_float32
def feature_matching(real: Scales, fake: Scales) -> Tensor:
    """Mean absolute difference of features, summed over layers, mean over scales (pix2pixHD, arXiv 1711.11585, eq. 4). -> [N].

    The logits do not count. The features of real images get no gradient.
    """
    return torch.stack(
        [
            sum((a.detach() - b).abs().flatten(1).mean(dim=1) for a, b in zip(of_real[:-1], of_fake[:-1], strict=True))
            for of_real, of_fake in zip(real, fake, strict=True)
        ]
    ).mean(dim=0)


def _mean_over_scales(values: list[Tensor]) -> Tensor:
    return torch.stack([value.flatten(1).mean(dim=1) for value in values]).mean(dim=0)
