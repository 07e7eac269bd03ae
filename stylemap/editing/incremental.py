"""Images of edits that cost what the edit changes, from what is known of the images that they are made of.

Most of a rendering is gamma and beta, which are 3 x 3 convolutions of the styles. They have no activation, so they are linear:
where a reference has the same share in a whole window, gamma and beta of the mixed styles are the same mix of gamma and beta.
Other places that an edit reaches are computed anew, mostly a line along the edge of a mask. The other layers are computed whole,
because the norms look at the whole image. The result is that of the plain way but for rounding.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from stylemap.architectures.layers import EqualConv, ModulatedConv
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing.composing import WHOLE, Laid, Window, lay_over
from stylemap.operators.modulate import EPS

MOST_BYTES = 2 << 30  # six images of the published size; a film keeps four
ROUNDING = 1e-6  # shares that differ by less are the same
WINDOWED = 3  # doublings of a preview that are computed in a window
DENSE = 0.75  # a whole window is faster than more than this share of its places


class Drawn(NamedTuple):
    """An image as the network drew it, which a `preview` draws over."""

    image: Tensor  # [1, 3, R, R]
    norms: list[
        tuple[Tensor, Tensor]
    ]  # of each modulated layer [1, C, 1, 1]: the mean of its input, and 1 / its deviation


class Known(NamedTuple):
    """What is known of an image."""

    maps: Sequence[Tensor]  # in the space of an edit, see `blending.in_space`
    modulations: Sequence[Tensor] | None = None  # with the maps of w+: see `StylemapModel.modulations`
    drawn: Drawn | None = None  # for previews


class Cache:
    """What is known of stylemaps [1, C, S, S]. It is kept as long as they are, and those used last as far as there is room.

    Args:
        most_bytes: the room.
        modulated: keep modulations of as many images of an edit as have room. They pay where an image is used for several edits.
    """

    def __init__(self, model: StylemapModel, most_bytes: int = MOST_BYTES, modulated: bool = True):
        self.model, self.most_bytes, self.modulated = model, most_bytes, modulated
        self._kept = WeakIdKeyDictionary()  # stylemap -> Known; what was used last is last
        self._names: WeakIdKeyDictionary | None = None  # stylemap -> what it is called in `_kept`; None: as it is
        generator, first = model.generator, model.config.stylemap_size
        numbers = sum(c * (first << i // 2) ** 2 for i, c in enumerate(generator.resizer.channels))
        self.styles_bytes = numbers * model.dtype.itemsize  # of an image
        numbers = sum(len(m.style.weight) * (first << i // 2) ** 2 for m, i in generator.synthesis.modulated)
        self.modulations_bytes = numbers * model.dtype.itemsize

    def of(self, model: StylemapModel) -> "Cache":
        """For another model of the same config, to which the same stylemaps are other images. Both share the room."""
        other = copy.copy(self)
        other.model, other._names = model, WeakIdKeyDictionary()
        return other

    def _named(self, stylemap: Tensor) -> Tensor:
        if self._names is None:
            return stylemap
        if stylemap not in self._names:
            self._names[stylemap] = stylemap.detach()  # the same numbers, another object
        return self._names[stylemap]

    def known(self, stylemaps: Sequence[Tensor]) -> list[Known]:
        """Of all images of an edit, the original first: without room for all modulations it gets its own."""
        stylemaps = list(map(self._named, stylemaps))
        used = {id(w): w for w in stylemaps}
        before = {key: self._kept.pop(w, None) for key, w in used.items()}
        modulated = self.fits(len(used)) if self.modulated else 0
        self._shrink(self.most_bytes - len(used) * self.styles_bytes - modulated * self.modulations_bytes)
        found = {}
        for i, (key, w) in enumerate(used.items()):
            known = before[key] or Known(self.model.resize(w))
            if known.modulations is None and i < modulated:
                known = known._replace(modulations=self.model.modulations(known.maps))
            found[key] = known
        for key, w in reversed(used.items()):
            self._kept[w] = found[key]
        self._shrink(self.most_bytes)
        return [found[id(w)]._replace(drawn=None) for w in stylemaps]  # an edit is exact if nobody asks for a preview

    def fits(self, count: int) -> int:
        """Of so many images, how many have room for their modulations beside the resized stylemaps of all."""
        room = self.most_bytes - count * self.styles_bytes
        return max(0, min(count, room // self.modulations_bytes))

    def _shrink(self, most_bytes: int) -> None:
        """Keep what was used last."""
        for w in list(self._kept):
            if self.bytes <= most_bytes:
                break
            self._kept.pop(w, None)

    def drawn(self, stylemap: Tensor) -> Known:
        """With the image, if its modulations have room."""
        (known,) = self.known([stylemap])
        stylemap = self._named(stylemap)
        known = self._kept.get(stylemap, known)
        if known.drawn is None and known.modulations is not None:
            known = known._replace(drawn=draw(self.model, known.modulations))
            if stylemap in self._kept:
                self._kept[stylemap] = known
        return known

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What the cache takes."""
        return sum(x.nbytes for known in list(self._kept.values()) for maps in known[:2] for x in maps or ())


