"""Layers with equalised learning rate (Progressive GAN, section 4.1) and their resampling forms (StyleGAN2, appendix B).

A weight is stored as N(0, 1) / lr_mul and multiplied at run time by lr_mul / sqrt(fan_in): Adam then moves every layer at
the same relative speed. The gain of the activation is folded into that factor, see `operators.bias_act`.
"""

import itertools
import math
from collections.abc import Callable, Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.operators import bias_act, modulate, upfirdn2d
from stylemap.operators.bias_act import GAIN

BLUR = (1.0, 3.0, 3.0, 1.0)
PIXEL_NORM_EPS = 1e-8

Convolve = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def same(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution that keeps the side. [N, C, H, W] -> [N, C', H, W]; weight [C', C, k, k], k odd."""
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def upsample(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution onto twice the side, then blur. [N, C, H, W] -> [N, C', 2 H, 2 W]; weight [C', C, k, k], k 1 or 3."""
    if weight.shape[-1] == 1:  # commutes with the resampling, and costs a quarter before it
        x = enlarge(F.conv2d(x, weight))
    else:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [N, C', 2 H + 1, 2 W + 1]
        x = upfirdn2d(x, BLUR, pad=(1, 1), gain=4)
    return bias_act(x, bias, slope=1, gain=1)


def downsample(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Blur, then convolution onto half the side. [N, C, H, W] -> [N, C', H/2, W/2]; weight [C', C, k, k], k 1 or 3."""
    if weight.shape[-1] == 1:  # filter only the pixels that are kept
        return F.conv2d(upfirdn2d(x, BLUR, down=2, pad=(1, 1)), weight, bias)
    return F.conv2d(upfirdn2d(x, BLUR, pad=(2, 2)), weight, bias, stride=2)


def enlarge(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, 2 H, 2 W], as `upsample` does it, without a weight."""
    return upfirdn2d(images, BLUR, up=2, pad=(2, 1), gain=4)


def pixel_norm(z: Tensor) -> Tensor:
    """z [N, C] with mean square 1 (Progressive GAN, section 4.2)."""
    return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + PIXEL_NORM_EPS)


def normal(*shape: int, divisor: float = 1.0) -> Tensor:
    """Standard normal first values, over ``divisor``.

    A tensor without memory (on the meta device) gets none: torch would import its compiler to draw and divide there.
    """
    values = torch.empty(shape)
    return values if values.is_meta else values.normal_().div_(divisor)


class EqualConv(nn.Module):
    """Equalised convolution. [N, inputs, H, W] -> [N, outputs, H', W'], H' by ``convolve``.

    Args:
        kernel: side of the kernel.
        convolve: `same`, `upsample` or `downsample`.
        activate: leaky ReLU after it.
    """

    folded = False

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        convolve: Convolve = same,
        bias: bool = True,
        activate: bool = True,
    ):
        super().__init__()
        self.convolve = convolve
        self.activate = activate
        self.gain = GAIN if activate else 1.0
        self.scale = self.gain / math.sqrt(inputs * kernel**2)
        self.weight = nn.Parameter(normal(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.folded:
            x = self.convolve(x.to(self.weight.dtype), self.weight, self.bias)
        else:
            bias = self.bias if self.bias is None or self.gain == 1 else self.bias * self.gain
            x = self.convolve(x, self.weight * self.scale, bias)
        return bias_act(x, gain=1) if self.activate else x

    def fold(self, kind: torch.dtype) -> None:
        """Multiply the scale into the weight and the gain into the bias for good: faster, and it cannot be trained any more."""
        form = torch.channels_last
        self.weight = nn.Parameter((self.weight * self.scale).to(kind, memory_format=form), requires_grad=False)
        if self.bias is not None:
            self.bias = nn.Parameter((self.bias * self.gain).to(kind), requires_grad=False)
        self.scale = self.gain = 1.0
        self.folded = True


class EqualLinear(nn.Module):
    """Equalised linear layer. [N, inputs] -> [N, outputs]."""

    def __init__(self, inputs: int, outputs: int, lr_mul: float = 1.0, activate: bool = True):
        super().__init__()
        self.activate = activate
        self.lr_mul = lr_mul
        self.scale = lr_mul / math.sqrt(inputs)
        self.weight = nn.Parameter(normal(outputs, inputs, divisor=lr_mul))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return bias_act(x) if self.activate else x


def fold(network: nn.Module, kind: torch.dtype, exact: Collection[nn.Module] = ()) -> None:
    """`EqualConv.fold` for all convolutions of a network; those in ``exact`` stay float32."""
    for layer in network.modules():
        if isinstance(layer, EqualConv):
            layer.fold(torch.float32 if layer in exact else kind)


def norm_groups(norm: str, channels: int) -> int | None:
    """The ``groups`` of `operators.modulate` for a norm of the config; None where statistics are not per sample."""
    return {"layer": 1, "group": 8, "instance": channels, "batch": None}[norm]


class ModulatedConv(nn.Module):
    """Spatially modulated convolution with leaky ReLU (StyleMapGAN, section 3.2).

    The input is normalised, multiplied by gamma(style) and shifted by beta(style) elementwise, then convolved. The weights
    are the same for all samples: there is no demodulation and no per-sample kernel.

    ``forward(x [N, inputs, H, W], style [N, styles, H, W]) -> [N, outputs, H', W']``; with ``modulated`` the style is gamma and
    beta already, [N, 2 inputs, H, W], which are ``self.style(style)``. Without ``normalise`` the norm is in gamma and beta.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        styles: int,
        kernel: int = 3,
        convolve: Convolve = same,
        norm: str = "layer",
        activate: bool = True,
    ):
        super().__init__()
        self.style = EqualConv(styles, 2 * inputs, 3, activate=False)  # gamma and beta in one
        with torch.no_grad():
            self.style.bias[:inputs] = 1
        self.groups = norm_groups(norm, inputs)
        self.batch_norm = nn.BatchNorm2d(inputs, affine=False) if self.groups is None else nn.Identity()
        self.conv = EqualConv(inputs, outputs, kernel, convolve, activate=activate)

    def forward(self, x: Tensor, style: Tensor, modulated: bool = False, normalise: bool = True) -> Tensor:
        modulation = style if modulated else self.style(style)
        if not normalise:
            return self.conv(modulate(x, modulation, None))
        return self.conv(modulate(self.batch_norm(x), modulation, self.groups))


class DownBlock(nn.Module):
    """Residual block onto half the side. [N, inputs, H, W] -> [N, outputs, H/2, W/2]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = EqualConv(inputs, inputs, 3)
        self.conv2 = EqualConv(inputs, outputs, 3, downsample)
        self.skip = EqualConv(inputs, outputs, 1, downsample, bias=False, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) * math.sqrt(0.5)


def down_blocks(config, side: int) -> list[DownBlock]:
    """The blocks from ``config.resolution`` down to ``side``."""
    doublings = int(math.log2(config.resolution // side))
    widths = [config.channels(side << i) for i in range(doublings, -1, -1)]
    return [DownBlock(inputs, outputs) for inputs, outputs in itertools.pairwise(widths)]
