"""What operations on the meta device are counted as."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from stylemap.precision import float32
from stylemap.training.ledger import META, CudaAutocast, Ledger


def test_arithmetic_of_a_convolution():
    x = torch.empty(2, 3, 8, 8, device=META, requires_grad=True)
    weight = torch.empty(5, 3, 3, 3, device=META, requires_grad=True)
    with Ledger() as ledger:
        F.conv2d(x, weight, padding=1).sum().backward()
    forward = 2 * 2 * 8 * 8 * 5 * 3 * 3 * 3  # multiply and add: images, places, outputs, inputs, kernel
    assert ledger.operations == {("", torch.float32): 3 * forward}  # the gradients of both factors are as much each


FUNCTIONS = {
    "conv2d": lambda x, w, v: F.conv2d(x, w),
    "conv_transpose2d": lambda x, w, v: F.conv_transpose2d(x, w),
    "linear": lambda x, w, v: F.linear(v, v),
    "matmul": lambda x, w, v: v @ v,
    "group_norm": lambda x, w, v: F.group_norm(x, 2),
    "batch_norm": lambda x, w, v: F.batch_norm(x, None, None, training=True),
    "addcmul": lambda x, w, v: torch.addcmul(x, x.float(), x),
    "addcmul of one type": lambda x, w, v: torch.addcmul(x, x, x),
    "softplus": lambda x, w, v: F.softplus(x),
    "rsqrt": lambda x, w, v: torch.rsqrt(x),
    "square": lambda x, w, v: x.square(),
    "power": lambda x, w, v: x**2,
    "sum": lambda x, w, v: x.sum(dim=1, keepdim=True),
    "mean": lambda x, w, v: x.mean(),
    "variance": lambda x, w, v: x.var(dim=0, correction=0),
    "root": lambda x, w, v: torch.sqrt(x),
    "inverse": lambda x, w, v: 1 / x,
    "leaky": lambda x, w, v: F.leaky_relu(x, 0.2),
    "pool": lambda x, w, v: F.max_pool2d(x, 2),
    "times": lambda x, w, v: x * 0.5,
    "plus": lambda x, w, v: x + x.float(),
    "cat": lambda x, w, v: torch.cat([x, x.float()], 1),
    "pad": lambda x, w, v: F.pad(x, (1, 1, 1, 1)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_casts_are_those_of_cuda(name, dtype):
    """Fake CUDA tensors, which need no CUDA, go through torch's own autocast."""

    def call(device: str) -> torch.dtype:
        shapes = (2, 4, 8, 8), (4, 4, 3, 3), (4, 4)
        return FUNCTIONS[name](*(torch.empty(s, device=device, dtype=dtype) for s in shapes)).dtype

    with CudaAutocast():
        ours = call("meta")
    with FakeTensorMode():
        torch.set_autocast_dtype("cuda", torch.bfloat16)
        torch.set_autocast_enabled("cuda", True)  # torch.autocast would look for a GPU
        try:
            assert ours == call("cuda")
        finally:
            torch.set_autocast_enabled("cuda", False)


def test_what_leaves_autocast_is_not_cast():
    x = torch.empty(2, 2, device=META)
    with CudaAutocast():
        with float32():
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    assert (x @ x).dtype == torch.float32
    assert not torch.is_autocast_enabled("cuda")
