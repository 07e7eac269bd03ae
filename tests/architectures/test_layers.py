"""Layers against the published description written out: zero insertion, padding and filtering by loops."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stylemap import architectures
from stylemap.architectures.discriminator import minibatch_stddev
from stylemap.architectures.layers import DownBlock, EqualConv, EqualLinear, ModulatedConv, downsample, same, upsample
from stylemap.architectures.stylemap.networks import UpBlock
from tests.tiny import randn64 as randn

CLOSE = {"rtol": 0, "atol": 1e-12}  # float64: sums of at most some hundred terms of size 10


def lrelu(x: Tensor) -> Tensor:
    """As the reference page defines it: slope 0.2, times sqrt(2)."""
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def literal_blur(x: Tensor, pad: int, gain: float) -> Tensor:
    """Zeros around, then [1, 3, 3, 1] (x) [1, 3, 3, 1] / 64 times gain."""
    n, c, h, w = x.shape
    padded = x.new_zeros(n, c, h + 2 * pad, w + 2 * pad)
    padded[..., pad : pad + h, pad : pad + w] = x
    y = x.new_zeros(n, c, h + 2 * pad - 3, w + 2 * pad - 3)
    for (i, a), (j, b) in itertools.product(enumerate((1, 3, 3, 1)), repeat=2):
        y += a * b / 64 * gain * padded[..., i : i + y.shape[2], j : j + y.shape[3]]
    return y


def literal_transposed(x: Tensor, weight: Tensor) -> Tensor:
    """Stride 2, no padding: every sample adds the kernel, times itself, at twice its place. weight [C', C, k, k]."""
    n, _, h, w = x.shape
    outputs, _, k, _ = weight.shape
    y = x.new_zeros(n, outputs, 2 * (h - 1) + k, 2 * (w - 1) + k)
    for i, j in itertools.product(range(h), range(w)):
        y[..., 2 * i : 2 * i + k, 2 * j : 2 * j + k] += torch.einsum("nc,ocyx->noyx", x[..., i, j], weight)
    return y


def literal_conv(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """No padding."""
    k = weight.shape[-1]
    h, w = ((s - k) // stride + 1 for s in x.shape[2:])
    y = x.new_zeros(len(x), len(weight), h, w)
    for i, j in itertools.product(range(h), range(w)):
        window = x[..., stride * i : stride * i + k, stride * j : stride * j + k]
        y[..., i, j] = torch.einsum("ncyx,ocyx->no", window, weight)
    return y


def literal_upsample(x: Tensor, weight: Tensor) -> Tensor:
    return literal_blur(literal_transposed(x, weight), pad={3: 1, 1: 2}[weight.shape[-1]], gain=4)


def literal_downsample(x: Tensor, weight: Tensor) -> Tensor:
    return literal_conv(literal_blur(x, pad={3: 2, 1: 1}[weight.shape[-1]], gain=1), weight, stride=2)


def literal_same(x: Tensor, weight: Tensor) -> Tensor:
    edge = weight.shape[-1] // 2
    return literal_conv(F.pad(x, [edge] * 4), weight)


LITERAL = {same: literal_same, upsample: literal_upsample, downsample: literal_downsample}


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("convolve", list(LITERAL), ids=lambda f: f.__name__)
class TestConvolutions:
    def test_equals_the_description(self, convolve, kernel):
        x, weight, bias = randn(2, 3, 4, 6), randn(5, 3, kernel, kernel, seed=1), randn(5, seed=2)
        expected = LITERAL[convolve](x, weight)
        factor = {same: 1, upsample: 2, downsample: 0.5}[convolve]
        assert expected.shape == (2, 5, int(4 * factor), int(6 * factor))
        assert torch.allclose(convolve(x, weight), expected, **CLOSE)
        assert torch.allclose(convolve(x, weight, bias), expected + bias.view(-1, 1, 1), **CLOSE)

    def test_smallest_sides(self, convolve, kernel):
        side = 2 if convolve is downsample else 1  # a stylemap of one cell is the smallest
        x, weight = randn(2, 3, side, side), randn(5, 3, kernel, kernel, seed=1)
        assert torch.allclose(convolve(x, weight), LITERAL[convolve](x, weight), **CLOSE)

    def test_channels_last_agrees(self, convolve, kernel):
        x, weight = randn(3, 3, 4, 6), randn(5, 3, kernel, kernel, seed=1)
        last = convolve(*(t.contiguous(memory_format=torch.channels_last) for t in (x, weight)))
        assert torch.allclose(last, convolve(x, weight), **CLOSE)

    def test_second_gradient(self, convolve, kernel):
        """R1 differentiates the gradient of the discriminator."""
        x, weight = randn(1, 2, 4, 4).requires_grad_(), randn(2, 2, kernel, kernel, seed=1).requires_grad_()
        assert torch.autograd.gradgradcheck(convolve, (x, weight))

    @pytest.mark.parametrize("activate", [True, False])
    @pytest.mark.parametrize("bias", [True, False])
    def test_equalised_layer(self, convolve, kernel, activate, bias):
        """lrelu(conv(x, weight / sqrt(fan_in)) + bias), however the layer spreads its factors."""
        layer = EqualConv(3, 5, kernel, convolve, bias, activate).double()
        if bias:
            layer.bias.data = randn(5, seed=3)
        x = randn(2, 3, 4, 4)
        expected = LITERAL[convolve](x, layer.weight.data / math.sqrt(3 * kernel**2))
        if bias:
            expected = expected + layer.bias.data.view(-1, 1, 1)
        assert torch.allclose(layer(x), lrelu(expected) if activate else expected, **CLOSE)


class TestEqualisedLearningRate:
    @pytest.mark.parametrize("lr_mul", [1.0, 0.01])
    @pytest.mark.parametrize("activate", [True, False])
    def test_linear_layer(self, lr_mul, activate):
        layer = EqualLinear(7, 5, lr_mul, activate).double()
        layer.bias.data = randn(5, seed=3)
        x = randn(4, 7)
        expected = x @ (layer.weight.data * lr_mul / math.sqrt(7)).T + layer.bias.data * lr_mul
        assert torch.allclose(layer(x), lrelu(expected) if activate else expected, **CLOSE)

    @pytest.mark.parametrize("lr_mul", [1.0, 0.01])
    def test_linear_weights_are_stored_divided_by_lr_mul_and_biases_zero(self, lr_mul):
        torch.manual_seed(0)
        layer = EqualLinear(400, 250, lr_mul)
        # 10^5 weights: the standard error of their variance is sqrt(2 / 10^5) of it
        assert abs(layer.weight.var().item() * lr_mul**2 - 1) < 5 * math.sqrt(2 / 1e5)
        assert not layer.bias.any()

    def test_conv_weights_are_stored_with_unit_variance_and_biases_zero(self):
        torch.manual_seed(0)
        layer = EqualConv(100, 111, 3)
        assert abs(layer.weight.var().item() - 1) < 5 * math.sqrt(2 / layer.weight.numel())
        assert not layer.bias.any()

    @pytest.mark.parametrize("kind", ["linear", "linear 0.01", "conv 1", "conv 3"])
    def test_variance_one_in_variance_one_out(self, kind):
        torch.manual_seed(0)
        inputs, outputs, samples = 128, 256, 256
        if kind.startswith("linear"):
            layer = EqualLinear(inputs, outputs, 0.01 if kind.endswith("0.01") else 1.0, activate=False)
            y = layer(torch.randn(samples, inputs))
            fan_in = inputs
        else:
            kernel = int(kind[-1])
            layer = EqualConv(inputs, outputs, kernel, activate=False)
            x = torch.randn(samples // 4, inputs, 2 * kernel, 2 * kernel)
            y = layer(x)[..., kernel // 2 :: kernel, kernel // 2 :: kernel]  # whole kernels that share no pixel
            fan_in = inputs * kernel**2
        assert y.numel() == samples * outputs
        # Mean of |w_o|^2 / fan_in over the outputs: chi squared, variance 2 / (fan_in outputs). Given the weights, the mean of
        # y^2 over independent inputs has variance 2 tr(A^2) / samples, tr(A^2) = 1 / outputs + 1 / fan_in (Wishart).
        error = math.sqrt(2 / (fan_in * outputs) + 2 * (1 / outputs + 1 / fan_in) / samples)
        assert abs(y.square().mean().item() - 1) < 5 * error


class Operations(TorchDispatchMode):
    """Collects the names of operations."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_networks_without_memory_draw_no_first_values(name):
    """For that torch would import its compiler, which takes a hundred times as long as loading weights."""
    config = architectures.find(name).config(resolution=16)
    with Operations() as operations, torch.device("meta"):
        architectures.build(config)
        architectures.build_discriminator(config)
    assert "empty" in operations.names
    assert operations.names.isdisjoint({"normal_", "randn", "rand", "div", "div_", "mul", "mul_"})


class TestModulatedConv:
    @staticmethod
    def normalise(x: Tensor, norm: str) -> Tensor:
        n, c, h, w = x.shape
        if norm == "batch":
            mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
            return (x - mean) / (var + 1e-5).sqrt()
        parts = x.reshape(n, {"layer": 1, "instance": c, "group": 8}[norm], -1)
        mean, var = parts.mean(2, keepdim=True), parts.var(2, correction=0, keepdim=True)
        return ((parts - mean) / (var + 1e-5).sqrt()).reshape(x.shape)

    @pytest.mark.parametrize("norm", ["layer", "instance", "batch", "group"])
    @pytest.mark.parametrize(("kernel", "convolve"), [(3, same), (3, upsample), (1, same)])
    def test_equals_the_description(self, norm, kernel, convolve):
        layer = ModulatedConv(16, 5, 4, kernel, convolve, norm).double()
        layer.style.bias.data += randn(32, seed=3)
        layer.conv.bias.data = randn(5, seed=4)
        x, style = randn(3, 16, 4, 4) + 0.5, randn(3, 4, 4, 4, seed=1)
        weight, bias = layer.style.weight.data / math.sqrt(4 * 9), layer.style.bias.data.view(-1, 1, 1)
        gamma = literal_same(style, weight[:16]) + bias[:16]
        beta = literal_same(style, weight[16:]) + bias[16:]
        modulated = self.normalise(x, norm) * gamma + beta
        y = LITERAL[convolve](modulated, layer.conv.weight.data / math.sqrt(16 * kernel**2))
        assert torch.allclose(layer(x, style), lrelu(y + layer.conv.bias.data.view(-1, 1, 1)), **CLOSE)

    def test_starts_as_plain_normalisation(self):
        """gamma 1 and beta 0 where the style is zero."""
        layer = ModulatedConv(6, 5, 4).double()
        x = randn(2, 6, 4, 4)
        expected = layer.conv(self.normalise(x, "layer"))
        assert torch.allclose(layer(x, torch.zeros(2, 4, 4, 4).double()), expected, **CLOSE)

    def test_batch_norm_uses_its_running_statistics_in_evaluation(self):
        layer = ModulatedConv(6, 5, 4, norm="batch").double()
        x, style = randn(4, 6, 4, 4) + 2, randn(4, 4, 4, 4, seed=1)
        for _ in range(3):
            layer(x, style)
        layer.eval()
        # a sample of the batch alone: as in the batch only if nothing is taken from the batch
        assert torch.allclose(layer(x, style)[:1], layer(x[:1], style[:1]), **CLOSE)
        assert layer.batch_norm.running_mean.abs().min() > 0.1


def test_up_block_is_the_sum_of_its_branches_by_sqrt_2():
    torch.manual_seed(0)
    block = UpBlock(6, 4, 3, 5, "layer").double()
    x, style1, style2 = randn(2, 6, 4, 4), randn(2, 3, 4, 4, seed=1), randn(2, 5, 8, 8, seed=2)
    main = block.conv2(block.conv1(x, style1), style2)
    skip = literal_upsample(x, block.skip.weight.data / math.sqrt(6))  # neither bias nor activation
    assert torch.allclose(block(x, style1, style2), (main + skip) / math.sqrt(2), **CLOSE)


def test_down_block_is_the_sum_of_its_branches_by_sqrt_2():
    torch.manual_seed(0)
    block = DownBlock(6, 4).double()
    x = randn(2, 6, 8, 8)
    main = lrelu(literal_same(x, block.conv1.weight.data / math.sqrt(54)))
    main = lrelu(literal_downsample(main, block.conv2.weight.data / math.sqrt(54)))
    skip = literal_downsample(x, block.skip.weight.data / math.sqrt(6))
    assert torch.allclose(block(x), (main + skip) / math.sqrt(2), **CLOSE)


class TestMinibatchStddev:
    @pytest.mark.parametrize(
        ("n", "group"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (7, 1), (8, 4), (9, 3), (12, 4), (16, 4)]
    )
    def test_equals_the_definition(self, n, group):
        x = randn(n, 3, 2, 4)
        y = minibatch_stddev(x)
        assert y.shape == (n, 4, 2, 4)
        assert torch.equal(y[:, :3], x)
        for i in range(n):
            members = [x[j] for j in range(n) if j % (n // group) == i % (n // group)]
            assert len(members) == group
            mean = sum(members) / group
            variance = sum((m - mean) ** 2 for m in members) / group
            expected = (variance + 1e-8).sqrt().mean().item()
            assert (y[i, 3] - expected).abs().max() < 1e-12

    @pytest.mark.parametrize(("n", "partners"), [(8, [1, 3, 5, 7]), (6, [1, 3, 5]), (4, [0, 1, 2, 3]), (5, [1])])
    def test_who_shares_a_group_with_sample_one(self, n, partners):
        x = randn(n, 3, 2, 2)
        changed = x.clone()
        changed[1, 0] *= 10
        differs = (minibatch_stddev(x) - minibatch_stddev(changed))[:, 3].abs().amax(dim=(1, 2)) > 0
        # alone in its group the deviation is always sqrt(1e-8), so nothing changes
        assert differs.nonzero().flatten().tolist() == (partners if len(partners) > 1 else [])

    def test_twice_differentiable_where_samples_are_equal(self):
        x = torch.ones(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(minibatch_stddev(x)[:, 2].sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), x)
        assert gradient.isfinite().all()
        assert second.isfinite().all()
