from dataclasses import replace

import pytest
import torch

from stylemap import blend
from stylemap.editing import masks
from stylemap.editing.blending import lay
from stylemap.editing.edit import Patch
from stylemap.exporting.graphs import GRAPHS, graphs
from stylemap.exporting.tracing import shape
from stylemap.segmentation import Origin, Segmenter
from tests import tiny

SIDE = 16
CONFIGS = {
    "layer": replace(tiny.TINY, rgb_skips=1),
    "instance": replace(tiny.TINY, norm="instance", stylemap_size=8),
    "batch": replace(tiny.TINY, norm="batch", light=True),
    "group": replace(tiny.TINY, norm="group", rgb_skips=2, linear_rgb=True),
    "one side": replace(tiny.TINY, stylemap_size=16),
}
# Sums in another order: a few times 2^-24 of values up to 10, through some ten layers.
CLOSE = {"atol": 2e-5, "rtol": 2e-5}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def made(config):
    """A model, its graphs, and w+ of two stylemaps."""
    model = tiny.model(config)
    w = tiny.randn(2, *config.stylemap_shape)
    every = graphs(model, Segmenter(config, Origin(model.fingerprint(), "drawn faces", 1)))
    return model, every, w, [every["resizer"](x) for x in w.split(1)]


@configs
def test_shapes_are_those_that_the_graph_names(config):
    _, every, *_ = made(config)
    assert tuple(every) == GRAPHS
    for graph in every.values():
        outputs = graph(*(torch.zeros(shape(value, 3)) for value in graph.inputs))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert [tuple(x.shape) for x in outputs] == [shape(value, 3) for value in graph.outputs]


@configs
def test_images_are_those_of_the_model(config):
    model, every, w, styles = made(config)
    photos = tiny.randn(2, 3, SIDE, SIDE).clamp(-1, 1)
    torch.testing.assert_close(every["encoder"](photos), model.encode(photos), **CLOSE)
    torch.testing.assert_close(every["mapping"](w[:, :, 0, 0]), model.map(w[:, :, 0, 0]), **CLOSE)
    torch.testing.assert_close(every["render"](*styles[0]), model.synthesize(w[:1]), **CLOSE)


@configs
def test_parts_are_those_of_the_segmenter(config):
    model = tiny.model(config)
    segmenter = Segmenter(config, Origin(model.fingerprint(), "drawn faces", 1)).eval()
    photos = tiny.randn(2, 3, SIDE, SIDE).clamp(-1, 1)
    logits = graphs(model, segmenter)["parts"](photos, model.encode(photos))
    torch.testing.assert_close(logits, segmenter.logits(model, photos, model.encode(photos)), **CLOSE)
    assert "parts" not in graphs(model)


@configs
@pytest.mark.parametrize("hard", [False, True])
def test_an_edit_is_that_of_blend(config, hard):
    model, every, w, styles = made(config)
    mask = masks.feather(masks.half("left", SIDE), 2)
    first = config.layers // 2
    strength = torch.zeros(config.layers)
    strength[first:] = 0.75
    edited = every["edit"](*styles[0], *styles[1], mask, strength, torch.full((1,), float(hard)))
    expected = blend(model, w[:1], w[1:], mask, hard=hard, strength=0.75, layers=(first, config.layers))
    torch.testing.assert_close(edited, expected, **CLOSE)


def test_parts_are_blended_in_turn():
    config = CONFIGS["layer"]
    model, every, w, styles = made(config)
    halves = [masks.half(which, SIDE) for which in ("left", "upper")]
    how = torch.ones(config.layers), torch.zeros(1)
    once = every["blend"](*styles[0], *styles[1], halves[0], *how)
    edited = every["edit"](*once, *every["resizer"](w[:1].flip(1)), halves[1], *how)
    patches = [Patch(reference=0, mask=mask) for mask in halves]
    expected = lay(model, w[:1], [w[1:], w[:1].flip(1)], patches, "w+")
    torch.testing.assert_close(edited, expected, **CLOSE)


@configs
def test_a_preview_differs_along_edges_alone(config):
    _, every, _, styles = made(config)
    names = [value.name for value in every["preview"].inputs]
    fine = [value.name for value in every["modulations"].inputs]

    def known(prefix, maps):
        modulations = every["modulations"](*(maps[int(name.removeprefix("style_"))] for name in fine))
        named = {f"{prefix}_{i}": x for i, x in enumerate(maps)}
        named |= {
            value.name.replace("modulation", f"{prefix}_modulation"): x
            for value, x in zip(every["modulations"].outputs, modulations, strict=True)
        }
        return [named[name] for name in names if name.startswith(prefix)]

    def differs(mask):
        how = mask, torch.ones(config.layers), torch.zeros(1)
        preview = every["preview"](*known("original", styles[0]), *known("reference", styles[1]), *how)
        return float((preview - every["edit"](*styles[0], *styles[1], *how)).abs().max())

    assert differs(torch.full((1, 1, SIDE, SIDE), 0.5)) < 2e-5  # gamma and beta are linear
    assert differs(masks.half("left", SIDE)) > 1e-3
