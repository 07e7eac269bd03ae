"""Transplants as a training task: a part of one image laid over another, at any place and size, in the stylemaps.

Training images have their parts where aligned faces have them. So the networks never learn to draw an eye elsewhere, and
transplants (StyleMapGAN, section 4.4) are smudged. Here the generator is asked for one: its resized stylemaps are those of
an image with an ellipse of another image's laid over them, and the target is the same done to the pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import randomness
from stylemap.architectures import chance
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.randomness import Purpose

RADII = 0.12, 0.5  # of the ellipses in the image that they are laid over; 1 is half a side
CENTRES = 0.75  # the farthest from the middle, likewise
SCALES = 0.6, 1.7
IN_PLACE = 0.5  # share of the ellipses that stay where they are, as in local editing
EDGE = 0.08  # width of the soft edge, likewise


@dataclass(frozen=True)
class StylemapChance(chance.Chance):
    """The draws for N samples."""

    transplanted: Tensor
    """bool [N]: which reconstructions are of a transplant."""
    source: Tensor
    """[N, 2]: (x, y), the centre of the ellipse in the image that it comes from, in -1..1."""
    target: Tensor
    """[N, 2]: where it goes."""
    scale: Tensor
    """[N]."""
    radii: Tensor
    """[N, 2]: (x, y), after scaling."""

    def take(self, places: Sequence[int]) -> "StylemapChance":
        at = list(places)
        return StylemapChance(self.z[:, at], *(x[at] for x in self._ellipses()))

    def to(self, device: torch.device) -> "StylemapChance":
        return StylemapChance(*(x.to(device, non_blocking=True) for x in (self.z, *self._ellipses())))

    def _ellipses(self) -> tuple[Tensor, ...]:
        return self.transplanted, self.source, self.target, self.scale, self.radii


def draw(config: StylemapTraining, seen: int) -> StylemapChance:
    """For the samples of an iteration, of all processes together, after ``seen`` images."""
    n = config.batch
    rng = randomness.generator(Purpose.CHANCE, config.seed, seen)
    transplanted = rng.random(n) < config.loss.transplants
    stays = rng.random(n) < IN_PLACE
    source = rng.uniform(-CENTRES, CENTRES, (n, 2))
    target = np.where(stays[:, None], source, rng.uniform(-CENTRES, CENTRES, (n, 2)))
    scale = np.where(stays, 1.0, np.exp(rng.uniform(*np.log(SCALES), n)))
    radii = rng.uniform(*RADII, (n, 2))
    ellipses = (torch.from_numpy(x.astype(np.float32)) for x in (source, target, scale, radii))
    return StylemapChance(chance.draw(config, seen).z, torch.from_numpy(transplanted), *ellipses)


def lay(maps: Tensor, draws: StylemapChance, resolution: int) -> Tensor:
    """Lay an ellipse of the next sample's maps over the maps of each sample that `StylemapChance.transplanted` selects.

    Args:
        maps: [N, C, s, s]: images, or resized stylemaps of any side. The next sample of the last one is the first.
        resolution: R. A cell of a map takes as much of the other as the ellipse covers of its pixels.
    """
    n, side = len(maps), maps.shape[-1]
    zoom = torch.diag_embed((1 / draws.scale)[:, None].expand(-1, 2))  # [N, 2, 2]
    shift = draws.source - draws.target / draws.scale[:, None]
    theta = torch.cat([zoom, shift[:, :, None]], dim=2)  # [N, 2, 3]: places in the target -> places in the source
    grid = F.affine_grid(theta, [n, 1, side, side], align_corners=False).to(maps.dtype)
    moved = F.grid_sample(maps.roll(-1, dims=0), grid, padding_mode="border", align_corners=False)
    share = F.adaptive_avg_pool2d(ellipse(draws, resolution), side).to(maps.dtype)
    return torch.lerp(maps, moved.to(maps.dtype), share)  # autocast samples in float32


def ellipse(draws: StylemapChance, resolution: int) -> Tensor:
    """[N, 1, R, R] in [0, 1]: 1 inside, a soft edge, 0 outside and where nothing is transplanted."""
    line = (torch.arange(resolution, device=draws.radii.device) + 0.5) * 2 / resolution - 1
    x = (line[None, None, :] - draws.target[:, 0, None, None]) / draws.radii[:, 0, None, None]
    y = (line[None, :, None] - draws.target[:, 1, None, None]) / draws.radii[:, 1, None, None]
    inner = (1 - torch.hypot(*torch.broadcast_tensors(x, y))) * draws.radii.amin(dim=1)[
        :, None, None
    ]  # about the distance
    mask = (inner / EDGE + 0.5).clamp(0, 1) * draws.transplanted[:, None, None]
    return mask[:, None]