def modulate(
    model: StylemapModel, known: Known, laid: Sequence[Laid], within: Callable[[int], Window] = lambda layer: WHOLE
) -> Iterator[Tensor]:
    """The modulations of an edited image, for `StylemapModel.render_modulated`.

    Args:
        laid: in turn, on w+, see `composing.lay_out`.
        within: the window of each style that is wanted; all that changes is in it.
    """
    assert known.modulations is not None
    reach = functools.cache(lambda side, *here: _reach([laid[j] for j in here], side))
    for k, (layer, i) in enumerate(model.generator.synthesis.modulated):
        style, modulation = known.maps[i], known.modulations[k]
        here = [j for j, one in enumerate(laid) if i in one.layers]
        parts = [Part(one, one.maps[i], one.modulations and one.modulations[k]) for one in map(laid.__getitem__, here)]
        yield _layer(layer.style, style, modulation, parts, reach(style.shape[-1], *here), within(i))


def laid_over(model: StylemapModel, known: Known, laid: Sequence[Laid]) -> Known:
    """The image with others over it, as well known as it was."""
    modulations = None if known.modulations is None else list(modulate(model, known, laid))
    return Known(lay_over(known.maps, laid), modulations)


def draw(model: StylemapModel, modulations: Sequence[Tensor]) -> Drawn:
    """The image of modulations, and what its norms saw."""
    norms = []

    def note(layer: ModulatedConv, arguments: tuple[Tensor, ...]) -> None:
        x, groups = arguments[0], layer.groups
        if groups is None:
            mean, var = layer.batch_norm.running_mean, layer.batch_norm.running_var
        else:
            var, mean = torch.var_mean(x.float().unflatten(1, (groups, -1)), (0, 2, 3, 4), correction=0)
            mean, var = (s.repeat_interleave(x.shape[1] // groups) for s in (mean, var))
        norms.append((mean.view(1, -1, 1, 1), (var + EPS).rsqrt().view(1, -1, 1, 1)))

    handles = [layer.register_forward_pre_hook(note) for layer, _ in model.generator.synthesis.modulated]
    try:
        return Drawn(model.render_modulated(modulations), norms)
    finally:
        for handle in handles:
            handle.remove()


def preview(model: StylemapModel, original: Known, laid: Sequence[Laid]) -> Tensor:
    """Nearly the image of an original with others over it [1, 3, R, R], for much less.

    The norms keep the mean and deviation that they have for the original, and the last `WINDOWED` doublings are computed in a
    window around the masks. At its rim the image fades into the original's, so what an edit changes farther away is left out.
    That is much of a small edit with a hard mask, which takes whole cells of the smaller sides.
    """
    assert original.drawn is not None
    (image, norms), config = original.drawn, model.config
    box = _reach(laid, config.resolution).window
    if box is None:
        return image
    if not config.doublings:
        return model.render_modulated(modulate(model, original, laid))
    block = max(0, config.doublings - WINDOWED)
    unit = 2 ** (config.doublings - block)  # pixels of a cell of the block's input
    rim = 2 * unit  # masks reach as far there: into the cell that they touch, and a convolution sees it from the next
    wrong = 3 * (unit - 1)  # pixels beside what is not computed: a doubling makes 2 w + 3 of w
    most = config.resolution // unit
    cells = [
        (max(0, (lines.start - rim - wrong) // unit), min(most, -(-(lines.stop + rim + wrong) // unit)))
        for lines in box
    ]

    if cells == [(0, most)] * 2:
        return model.render_modulated(modulate(model, original, laid))

    def window(unit: int) -> Window:
        rows, columns = (slice(start * unit, stop * unit) for start, stop in cells)
        return rows, columns

    def within(layer: int) -> Window:
        return WHOLE if layer <= 2 * block else window(2 ** (layer // 2 - block))

    def folded() -> Iterator[Tensor]:
        for modulation, (mean, scale) in zip(modulate(model, original, laid, within), norms, strict=True):
            gamma, beta = modulation.chunk(2, 1)
            gamma = gamma * scale
            yield torch.cat([gamma, beta - gamma * mean], 1)

    drawn = model.generator.synthesis.paint(folded(), True, False, (block, window(1)))
    line = torch.arange(config.resolution, device=image.device)
    near = [(1 - torch.maximum(lines.start - line, line - lines.stop + 1) / rim).clamp(0, 1) for lines in box]
    at = (..., *window(unit))
    result = image.clone()
    result[at] = torch.lerp(image[at], drawn.to(image), (near[0][:, None] * near[1])[at].to(image))
    return result


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


def _layer(
    conv: EqualConv, style: Tensor, modulation: Tensor, parts: Sequence[Part], reach: Reach, within: Window
) -> Tensor:
    """``conv`` of a style with parts over it, in a window, from ``modulation``, that of the style alone."""
    samples = max(reach.samples, len(style), *(len(part.style) for part in parts), 1)
    modulation = modulation.expand(samples, -1, -1, -1)
    if reach.window is None:
        return modulation[(..., *within)]
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
    result = modulation[(..., *within)]
    if mixed.shape == result.shape:
        return mixed
    result = result.clone(memory_format=torch.channels_last)
    y, x = rows.start - (within[0].start or 0), columns.start - (within[1].start or 0)
    result[..., y : y + height, x : x + width] = mixed
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
