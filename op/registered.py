"""`upfirdn2d` as kernels compute it, and as PyTorch knows it: ``stylemap::upfirdn2d``, with its shapes and its gradient.

``y[i] = sum over t of taps[t] x[(i down + t - before) / up]`` along both axes, over the t for which that is a sample of x.
torch.compile takes it into its graphs. Imported when a kernel is first used.
"""

import torch
from torch import Tensor

from . import native

LIBRARY = torch.library.Library("stylemap", "DEF")
LIBRARY.define("upfirdn2d(Tensor x, float[] taps, int up, int down, int before, SymInt height, SymInt width) -> Tensor")
LIBRARY.impl("upfirdn2d", native.upfirdn2d, "CPU")


@torch.library.register_fake("stylemap::upfirdn2d", lib=LIBRARY)
def _(x, taps, up, down, before, height, width):
    n, c, _, _ = x.shape
    return torch.empty(n, c, height, width, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def upfirdn2d(x: Tensor, taps: list[float], up: int, down: int, before: int, height: int, width: int) -> Tensor:
    """[N, C, H, W] -> [N, C, height, width], both in channels_last memory; differentiable any number of times."""
    arguments = (x, taps, up, down, before, height, width)
    if torch.compiler.is_compiling() or type(x) not in (Tensor, torch.nn.Parameter):
        return torch.ops.stylemap.upfirdn2d(*arguments)
    # The dispatcher would take 0.1 ms longer, which is as long as the kernel takes for a small image.
    if torch.is_grad_enabled() and x.requires_grad:
        return _Upfirdn2d.apply(*arguments)
    return native.upfirdn2d(*arguments)


def _setup(ctx, inputs, output):
    x, *ctx.arguments = inputs
    ctx.size = x.shape[2:]


def _backward(ctx, g):
    """x[j] met y[i] with the tap j up + before - i down: counted from the other end, this is upfirdn2d of the gradient."""
    taps, up, down, before, _, _ = ctx.arguments
    return upfirdn2d(g, taps[::-1], down, up, len(taps) - 1 - before, *ctx.size), *[None] * 6


class _Upfirdn2d(torch.autograd.Function):
    backward = staticmethod(_backward)

    @staticmethod
    def forward(ctx, *inputs):
        y = native.upfirdn2d(*inputs)
        _setup(ctx, inputs, y)
        return y


torch.library.register_autograd("stylemap::upfirdn2d", _backward, setup_context=_setup, lib=LIBRARY)
