"""The operators that have kernels, as PyTorch knows them (``torch.ops.stylemap``): their shapes, gradients, and kernels.

torch.compile takes them into its graphs. Imported when a kernel is first used. All images are in channels_last memory.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from . import kernels, native

LIBRARY = torch.library.Library("stylemap", "DEF")


def _define(schema: str, fake: Callable) -> None:
    """An operator of this name, computed by the kernel of the same name."""
    name = schema.partition("(")[0]

    def compute(*arguments):
        return _kernel(name, arguments[0])(*arguments)

    LIBRARY.define(schema)
    for key in ("CPU", "CUDA"):
        LIBRARY.impl(name, compute, key)
    torch.library.register_fake(f"stylemap::{name}", fake, lib=LIBRARY)


def _kernel(name: str, x: Tensor) -> Callable:
    if x.device.type == "cpu" and not (kernels.interpreted() and kernels.chosen() == "triton"):
        return getattr(native, name)
    from . import gpu

    return getattr(gpu, name)


def _apply(name: str, function: type[torch.autograd.Function], *arguments):
    """The operator; without PyTorch's dispatcher where possible, which takes 0.1 ms, as long as a kernel for a small image."""
    tensors = [x for x in arguments if isinstance(x, Tensor)]
    if torch.compiler.is_compiling() or any(type(x) not in (Tensor, torch.nn.Parameter) for x in tensors):
        return getattr(torch.ops.stylemap, name)(*arguments)
    if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
        return function.apply(*arguments)
    return _kernel(name, arguments[0])(*arguments)


def _differentiable(name: str, setup: Callable, backward: Callable) -> type[torch.autograd.Function]:
    """Give an operator its gradient, for the dispatcher and without it."""

    def forward(ctx, *inputs):
        output = _kernel(name, inputs[0])(*inputs)
        setup(ctx, inputs, output)
        return output

    torch.library.register_autograd(f"stylemap::{name}", backward, setup_context=setup, lib=LIBRARY)
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(name, (torch.autograd.Function,), members)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.channels_last)


# ---- upfirdn2d: y[i] = sum over t of taps[t] x[(i down + t - before) / up] along both axes, where that is a sample of x


def _upfirdn2d_fake(x, taps, up, down, before, height, width):
    n, c, _, _ = x.shape
    return torch.empty(n, c, height, width, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _upfirdn2d_setup(ctx, inputs, output):
    x, *ctx.arguments = inputs
    ctx.size = x.shape[2:]


def _upfirdn2d_backward(ctx, g):
    """x[j] met y[i] with the tap j up + before - i down: counted from the other end, this is upfirdn2d of the gradient."""
    taps, up, down, before, _, _ = ctx.arguments
    return upfirdn2d(g, taps[::-1], down, up, len(taps) - 1 - before, *ctx.size), *[None] * 6


_define(
    "upfirdn2d(Tensor x, float[] taps, int up, int down, int before, SymInt height, SymInt width) -> Tensor",
    _upfirdn2d_fake,
)
_Upfirdn2d = _differentiable("upfirdn2d", _upfirdn2d_setup, _upfirdn2d_backward)


def upfirdn2d(x: Tensor, taps: list[float], up: int, down: int, before: int, height: int, width: int) -> Tensor:
    """[N, C, H, W] -> [N, C, height, width]; differentiable any number of times."""
    return _apply("upfirdn2d", _Upfirdn2d, x, taps, up, down, before, height, width)


# ---- bias_act: gain * leaky_relu(x + bias)


def _bias_act_setup(ctx, inputs, output):
    _, bias, ctx.slope, ctx.gain = inputs
    ctx.bias = None if bias is None else bias.dtype
    ctx.save_for_backward(output)


def _bias_act_backward(ctx, g):
    grad = _apply("bias_act_backward", _BiasActBackward, g, *ctx.saved_tensors, ctx.slope, ctx.gain)
    if ctx.bias is None:
        return grad, None, None, None
    sums = grad.sum((0, 2, 3), dtype=torch.promote_types(grad.dtype, torch.float32))
    return grad, sums.to(ctx.bias), None, None


def _bias_act_backward_setup(ctx, inputs, output):
    _, y, ctx.slope, ctx.gain = inputs
    ctx.save_for_backward(y)


def _bias_act_backward_backward(ctx, g):
    """It is linear in the gradient, and constant in y but for the kink."""
    return _apply("bias_act_backward", _BiasActBackward, g, *ctx.saved_tensors, ctx.slope, ctx.gain), None, None, None


_define("bias_act(Tensor x, Tensor? bias, float slope, float gain) -> Tensor", lambda x, *_: _like(x))
_define("bias_act_backward(Tensor g, Tensor y, float slope, float gain) -> Tensor", lambda g, *_: _like(g))
_BiasAct = _differentiable("bias_act", _bias_act_setup, _bias_act_backward)
_BiasActBackward = _differentiable("bias_act_backward", _bias_act_backward_setup, _bias_act_backward_backward)


def bias_act(x: Tensor, bias: Tensor | None, slope: float, gain: float) -> Tensor:
    """[N, C, H, W] -> [N, C, H, W]; slope at least 0, gain above 0. Differentiable any number of times."""
    return _apply("bias_act", _BiasAct, x, bias, slope, gain)


# ---- modulate: (x - mean) * scale * gamma + beta


def _modulate_fake(x, style, groups, eps):
    statistics = [x.new_empty((x.shape[0], groups), dtype=torch.float32) for _ in range(2)]
    return _like(x), *statistics


def _modulate_setup(ctx, inputs, output):
    x, style, ctx.groups, ctx.eps = inputs
    _, mean, scale = output
    ctx.mark_non_differentiable(mean, scale)
    ctx.save_for_backward(x, style, mean, scale)


def _modulate_backward(ctx, g, *_):
    grads = _apply("modulate_backward", _ModulateBackward, g, *ctx.saved_tensors, ctx.groups, ctx.eps)
    return *grads, None, None


def _modulate_backward_setup(ctx, inputs, output):
    g, x, style, _, _, ctx.groups, ctx.eps = inputs
    ctx.save_for_backward(g, x, style)


def _modulate_backward_backward(ctx, grad_x, grad_style):
    """In PyTorch's operations, because no training goes through it; third derivatives do not exist."""
    with torch.enable_grad():
        g, x, style = (saved.detach().requires_grad_() for saved in ctx.saved_tensors)
        gamma, beta = style.chunk(2, dim=1)
        y = torch.addcmul(beta, F.group_norm(x, ctx.groups, eps=ctx.eps), gamma)
        first = torch.autograd.grad(y, (x, style), g, create_graph=True)
        second = torch.autograd.grad(first, (g, x, style), (grad_x, grad_style))
    return *second, None, None, None, None


_define(
    "modulate(Tensor x, Tensor style, int groups, float eps) -> (Tensor y, Tensor mean, Tensor scale)", _modulate_fake
)
_define(
    "modulate_backward(Tensor g, Tensor x, Tensor style, Tensor mean, Tensor scale, int groups, float eps)"
    " -> (Tensor grad_x, Tensor grad_style)",
    lambda g, x, style, *_: (_like(x), _like(style)),
)
_Modulate = _differentiable("modulate", _modulate_setup, _modulate_backward)
_ModulateBackward = _differentiable("modulate_backward", _modulate_backward_setup, _modulate_backward_backward)


def modulate(x: Tensor, style: Tensor, groups: int, eps: float) -> Tensor:
    """x [N, C, H, W], style [N, 2 C, H, W] -> [N, C, H, W]; differentiable twice."""
    return _apply("modulate", _Modulate, x, style, groups, eps)[0]
