"""Writes a graph down as an ONNX model, in few standard operators."""

import warnings

import torch

from stylemap.exporting.graphs import Graph, Value
from stylemap.provenance import library

OPSET = 18  # onnxruntime has it since 1.14
EXAMPLES = 2  # of one sample, torch would take the batch for a constant


def trace(graph: Graph):
    """The ONNX model of a graph, whose weights are float32 and whose first dimensions are N.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    library("onnx")
    folding = library("onnxscript.optimizer")
    batch = torch.export.Dim("N")
    shapes = tuple({0: batch} if value.batch else None for value in graph.inputs)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of libraries, about themselves
        # Not in one call, which would try other ways where this fails, and give a graph for one size of batch.
        program = torch.export.export(graph, example(graph, EXAMPLES), dynamic_shapes=(shapes,), strict=False)
        exported = torch.onnx.export(
            program,
            input_names=[value.name for value in graph.inputs],
            output_names=[value.name for value in graph.outputs],
            opset_version=OPSET,
            custom_translation_table=_translations(),
            # onnxscript's rules drop an addition of 1e-8, with which pixel norm divides; constants are folded below
            optimize=False,
            verbose=False,
        )
        assert exported is not None
        everything = {"input_size_limit": 1 << 40, "output_size_limit": 1 << 40}
        folding.fold_constants(exported.model, **everything)
        folding.remove_unused_nodes(exported.model)
    return _stripped(exported.model_proto)


def example(graph: Graph, samples: int) -> tuple[torch.Tensor, ...]:
    """Inputs of a graph, of any values."""
    return tuple(torch.zeros(shape(value, samples)) for value in graph.inputs)


def shape(value: Value, samples: int) -> tuple[int, ...]:
    return (samples, *value.shape) if value.batch else value.shape


def _translations() -> dict:
    """Operators of PyTorch that onnxscript writes with more operators than they need."""
    op = library("onnxscript").opset18

    def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
        """Without weight and bias. Sums go line by line: InstanceNormalization of a group adds up millions of numbers one by one
        in onnxruntime, and loses digits."""

        def mean(y):
            for axis in (4, 3, 2):
                y = op.ReduceMean(y, op.Constant(value_ints=[axis]))
            return y

        channels, height, width = x.shape[1:]
        groups = op.Reshape(x, op.Constant(value_ints=[-1, num_groups, channels // num_groups, height, width]))
        centred = op.Sub(groups, mean(groups))
        variance = mean(op.Mul(centred, centred))
        normed = op.Div(centred, op.Sqrt(op.Add(variance, op.Constant(value_float=eps))))
        return op.Reshape(normed, op.Constant(value_ints=[-1, channels, height, width]))

    def addcmul(x, first, second, value=1.0):
        """With a value of 1."""
        return op.Add(x, op.Mul(first, second))

    aten = torch.ops.aten
    return {aten.group_norm.default: group_norm, aten.addcmul.default: addcmul}


def _stripped(model):
    """Without notes of the exporter, such as the paths of source files."""
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for values in (model.graph.input, model.graph.output, model.graph.initializer):
        for value in values:
            del value.metadata_props[:]
    return model
