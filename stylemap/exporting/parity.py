"""Compares exported graphs with the model they were made of, in onnxruntime."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets import Avatars
from stylemap.editing import masks
from stylemap.editing.blending import blend
from stylemap.exporting.graphs import Graph, Value
from stylemap.exporting.tracing import shape
from stylemap.provenance import library

TOLERANCE = 1e-4  # of float32, relative to the largest value of an output, or to 1
BATCHES = (1, 2, 5)
FACES = 16
LEVELS = 127.5  # of 255, from -1 to 1: each


class Runner:
    """An ONNX model in onnxruntime, on the CPU.

    Args:
        content: the bytes of the model, or the path of its file.
        threads: None = all cores.
    """

    def __init__(self, content: bytes | str, threads: int | None = None):
        runtime = library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Inputs in the order of the graph -> outputs."""
        arrays = (np.ascontiguousarray(x.numpy()) for x in inputs)
        return list(map(torch.from_numpy, self.session.run(None, dict(zip(self.names, arrays, strict=True)))))


@torch.no_grad()
def difference(graph: Graph, runner: Runner) -> float:
    """The largest difference between a graph in PyTorch and in onnxruntime, on random inputs in `BATCHES`.

    It is relative to the largest value of the output, or to 1 where all are smaller.
    """
    rng, worst = torch.Generator().manual_seed(0), 0.0
    for samples in BATCHES:
        inputs = [_random(value, samples, rng) for value in graph.inputs]
        expected = graph(*inputs)
        for ours, other in zip(expected if isinstance(expected, tuple) else (expected,), runner(*inputs), strict=True):
            worst = max(worst, float((ours - other).abs().max() / ours.abs().max().clamp(min=1)))
            if not torch.isfinite(other).all():
                return float("inf")
    return worst


def _random(value: Value, samples: int, rng: torch.Generator) -> Tensor:
    size = shape(value, samples)
    if value.range is None:
        return torch.randn(size, generator=rng)
    low, high = value.range
    return low + (high - low) * torch.rand(size, generator=rng)


@torch.no_grad()
def errors(model: StylemapModel, runners: Mapping[str, Runner], count: int = FACES) -> dict[str, dict[str, float]]:
    """What images of the graphs differ by from those of the model, in levels of 255: mean and max over drawn faces that no
    weights of this project were trained on.

    Returns:
        "reconstruction", "edit" (the lower half of the next face, with a feather) and "preview" of the same edit, as far as
        there are graphs for them.
    """
    faces = Avatars(model.config.resolution, split="heldout")
    mask = masks.feather(masks.half("lower", model.config.resolution), 2)
    every, one, soft = torch.ones(model.config.layers), torch.ones(1), torch.zeros(1)
    found: dict[str, list[Tensor]] = {}
    if not {"encoder", "resizer"} <= runners.keys():
        return {}

    def compare(name: str, image: Tensor, graph: str, *inputs: Tensor) -> None:
        if graph in runners:
            (other,) = runners[graph](*inputs)
            found.setdefault(name, []).append((other.clamp(-1, 1) - image.clamp(-1, 1)).abs() * LEVELS)

    for index in range(count):
        pair = images.from_arrays([faces[index], faces[(index + 1) % count]])
        latents = model.encode(pair)
        edited = blend(model, latents[:1], latents[1:], mask)
        known = [runners["resizer"](*runners["encoder"](photo)) for photo in pair.split(1)]
        compare("reconstruction", model.synthesize(latents[:1]), "render", *known[0])
        how = mask * one, every, soft
        compare("edit", edited, "edit", *known[0], *known[1], *how)
        if "modulations" in runners:
            compare("preview", edited, "preview", *(x for styles in known for x in _for_preview(runners, styles)), *how)
    return {
        name: {"mean": float(torch.stack(parts).mean()), "max": float(torch.stack(parts).max())}
        for name, parts in found.items()
    }


def _for_preview(runners: Mapping[str, Runner], styles: list[Tensor]) -> list[Tensor]:
    """The coarse styles of an image, and the modulations of the fine ones."""
    fine = len(runners["modulations"].names)
    return [*styles[:-fine], *runners["modulations"](*styles[-fine:])]
