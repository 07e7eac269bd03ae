"""Images of edits that cost what the edit changes, from what is known of the images that they are made of.

Most of a rendering is gamma and beta, which are 3 x 3 convolutions of the styles. They have no activation, so they are linear:
where a reference has the same share in a whole window, gamma and beta of the mixed styles are the same mix of gamma and beta.
Other places that an edit reaches are computed anew, mostly a line along the edge of a mask. The other layers are computed whole,
because the norms look at the whole image. The result is that of the plain way but for rounding.
"""

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
DENSE = 0.5  # a convolution of a whole window is faster than one of more than this share of its places


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
    for k, (layer, i) in enumerate(model.generator.synthesis.modulated):
        parts = [
            Part(one, one.maps[i], None if one.modulations is None else one.modulations[k])
            for one in laid
            if i in one.layers
        ]
        yield _layer(layer.style, known.maps[i], known.modulations[k], parts)


def laid_over(model: StylemapModel, known: Known, laid: Sequence[Laid]) -> Known:
    """The image with others over it, as well known as it was."""
    modulations = None if known.modulations is None else list(modulate(model, known, laid))
    return Known(lay_over(known.maps, laid), modulations)


class Part(NamedTuple):
    """What comes over a style."""

    laid: Laid
    style: Tensor
    modulation: Tensor | None


def _layer(conv: EqualConv, style: Tensor, modulation: Tensor, parts: Sequence[Part]) -> Tensor:
    """``conv`` of a style with parts over it, from ``modulation``, that of the style alone."""
    side, samples = style.shape[-1], len(style)
    reached, fresh = torch.zeros(2, side, side, dtype=torch.bool, device=style.device)
    for laid, other, known in parts:
        share = laid.share(side).to(style.device)
        samples = max(samples, len(share), len(other))
        most = F.max_pool2d(share, 3, 1, 1)
        spread = (most > 0).any(0)[0]
        uneven = (most + F.max_pool2d(-share, 3, 1, 1) > ROUNDING).any(0)[0] | ~laid.follows(side).to(style.device)
        reached |= spread
        fresh |= spread if known is None else spread & uneven
    modulation = modulation.expand(samples, -1, -1, -1)
    if not reached.any():
        return modulation
    rows, columns = (slice(int(at.min()), int(at.max()) + 1) for at in (reached.any(d).nonzero() for d in (1, 0)))
    at = fresh[rows, columns].nonzero()
    inputs = tuple(slice(max(0, s.start - 1), min(side, s.stop + 1)) for s in (rows, columns))
    corner = rows.start - inputs[0].start, columns.start - inputs[1].start
    if len(at) > DENSE * (rows.stop - rows.start) * (columns.stop - columns.start):
        whole = conv(_mix(style, parts, inputs))
        mixed = whole[..., corner[0] :, corner[1] :][..., : rows.stop - rows.start, : columns.stop - columns.start]
    else:
        mixed = _mix(modulation, [part._replace(style=part.modulation) for part in parts], (rows, columns))
        if len(at):
            y, x = at.T
            values = _at(conv, _mix(style, parts, inputs), y + corner[0], x + corner[1])
            mixed.permute(0, 2, 3, 1)[:, y, x] = values.to(mixed)
    if mixed.shape[2:] == (side, side):
        return mixed
    result = modulation.clone(memory_format=torch.channels_last)
    result[..., rows, columns] = mixed
    return result


def _mix(x: Tensor, parts: Sequence[Part], window: Window) -> Tensor:
    """A window of ``x`` with parts over it."""
    x = x[(..., *window)]
    for laid, other, _ in parts:
        x = laid.over(x, other, window)
    return x


def _at(conv: EqualConv, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``conv`` of x [N, C, h, w] at P places -> [N, P, C']."""
    x = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    three = torch.arange(3, device=x.device)
    y, z = (at[:, None] + offset for at, offset in ((rows, three.repeat_interleave(3)), (columns, three.repeat(3))))
    windows = x[:, y, z].flatten(2).flatten(0, 1)  # [N P, 9 C]
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)  # no copy in channels_last memory
    return torch.addmm(conv.bias, windows, weight.mT, alpha=conv.scale).unflatten(0, (len(x), -1))
