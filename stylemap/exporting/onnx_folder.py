"""The folder that an export writes: an ONNX file for each graph, the model card, and a manifest."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stylemap import checkpoint, files, segmentation
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.errors import InputError
from stylemap.exporting import parity
from stylemap.exporting.graphs import Value, graphs
from stylemap.exporting.stored import store
from stylemap.exporting.tracing import OPSET, trace
from stylemap.provenance import library, version

MANIFEST = "manifest.json"
CARD = "card.md"
FORMAT = "stylemap-onnx-1"


def export(
    weights: str | Path,
    out: str | Path,
    precision: str = "float32",
    names: Sequence[str] | None = None,
    check: bool = True,
    tell: Callable[[str, int, float | None], None] = lambda name, size, difference: None,
) -> dict[str, Any]:
    """Write graphs of weights into a folder, the manifest last.

    Args:
        weights: as of `checkpoint.load`.
        precision: of the weights in the files, one of `stored.STORED`. All graphs take, give and compute float32.
        names: which of `GRAPHS`; None: all, with "parts" if the weights know parts.
        check: compare each graph with PyTorch, and all together on drawn faces, before anything is written.
        tell: hears of each graph its name, its bytes, and what it differs by, see `parity.difference`.

    Returns:
        The manifest.

    Raises:
        InputError: weights of another architecture, or without the parts that are wanted, no onnx, a graph that differs from
            PyTorch, a folder that cannot be written.
    """
    for needed in ("onnx", "onnxscript", *(["onnxruntime"] if check else [])):
        library(needed)
    path = checkpoint.find_file(weights)
    model = checkpoint.load_any(path)
    if not isinstance(model, StylemapModel):
        raise InputError(
            f"{weights} holds a {model.config.architecture} generator, and only a StyleMapGAN can be exported; "
            "`stylemap generate` and `stylemap project` take these weights"
        )
    card = path.with_suffix(".md")
    text = card.read_text(encoding="utf-8") if card.is_file() else None
    licence = text and re.search(r"^\| licence \| (.+) \|$", text, re.MULTILINE)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "weights": path.parent.name if path.name == "weights.safetensors" else path.stem,
        "fingerprint": model.fingerprint(),
        "licence": licence and licence[1],
        "card": text and CARD,
        "precision": precision,
        "opset": OPSET,
        "made_by": [version(name) for name in ("stylemap", "torch", "onnx", "onnxscript")],
        "config": asdict(model.config),
        "sides": [model.config.stylemap_size << i // 2 for i in range(model.config.layers)],
        "graphs": {},
    }
    find = segmentation.find if names is None else segmentation.open_segmenter
    contents, runners = {}, {}
    every = graphs(model, find(path, model) if names is None or "parts" in names else None)
    for name, graph in every.items():
        if names is not None and name not in names:
            continue
        traced = trace(graph)
        store(traced, precision)
        _describe(traced, name, graph.purpose, manifest)
        contents[name] = traced.SerializeToString()
        difference = None
        if check:
            runners[name] = parity.Runner(contents[name])
            difference = parity.difference(graph, runners[name])
            if not difference < (parity.TOLERANCE if precision == "float32" else math.inf):
                raise InputError(
                    f"{name} differs from PyTorch by {difference:.1e}, so nothing was written; please try another version of "
                    "torch, and report this with the output of `stylemap doctor`"
                )
        manifest["graphs"][name] = {
            "file": f"{name}.onnx",
            "purpose": graph.purpose,
            "bytes": len(contents[name]),
            "sha256": hashlib.sha256(contents[name]).hexdigest(),
            "difference": difference,
            "inputs": list(map(_described, graph.inputs)),
            "outputs": list(map(_described, graph.outputs)),
        }
        tell(name, len(contents[name]), difference)
    manifest["error_in_levels"] = parity.errors(model, runners) if check else {}
    for name, content in contents.items():
        files.write_bytes(Path(out) / f"{name}.onnx", content)
    if text is not None:
        files.write_text(Path(out) / CARD, text)
    files.write_text(Path(out) / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def _described(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "shape": ["N", *value.shape] if value.batch else list(value.shape),
        "type": "float32",
        "range": value.range,
        "meaning": value.meaning,
    }


def _describe(model, name: str, purpose: str, manifest: dict[str, Any]) -> None:
    """Write into an ONNX model what it is, for those who meet the file alone."""
    onnx = library("onnx")
    model.producer_name, _, model.producer_version = version("stylemap").partition(" ")
    model.graph.name, model.doc_string = name, purpose
    onnx.helper.set_model_props(
        model, {key: str(manifest[key]) for key in ("weights", "fingerprint", "licence", "precision") if manifest[key]}
    )
    onnx.checker.check_model(model)
