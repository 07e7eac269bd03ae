"""Weights in fewer bytes: a graph stores them as float16 or int8, and makes float32 of them when it is loaded.

What makes them float32 are plain operators of constants. Every runtime computes these once, so the graph is as fast as with
float32, and needs no hardware that can compute in fewer bits. (Runtimes keep DequantizeLinear until they run.)
"""

from collections.abc import Iterator

import numpy as np

from stylemap.errors import InputError
from stylemap.provenance import library

STORED = ("float32", "float16", "int8")
LARGE = 256  # numbers; smaller tensors are not worth it, and stay float32
HALF_MAX = float(np.finfo(np.float16).max)
MOST = 127  # of int8, so that both signs have as many steps


def store(model, precision: str) -> None:
    """Store the weights of an ONNX model in a precision of `STORED`.

    With int8, the weights of convolutions and matrix products are rounded to 255 steps for each output channel, the other large
    tensors to float16.

    Raises:
        InputError: a number is too large for float16.
    """
    onnx = library("onnx")
    if precision == "float32":
        return
    graph, tensors, nodes = model.graph, [], []
    axes = dict(_weights(graph)) if precision == "int8" else {}
    for tensor in graph.initializer:
        name, values = tensor.name, onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            tensors.append(tensor)
            continue
        steps = f"{name}.{precision}"
        if name in axes:
            scale = np.abs(values).max(tuple(i for i in range(values.ndim) if i != axes[name]), keepdims=True) / MOST
            scale[scale == 0] = 1
            tensors += [
                onnx.numpy_helper.from_array(np.rint(values / scale).astype(np.int8), steps),
                onnx.numpy_helper.from_array(scale, f"{name}.scale"),
            ]
            nodes += [
                onnx.helper.make_node("Cast", [steps], [f"{name}.steps"], to=onnx.TensorProto.FLOAT),
                onnx.helper.make_node("Mul", [f"{name}.steps", f"{name}.scale"], [name]),
            ]
        else:
            if np.abs(values).max() > HALF_MAX:
                raise InputError(f"{name} holds numbers beyond {HALF_MAX:,.0f}, the largest of float16; keep float32")
            tensors.append(onnx.numpy_helper.from_array(values.astype(np.float16), steps))
            nodes.append(onnx.helper.make_node("Cast", [steps], [name], to=onnx.TensorProto.FLOAT))
    nodes += graph.node
    for field, content in ((graph.initializer, tensors), (graph.node, nodes)):
        del field[:]
        field.extend(content)


def _weights(graph) -> Iterator[tuple[str, int]]:
    """The names of what multiplies in a graph, each with its axis of output channels; without filters, which stay exact."""
    for node in graph.node:
        numbers = {a.name: a.i for a in node.attribute}
        if node.op_type in ("Conv", "ConvTranspose") and numbers.get("group", 1) == 1:
            yield node.input[1], 0 if node.op_type == "Conv" else 1
        elif node.op_type in ("Gemm", "MatMul"):
            yield node.input[1], 0 if numbers.get("transB") else 1
