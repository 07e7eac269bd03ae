import numpy as np
import pytest

from stylemap.errors import InputError
from stylemap.exporting.stored import store

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

INPUTS, OUTPUTS, SIDE = 8, 4, 3
SHAPES = {"Conv": (OUTPUTS, INPUTS, 3, 3), "ConvTranspose": (INPUTS, OUTPUTS, 3, 3), "MatMul": (72, OUTPUTS)}
SHAPES |= {"Gemm": SHAPES["MatMul"], "Gemm, transposed": SHAPES["MatMul"][::-1]}
AXES = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1, "Gemm": 1, "Gemm, transposed": 0}


def graph_of(kind, weights, **attributes):
    """A model of one operator, from x to y."""
    if "transposed" in kind:
        attributes["transB"] = 1
    node = onnx.helper.make_node(kind.partition(",")[0], ["x", "w"], ["y"], **attributes)
    dims = ["N", *"ihw"] if "Conv" in kind else ["N", 72]
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, dims)
    y = onnx.helper.make_tensor_value_info(
        "y", onnx.TensorProto.FLOAT, ["N", *"CHW"] if "Conv" in kind else ["N", OUTPUTS]
    )
    graph = onnx.helper.make_graph([node], "one", [x], [y], [onnx.numpy_helper.from_array(weights, "w")])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)


def run(model, x):
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def weights_of(kind):
    """Channels of very different size, and one of zeros, which has no scale."""
    rng = np.random.default_rng(0)
    shape, axis = SHAPES[kind], AXES[kind]
    sizes = np.array([10, 0.1, 1e-3, 0], np.float32)
    return rng.standard_normal(shape, np.float32) * sizes.reshape([-1 if i == axis else 1 for i in range(len(shape))])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_outputs_are_those_of_rounded_weights(kind, precision):
    weights = weights_of(kind)
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (5, INPUTS, SIDE, SIDE) if "Conv" in kind else (5, 72)).astype(np.float32)
    model = graph_of(kind, weights)
    exact = run(model, x)
    store(model, precision)
    onnx.checker.check_model(model)
    others = tuple(i for i in range(weights.ndim) if i != AXES[kind])
    largest = np.abs(weights).max(others)  # of each output channel
    # Every product is off by at most half a step times |x| <= 1, and at most 72 are summed. A step of int8 is largest / 127, one
    # of float16 2^-10 of the largest, and never below 2^-24.
    step = largest / 127 if precision == "int8" else np.maximum(largest * 2**-10, 2**-24)
    bound = 72 * (step / 2 + largest * 2**-22)  # and float32 rounds too
    error = np.abs(run(model, x) - exact)
    assert (error.max(tuple(i for i in range(error.ndim) if i != 1)) <= bound).all()
    assert error.max() > 0


@pytest.mark.parametrize(("precision", "bytes_of_one"), [("float32", 4), ("float16", 2), ("int8", 1)])
def test_files_shrink(precision, bytes_of_one):
    model = graph_of("Conv", weights_of("Conv"))
    store(model, precision)
    stored = sum(onnx.numpy_helper.to_array(x).nbytes for x in model.graph.initializer)
    assert stored == OUTPUTS * INPUTS * 9 * bytes_of_one + (4 * OUTPUTS if precision == "int8" else 0)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_filters_stay_exact(precision):
    taps = np.float32([1, 3, 3, 1])
    filters = np.tile(np.outer(taps, taps) / 16, (32, 1, 1, 1)).astype(np.float32)
    x = np.random.default_rng(0).standard_normal((2, 32, 8, 8), np.float32)
    model = graph_of("Conv", filters, group=32)
    exact = run(model, x)
    store(model, precision)
    np.testing.assert_array_equal(run(model, x), exact)


def test_too_large_for_float16():
    weights = weights_of("Conv")
    weights[0, 0, 0, 0] = 1e5
    with pytest.raises(InputError, match=r"w holds numbers beyond 65,504, .* keep float32"):
        store(graph_of("Conv", weights), "float16")
