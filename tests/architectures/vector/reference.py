"""StyleGAN2 and StyleGAN from the equations of the papers: a kernel per sample, zeros put in by hand, nothing shared with ours.

Weights come as they act, that is with every run-time scale multiplied in, and kernels as a correlation.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Dense = tuple[Tensor, Tensor]  # [outputs, inputs], [outputs]


@dataclass
class Conv:
    """A modulated convolution with what follows it; kernel [O, I, k, k]."""

    kernel: Tensor
    style: Dense
    bias: Tensor
    strength: Tensor | None = None
    noise: Tensor | None = None
    up: bool = False


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def normalised(z: Tensor) -> Tensor:
    return z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


def spread(x: Tensor) -> Tensor:
    """Zeros between samples: [N, C, H, W] -> [N, C, 2 H - 1, 2 W - 1]."""
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, 2 * h - 1, 2 * w - 1)
    wide[:, :, ::2, ::2] = x
    return wide


def filtered(x: Tensor, taps: list[float], pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    line = torch.tensor(taps, dtype=x.dtype)
    kernel = torch.outer(line, line) / line.sum() ** 2 * gain
    x = F.pad(x, (*pad, *pad))
    return torch.stack([F.conv2d(plane[:, None], kernel[None, None])[:, 0] for plane in x.unbind(1)], dim=1)


def modulated(x: Tensor, w: Tensor, conv: Conv, demodulate: bool) -> Tensor:
    """Equations 1 and 3 of StyleGAN2 with a group per sample."""
    n, i, h, width = x.shape
    o, _, k, _ = conv.kernel.shape
    weight, bias = conv.style
    kernels = conv.kernel[None] * (w @ weight.T + bias)[:, None, :, None, None]  # [N, O, I, k, k]
    if demodulate:
        kernels = kernels / (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if conv.up:
        x = F.pad(spread(x), (2, 2, 2, 2))
    else:
        x = F.pad(x, (k // 2,) * 4)
    x = x.reshape(1, n * i, *x.shape[2:])
    x = F.conv2d(x, kernels.reshape(n * o, i, k, k), groups=n)
    x = x.reshape(n, o, *x.shape[2:])
    return filtered(x, [1, 3, 3, 1], (1, 1), 4) if conv.up else x


def stylegan2(z: Tensor, mapping: list[Dense], constant: Tensor, layers: list[Conv], rgbs: list[Conv]) -> Tensor:
    w = normalised(z)
    for weight, bias in mapping:
        w = leaky(w @ weight.T + bias) * math.sqrt(2)
    x = constant.expand(len(z), -1, -1, -1)
    image = None
    for i, layer in enumerate(layers):
        x = modulated(x, w, layer, True) + layer.strength * layer.noise
        x = leaky(x + layer.bias[:, None, None]) * math.sqrt(2)
        if i % 2 == 0:
            rgb = modulated(x, w, rgbs[i // 2], False) + rgbs[i // 2].bias[:, None, None]
            if image is not None:
                # zeros after the last sample too: 2 R - 1 becomes 2 R + 2
                rgb = rgb + filtered(spread(image), [1, 3, 3, 1], (2, 2), 4)
            image = rgb
    return image


@dataclass
class Styled:
    """A layer of the first StyleGAN; style is y_s and y_b in one, the 1 of y_s not in it."""

    kernel: Tensor | None
    style: Dense
    bias: Tensor
    strength: Tensor
    noise: Tensor
    up: bool = False
    fused: bool = False


def fused_upsampling(x: Tensor, kernel: Tensor) -> Tensor:
    """The unturned transposed convolution of TensorFlow's first StyleGAN with the sum of four shifted kernels."""
    k = F.pad(kernel, (1, 1, 1, 1))
    k = k[:, :, 1:, 1:] + k[:, :, :-1, 1:] + k[:, :, 1:, :-1] + k[:, :, :-1, :-1]
    return F.conv_transpose2d(x, k.transpose(0, 1), stride=2, padding=1)


def stylegan(z: Tensor, mapping: list[Dense], constant: Tensor, layers: list[Styled], rgb: Dense) -> Tensor:
    w = normalised(z)
    for weight, bias in mapping:
        w = leaky(w @ weight.T + bias)
    x = constant.expand(len(z), -1, -1, -1)
    for layer in layers:
        if layer.kernel is not None:
            if layer.up and layer.fused:
                x = fused_upsampling(x, layer.kernel)
            else:
                if layer.up:
                    x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                x = F.conv2d(x, layer.kernel, padding=1)
            if layer.up:
                x = filtered(x, [1, 2, 1], (1, 1))
        x = leaky(x + layer.strength[:, None, None] * layer.noise + layer.bias[:, None, None])
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        scale, shift = (w @ layer.style[0].T + layer.style[1])[..., None, None].chunk(2, dim=1)
        x = x * (scale + 1) + shift
    return torch.einsum("nchw,oc->nohw", x, rgb[0]) + rgb[1][:, None, None]
