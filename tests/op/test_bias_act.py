"""bias_act element by element, and the homogeneity that lets a convolution take its gain into the weights."""

import math

import pytest
import torch

from stylemap.operators import bias_act
from tests.tiny import randn64 as randn

SHAPES = [(4, 3), (3, 3), (2, 3, 5), (2, 3, 4, 5), (3, 3, 3, 3)]  # N = C among them: the bias belongs to dimension 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("slope", "gain"), [(0.2, math.sqrt(2)), (0.2, 1.0), (0.0, 3.0), (1.0, 1.0), (1.0, 0.5)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_equals_the_formula(shape, slope, gain, with_bias):
    x, bias = randn(*shape), randn(shape[1], seed=1) if with_bias else None
    expected = torch.empty_like(x)
    for index in torch.cartesian_prod(*map(torch.arange, shape)).tolist():
        value = x[tuple(index)].item() + (bias[index[1]].item() if with_bias else 0.0)
        expected[tuple(index)] = gain * (value if value > 0 else slope * value)
    # a sum and two products, each rounded once
    assert (bias_act(x, bias, slope, gain) - expected).abs().max() <= 4 * 2.0**-53 * expected.abs().max()


def test_defaults_are_those_of_the_networks():
    x = torch.tensor([[-1.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[-0.2 * math.sqrt(2), 2 * math.sqrt(2)]], dtype=torch.float64)
    assert torch.allclose(bias_act(x), expected, rtol=1e-15, atol=0)


def test_second_moment_stays_near_one():
    """Half of a unit normal passes, half is scaled by 0.2: 2 (1 + 0.2^2) / 2 = 1.04."""
    y = bias_act(randn(1000, 1000))
    # Var y^2 = 4 * 3 (1 + 0.2^4) / 2 - 1.04^2 = 4.93; five standard errors of the mean over 10^6
    assert abs(y.square().mean().item() - 1.04) < 5 * math.sqrt(4.93 / 1e6)


@pytest.mark.parametrize("factor", [4.0, 0.5, math.pi])
def test_positively_homogeneous(factor):
    x, bias = randn(2, 3, 4, 4), randn(3, seed=1)
    scaled = bias_act(factor * x, factor * bias)
    assert torch.allclose(scaled, factor * bias_act(x, bias), rtol=1e-13, atol=1e-14)
    # the form the convolutions use: the gain goes into x and bias
    assert torch.allclose(
        bias_act(factor * x, factor * bias, gain=1), bias_act(x, bias, gain=factor), rtol=1e-13, atol=1e-14
    )


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 2)])
@pytest.mark.parametrize("slope", [0.2, 1.0])
def test_gradcheck(shape, slope):
    x, bias = randn(*shape), randn(3, seed=1)
    # gradcheck moves x by 1e-6: no sample may lie that near to the kink
    assert (x + bias.view(-1, *[1] * (len(shape) - 2))).abs().min() > 1e-3
    inputs = (x.requires_grad_(), bias.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, b: bias_act(x, b, slope), inputs)
    assert torch.autograd.gradgradcheck(lambda x, b: bias_act(x, b, slope), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("with_bias", [True, False])
def test_dtype_is_kept(dtype, with_bias):
    x, bias = randn(2, 3, 4, 4).to(dtype), randn(3, seed=1).to(dtype) if with_bias else None
    y = bias_act(x, bias)
    assert y.dtype == dtype
    expected = bias_act(x.double(), bias.double() if with_bias else None)
    unit = torch.finfo(dtype).eps / 2
    # three roundings, relative to what is added: |x| and |b| are below 4
    assert (y - expected).abs().max() <= 3 * unit * 8 * math.sqrt(2)


def test_memory_formats_agree_and_input_is_left_alone():
    x, bias = randn(2, 3, 4, 5), randn(3, seed=1)
    before = x.clone()
    plain = bias_act(x, bias)
    last = bias_act(x.contiguous(memory_format=torch.channels_last), bias)
    assert torch.equal(plain, last)  # elementwise: not a bit of difference
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


def test_a_bias_of_more_bits_leaves_the_type_as_it_is():
    """As under autocast, where weights are float32 and what passes is bfloat16."""
    x, bias = randn(2, 3, 4, 4).bfloat16(), randn(3, seed=1).float()
    y = bias_act(x, bias)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, bias_act(x, bias.bfloat16()))
