"""Bias and leaky ReLU."""

import math

import torch.nn.functional as F
from torch import Tensor

from . import kernels

SLOPE = 0.2
GAIN = math.sqrt(2.0)  # keeps the variance of a unit normal input close to one


def bias_act(x: Tensor, bias: Tensor | None = None, slope: float = SLOPE, gain: float = GAIN) -> Tensor:
    """``gain * leaky_relu(x + bias)``, the bias added along dimension 1.

    Args:
        x: [N, C, ...], any floating type.
        bias: [C], of any floating type; None for no bias.
        slope: the factor for negative values; 1 makes it linear.
        gain: multiplies the result. Because leaky ReLU is positively homogeneous, a caller that can scale both ``x`` and
            ``bias`` for nothing (a convolution can: in its weights) passes ``gain=1``.

    Returns:
        [N, C, ...], the type of ``x``.
    """
    if x.dim() == 4 and slope >= 0 and gain > 0 and kernels.serve("bias_act", x):
        from .registered import bias_act as by_kernel

        return by_kernel(x, bias, slope, gain)
    if bias is not None:
        # A float32 bias under autocast would make all that follows float32.
        x = x + bias.to(x.dtype).view(-1, *[1] * (x.dim() - 2))
    if slope != 1:
        x = F.leaky_relu(x, slope)
    return x if gain == 1 else x * gain
