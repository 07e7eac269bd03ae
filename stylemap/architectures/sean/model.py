"""The networks of SEAN, and its model: the latent is a style code for each part of the image."""

import itertools
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap.architectures.model import Model, check_images, check_shape
from stylemap.architectures.sean.config import FIRST_SIDE, PARTS, SeanConfig
from stylemap.architectures.sean.layers import SLOPE, SeanBlock, pooled, resized
from stylemap.errors import InputError

NEEDS_MASKS = "a sean model sees and draws images under part masks alone"


class StyleEncoder(nn.Module):
    """Images [N, 3, R, R] under masks [N, P, R, R] -> codes [N, P, C] in [-1, 1].

    A bottleneck of convolutions, down to R/4 and up to R/2, then the mean of the features in each part (SEAN, section 4.1).
    It has no norm: instance norm would take away the colours of the image.
    """

    def __init__(self, config: SeanConfig):
        super().__init__()
        c = config.channels(config.resolution)
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, c, 3, padding=1),
                nn.Conv2d(c, 2 * c, 3, stride=2, padding=1),
                nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1),
                nn.ConvTranspose2d(4 * c, 4 * c, 4, stride=2, padding=1),
            ]
        )
        self.to_codes = nn.Conv2d(4 * c, config.code_channels, 3, padding=1)

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        x = images
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
        features = self.to_codes(x).tanh()  # [N, C, R/2, R/2]
        return pooled(features, resized(masks, features.shape[-1]))


class Generator(nn.Module):
    """Codes [N, P, C] and masks [N, P, R, R] -> images [N, 3, R, R] in [-1, 1].

    It begins with the small mask. Each block but the first has twice the side of the one before.
    """

    def __init__(self, config: SeanConfig):
        super().__init__()
        widths = [config.channels(side) for side in config.sides]
        self.from_mask = nn.Conv2d(PARTS, widths[0], 3, padding=1)
        styled = len(config.sides) - config.plain_blocks
        self.blocks = nn.ModuleList(
            SeanBlock(inputs, outputs, side, config.code_channels, config.mask_channels, i < styled)
            for i, (side, (inputs, outputs)) in enumerate(
                zip(config.sides, itertools.pairwise([widths[0], *widths]), strict=True)
            )
        )
        self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, codes: Tensor, masks: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """
        Args:
            noise: a map [N or 1, 1, s, s] for each block; None takes the constant ones.
        """
        x = self.from_mask(resized(masks, FIRST_SIDE))
        for i, block in enumerate(self.blocks):
            if i:
                x = F.interpolate(x, scale_factor=2)
            x = block(x, resized(masks, x.shape[-1]), codes, None if noise is None else noise[i])
        return self.to_rgb(F.leaky_relu(x, SLOPE)).tanh()


class SeanModel(Model):
    """Encode photos under part masks into style codes, render codes under masks to images.

    Shapes, with R from ``config``, C its code_channels and P = 19 parts: images [N, 3, R, R] in [-1, 1]; masks [N, P, R, R], the
    share of each pixel that belongs to each part, see `masks_of`; codes (the latents) [N, P, C], 0 for a part that the image does
    not have. Wrong shapes raise ValueError.

    Two edits change one thing each: `swap` the codes of some parts, or give `generate` another mask. `take` does both.
    """

    config: SeanConfig
    goes_with = "stylemap train, evaluate and benchmark inversion"

    def __init__(self, config: SeanConfig, encoder: bool = True):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.encoder = StyleEncoder(config) if encoder else None
        self.to(memory_format=torch.channels_last)

    def masks_of(self, labels: Tensor) -> Tensor:
        """Part labels uint8 [N, R, R] of `datasets.parts.Part` -> masks [N, P, R, R], 0 and 1, on the model's device."""
        check_shape("labels", labels, (self.config.resolution, self.config.resolution))
        parts = torch.arange(PARTS, device=self.device).view(1, -1, 1, 1)
        return (labels.to(self.device)[:, None] == parts).to(self.dtype)

    def encode(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """Images under masks -> codes, in one pass.

        Raises:
            InputError: no masks, or the model has no encoder.
        """
        check_images(images, self.config.resolution, values=not self.training)
        if self.encoder is None:
            raise InputError("these weights have no encoder")
        return self.encoder(images.contiguous(memory_format=torch.channels_last), self._checked(masks))

    def generate(self, codes: Tensor, masks: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Codes under masks -> images in [-1, 1].

        Args:
            noise: a map [N or 1, 1, s, s] for each block; None takes the constant ones.
        """
        check_shape("codes", codes, self.latents.shape)
        return self.generator(codes, self._checked(masks), noise)

    @staticmethod
    def swap(codes: Tensor, reference: Tensor, parts: Sequence[int]) -> Tensor:
        """Codes [N, P, C] with those of some parts from a reference [N or 1, P, C]. A part that the reference does not have keeps
        its code.

        Args:
            parts: ids of `datasets.parts.Part`.
        """
        chosen = torch.zeros(PARTS, 1, dtype=torch.bool, device=codes.device)
        chosen[list(parts)] = True
        return torch.where(chosen & (reference != 0).any(dim=2, keepdim=True), reference, codes)

    @classmethod
    def take(
        cls, original: Mapping[str, Tensor], reference: Mapping[str, Tensor], where: Tensor, parts: Sequence[int]
    ) -> dict[str, Tensor]:
        """The local edit that takes some parts from a reference: their codes, and under ``where`` [N, 1, R, R] its mask.

        A part that comes with the mask and that the original does not have brings its code.

        Args:
            original, reference: "latent" (codes) and "masks", as is the result.
        """
        codes = original["latent"]
        own = torch.where((codes == 0).all(dim=2, keepdim=True), reference["latent"], codes)
        masks = torch.lerp(original["masks"], reference["masks"], where)
        return {"latent": cls.swap(own, reference["latent"], parts), "masks": masks}

    def extras_of(self, labels: Tensor | None) -> dict[str, Tensor]:
        if labels is None:
            raise InputError(f"{NEEDS_MASKS}; give the part labels of the images")
        return {"masks": self.masks_of(labels)}

    def synthesize(self, latent: Tensor) -> Tensor:
        raise InputError(f"{NEEDS_MASKS}; these weights go with {self.goes_with}")

    def map(self, z: Tensor) -> Tensor:
        raise InputError(f"{NEEDS_MASKS}, and makes no samples; these weights go with {self.goes_with}")

    def mean_latent(self) -> Tensor:
        raise InputError(f"{NEEDS_MASKS}, and has no mean latent; these weights go with {self.goes_with}")

    def render_with(self, latent: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
        return self.generate(latent, extras["masks"]) if "masks" in extras else self.synthesize(latent)

    def _checked(self, masks: Tensor | None) -> Tensor:
        if masks is None:
            raise InputError(f"{NEEDS_MASKS}; these weights go with {self.goes_with}")
        check_shape("masks", masks, self.latents.extras["masks"])
        return masks
