"""Triton's kernels against the reference, and their derivatives.

`test_gpu` runs this file in a process of its own: in Triton's interpreter, which must be chosen before Triton is imported, and on
a GPU where there is one.
"""

import pytest
import torch

from stylemap.operators import bias_act, gpu, kernels, modulate, upfirdn2d
from tests.op.test_kernels import image as on_the_cpu

DEVICE = "cpu" if kernels.interpreted() else "cuda"


def image(*shape: int) -> torch.Tensor:
    return on_the_cpu(*shape, dtype=torch.float32).to(DEVICE)


def both(function, *inputs):
    """Results and gradients of the first order: of the kernels, and of the reference in float64."""
    found = []
    for choice, dtype in (("triton", None), ("reference", torch.float64)):
        with kernels.using(choice):
            tensors = [x.detach().to(dtype or x.dtype).requires_grad_() for x in inputs]
            y = function(*tensors)
            weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view(y.shape)
            found.append([y, *torch.autograd.grad(y, tensors, weights)])
    return zip(*found, strict=True)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 2), (2, 1)])
def test_upfirdn2d(up, down, monkeypatch):
    monkeypatch.setattr(gpu, "ROWS", 2)  # so that the programs of an image meet
    x = image(1, 3, 5, 4)
    for y, expected in both(lambda x: upfirdn2d(x, (1, 2, 4, 3), up, down, (2, 1), 4.0), x):
        # 8 products of weights that sum to at most 4, of values below 5, each rounded once or twice
        assert (y - expected).abs().max() <= 16 * 4 * 5 * 2.0**-24


@pytest.mark.parametrize("biased", [True, False])
def test_bias_act(biased):
    x, bias = image(2, 5, 3, 4), torch.linspace(-1, 1, 5, device=DEVICE)
    function = bias_act if biased else lambda x: bias_act(x)
    for y, expected in both(function, x, *[bias] * biased):
        assert (y - expected).abs().max() <= 24 * 8 * 2.0**-24  # sums over 24 places of values below 8


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_modulate(groups, monkeypatch):
    monkeypatch.setattr(gpu, "TILE", 16)  # so that there are several tiles, the last of them with room
    monkeypatch.setattr(gpu, "MOST_BLOCKS", 3)
    x, style = image(2, 6, 3, 7) + 100, image(2, 12, 3, 7)
    for y, expected in both(lambda x, s: modulate(x, s, groups), x, style):
        # x at 100 is rounded to 100 * 2^-24, which scale (at most 2 here) and gamma (at most 4) enlarge, a few times
        assert (y - expected).abs().max() <= 8 * 100 * 2 * 4 * 2.0**-24


def test_bfloat16():
    x, style = image(1, 4, 4, 4).bfloat16(), image(1, 8, 4, 4).bfloat16()
    for y, expected in both(modulate, x, style):
        assert y.dtype == torch.bfloat16
        assert (y - expected).abs().max() <= 2.0**-8 * 16  # one rounding at the end, of values below 16


def test_second_derivatives():
    """Of a penalty on gradients, R1: through blur, halving and activation, and once through modulate."""

    def penalty(x, style):
        y = bias_act(upfirdn2d(modulate(x, style), (1, 3, 3, 1), down=2, pad=(1, 1)), torch.full((4,), 0.5).to(x))
        (g,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return g.square()

    for y, expected in both(penalty, image(1, 4, 4, 4), image(1, 8, 4, 4)):
        assert (y - expected).abs().max() <= 1e-5 * expected.abs().max()  # some 50 roundings in a row


@pytest.mark.slow  # thousands of launches in the interpreter
@pytest.mark.skipif(not kernels.interpreted(), reason="compiled kernels compute in float32")
@pytest.mark.parametrize("name", ["blur", "down", "up", "bias_act", "modulate"])
def test_gradients_in_float64(name, monkeypatch):
    """The interpreter runs the kernels as Python, so that their float32 can be float64."""
    from stylemap.operators import registered

    monkeypatch.setattr(gpu.tl, "float32", gpu.tl.float64)
    monkeypatch.setattr(gpu, "SUMS", torch.float64)
    up, down = {"down": (1, 2), "up": (2, 1)}.get(name, (1, 1))
    side = {"down": 1, "up": 4}.get(name, 2)
    functions = {
        "bias_act": lambda x, bias: registered.bias_act(x, bias, 0.2, 1.4),
        "modulate": lambda x, style: registered.modulate(x, style, 1, 1e-5),
    }
    function = functions.get(name, lambda x: registered.upfirdn2d(x, [0.1, 0.2, 0.4, 0.3], up, down, 2, side, side))
    others = {"bias_act": [torch.tensor([0.3, -0.2])], "modulate": [on_the_cpu(1, 4, 2, 2)]}.get(name, [])
    inputs = [x.double().requires_grad_() for x in (on_the_cpu(1, 2, 2, 2), *others)]
    with kernels.using("triton"):
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_other_filters_take_the_reference():
    x = image(1, 3, 6, 6)
    with kernels.using("triton"):
        assert torch.equal(upfirdn2d(x, (1, 2, 1)), upfirdn2d(x.contiguous(), (1, 2, 1)))


def test_registered_as_pytorch_asks():
    from stylemap.operators import registered  # noqa: F401

    x, style = image(1, 4, 3, 3), image(1, 8, 3, 3)
    ops, checks = torch.ops.stylemap, ("test_schema", "test_autograd_registration", "test_faketensor")
    with kernels.using("triton"):
        torch.library.opcheck(ops.modulate.default, (x.requires_grad_(), style, 1, 1e-5), test_utils=checks)
        torch.library.opcheck(ops.bias_act.default, (x, torch.ones(4, device=DEVICE), 0.2, 1.4), test_utils=checks)
