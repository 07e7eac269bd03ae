"""What is exported of a StyleMapGAN: functions of tensors, with the names and shapes of what goes in and out.

The split is that of an editor. A photo is encoded and its stylemap resized once. A stroke of the brush then only blends and
renders. Where even that is too slow, `preview` blends gamma and beta, which are most of a rendering, and were made once too.
"""

import copy
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import fold
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.parts import Part
from stylemap.editing import masks
from stylemap.segmentation import Segmenter

GRAPHS = ("encoder", "mapping", "resizer", "blend", "render", "edit", "modulations", "preview", "parts")


class Value(NamedTuple):
    """An input or output, float32."""

    name: str
    shape: tuple[int, ...]  # without the batch
    range: tuple[float, float] | None = None  # None: free
    meaning: str = ""
    batch: bool = True  # the first dimension is N, which is free


class Graph(nn.Module):
    """A function of tensors, and the networks whose weights it takes along.

    ``forward(*inputs)`` gives a tensor, or a tuple of them.
    """

    def __init__(
        self, purpose: str, function: Callable, networks: Sequence[nn.Module], inputs: list[Value], outputs: list[Value]
    ):
        super().__init__()
        self.purpose, self.function, self.inputs, self.outputs = purpose, function, inputs, outputs
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.function(*inputs)


def graphs(model: StylemapModel, segmenter: Segmenter | None = None) -> dict[str, Graph]:
    """All of `GRAPHS`, with the weights of a model, which stays as it is; without a segmenter all but "parts"."""
    model = copy.deepcopy(model)
    fold(model, torch.float32)
    config, generator, synthesis = model.config, model.generator, model.generator.synthesis
    sides = [config.stylemap_size << i // 2 for i in range(config.layers)]
    modulated = synthesis.modulated
    fine = [k for k, (_, i) in enumerate(modulated) if sides[i] * 2 >= config.resolution]  # of `modulated`
    coarse = sorted({i for k, (_, i) in enumerate(modulated) if k not in fine})  # styles

    def styles_of(prefix: str, which: Sequence[int] = range(config.layers)) -> list[Value]:
        return [Value(f"{prefix}_{i}", (generator.resizer.channels[i], sides[i], sides[i])) for i in which]

    def modulations_of(prefix: str) -> list[Value]:
        parts = [(k, *modulated[k]) for k in fine]
        return [Value(f"{prefix}_{k}", (len(layer.style.weight), sides[i], sides[i])) for k, layer, i in parts]

    image = Value(
        "image", (3, config.resolution, config.resolution), (-1, 1), "RGB; what is drawn may leave the range a little"
    )
    stylemap = Value("stylemap", config.stylemap_shape)
    how = [
        Value("mask", (1, config.resolution, config.resolution), (0, 1), "1 = take the reference"),
        Value(
            "strength", (config.layers,), (0, 1), "share of the reference where the mask is 1, for each layer", False
        ),
        Value("hard", (1,), (0, 1), "1 = take every cell that the mask touches whole, 0 = blend it", False),
    ]

    def blend(*inputs: Tensor, of: Sequence[int] = range(config.layers)) -> tuple[Tensor, ...]:
        """Maps, of the given layers, with those of a reference over them, as `composing.Laid` lays them."""
        originals, references, (mask, strength, hard) = inputs[: len(of)], inputs[len(of) : -3], inputs[-3:]
        shares = {}
        for side in dict.fromkeys(sides):
            soft, whole = (masks.resize(mask, side, one) for one in (False, True))
            shares[side] = soft + hard * (whole - soft)
        return tuple(
            original + strength[i] * shares[sides[i]] * (reference - original)
            for original, reference, i in zip(originals, references, of, strict=True)
        )

    def edit(*inputs: Tensor) -> Tensor:
        return synthesis(blend(*inputs))

    def modulations(*given: Tensor) -> tuple[Tensor, ...]:
        styles = dict(zip(sorted({modulated[k][1] for k in fine}), given, strict=True))
        return tuple(layer.style(styles[i]) for layer, i in map(modulated.__getitem__, fine))

    def preview(*inputs: Tensor) -> Tensor:
        blended = blend(*inputs, of=[*coarse, *(modulated[k][1] for k in fine)])
        styles = dict(zip(coarse, blended[: len(coarse)], strict=True))
        known = dict(zip(fine, blended[len(coarse) :], strict=True))
        maps = [known[k] if k in known else layer.style(styles[i]) for k, (layer, i) in enumerate(modulated)]
        return synthesis.paint(maps, modulated=True)

    styles, two = styles_of("style"), [*styles_of("original"), *styles_of("reference"), *how]
    known = [
        value
        for of in ("original", "reference")
        for value in (*styles_of(of, coarse), *modulations_of(f"{of}_modulation"))
    ]
    parts = {}
    if segmenter is not None:
        segmenter = copy.deepcopy(segmenter).float()
        logits = Value(
            "logits", (len(Part), config.resolution, config.resolution), meaning="the largest names the part"
        )
        function, networks = functools.partial(segmenter.logits, model), [generator.resizer, synthesis, segmenter]
        parts["parts"] = Graph("photos and stylemaps to parts", function, networks, [image, stylemap], [logits])
    z = Value("z", (config.latents.z_channels,), meaning="standard normal")
    return {
        "encoder": Graph("photos to stylemaps", model.encoder, [model.encoder], [image], [stylemap]),
        "mapping": Graph("random numbers to stylemaps", generator.mapping, [generator.mapping], [z], [stylemap]),
        "resizer": Graph(
            "stylemaps to their resized versions, w+", lambda w: tuple(generator.resizer(w)), [generator.resizer],
            [stylemap], styles,
        ),
        "blend": Graph("w+ with that of a reference over it, for several parts in turn", blend, [], two, styles),
        "render": Graph("w+ to images", lambda *given: synthesis(list(given)), [synthesis], styles, [image]),
        "edit": Graph("blend, then render", edit, [synthesis], two, [image]),
        "modulations": Graph(
            "w+ to gamma and beta of the layers of the two largest sides", modulations, [synthesis],
            styles_of("style", sorted({modulated[k][1] for k in fine})), modulations_of("modulation"),
        ),
        "preview": Graph(
            "nearly edit, with blended modulations, which differ along the edges of masks", preview, [synthesis],
            [*known, *how], [image],
        ),
        **parts,
    }  # fmt: skip
