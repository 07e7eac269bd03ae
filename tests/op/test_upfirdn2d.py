"""upfirdn2d against its definition written out, and the properties the networks lean on."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from stylemap.operators import upfirdn2d

TAPS = [(1, 3, 3, 1), (1, 2, 1), (1, 2, 4), (5, -1, 2, 3), (1,)]  # two of them asymmetric: they catch a missing flip
FACTORS = list(itertools.product((1, 2), (1, 2)))
EPS = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}  # unit roundoff


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def literal(x: Tensor, taps, up: int, down: int, pad: tuple[int, int], gain: float) -> Tensor:
    """The four sentences of the docstring, one statement each; float64."""
    n, c, h, w = x.shape
    line = [t / sum(taps) for t in taps]
    k = len(line)
    stuffed = x.new_zeros(n, c, h * up, w * up)
    stuffed[..., ::up, ::up] = x
    padded = x.new_zeros(n, c, h * up + sum(pad), w * up + sum(pad))
    padded[..., pad[0] : pad[0] + h * up, pad[0] : pad[0] + w * up] = stuffed
    out_h, out_w = padded.shape[2] - k + 1, padded.shape[3] - k + 1
    filtered = x.new_zeros(n, c, out_h, out_w)
    for i, j in itertools.product(range(k), range(k)):  # convolution: tap i meets the sample k - 1 - i
        window = padded[..., k - 1 - i : k - 1 - i + out_h, k - 1 - j : k - 1 - j + out_w]
        filtered += line[i] * line[j] * window
    return gain * filtered[..., ::down, ::down]


def legal_pads(taps) -> list[tuple[int, int]]:
    return list(itertools.product(range(len(taps)), repeat=2))


def bound(x: Tensor, taps, gain: float, eps: float) -> float:
    """K^2 products of weights that sum to (sum |t| / |sum t|)^2, each rounded, K^2 roundings of the sum, a few of weights."""
    weight = gain * (sum(map(abs, taps)) / abs(sum(taps))) ** 2
    return (2 * len(taps) ** 2 + 8) * eps * weight * x.abs().max().item()


@pytest.mark.parametrize(("up", "down"), FACTORS)
@pytest.mark.parametrize("taps", TAPS)
class TestDefinition:
    def test_equals_the_definition(self, taps, up, down):
        x = randn(2, 3, 5, 8)  # odd and even, not square
        for pad in legal_pads(taps):
            expected = literal(x, taps, up, down, pad, gain=1.7)
            actual = upfirdn2d(x, taps, up, down, pad, gain=1.7)
            assert actual.shape == expected.shape, pad
            assert (actual - expected).abs().max() <= bound(x, taps, 1.7, EPS[torch.float64]), pad

    def test_size_formula(self, taps, up, down):
        for (h, w), pad in itertools.product([(5, 8), (4, 7)], legal_pads(taps)):
            size = upfirdn2d(torch.zeros(1, 1, h, w), taps, up, down, pad).shape[2:]
            assert size == tuple(math.ceil((s * up + sum(pad) - len(taps) + 1) / down) for s in (h, w)), pad

    def test_gradient_is_the_swapped_operator(self, taps, up, down):
        """<op(x), y> = <x, op*(y)>: op* has reversed taps, up and down swapped, and pads that mirror the alignment."""
        k, checked = len(taps), 0
        for pad in legal_pads(taps):
            x = randn(2, 3, 5, 5).requires_grad_()
            out = upfirdn2d(x, taps, up, down, pad)
            y = randn(*out.shape, seed=1)
            (gradient,) = torch.autograd.grad(out, x, y)
            # x[j] meets out[i] with the tap i down + k - 1 - pad0 - j up. In the mirrored operator it is that tap counted
            # from the other end iff its first pad is k - 1 - pad0; the second pad then only has to give the length back.
            mirrored = k - 1 - pad[0], (5 - 1) * up + 1 - out.shape[2] * down + pad[0]
            # each of the terms of an inner product is off by at most the bound of the operator
            tolerance = 2 * x.detach().abs().max() * y.numel() * bound(y, taps, 1.0, EPS[torch.float64])
            assert ((out * y).sum() - (x * gradient).sum()).abs() <= tolerance
            if 0 <= mirrored[1] < k:
                expected = upfirdn2d(y, taps[::-1], up=down, down=up, pad=mirrored)
                assert (gradient - expected).abs().max() <= bound(y, taps, 1.0, EPS[torch.float64]), pad
                checked += 1
        assert checked >= (k > 1)

    def test_gradcheck(self, taps, up, down):
        x = randn(1, 2, 3, 4).requires_grad_()
        pad = (len(taps) - 1, len(taps) // 2)

        def function(x):
            return upfirdn2d(x, taps, up, down, pad, gain=2.0)

        assert torch.autograd.gradcheck(function, x)
        assert torch.autograd.gradgradcheck(function, x)

    def test_memory_formats_agree(self, taps, up, down):
        for dtype in (torch.float32, torch.float64):
            x = randn(2, 3, 6, 5, dtype=dtype)
            plain = upfirdn2d(x, taps, up, down, (0, len(taps) - 1))
            last = upfirdn2d(x.contiguous(memory_format=torch.channels_last), taps, up, down, (0, len(taps) - 1))
            transposed = upfirdn2d(x.mT.contiguous().mT, taps, up, down, (0, len(taps) - 1))  # neither of the two
            for other in (last, transposed):
                assert (plain - other).abs().max() <= 2 * bound(x, taps, 1.0, EPS[dtype])

    @pytest.mark.parametrize("dtype", list(EPS))
    def test_dtype_is_kept(self, taps, up, down, dtype):
        x = randn(2, 3, 6, 5, dtype=dtype)
        actual = upfirdn2d(x, taps, up, down, (0, len(taps) - 1))
        assert actual.dtype == dtype
        expected = literal(x.double(), taps, up, down, (0, len(taps) - 1), 1.0)
        assert (actual - expected).abs().max() <= bound(x, taps, 1.0, EPS[dtype])


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 2, 1), (1, 2, 4)])
def test_upsampling_keeps_the_mean_of_a_constant_picture(taps):
    k = len(taps)
    y = upfirdn2d(torch.full((1, 2, 8, 8), 3.0, dtype=torch.float64), taps, up=2, pad=(k - 1, k - 1), gain=4)
    inside = y[..., k : k + 8, k : k + 8]  # at least k from the border, where zeros from outside come in
    # Even and odd pixels see different taps, together all of them: each 2 x 2 cell has the mean of the image.
    cells = F.avg_pool2d(inside, 2)
    assert (cells - 3).abs().max() <= 20 * EPS[torch.float64] * 3
    if sum(taps[::2]) == sum(taps[1::2]):  # both kinds have the same sum, so each pixel is right alone
        assert (inside - 3).abs().max() <= 20 * EPS[torch.float64] * 3


def test_filtering_keeps_the_mean_of_a_constant_picture():
    for down in (1, 2):
        y = upfirdn2d(
            torch.full((1, 2, 8, 8), 3.0, dtype=torch.float64), (1, 3, 3, 1), down=down
        )  # no padding: all inside
        assert (y - 3).abs().max() <= 20 * EPS[torch.float64] * 3


def test_channels_and_samples_do_not_mix():
    x = torch.zeros(3, 3, 6, 6)  # N = C, where a swap of the two would run
    x[1, 2] = 1
    y = upfirdn2d(x, (1, 3, 3, 1), up=2, pad=(2, 1), gain=4)
    touched = y.abs().amax(dim=(2, 3)) > 0
    assert touched.nonzero().tolist() == [[1, 2]]


def test_an_impulse_shows_the_taps_unflipped():
    x = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    x[..., 2, 2] = 1
    y = upfirdn2d(x, (1, 2, 4), pad=(2, 2))[0, 0]
    line = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) / 7
    assert torch.allclose(y[2:5, 2:5], torch.outer(line, line), atol=1e-15, rtol=0)


@pytest.mark.parametrize("pad", [(-1, 0), (0, -1), (4, 0), (0, 4), (7, 7)])
@pytest.mark.parametrize("up", [1, 2])
def test_pad_out_of_range(pad, up):
    with pytest.raises(ValueError, match=r"pad \(.*\) must lie in 0\.\.3 for 4 taps"):
        upfirdn2d(torch.zeros(1, 1, 8, 8), (1, 3, 3, 1), up=up, pad=pad)


def test_first_use_in_inference_mode_does_not_spoil_training():
    taps = (1, 11, 3)  # in no other test: the filter is cached by its taps
    with torch.inference_mode():
        upfirdn2d(torch.ones(1, 1, 4, 4), taps)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    upfirdn2d(x, taps).sum().backward()
    # 4 outputs of a filter that sums to 1, each in float32
    assert abs(x.grad.sum().item() - 4) <= 4 * 9 * EPS[torch.float32]


class Filter(torch.nn.Module):
    taps: tuple[float, ...]

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.taps)


def fake(module: Filter, x: Tensor) -> None:
    with FakeTensorMode() as mode:
        module(mode.from_tensor(x))


def default_device(module: Filter, x: Tensor) -> None:
    with torch.device("meta"):
        module(x)


MODES = {
    "fake": fake,
    "export": lambda module, x: torch.export.export(module, (x,)),
    "compile": lambda module, x: torch.compile(module, backend="eager", fullgraph=True)(x),
    "make_fx": lambda module, x: make_fx(module, tracing_mode="fake")(x),
    "trace": lambda module, x: torch.jit.trace(module, (x,)),
    "vmap": lambda module, x: torch.vmap(module)(x[None]),
    "grad": lambda module, x: torch.func.grad(lambda y: module(y).sum())(x),
    "default device": default_device,
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.tensor results are registered")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", ["mode", "use"])
def test_a_filter_is_the_same_before_and_after_any_mode(mode, first):
    """The filters are cached by their taps, and each case has taps of its own."""
    module = Filter()
    module.taps = (1, 3 + list(MODES).index(mode), 5 + len(first))
    x = randn(1, 2, 5, 5)
    if first == "use":
        module(x)
    MODES[mode](module, x)
    found = module(x)
    assert type(found) is Tensor
    expected = literal(x, module.taps, 1, 1, (0, 0), 1.0)
    assert (found - expected).abs().max() <= bound(x, module.taps, 1.0, EPS[torch.float64])


def test_taps_that_sum_to_nothing():
    with pytest.raises(ValueError, match=r"taps \(1, -1\) sum to 0"):
        upfirdn2d(torch.zeros(1, 1, 8, 8), (1, -1))
