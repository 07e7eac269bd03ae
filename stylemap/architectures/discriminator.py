"""The discriminator: StyleGAN2's residual one."""

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import EqualConv, EqualLinear, down_blocks
from stylemap.config import ModelConfig

LAST_SIDE = 4
GROUP = 4  # samples compared by the minibatch standard deviation
STDDEV_EPS = 1e-8


def group_size(n: int, group: int = GROUP) -> int:
    """How many of ``n`` samples are compared with one another: ``group``, or the largest smaller number that divides n."""
    return next(g for g in range(min(group, n), 0, -1) if n % g == 0)


def minibatch_stddev(x: Tensor, group: int = GROUP, eps: float = STDDEV_EPS) -> Tensor:
    """[N, C, H, W] -> [N, C + 1, H, W]: the mean standard deviation over groups of samples as one more channel.

    Sample i shares a group with i + k N / group (Progressive GAN, section 3), see `group_size`.
    """
    n, c, h, w = x.shape
    group = group_size(n, group)
    variance = x.reshape(group, n // group, c, h, w).var(dim=0, correction=0)  # [N/g, C, H, W]
    stddev = (variance + eps).sqrt().mean(dim=(1, 2, 3), keepdim=True)  # [N/g, 1, 1, 1]
    return torch.cat([x, stddev.repeat(group, 1, h, w)], dim=1)


class Discriminator(nn.Module):
    """Images [N, 3, R, R] -> logits [N, 1], positive for real."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        c = config.channels(LAST_SIDE)
        self.from_rgb = EqualConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.ModuleList(down_blocks(config, LAST_SIDE))
        self.final_conv = EqualConv(c + 1, c, 3)
        self.final_linear = nn.Sequential(EqualLinear(c * LAST_SIDE**2, c), EqualLinear(c, 1, activate=False))

    @property
    def freezable(self) -> list[nn.Module]:
        """The layers that `optim.freeze_d` counts."""
        return [self.from_rgb, *self.blocks]

    @torch.no_grad()
    def begin_with(self, encoder: nn.Module) -> None:
        """Take over from-RGB and blocks of a trained encoder of the same config.

        An untrained discriminator needs thousands of images to see what they show; this one has to learn its last layers.
        """
        self.from_rgb.load_state_dict(encoder.from_rgb.state_dict())
        for mine, block in zip(self.blocks, encoder.blocks, strict=False):  # the encoder may end at another side
            mine.load_state_dict(block.state_dict())

    def features(self, images: Tensor) -> list[Tensor]:
        """What from-RGB and every block see in the images, from side R down to 4: each [N, C_r, r, r]."""
        x = self.from_rgb(images)
        features = [x]
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features

    def classify(self, x: Tensor) -> Tensor:
        """The last of `features` -> logits [N, 1]."""
        # NCHW order decides which weight of the linear layer meets which feature.
        return self.final_linear(self.final_conv(minibatch_stddev(x)).flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images)[-1])
