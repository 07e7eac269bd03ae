"""modulate against normalisation written with loops, and the independence of the samples of a batch."""

import itertools

import pytest
import torch
from torch import Tensor

from stylemap.operators import modulate
from tests.tiny import randn64 as randn

C = 8
GROUPS = [1, 2, 4, C, None]


def literal(x: Tensor, style: Tensor, groups: int | None, eps: float) -> Tensor:
    n, c = x.shape[:2]
    normalised = x.clone()
    if groups is not None:
        size = c // groups
        for i, g in itertools.product(range(n), range(groups)):
            part = x[i, g * size : (g + 1) * size]
            mean = part.sum() / part.numel()
            variance = ((part - mean) ** 2).sum() / part.numel()  # biased
            normalised[i, g * size : (g + 1) * size] = (part - mean) / (variance + eps) ** 0.5
    gamma, beta = style[:, :c], style[:, c:]
    return normalised * gamma + beta


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_equals_the_definition(groups, eps):
    x, style = randn(3, C, 3, 5) * 2 + 1, randn(3, 2 * C, 3, 5, seed=1)
    # sums of up to 120 terms of size 1: 1e-13 is some thousand float64 roundings
    assert torch.allclose(modulate(x, style, groups, eps), literal(x, style, groups, eps), rtol=0, atol=1e-13)


def test_defaults_are_layer_norm_with_the_published_eps():
    x, style = randn(2, C, 3, 3) * 1e-3, randn(2, 2 * C, 3, 3, seed=1)  # so small that eps decides
    assert torch.allclose(modulate(x, style), literal(x, style, 1, 1e-5), rtol=0, atol=1e-13)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("n", [2, C])  # N = C: an axis mixed up would run
def test_a_sample_does_not_depend_on_the_others(groups, n):
    scale = torch.arange(1, n + 1, dtype=torch.float64).view(-1, 1, 1, 1)
    x, style = randn(n, C, 4, 4) * scale + scale, randn(n, 2 * C, 4, 4, seed=1)
    together = modulate(x, style, groups)
    alone = torch.cat([modulate(x[k : k + 1], style[k : k + 1], groups) for k in range(n)])
    assert torch.allclose(together, alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("groups", [1, 2, C])
def test_normalised_to_mean_zero_and_variance_one(groups):
    x = randn(2, C, 6, 6) * 5 - 3
    style = torch.cat([torch.ones(2, C, 6, 6), torch.zeros(2, C, 6, 6)], dim=1).double()
    y = modulate(x, style, groups).view(2, groups, -1)
    assert y.mean(dim=2).abs().max() <= 1e-13
    # var / (var + eps) with var about 25: off one by 1e-5 / 25, but for a group of few samples var may be 10
    assert (y.var(dim=2, correction=0) - 1).abs().max() <= 1e-6


@pytest.mark.parametrize("groups", GROUPS)
def test_gradcheck(groups):
    inputs = (randn(2, C, 2, 2).requires_grad_(), randn(2, 2 * C, 2, 2, seed=1).requires_grad_())
    assert torch.autograd.gradcheck(lambda x, s: modulate(x, s, groups), inputs)
    assert torch.autograd.gradgradcheck(lambda x, s: modulate(x, s, groups), inputs)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_and_memory_format(groups, dtype):
    x, style = (randn(2, C, 6, 5) + 0.5).to(dtype), randn(2, 2 * C, 6, 5, seed=1).to(dtype)
    expected = literal(x.double(), style.double(), groups, 1e-5)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        y = modulate(x.contiguous(memory_format=memory_format), style.contiguous(memory_format=memory_format), groups)
        assert y.dtype == dtype
        # The statistics are sums in float32 or better; of the result about 8 roundings remain, on values below 4 * 4.
        assert (y - expected).abs().max() <= 8 * 16 * torch.finfo(dtype).eps / 2
