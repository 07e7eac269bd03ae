"""Transplants as a training task: a part of one image laid over another, at any place and size, in the stylemaps.

Training images have their parts where aligned faces have them. So the networks never learn to draw an eye elsewhere, and
transplants (StyleMapGAN, section 4.4) are smudged. Here the generator is asked for one: its stylemaps are those of
an image with an ellipse of another image's laid over them, and the target is the same done to the pixels. As in editing, it is
laid over the resized stylemaps (w+), or over the stylemap before them (w).
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
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.randomness import Purpose

RADII = 0.12, 0.5  # of the ellipses in the image that they are laid over; 1 is half a side
CENTRES = 0.75  # the farthest from the middle, likewise
SCALES = 0.6, 1.7
IN_PLACE = 0.5  # share of the ellipses that stay where they are, as in local editing
IN_W = 0.25  # share of the ellipses laid over the stylemap itself; w+ is what edits use
EDGE = 0.08  # width of the soft edge, likewise


@dataclass(frozen=True)
class StylemapChance(chance.Chance):
    """The draws for N samples. Which samples are meant is known on the CPU, so that nothing waits for another device."""

    transplanted: Tensor
    """bool [N]: which reconstructions are of a transplant."""
    in_w: Tensor
    """bool [N]: those laid over the stylemap before it is resized."""
    source: Tensor
    """[N, 2]: (x, y), the centre of the ellipse in the image that it comes from, in -1..1."""
    target: Tensor
    """[N, 2]: where it goes."""
    scale: Tensor
    """[N]."""
    radii: Tensor
    """[N, 2]: (x, y), after scaling."""

    def take(self, places: Sequence[int] | Tensor) -> "StylemapChance":
        at = torch.as_tensor(places, dtype=torch.long)
        return StylemapChance(self.z[:, at], *(x[at] for x in (self.transplanted, self.in_w, *self._places())))

    def to(self, device: torch.device) -> "StylemapChance":
        z, *places = (x.to(device, non_blocking=True) for x in (self.z, *self._places()))
        return StylemapChance(z, self.transplanted, self.in_w, *places)

    def _places(self) -> tuple[Tensor, ...]:
        return self.source, self.target, self.scale, self.radii


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
    in_w = transplanted & (rng.random(n) < IN_W)
    places = (torch.from_numpy(x.astype(np.float32)) for x in (source, target, scale, radii))
    return StylemapChance(chance.draw(config, seen).z, torch.from_numpy(transplanted), torch.from_numpy(in_w), *places)


def styles(model: StylemapModel, images: Tensor, draws: StylemapChance) -> list[Tensor]:
    """The resized stylemaps of images [N, 3, R, R] with their transplants, each in its space."""
    resolution = model.config.resolution
    stylemaps = lay(model.encode(images), draws, resolution, draws.in_w)
    return [lay(maps, draws, resolution, draws.transplanted & ~draws.in_w) for maps in model.resize(stylemaps)]


def lay(maps: Tensor, draws: StylemapChance, resolution: int, which: Tensor | None = None) -> Tensor:
    """Lay an ellipse of the next sample's maps over the maps of some samples.

    Args:
        maps: [N, C, s, s]: images, or stylemaps of any side. The next sample of the last one is the first.
        resolution: R. A cell of a map takes as much of the other as the ellipse covers of its pixels.
        which: bool [N]; None = `StylemapChance.transplanted`.
    """
    at = (draws.transplanted if which is None else which).nonzero()[:, 0]
    if not len(at):
        return maps
    draws, side = draws.take(at), maps.shape[-1]
    other = maps[(at + 1) % len(maps)]
    columns, rows = (_interpolation(draws, axis, side).to(maps.dtype) for axis in (0, 1))
    moved = (rows @ other @ columns.mT).to(maps.dtype)  # autocast multiplies matrices in bfloat16
    share = F.adaptive_avg_pool2d(ellipse(draws, resolution), side).to(maps.dtype)
    return maps.index_copy(0, at.to(maps.device), torch.lerp(maps[at], moved, share))


def _interpolation(draws: StylemapChance, axis: int, side: int) -> Tensor:
    """[N, 1, s, s]: row i holds the shares of the places of the source in place i of the target. Beyond the border is the border.

    As products of matrices, a scaled shift and its gradient cost a fifth of `F.grid_sample` on a CPU.
    """
    places = torch.arange(side, device=draws.scale.device)
    line = (places + 0.5) * 2 / side - 1
    at = draws.source[:, axis, None] + (line - draws.target[:, axis, None]) / draws.scale[:, None]  # [N, s]
    at = (((at + 1) * side - 1) / 2).clamp(0, side - 1)
    return (1 - (at[:, :, None] - places).abs()).clamp(min=0)[:, None]


def ellipse(draws: StylemapChance, resolution: int) -> Tensor:
    """[N, 1, R, R] in [0, 1]: 1 inside, a soft edge, 0 outside and where nothing is transplanted."""
    line = (torch.arange(resolution, device=draws.radii.device) + 0.5) * 2 / resolution - 1
    x = (line[None, None, :] - draws.target[:, 0, None, None]) / draws.radii[:, 0, None, None]
    y = (line[None, :, None] - draws.target[:, 1, None, None]) / draws.radii[:, 1, None, None]
    least = draws.radii.amin(dim=1)[:, None, None]
    inner = (1 - torch.hypot(*torch.broadcast_tensors(x, y))) * least  # about the distance from the edge
    mask = (inner / EDGE + 0.5).clamp(0, 1) * draws.transplanted.to(inner.device)[:, None, None]
    return mask[:, None]
