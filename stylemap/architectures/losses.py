"""The terms of the losses of all architectures, as pure functions: tensors in, one value per sample out [N].

Weights, means and gradients belong to the phases of a cycle. D's logits are positive for real. All terms are float32 (float64 of
float64), whatever the passes of the networks are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.precision import full, in_float32


@in_float32
def fools(logits: Tensor, rival: Tensor | None = None) -> Tensor:
    """Non-saturating generator loss: small where the discriminator takes a fake for real. [N, 1] -> [N].

    With the logits ``rival`` of as many real images it is relativistic: small where a fake looks more real than its rival
    (Jolicoeur-Martineau 2018; R3GAN, Huang et al. 2024). With the two exchanged that is the discriminator's loss.
    """
    return F.softplus(-logits if rival is None else rival - logits).squeeze(1)


@in_float32
def is_real(logits: Tensor) -> Tensor:
    """Discriminator loss on real images. [N, 1] -> [N]. The same formula as `fools`, seen from the other side."""
    return F.softplus(-logits).squeeze(1)


@in_float32
def is_fake(logits: Tensor) -> Tensor:
    """Discriminator loss on fakes. [N, 1] -> [N]."""
    return F.softplus(logits).squeeze(1)


@in_float32
def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of each sample. [N, ...] -> [N]."""
    return (a - b).square().flatten(1).mean(dim=1)


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared norm of the gradient of the logits for the images: R1 without its factor gamma / 2.

    (Mescheder et al. 2018, "Which training methods for GANs do actually converge?") ``images`` must require a gradient and
    ``logits`` come from them; the result can be differentiated again. [N, 3, R, R], [N, 1] -> [N].
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return full(gradient).square().flatten(1).sum(dim=1)


@in_float32
def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Squared distance of unit feature vectors, mean over places and layers; between 0 and 4. lists of [N, C, H, W] -> [N].

    The form of LPIPS (Zhang et al. 2018) without learned weights, for features of any network.
    """
    layers = [(_unit(x) - _unit(y)).square().sum(dim=1).flatten(1).mean(dim=1) for x, y in zip(a, b, strict=True)]
    return torch.stack(layers).mean(dim=0)


def _unit(features: Tensor) -> Tensor:
    # eps inside the root: the gradient of a norm at zero is not finite
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + 1e-8)
