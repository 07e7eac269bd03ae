"""The encoder: finds the stylemap of an image in one pass (StyleMapGAN, section 3.3)."""

from torch import Tensor, nn

from stylemap.config import ModelConfig
from stylemap.networks.layers import EqualConv, down_blocks


class Encoder(nn.Module):
    """Images [N, 3, R, R] -> stylemaps [N, C, S, S]."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.from_rgb = EqualConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.Sequential(*down_blocks(config, config.stylemap_size))
        self.to_stylemap = EqualConv(config.channels(config.stylemap_size), config.stylemap_channels, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_stylemap(self.blocks(self.from_rgb(images)))
