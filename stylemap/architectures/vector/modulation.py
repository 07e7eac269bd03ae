"""The synthesis network of StyleGAN2 (arXiv 1912.04958, figure 2c, section 4 and appendix B): weight demodulation, skips."""

import math

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import Convolve, EqualLinear, enlarge, normal, same, upsample
from stylemap.architectures.vector.config import FIRST_SIDE, VectorConfig
from stylemap.architectures.vector.noise import Noise, NoiseInput, resolve
from stylemap.operators import bias_act
from stylemap.operators.bias_act import GAIN

DEMODULATION_EPS = 1e-8


class ModulatedConv(nn.Module):
    """Convolution with a kernel of its own for every sample: w'_oik = s_i w_oik, over its norm for each o (equations 1, 3).

    A kernel per sample is a grouped convolution, whose backward pass has to find the gradient of every sample's kernel.
    Scaling the input channels by s and the output channels by 1 / norm, with one kernel for all, is the same by linearity, also
    through the resampling, which works on each channel alone. In inversion, where weights do not learn, no gradient of a kernel
    is left to compute: forward and backward of 8 samples take 1.4 s instead of 3.8 s (128 channels at 128 px, 2 CPU cores).

    ``forward(x [N, inputs, H, W], w [N, styles], gain) -> [N, outputs, H', W']``

    Args:
        convolve: `same` or `upsample`.
        demodulate: divide by the norm; to-RGB does not.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        styles: int,
        kernel: int = 3,
        convolve: Convolve = same,
        demodulate: bool = True,
    ):
        super().__init__()
        self.convolve = convolve
        self.demodulate = demodulate
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.weight = nn.Parameter(normal(outputs, inputs, kernel, kernel))
        self.style = EqualLinear(styles, inputs, activate=False)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, w: Tensor, gain: float = 1.0) -> Tensor:
        style = self.style(w)  # [N, inputs]
        weight = self.weight * self.scale
        x = self.convolve(x * style[..., None, None], weight, None)  # [N, outputs, H', W']
        if self.demodulate:
            energy = style.square() @ weight.square().sum(dim=(2, 3)).T  # [N, outputs]: the kernels' squared norms
            x = x * (gain * torch.rsqrt(energy + DEMODULATION_EPS))[..., None, None]
        return x


class Layer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU. [N, inputs, H, W] -> [N, outputs, side, side]."""

    def __init__(self, inputs: int, outputs: int, styles: int, side: int, convolve: Convolve):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, styles, convolve=convolve)
        self.noise = NoiseInput(side)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        # the gain of the activation, on what is small: it is positively homogeneous
        x = self.conv(x, w, GAIN) + self.noise(noise * GAIN)
        return bias_act(x, self.bias * GAIN, gain=1)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to 3 channels, without demodulation, noise or activation."""

    def __init__(self, inputs: int, styles: int):
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, styles, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return bias_act(self.conv(x, w), self.bias, slope=1, gain=1)


class Synthesis(nn.Module):
    """Latents [N, L, C] -> images [N, 3, R, R] in about [-1, 1] (not clamped), L = 2 log2 R - 2.

    One layer at side 4, then two at each further side up to R, the first of which doubles it. Every side has its to-RGB,
    which takes the latent of the layer after it; the images are upsampled and summed up (the skips of section 4.1).
    """

    def __init__(self, config: VectorConfig):
        super().__init__()
        styles, c = config.latent_channels, config.channels(FIRST_SIDE)
        self.constant = nn.Parameter(normal(1, c, FIRST_SIDE, FIRST_SIDE))
        layers = [Layer(c, c, styles, FIRST_SIDE, same)]
        to_rgb = [ToRGB(c, styles)]
        side = FIRST_SIDE
        while side < config.resolution:
            side *= 2
            width = config.channels(side)
            layers += [Layer(c, width, styles, side, upsample), Layer(width, width, styles, side, same)]
            to_rgb.append(ToRGB(width, styles))
            c = width
        self.layers = nn.ModuleList(layers)
        self.to_rgb = nn.ModuleList(to_rgb)

    @property
    def noises(self) -> list[NoiseInput]:
        """Of every layer, in order."""
        return [layer.noise for layer in self.layers]

    def forward(self, latent: Tensor, noise: Noise = None) -> Tensor:
        """``noise`` as in `resolve`."""
        maps = resolve(self.noises, noise, len(latent))
        x = self.constant.expand(len(latent), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        images = None
        for i, (layer, given) in enumerate(zip(self.layers, maps, strict=True)):
            x = layer(x, latent[:, i], given)
            if i % 2 == 0:  # the last of its side
                rgb = self.to_rgb[i // 2](x, latent[:, i + 1])
                images = rgb if images is None else rgb + enlarge(images)
        return images
