"""The networks of StyleMapGAN (section 3): mapping, stylemap resizer and synthesis, which are the generator; the encoder."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stylemap.architectures.layers import (
    EqualConv,
    EqualLinear,
    ModulatedConv,
    down_blocks,
    enlarge,
    fold,
    normal,
    pixel_norm,
    upsample,
)
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.flow import FlowMapping

TIMED = 64  # pixels; a whole image of 256 would take a second
Cut = tuple[int, tuple[slice, slice]]


class Mapping(nn.Module):
    """z [N, C] -> stylemap w [N, C, S, S]. z is scaled to unit mean square first."""

    def __init__(self, config: StylemapConfig):
        super().__init__()
        self.shape = config.stylemap_shape
        c, last = config.stylemap_channels, config.mapping_layers - 1
        widths = [c] * last + [math.prod(self.shape)]
        self.layers = nn.Sequential(*(EqualLinear(c, width, config.mapping_lr_mul) for width in widths))

    def forward(self, z: Tensor) -> Tensor:
        z = pixel_norm(z)
        return self.layers(z).unflatten(1, self.shape)


class Resizer(nn.Module):
    """Stylemap [N, C, S, S] -> its 2 n + 2 resized versions, one for every modulated layer.

    Two at side S, then two at every further side up to R, each computed from the one before it.
    """

    def __init__(self, config: StylemapConfig):
        super().__init__()
        s, c = config.stylemap_size, config.stylemap_channels
        self.channels = [self.width(config, s << (i // 2)) for i in range(config.layers)]
        layers = []
        for i, width in enumerate(self.channels):
            grows = i >= 2 and i % 2 == 0
            layers.append(EqualConv(c, width, 3, upsample) if grows else EqualConv(c, width, 3))
            c = width
        self.layers = nn.ModuleList(layers)

    @staticmethod
    def width(config: StylemapConfig, side: int) -> int:
        return config.stylemap_channels if config.light else config.channels(side)

    def forward(self, stylemap: Tensor, count: int | None = None) -> list[Tensor]:
        """The first ``count`` versions; None = all."""
        styles = []
        for layer in self.layers[:count]:
            stylemap = layer(stylemap)
            styles.append(stylemap)
        return styles


class UpBlock(nn.Module):
    """Residual block onto twice the side; conv1 is modulated before it doubles, conv2 after.

    ``forward(x [N, C, H, W], style1 [N, K, H, W], style2 [N, K', 2 H, 2 W], *how) -> [N, C', 2 H, 2 W]``; how: ``modulated`` and
    ``normalise`` of `ModulatedConv`.
    """

    def __init__(self, inputs: int, outputs: int, styles1: int, styles2: int, norm: str):
        super().__init__()
        self.conv1 = ModulatedConv(inputs, outputs, styles1, convolve=upsample, norm=norm)
        self.conv2 = ModulatedConv(outputs, outputs, styles2, norm=norm)
        self.skip = EqualConv(inputs, outputs, 1, upsample, bias=False, activate=False)

    def forward(self, x: Tensor, style1: Tensor, style2: Tensor, *how: bool) -> Tensor:
        return (self.conv2(self.conv1(x, style1, *how), style2, *how) + self.skip(x)) * math.sqrt(0.5)


class ToRGB(ModulatedConv):
    """Features -> image. Its convolution stays float32, see `round_passes`.

    Modulated, normalised and (but for linear_rgb) activated like any other layer: unusual, but so are the published weights.
    """

    def __init__(self, inputs: int, styles: int, config: StylemapConfig):
        super().__init__(inputs, 3, styles, 1, norm=config.norm, activate=not config.linear_rgb)


def round_passes(network: nn.Module, kind: torch.dtype) -> None:
    """Fold the weights of a network, see `layers.fold`. Rounding the image itself would cost more than all else."""
    fold(network, kind, exact=[layer.conv for layer in network.modules() if isinstance(layer, ToRGB)])


class Synthesis(nn.Module):
    """Resized stylemaps -> image [N, 3, R, R] in about [-1, 1] (not clamped).

    Attributes:
        checkpointing: keep only what goes into the blocks and compute their insides again in the backward pass.
    """

    checkpointing = False
    memory_format = torch.channels_last  # of the features

    def __init__(self, config: StylemapConfig, styles: list[int]):
        super().__init__()
        s, norm = config.stylemap_size, config.norm
        c = config.channels(s)
        self.constant = nn.Parameter(normal(1, c, s, s))
        self.head = ModulatedConv(c, c, styles[0], norm=norm)
        blocks = []
        for i in range(config.doublings):
            width = config.channels(s << (i + 1))
            blocks.append(UpBlock(c, width, styles[2 * i + 1], styles[2 * i + 2], norm))
            c = width
        self.blocks = nn.ModuleList(blocks)
        self.rgb_skips = nn.ModuleList(
            ToRGB(config.channels(s << i), styles[2 * i + 1], config) for i in config.skipped
        )
        self.skipped = config.skipped
        self.to_rgb = ToRGB(c, styles[-1], config)

    @property
    def modulated(self) -> list[tuple[ModulatedConv, int]]:
        """The modulated convolutions in the order in which they are computed, each with the index of its style."""
        layers = [(self.head, 0)]
        for i, block in enumerate(self.blocks):
            if i in self.skipped:
                layers.append((self.rgb_skips[i - self.skipped.start], 2 * i + 1))
            layers += [(block.conv1, 2 * i + 1), (block.conv2, 2 * i + 2)]
        return [*layers, (self.to_rgb, 2 * len(self.blocks) + 1)]

    def forward(self, styles: list[Tensor]) -> Tensor:
        return self.paint([styles[i] for _, i in self.modulated])

    def features(self, styles: Sequence[Tensor]) -> list[Tensor]:
        """What is computed at each side before the image is made, [N, ch(s), s, s], from the first 1, 3, 5 ... styles."""
        first, *rest = styles
        constant = self.constant.expand(first.shape[0], -1, -1, -1)
        features = [self.head(constant.contiguous(memory_format=self.memory_format), first)]
        for block, *pair in zip(self.blocks, rest[::2], rest[1::2], strict=False):
            features.append(block(features[-1], *pair))
        return features

    def paint(
        self, maps: Iterable[Tensor], modulated: bool = False, normalise: bool = True, cut: Cut | None = None
    ) -> Tensor:
        """The image of what each of `modulated` gets, in turn: its style, or with ``modulated`` gamma and beta.

        Args:
            normalise: as in `ModulatedConv`.
            cut: a block, and the window of its input that goes on from there; the maps of further layers are cut already.
        """
        maps = iter(maps)
        first = next(maps)
        x = self.constant.expand(first.shape[0], -1, -1, -1).contiguous(memory_format=self.memory_format)
        how = modulated, normalise
        x = self.head(x, first, *how)
        images = None  # of the lower sides that make one, enlarged and summed up
        for i, block in enumerate(self.blocks):
            if cut is not None and i == cut[0]:
                x, images = (y if y is None else y[(..., *cut[1])] for y in (x, images))
            if i in self.skipped:
                image = self.rgb_skips[i - self.skipped.start](x, next(maps), *how)
                images = enlarge(image if images is None else images + image)
            inputs = (x, next(maps), next(maps), *how)
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                x = block(*inputs)
        image = self.to_rgb(x, next(maps), *how)
        return image if images is None else images + image


class Generator(nn.Module):
    """Mapping, resizer and synthesis under one roof; each is called by name, `forward` goes from z to the image."""

    def __init__(self, config: StylemapConfig):
        super().__init__()
        self.mapping = FlowMapping(config) if config.mapping == "flow" else Mapping(config)
        self.resizer = Resizer(config)
        self.synthesis = Synthesis(config, self.resizer.channels)

    def synthesize(self, stylemap: Tensor) -> Tensor:
        """Stylemaps [N, C, S, S] -> images [N, 3, R, R]."""
        return self.synthesis(self.resizer(stylemap.contiguous(memory_format=torch.channels_last)))

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesize(self.mapping(z))


class LastDoubling(nn.Module):
    """The layers of a generator that double the side for the last time, and make the image.

    ``forward(x [N, C, H, W], style [N, K, H, W]) -> [N, 3, 2 H, 2 W]``, of a part of the image of at most `TIMED` pixels a side.
    """

    def __init__(self, generator: Generator, resolution: int):
        super().__init__()
        self.side = min(resolution, TIMED) // 2
        self.resizer = generator.resizer.layers[-2:]
        self.block, self.to_rgb = generator.synthesis.blocks[-1], generator.synthesis.to_rgb

    def inputs(self) -> list[Tensor]:
        """``x`` and ``style`` of one sample."""
        shapes = [(1, self.side, self.side, layer.weight.shape[1]) for layer in (self.block.skip, self.resizer[0])]
        return [torch.ones(shape).permute(0, 3, 1, 2) for shape in shapes]

    def compute_in(self, kind: torch.dtype) -> None:
        """As `StylemapModel.compute_in`."""
        round_passes(self, kind)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        first = self.resizer[0](style)
        return self.to_rgb(self.block(x, style, first), self.resizer[1](first))


class Encoder(nn.Module):
    """Images [N, 3, R, R] -> stylemaps [N, C, S, S]."""

    def __init__(self, config: StylemapConfig):
        super().__init__()
        self.from_rgb = EqualConv(3, config.channels(config.resolution), 1)
        self.blocks = nn.Sequential(*down_blocks(config, config.stylemap_size))
        self.to_stylemap = EqualConv(config.channels(config.stylemap_size), config.stylemap_channels, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_stylemap(self.blocks(self.from_rgb(images)))
