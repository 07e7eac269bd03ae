"""Spectral norm, pooling and broadcasting by regions, and the norm of SEAN."""

import pytest
import torch

from stylemap.architectures.sean.config import PARTS
from stylemap.architectures.sean.layers import SeanBlock, SeanNorm, SpectralConv, broadcast, pooled, resized
from tests.tiny import randn, randn64


def regions(side: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    """Random masks float64 [count, P, side, side]: each pixel belongs to one part."""
    labels = torch.randint(0, PARTS, (count, side, side), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.one_hot(labels, PARTS).permute(0, 3, 1, 2).double()


def test_spectral_norm_is_the_largest_singular_value():
    """The error of 200 power iterations falls with the ratio of the two largest values, to the power of 400."""
    conv = SpectralConv(3, 5, 3).double()
    for _ in range(200):
        conv.iterate()
    largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
    x = randn64(2, 3, 8, 8)
    expected = torch.nn.functional.conv2d(x, conv.weight / largest, conv.bias, padding=1)
    torch.testing.assert_close(conv(x), expected, rtol=1e-6, atol=1e-9)


def test_a_pass_leaves_spectral_norm_as_it_is():
    conv = SpectralConv(3, 5, 3)
    x, u = randn(2, 3, 8, 8), conv.u.clone()
    first = conv(x)
    assert torch.equal(first, conv(x)) and torch.equal(conv.u, u)
    conv.iterate()
    assert not torch.equal(conv.u, u)


def test_pooling_takes_the_mean_of_each_part():
    masks, features = regions(4, 2), randn64(2, 3, 4, 4)
    codes = pooled(features, masks)
    for n in range(2):
        for part in range(PARTS):
            inside = features[n][:, masks[n, part] == 1]  # [3, pixels]
            expected = inside.mean(dim=1) if inside.shape[1] else torch.zeros(3).double()
            torch.testing.assert_close(codes[n, part], expected)


def test_broadcasting_is_the_inverse_of_pooling():
    """Of a style map that is constant in each part."""
    masks, codes = regions(8, 2), randn64(2, PARTS, 5)
    present = masks.sum(dim=(2, 3)) > 0
    torch.testing.assert_close(pooled(broadcast(codes, masks), masks)[present], codes[present])


def test_small_masks_keep_the_shares():
    masks = regions(16)
    small = resized(masks, 4)
    assert small.shape == (1, PARTS, 4, 4)
    torch.testing.assert_close(small.sum(dim=1), torch.ones(1, 4, 4).double())
    torch.testing.assert_close(small.mean(dim=(2, 3)), masks.mean(dim=(2, 3)))


def test_the_style_map_changes_only_in_the_region():
    """By construction exactly: places outside of a part never meet its code."""
    norm = SeanNorm(4, 5, 3, styled=True).double()
    masks, codes = regions(8), randn64(1, PARTS, 5)
    part = int(masks[0, :, 0, 0].argmax())
    other = codes.clone()
    other[:, part] += 1
    before, after = norm.style_map(masks, codes), norm.style_map(masks, other)
    inside = (masks[:, part] > 0)[:, None].expand_as(before)
    assert torch.equal(before[~inside], after[~inside])
    assert (before[inside] != after[inside]).all()
    # gamma and beta see the style map through a convolution of 3 x 3
    reach = torch.nn.functional.max_pool2d(masks[:, [part]], 3, 1, 1) > 0
    changed = norm.modulation(masks, codes) != norm.modulation(masks, other)
    assert not changed[~reach.expand_as(changed)].any()


@pytest.mark.parametrize("side", [0, 1])
def test_alpha_chooses_between_style_and_mask(side):
    """One end is SPADE, whatever the codes; the other is the style branch, whatever the mask's own weights."""
    norm = SeanNorm(2, 5, 3, styled=True).double()
    with torch.no_grad():
        norm.mix.fill_(-60.0 if side == 0 else 60.0)  # the sigmoid of it is 0 or 1 but for 1e-26
    masks, codes = regions(4), randn64(1, PARTS, 5)
    before = norm.modulation(masks, codes)
    with torch.no_grad():
        (norm.per_part if side == 0 else norm.from_mask.weight).add_(1)
    torch.testing.assert_close(norm.modulation(masks, codes), before, rtol=0, atol=1e-20)
    with torch.no_grad():
        (norm.from_mask.weight if side == 0 else norm.per_part).add_(1)
    assert (norm.modulation(masks, codes) - before).abs().max() > 1e-3


@pytest.mark.parametrize("styled", [True, False], ids=["codes", "mask alone"])
def test_gradients_of_the_norm(styled):
    torch.manual_seed(0)
    norm = SeanNorm(2, 2, 2, styled).double()
    with torch.no_grad():
        norm.noise_strength += 0.3
    masks = regions(4, 2)

    def function(x, codes, noise, *parameters):
        names = [name for name, _ in norm.named_parameters()]
        return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), (x, masks, codes, noise))

    inputs = randn64(2, 2, 4, 4), randn64(2, PARTS, 2, seed=1), randn64(2, 1, 4, 4, seed=2)
    leaves = [x.detach().requires_grad_() for x in (*inputs, *norm.parameters())]
    assert torch.autograd.gradcheck(function, leaves, check_undefined_grad=False, fast_mode=True)


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 4), (4, 3), (3, 6)])
def test_shapes_of_a_block(inputs, outputs):
    block = SeanBlock(inputs, outputs, side=8, codes=5, hidden=2, styled=True).double()
    masks, codes = regions(8, 2), randn64(2, PARTS, 5)
    x = randn64(2, inputs, 8, 8)
    y = block(x, masks, codes)
    assert y.shape == (2, outputs, 8, 8)
    assert torch.equal(y, block(x, masks, codes, block.constant_noise))
    # the strength of the noise is 0 at first
    assert torch.equal(y, block(x, masks, codes, randn64(2, 1, 8, 8, seed=3)))
