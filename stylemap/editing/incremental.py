"""Images of edits that cost what the edit changes, from what is known of the images that they are made of.

Most of a rendering is gamma and beta, which are 3 x 3 convolutions of the styles. They have no activation, so they are linear:
where a reference has the same share in a whole window, gamma and beta of the mixed styles are the same mix of gamma and beta.
Other places that an edit reaches are computed anew, mostly a line along the edge of a mask. The other layers are computed whole,
because the norms look at the whole image. The result is that of the plain way but for rounding.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from stylemap.architectures.layers import EqualConv
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.composing import Laid, Window, lay_over

ROUNDING = 1e-6  # shares that differ by less are the same
DENSE = 0.75  # a whole window is faster than more than this share of its places


class Known(NamedTuple):
    """What is known of an image."""

    maps: list[Tensor]  # in the space of an edit, see `blending.in_space`
    modulations: list[Tensor] | None = None  # with the maps of w+: see `StylemapModel.modulations`


class Cache:
    """What is known of stylemaps [1, C, S, S]. It is kept as long as they are, and those used last as far as there is room.

    Args:
        most_bytes: the room.
        modulated: keep modulations where all images of an edit have room. They pay where an image is used for several edits.
    """

    def __init__(self, model: StylemapModel, most_bytes: float = math.inf, modulated: bool = True):
        self.model, self.most_bytes, self.modulated = model, most_bytes, modulated
        self._kept = WeakIdKeyDictionary()  # stylemap -> Known; what was used last is last
        generator, first = model.generator, model.config.stylemap_size
        numbers = sum(c * (first << i // 2) ** 2 for i, c in enumerate(generator.resizer.channels))
        self.styles_bytes = numbers * model.dtype.itemsize  # of an image
        numbers = sum(len(m.style.weight) * (first << i // 2) ** 2 for m, i in generator.synthesis.modulated)
        self.modulations_bytes = numbers * model.dtype.itemsize

    def known(self, stylemaps: Sequence[Tensor]) -> list[Known]:
        """Of all images of an edit, the original first: without room for all modulations it gets its own."""
        used = {id(w): w for w in stylemaps}
        room = self.most_bytes - len(used) * self.styles_bytes
        found = {}
        for key, w in used.items():
            known = self._kept.pop(w, None) or Known(self.model.resize(w))
            room -= self.modulations_bytes
            if self.modulated and known.modulations is None and room >= 0:
                known = known._replace(modulations=self.model.modulations(known.maps))
            found[key] = known
        for key, w in reversed(used.items()):
            self._kept[w] = found[key]
        for w in list(self._kept):
            if self.bytes <= self.most_bytes:
                break
            self._kept.pop(w, None)
        return [found[id(w)] for w in stylemaps]

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What the cache takes."""
        return sum(x.nbytes for known in list(self._kept.values()) for maps in known for x in maps or ())


def modulate(model: StylemapModel, known: Known, laid: Sequence[Laid]) -> Iterator[Tensor]:
    """The modulations of an edited image, for `StylemapModel.render_modulated`.

    Args:
        laid: in turn, on w+, see `composing.lay_out`.
    """
    assert known.modulations is not None
    reach = functools.cache(lambda side, *here: _reach([laid[j] for j in here], side))
    for k, (layer, i) in enumerate(model.generator.synthesis.modulated):
        style, modulation = known.maps[i], known.modulations[k]
        here = [j for j, one in enumerate(laid) if i in one.layers]
        parts = [Part(one, one.maps[i], one.modulations and one.modulations[k]) for one in map(laid.__getitem__, here)]
        yield _layer(layer.style, style, modulation, parts, reach(style.shape[-1], *here))


def laid_over(model: StylemapModel, known: Known, laid: Sequence[Laid]) -> Known:
    """The image with others over it, as well known as it was."""
    modulations = None if known.modulations is None else list(modulate(model, known, laid))
    return Known(lay_over(known.maps, laid), modulations)


class Reach(NamedTuple):
    """Where maps of a side change."""

    samples: int
    window: Window | None  # all of it; None: nowhere
    fresh: Tensor  # [P, 2], the places of the window where modulations are computed anew


def _reach(laid: Sequence[Laid], side: int) -> Reach:
    """Of maps that are laid over others."""
    reached, fresh = torch.zeros(2, side, side, dtype=torch.bool)
    samples = 1
    for one in laid:
        share = one.share(side).float().cpu()
        most, least = F.max_pool2d(torch.cat([share, -share]), 3, 1, 1).chunk(2)
        spread = (most > 0).any(0)[0]
        reached |= spread
        if one.modulations is not None:
            spread = spread & ((most + least > ROUNDING).any(0)[0] | ~one.follows(side))
        fresh |= spread
        samples = max(samples, len(share))
    if not reached.any():
        return Reach(samples, None, fresh)
    rows, columns = (slice(int(at.min()), int(at.max()) + 1) for at in (reached.any(d).nonzero() for d in (1, 0)))
    return Reach(samples, (rows, columns), fresh[rows, columns].nonzero())


class Part(NamedTuple):
    """What comes over a style and its modulation."""

    laid: Laid
    style: Tensor
    modulation: Tensor | None


def _layer(conv: EqualConv, style: Tensor, modulation: Tensor, parts: Sequence[Part], reach: Reach) -> Tensor:
    """``conv`` of a style with parts over it, from ``modulation``, that of the style alone."""
    samples = max(reach.samples, len(style), *(len(part.style) for part in parts), 1)
    modulation = modulation.expand(samples, -1, -1, -1)
    if reach.window is None:
        return modulation
    side, (rows, columns) = style.shape[-1], reach.window
    inputs = tuple(slice(max(0, lines.start - 1), min(side, lines.stop + 1)) for lines in reach.window)
    top, left = rows.start - inputs[0].start, columns.start - inputs[1].start
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if len(reach.fresh) > DENSE * height * width:
        mixed = conv(_mix(style, [(part.laid, part.style) for part in parts], inputs))
        mixed = mixed[..., top : top + height, left : left + width]
    else:
        known = [(part.laid, part.modulation) for part in parts if part.modulation is not None]
        mixed = _mix(modulation, known, reach.window)
        if len(reach.fresh):
            y, x = reach.fresh.to(style.device).T
            values = _at(conv, _mix(style, [(part.laid, part.style) for part in parts], inputs), y + top, x + left)
            mixed = mixed if known else mixed.clone()
            mixed.permute(0, 2, 3, 1)[:, y, x] = values.to(mixed)
    if mixed.shape[2:] == (side, side):
        return mixed
    result = modulation.clone(memory_format=torch.channels_last)
    result[..., rows, columns] = mixed
    return result


def _mix(x: Tensor, others: Sequence[tuple[Laid, Tensor]], window: Window) -> Tensor:
    """A window of ``x`` with others over it."""
    x = x[(..., *window)]
    for laid, other in others:
        x = laid.over(x, other, window)
    return x


def _at(conv: EqualConv, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``conv`` of x [N, C, h, w] at P places -> [N, P, C']."""
    x = F.pad(x.to(conv.weight.dtype), (1, 1, 1, 1)).permute(0, 2, 3, 1)
    three = torch.arange(3, device=x.device)
    side_by_side = x[:, rows[:, None] + three[:, None, None], columns[:, None] + three]  # the windows, [N, 3, P, 3, C]
    values = F.conv2d(
        side_by_side.flatten(2, 3).permute(0, 3, 1, 2), conv.weight, stride=3
    )  # twice as fast as addmm on a CPU
    return values[:, :, 0].mT * conv.scale + conv.bias
