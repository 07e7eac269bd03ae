"""Spectral norm, and the block of SEAN: features are normalised, then scaled and shifted by style codes and mask.

Masks are [N, P, s, s] in [0, 1]: the share of a pixel that belongs to each part, one in all. Codes are [N, P, C].
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.architectures.layers import normal
from stylemap.architectures.sean.config import PARTS
from stylemap.operators import modulate
from stylemap.precision import in_float32

SLOPE = 0.2  # of the leaky ReLU below 0
SPECTRAL_EPS = 1e-12


class SpectralConv(nn.Module):
    """A convolution whose weight is divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    The value is estimated by one power iteration from the kept vector ``u``. A pass does not change ``u``: `iterate` does, which
    a cycle calls once in an iteration, so that all passes and processes see one function.

    ``forward(x [N, inputs, H, W]) -> [N, outputs, H', W']``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True):
        super().__init__()
        self.stride, self.padding = stride, kernel // 2
        self.weight = nn.Parameter(normal(outputs, inputs, kernel, kernel, divisor=math.sqrt(inputs * kernel**2)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.register_buffer("u", normal(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self._normalised(), self.bias, self.stride, self.padding)

    @in_float32
    def _normalised(self) -> Tensor:
        u, v = self._vectors()
        return self.weight / (u @ self.weight.flatten(1) @ v)

    @torch.no_grad()
    def iterate(self) -> None:
        """Keep what a pass estimates."""
        self.u.copy_(self._vectors()[0])

    @torch.no_grad()
    def _vectors(self) -> tuple[Tensor, Tensor]:
        """The left and the right singular vector after one more iteration."""
        matrix = self.weight.flatten(1)
        v = F.normalize(matrix.T @ self.u, dim=0, eps=SPECTRAL_EPS)
        return F.normalize(matrix @ v, dim=0, eps=SPECTRAL_EPS), v


def resized(masks: Tensor, side: int) -> Tensor:
    """[N, P, R, R] -> [N, P, side, side]: shares averaged by area, so that small parts stay in small masks."""
    return masks if masks.shape[-1] == side else F.adaptive_avg_pool2d(masks, side)


def pooled(features: Tensor, masks: Tensor) -> Tensor:
    """Region-wise average pooling: the mean of the features in each part. [N, C, s, s], [N, P, s, s] -> [N, P, C]; 0 for a
    part that is not there."""
    area = masks.sum(dim=(2, 3)).unsqueeze(2)  # [N, P, 1]
    total = torch.einsum("nchw,nphw->npc", features, masks)
    return torch.where(area > 0, total / area.clamp_min(1e-6), 0.0)


def broadcast(styles: Tensor, masks: Tensor) -> Tensor:
    """The style map: the vector of each part over its region. [N, P, C], [N, P, s, s] -> [N, C, s, s]."""
    places = masks.flatten(2).transpose(1, 2) @ styles  # [N, s * s, C]
    return places.unflatten(1, masks.shape[2:]).permute(0, 3, 1, 2)


class SeanNorm(nn.Module):
    """Instance norm, then gamma and beta that vary over places: a learned mix of those of the style map and those of the mask.

    Noise times a learned strength for each channel is added first. Without ``styled``, the mask alone gives gamma and beta, as in
    SPADE.
    ``forward(x [N, inputs, s, s], masks [N, P, s, s], codes [N, P, C], noise [N or 1, 1, s, s]) -> [N, inputs, s, s]``.
    """

    def __init__(self, inputs: int, codes: int, hidden: int, styled: bool):
        super().__init__()
        self.noise_strength = nn.Parameter(torch.zeros(inputs, 1, 1))
        self.from_mask = nn.Conv2d(PARTS, hidden, 3, padding=1)
        self.mask_modulation = nn.Conv2d(hidden, 2 * inputs, 3, padding=1)
        self.styled = styled
        if styled:
            self.per_part = nn.Parameter(
                normal(PARTS, codes, codes, divisor=math.sqrt(codes))
            )  # a 1x1 convolution each
            self.per_part_bias = nn.Parameter(torch.zeros(PARTS, codes))
            self.style_modulation = nn.Conv2d(codes, 2 * inputs, 3, padding=1)
            self.mix = nn.Parameter(torch.zeros(2))  # alpha of gamma and beta, before the sigmoid: half and half

        with torch.no_grad():
            self.mask_modulation.bias[:inputs] += 1  # gamma is 1 at first, but for what the weights add
            if styled:
                self.style_modulation.bias[:inputs] += 1

    def forward(self, x: Tensor, masks: Tensor, codes: Tensor, noise: Tensor) -> Tensor:
        return modulate(x + noise * self.noise_strength, self.modulation(masks, codes), x.shape[1])

    def style_map(self, masks: Tensor, codes: Tensor) -> Tensor:
        """The codes, each through its part's own layer, over their regions: [N, C, s, s]."""
        return broadcast(torch.einsum("npc,pcd->npd", codes, self.per_part) + self.per_part_bias, masks)

    def modulation(self, masks: Tensor, codes: Tensor) -> Tensor:
        """[N, 2 inputs, s, s]: gamma, then beta."""
        of_mask = self.mask_modulation(F.relu(self.from_mask(masks)))
        if not self.styled:
            return of_mask
        of_style = self.style_modulation(self.style_map(masks, codes))
        share = self.mix.sigmoid().repeat_interleave(of_mask.shape[1] // 2).view(1, -1, 1, 1)  # gammas, then betas
        return torch.lerp(of_mask, of_style, share)


class SeanBlock(nn.Module):
    """Residual block with a learned shortcut where the width changes. [N, inputs, s, s] -> [N, outputs, s, s].

    Attributes:
        constant_noise: buffer [1, 1, s, s], standard normal: what is added where the caller gives no noise, so that an image
            depends on codes and masks alone.
    """

    def __init__(self, inputs: int, outputs: int, side: int, codes: int, hidden: int, styled: bool):
        super().__init__()
        middle = min(inputs, outputs)
        self.register_buffer("constant_noise", normal(1, 1, side, side))
        self.norm1 = SeanNorm(inputs, codes, hidden, styled)
        self.conv1 = SpectralConv(inputs, middle, 3)
        self.norm2 = SeanNorm(middle, codes, hidden, styled)
        self.conv2 = SpectralConv(middle, outputs, 3)
        self.learned = inputs != outputs
        if self.learned:
            self.norm_skip = SeanNorm(inputs, codes, hidden, styled)
            self.skip = SpectralConv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor, masks: Tensor, codes: Tensor, noise: Tensor | None = None) -> Tensor:
        noise = self.constant_noise if noise is None else noise
        skip = self.skip(self.norm_skip(x, masks, codes, noise)) if self.learned else x
        y = self.conv1(F.leaky_relu(self.norm1(x, masks, codes, noise), SLOPE))
        return skip + self.conv2(F.leaky_relu(self.norm2(y, masks, codes, noise), SLOPE))
