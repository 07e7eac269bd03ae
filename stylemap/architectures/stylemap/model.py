"""The model of StyleMapGAN: generator and encoder with their config."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import torch
from torch import Tensor, nn

from stylemap.architectures.growing import grow_down
from stylemap.architectures.model import Model, check_images, check_shape
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapSpeed
from stylemap.architectures.stylemap.flow import FlowMapping
from stylemap.architectures.stylemap.networks import Encoder, Generator, LastDoubling, round_passes

LATER = {"rgb_skips": 0, "mapping": "mlp"}  # settings younger than some fingerprints, as they were before


class StylemapModel(Model):
    """Encode photos into stylemaps, render stylemaps to images.

    Shapes, with C, S, R from ``config``: images [N, 3, R, R] in [-1, 1]; stylemaps [N, C, S, S]; z [N, C] standard normal;
    *styles* are the list of resized stylemaps that modulate the synthesis network (the w+ of StyleMapGAN, section 3.2).
    Wrong shapes raise ValueError.
    """

    config: StylemapConfig
    generator: Generator
    encoder: Encoder
    _fingerprint: str | None = None  # of the weights before they were rounded

    def __init__(self, config: StylemapConfig, encoder: bool = True):
        super().__init__()
        if not encoder:
            raise ValueError("a StyleMapGAN needs its encoder")
        self.config = config
        self.generator = Generator(config)
        self.encoder = Encoder(config)
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> Tensor:
        """Images -> stylemaps, in one pass."""
        check_images(images, self.config.resolution, values=not self.training)
        return self._given(self.encoder(images.contiguous(memory_format=torch.channels_last)))

    def synthesize(self, stylemap: Tensor) -> Tensor:
        """Stylemaps -> images, about [-1, 1] (not clamped)."""
        return self.render(self.resize(stylemap))

    def resize(self, stylemap: Tensor) -> list[Tensor]:
        """Stylemaps -> styles: 2 log2(R / S) + 2 maps, two at each side from S to R."""
        check_shape("stylemap", stylemap, self.config.stylemap_shape)
        return list(map(self._given, self.generator.resizer(stylemap.contiguous(memory_format=torch.channels_last))))

    def render(self, styles: list[Tensor]) -> Tensor:
        """Styles -> images."""
        config, widths = self.config, self.generator.resizer.channels
        if len(styles) != len(widths):
            raise ValueError(f"styles must be {len(widths)} maps, not {len(styles)}")
        samples = max(len(s) for s in styles)
        for i, (style, width) in enumerate(zip(styles, widths, strict=True)):
            side = config.stylemap_size << (i // 2)
            check_shape(f"styles[{i}]", style, (width, side, side))
            if len(style) not in (1, samples):
                raise ValueError(f"styles must be of as many samples each, not {[len(s) for s in styles]}")
        return self.generator.synthesis(styles)

    def features(self, stylemap: Tensor, most: int) -> list[Tensor]:
        """Stylemaps -> what the synthesis network computes at each side from S to R or ``most``, [N, ch(s), s, s] each."""
        check_shape("stylemap", stylemap, self.config.stylemap_shape)
        stylemap = stylemap.contiguous(memory_format=torch.channels_last)
        styles = self.generator.resizer(stylemap, 2 * len(self.config.sides(most)) - 1)
        return list(map(self._given, self.generator.synthesis.features(styles)))

    def modulations(self, styles: list[Tensor]) -> list[Tensor]:
        """Styles -> gamma and beta of every modulated layer, [N, 2 K, s, s] each, as `Synthesis.modulated` lists the layers.

        They are linear in the styles but for a bias, and take three quarters of the time of `render`.
        """
        return [self._given(layer.style(styles[i])) for layer, i in self.generator.synthesis.modulated]

    def render_modulated(self, modulations: Iterable[Tensor]) -> Tensor:
        """Modulations, each made no earlier than it is needed -> images."""
        rest = iter(modulations)
        image = self.generator.synthesis.paint(self._checked(rest), modulated=True)
        if next(rest, None) is not None:
            raise ValueError(f"modulations must be {len(self.generator.synthesis.modulated)} maps, not more")
        return image

    def _checked(self, modulations: Iterator[Tensor]) -> Iterator[Tensor]:
        layers, samples = self.generator.synthesis.modulated, None
        for k, (layer, i) in enumerate(layers):
            modulation, side = next(modulations, None), self.config.stylemap_size << (i // 2)
            if modulation is None:
                raise ValueError(f"modulations must be {len(layers)} maps, not {k}")
            check_shape(f"modulations[{k}]", modulation, (len(layer.style.weight), side, side))
            samples = samples or len(modulation)
            if len(modulation) != samples:
                raise ValueError(f"modulations must be of as many samples each, not {samples} and {len(modulation)}")
            yield modulation

    def map(self, z: Tensor) -> Tensor:
        """z -> stylemaps."""
        check_shape("z", z, (self.config.stylemap_channels,))
        return self.generator.mapping(z)

    def mean_latent(self) -> Tensor:
        """[1, C, S, S]: the mean of encoded images that a flow has kept, or the mean over 4096 fixed z."""
        if isinstance(self.generator.mapping, FlowMapping):
            return self.generator.mapping.mean.clone()
        return self.mean_mapped(torch.randn(4096, self.latents.z_channels, generator=torch.Generator().manual_seed(0)))

    @torch.no_grad()
    def grow_from(self, old: "StylemapModel") -> None:  # type: ignore[override]  # of its own kind
        last = f"synthesis.rgb_skips.{old.config.rgb_skips}."  # what was the to-RGB of the last side
        weights = {name.replace("synthesis.to_rgb.", last): w for name, w in old.generator.state_dict().items()}
        self.generator.load_state_dict(weights, strict=False)
        for parameter in self.generator.synthesis.to_rgb.conv.parameters():
            parameter.zero_()
        grow_down(old.encoder, self.encoder)

    def last_doubling(self) -> LastDoubling | None:
        return LastDoubling(self.generator, self.config.resolution) if self.config.doublings else None

    def fingerprint(self) -> str:
        """32 hex digits that differ where generator or encoder differ in anything, but not by `compute_in`."""
        if self._fingerprint is not None:
            return self._fingerprint
        settings = {name: value for name, value in asdict(self.config).items() if LATER.get(name) != value}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {list(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
        return digest.hexdigest()[:32]

    def compute_in(self, kind: torch.dtype) -> None:
        if kind == self.passes:
            return
        if self.passes != torch.float32:
            raise ValueError("the weights are rounded already; load the model anew")
        self._fingerprint = self.fingerprint()
        round_passes(self, kind)
        self.passes = kind

    def _given(self, x: Tensor) -> Tensor:
        """What a network made, in float32 where `compute_in` changed its passes. Training keeps what autocast makes."""
        return x if self.passes == torch.float32 else x.float()

    def compilable(self) -> list[nn.Module]:
        return [*super().compilable(), self.generator.resizer, self.generator.synthesis]

    def speed_up(self, speed: StylemapSpeed) -> None:  # type: ignore[override]  # the settings of its own training
        self.generator.synthesis.checkpointing = speed.checkpointing
        super().speed_up(speed)
