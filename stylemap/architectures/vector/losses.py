"""What these generators are trained with beyond `stylemap.architectures.losses` (non-saturating loss, R1): pure functions.

Weights, means over samples and ``backward`` belong to the training step.
"""

import math

import torch
from torch import Tensor

from stylemap.precision import full, in_float32

PATH_DECAY = 0.99
"""Of the running mean of path lengths."""
WGAN_GRADIENT_WEIGHT = 10.0
"""Of `wgan_gradient_penalty`."""
WGAN_DRIFT = 0.001
"""Factor of the squared logit of real images (Progressive GAN, appendix A.1)."""
# inside the root: the gradient of a norm at zero is not finite
NORM_EPS = 1e-8


def path_lengths(images: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
    """How far an image moves for a step in the latent, in a random direction of image space (StyleGAN2, section 3.2).

    ``||J^T y||`` with ``y = noise / sqrt(H W)``, the root mean square over the L layers. It needs one vector-Jacobian product,
    for ``J^T y`` is the gradient of ``<image, y>``, and can be differentiated again.

    Args:
        images: [N, 3, H, W], made from ``latent``.
        latent: [N, L, C], requires a gradient.
        noise: standard normal, as ``images``.

    Returns:
        [N], >= 0.
    """
    y = noise / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((full(images) * y).sum(), latent, create_graph=True)  # [N, L, C]
    return (full(gradient).square().sum(dim=2).mean(dim=1) + NORM_EPS).sqrt()


@in_float32
def running_length(mean: Tensor, lengths: Tensor, decay: float = PATH_DECAY) -> Tensor:
    """The running mean ``a`` after a batch: the lengths' target, for their scale is not known beforehand. [], [N] -> []."""
    return torch.lerp(lengths.detach().mean(), mean, decay)


@in_float32
def path_length_penalty(lengths: Tensor, mean: Tensor) -> Tensor:
    """``(length - a)^2``, ``a`` from `running_length` (StyleGAN2, equation 4). [N], [] -> [N].

    It changes slowly and its double backward costs more than the generator's step, so computing it rarely, and then so many
    times its weight, loses nothing (lazy regularisation, section 3.1).
    """
    return (lengths - mean).square()


@in_float32
def wgan_generator(logits: Tensor) -> Tensor:
    """Small where the critic rates fakes high (Arjovsky et al. 2017). [N, 1] -> [N]."""
    return -logits.squeeze(1)


@in_float32
def wgan_critic(real: Tensor, fake: Tensor, drift: float = WGAN_DRIFT) -> Tensor:
    """``fake - real + drift real^2``; the last term keeps the critic's zero in place. [N, 1], [N, 1] -> [N]."""
    return (fake - real + drift * real.square()).squeeze(1)


def between(real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    """Images on the lines from fakes (t = 0) to reals (t = 1), that require a gradient: where the critic is penalised.

    [N, 3, R, R], [N, 3, R, R], [N] in [0, 1] -> [N, 3, R, R].
    """
    return torch.lerp(fake, real, t.view(-1, 1, 1, 1)).detach().requires_grad_()


def wgan_gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """``(||gradient|| - 1)^2`` of the logits for the images from `between` (Gulrajani et al. 2017, equation 3).

    [N, 3, R, R], [N, 1] -> [N]; can be differentiated again.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    norm = (full(gradient).square().flatten(1).sum(dim=1) + NORM_EPS).sqrt()
    return (norm - 1).square()
