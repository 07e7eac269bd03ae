"""A network with YuNet's inputs and outputs, written as ONNX by hand: it "sees" a face where a block of 32 x 32 pixels is red.

It stands in for the real model, so that what lies around the network can be tested against OpenCV's own code: reducing,
colour order, decoding, the order of the points, scaling back.
"""

import numpy as np

STRIDES = (8, 16, 32)
CELL = 32  # the only stride that answers
# in cells from the upper left corner of the red block; the fields of the published decoding
BOX = (0.5, 0.75, 1.0, 1.0)  # x and y of the centre, natural logarithms of width and height
# FFHQ's square around these is 10 cells wide, and its corner is one of a cell. So the block stays a cell where it is looked at
# again, in 320 pixels. All points are half a cell too far to the left, which a look at the mirror image finds out.
SEEN = ((-1.25, -0.2), (1.25, -0.2), (0.0, 0.75), (-0.5, 1.8), (0.5, 1.8))
POINTS = tuple((x + 0.5, y) for x, y in SEEN)  # as they are found
FLOAT, INT64 = 1, 7  # element types
A_INTS = 7  # attribute type


def model() -> bytes:
    """The ONNX file."""
    nodes, tensors, outputs = [], [], []
    for stride in STRIDES:
        active = stride == CELL
        pooled = f"pooled_{stride}"
        kernel = [_ints("kernel_shape", [stride, stride]), _ints("strides", [stride, stride])]
        nodes.append(_node("AveragePool", ["input"], pooled, kernel))
        red = [[0, 0, active / 255]]  # of BGR
        heads = {
            "cls": (red, [0.0]),
            "obj": (red, [0.0]),
            "bbox": (np.zeros((4, 3)), BOX),
            "kps": (np.zeros((10, 3)), np.ravel(SEEN)),
        }
        for head, (weight, bias) in heads.items():
            name, count = f"{head}_{stride}", len(bias)
            tensors.append(_tensor(f"{name}_w", np.reshape(weight, (count, 3, 1, 1)).astype("<f4"), FLOAT))
            tensors.append(_tensor(f"{name}_b", np.asarray(bias, "<f4"), FLOAT))
            tensors.append(_tensor(f"{name}_s", np.array([1, -1, count], "<i8"), INT64))
            nodes.append(
                _node("Conv", [pooled, f"{name}_w", f"{name}_b"], f"{name}_c", [_ints("kernel_shape", [1, 1])])
            )
            nodes.append(_node("Transpose", [f"{name}_c"], f"{name}_t", [_ints("perm", [0, 2, 3, 1])]))
            nodes.append(_node("Reshape", [f"{name}_t", f"{name}_s"], name, []))
            outputs.append((name, [1, "anchors", count]))
    outputs.sort(key=lambda output: ["cls", "obj", "bbox", "kps"].index(output[0].split("_")[0]))
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, b"toy")
    graph += b"".join(_bytes(5, tensor) for tensor in tensors)
    graph += _bytes(11, _value("input", [1, 3, "height", "width"]))
    graph += b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))  # IR version 8, operators 13


def photo(height: int, width: int, y: int, x: int, block: int = CELL) -> np.ndarray:
    """uint8 [height, width, 3] RGB, black with one red block."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y : y + block, x : x + block, 0] = 255
    return picture


# ---- the wire format of protocol buffers


def _varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def _number(field: int, n: int) -> bytes:
    return _varint(field << 3) + _varint(n)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _ints(name: str, values: list[int]) -> bytes:
    return _bytes(1, name.encode()) + b"".join(_number(8, v) for v in values) + _number(20, A_INTS)


def _node(kind: str, inputs: list[str], output: str, attributes: list[bytes]) -> bytes:
    parts = [_bytes(1, name.encode()) for name in inputs] + [_bytes(2, output.encode()), _bytes(3, output.encode())]
    return b"".join([*parts, _bytes(4, kind.encode()), *(_bytes(5, a) for a in attributes)])


def _tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    dims = b"".join(_number(1, d) for d in values.shape)
    return dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _value(name: str, shape: list) -> bytes:
    dims = [_number(1, d) if isinstance(d, int) else _bytes(2, d.encode()) for d in shape]
    kind = _number(1, FLOAT) + _bytes(2, b"".join(_bytes(1, d) for d in dims))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, kind))
