"""Two patch discriminators that judge an image with its mask, at the whole and at half the side (pix2pixHD; SPADE, appendix)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.architectures.sean.config import PARTS, SeanConfig
from stylemap.architectures.sean.layers import SLOPE, SpectralConv

SCALES = 2
KERNEL = 4


class PatchDiscriminator(nn.Module):
    """[N, 3 + P, s, s] -> the features of each layer, and last the logits of patches [N, 1, h, w], positive for real."""

    def __init__(self, config: SeanConfig):
        super().__init__()
        first, last = config.channels(config.resolution), config.patch_layers - 1
        widths = [min(config.channel_max, first << i) for i in range(config.patch_layers)]
        inputs = [3 + PARTS, *widths]
        self.layers = nn.ModuleList(
            SpectralConv(inputs[i], width, KERNEL, stride=1 if i == last else 2) for i, width in enumerate(widths)
        )
        self.to_logits = SpectralConv(widths[-1], 1, KERNEL)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = F.leaky_relu(F.group_norm(x, x.shape[1]) if i else x, SLOPE)  # instance norm, but for the first layer
            features.append(x)
        return [*features, self.to_logits(x)]


class PatchDiscriminators(nn.Module):
    """Images [N, 3, R, R] and masks [N, P, R, R] -> what each `PatchDiscriminator` gives, the finest scale first."""

    def __init__(self, config: SeanConfig):
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(config) for _ in range(SCALES))

    @property
    def freezable(self) -> list[nn.Module]:
        """None: `optim.freeze_d` is not for these."""
        return []

    def begin_with(self, encoder: nn.Module) -> None:
        """They have no layers in common with the encoder."""

    def forward(self, images: Tensor, masks: Tensor) -> list[list[Tensor]]:
        x = torch.cat([images, masks], dim=1)
        seen = []
        for i, scale in enumerate(self.scales):
            x = F.avg_pool2d(x, 2) if i else x
            seen.append(scale(x))
        return seen
