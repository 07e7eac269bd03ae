"""The synthesis network of the first StyleGAN (arXiv 1812.04948, section 2 and appendix C): adaptive instance norm.

It is the paper's config E of table 1 (the mixing regularisation of config F belongs to training) without progressive growing:
all layers learn from the start, and there is one to-RGB, at the last side.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.architectures.layers import EqualConv, EqualLinear, normal, same
from stylemap.architectures.vector.config import FIRST_SIDE, VectorConfig
from stylemap.architectures.vector.noise import Noise, NoiseInput, resolve
from stylemap.operators import bias_act, modulate, upfirdn2d
from stylemap.operators.bias_act import GAIN

BINOMIAL = (1.0, 2.0, 1.0)
NORM_EPS = 1e-8


def upsample(x: Tensor, weight: Tensor) -> Tensor:
    """Repeat every pixel 2 x 2, convolve, blur with [1, 2, 1]. [N, C, H, W] -> [N, C', 2 H, 2 W]; weight [C', C, 3, 3].

    Repeating and convolving are one transposed convolution with the kernel that a 2 x 2 box makes of the (flipped) weight,
    with 16 products per input pixel instead of 36.
    """
    wide = F.pad(weight.flip(2, 3), (1, 1, 1, 1))  # [C', C, 5, 5]
    kernel = wide[..., 1:, 1:] + wide[..., 1:, :-1] + wide[..., :-1, 1:] + wide[..., :-1, :-1]  # [C', C, 4, 4]
    x = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
    return upfirdn2d(x, BINOMIAL, pad=(1, 1))


class AdaIN(nn.Module):
    """Instance norm, then a scale and a shift per channel made from w (equation 1).

    ``forward(x [N, C, H, W], w [N, styles]) -> [N, C, H, W]``
    """

    def __init__(self, channels: int, styles: int):
        super().__init__()
        self.channels = channels
        self.style = EqualLinear(styles, 2 * channels, activate=False)  # y_s, y_b
        with torch.no_grad():
            self.style.bias[:channels] = 1

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return modulate(x, self.style(w)[..., None, None], groups=self.channels, eps=NORM_EPS)


class Layer(nn.Module):
    """Convolution, noise, bias, leaky ReLU, AdaIN. [N, inputs, H, W] -> [N, outputs, side, side].

    Args:
        inputs: None for the first layer, which takes the constant as it is, without a convolution.
        convolve: `same` or `upsample`.
    """

    def __init__(self, inputs: int | None, outputs: int, styles: int, side: int, convolve: Callable = same):
        super().__init__()
        self.convolve = convolve
        if inputs is None:
            self.weight = None
        else:
            self.weight = nn.Parameter(normal(outputs, inputs, 3, 3))
            # with the gain of the activation, that noise and bias do not have
            self.scale = GAIN / math.sqrt(inputs * 9)
        self.noise = NoiseInput(side, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.norm = AdaIN(outputs, styles)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        if self.weight is not None:
            x = self.convolve(x, self.weight * self.scale)
        return self.norm(bias_act(x + self.noise(noise), self.bias, gain=1), w)


class Synthesis(nn.Module):
    """Latents [N, L, C] -> images [N, 3, R, R] in about [-1, 1] (not clamped), L = 2 log2 R - 2: two layers at every side."""

    def __init__(self, config: VectorConfig):
        super().__init__()
        styles, c, side = config.latent_channels, config.channels(FIRST_SIDE), FIRST_SIDE
        self.constant = nn.Parameter(torch.ones(1, c, side, side))
        layers = [Layer(None, c, styles, side), Layer(c, c, styles, side)]
        while side < config.resolution:
            side *= 2
            width = config.channels(side)
            layers += [Layer(c, width, styles, side, upsample), Layer(width, width, styles, side)]
            c = width
        self.layers = nn.ModuleList(layers)
        self.to_rgb = EqualConv(c, 3, 1, activate=False)

    @property
    def noises(self) -> list[NoiseInput]:
        """Of every layer, in order."""
        return [layer.noise for layer in self.layers]

    def forward(self, latent: Tensor, noise: Noise = None) -> Tensor:
        """``noise`` as in `resolve`."""
        maps = resolve(self.noises, noise, len(latent))
        x = self.constant.expand(len(latent), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for i, (layer, given) in enumerate(zip(self.layers, maps, strict=True)):
            x = layer(x, latent[:, i], given)
        return self.to_rgb(x)
