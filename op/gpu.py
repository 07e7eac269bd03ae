"""Kernels for GPUs, in Triton, in channels_last memory: float32, float16 or bfloat16 in and out, computed in float32.

Nothing here was timed on a GPU yet. Each kernel's docstring gives the bytes that it must move, in elements of the image, E, and
of its type; they over the card's bandwidth are the floor of its time. What a kernel reads again shortly after is expected in L2.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

SUMS = torch.float32  # what is kept of moments and sums, as `tl.float32` in the kernels
TAPS = 4  # of the filter; the networks have (1, 3, 3, 1)
TILE = 1024  # elements that a program holds in registers at once
ROWS = 8  # that a program of upfirdn2d makes, one below the other
MOST_BLOCKS = 256  # of a sample and group, in sums: every program adds them up again


# ---- upfirdn2d


@triton.jit
def _line(x, row, left, c, H, W, C, TAPS: tl.constexpr, UP: tl.constexpr):
    """A row of an image, filtered along it. left [columns, 1]: where the filter begins, in up-sampled pixels; c [1, channels]."""
    odd = left & (UP - 1)
    first = (left + odd) // UP
    result = tl.zeros([left.shape[0], c.shape[1]], tl.float32)
    for m in tl.static_range(4 // UP):
        column = first + m
        weight = tl.where(odd == 0, TAPS[m * UP], TAPS[m * UP + UP - 1])
        inside = (row >= 0) & (row < H) & (column >= 0) & (column < W) & (c < C)
        place = (row * W + column) * C + c
        result += weight * tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    return result


@triton.jit
def upfirdn2d_kernel(
    x, y, H, W, C, OH, OW, before, strips, spans,
    TAPS: tl.constexpr, UP: tl.constexpr, DOWN: tl.constexpr, ROWS: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """`registered.upfirdn2d` for 4 taps, by 1 or 2.

    A program makes ROWS rows of BW columns and BC channels. Rows filtered along themselves are kept in registers for the rows
    below. Reads the image and writes the result once: 2 E to blur, 5/4 E to halve the side (E the larger image) or to double it.
    """
    pid = tl.program_id(0)
    n = (pid // (strips * spans)).to(tl.int64)  # only where an image begins may be beyond 32 bits
    x += n * H * W * C
    y += n * OH * OW * C
    top = pid // spans % strips * ROWS
    column = (pid % spans * BW + tl.arange(0, BW))[:, None]
    c = (tl.program_id(1) * BC + tl.arange(0, BC))[None, :]
    left = column * DOWN - before
    inside = (column < OW) & (c < C)
    start = top * DOWN - before
    if UP == 1:
        a = _line(x, start, left, c, H, W, C, TAPS, UP)
        b = _line(x, start + 1, left, c, H, W, C, TAPS, UP)
        if DOWN == 1:
            d = _line(x, start + 2, left, c, H, W, C, TAPS, UP)
    for r in range(ROWS):
        row = start + r * DOWN
        if UP == 1:
            if DOWN == 2:
                d = _line(x, row + 2, left, c, H, W, C, TAPS, UP)
            e = _line(x, row + 3, left, c, H, W, C, TAPS, UP)
            result = TAPS[0] * a + TAPS[1] * b + TAPS[2] * d + TAPS[3] * e
            if DOWN == 1:
                a, b, d = b, d, e
            else:
                a, b = d, e
        else:
            odd = row & 1
            upper = _line(x, (row + odd) // 2, left, c, H, W, C, TAPS, UP)
            lower = _line(x, (row + odd) // 2 + 1, left, c, H, W, C, TAPS, UP)
            result = tl.where(odd == 0, TAPS[0], TAPS[1]) * upper + tl.where(odd == 0, TAPS[2], TAPS[3]) * lower
        place = ((top + r) * OW + column) * C + c
        tl.store(y + place, result.to(y.dtype.element_ty), mask=inside & (top + r < OH))


def upfirdn2d(x: Tensor, taps: list[float], up: int, down: int, before: int, height: int, width: int) -> Tensor:
    """See `registered`."""
    x = _channels_last(x)
    n, c, h, w = x.shape
    y = torch.empty(n, c, height, width, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    channels = min(64, triton.next_power_of_2(c))
    columns = min(TILE // 2 // channels, triton.next_power_of_2(width))
    strips, spans = triton.cdiv(height, ROWS), triton.cdiv(width, columns)
    grid = (n * strips * spans, triton.cdiv(c, channels))
    upfirdn2d_kernel[grid](
        x, y, h, w, c, height, width, before, strips, spans,
        TAPS=tuple(taps), UP=up, DOWN=down, ROWS=ROWS, BW=columns, BC=channels,
    )  # fmt: skip
    return y


# ---- bias_act


@triton.jit
def bias_act_kernel(x, bias, y, total, C, slope, gain, BIASED: tl.constexpr, BLOCK: tl.constexpr):
    """``gain * leaky_relu(x + bias)``. Reads and writes the image once: 2 E."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    i = start + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < total, other=0.0).to(tl.float32)
    if BIASED:
        value += tl.load(bias + ((start % C).to(tl.int32) + tl.arange(0, BLOCK)) % C, mask=i < total, other=0.0).to(
            tl.float32
        )
    value = tl.where(value > 0, value, value * slope) * gain
    tl.store(y + i, value.to(y.dtype.element_ty), mask=i < total)


@triton.jit
def bias_act_backward_kernel(g, y, grad, total, slope, gain, BLOCK: tl.constexpr):
    """The gradient g where the result y is positive, else times slope; all times gain. Reads two, writes one: 3 E."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(g + i, mask=i < total, other=0.0).to(tl.float32)
    positive = tl.load(y + i, mask=i < total, other=0.0).to(tl.float32) > 0
    tl.store(grad + i, (tl.where(positive, value, value * slope) * gain).to(grad.dtype.element_ty), mask=i < total)


def bias_act(x: Tensor, bias: Tensor | None, slope: float, gain: float) -> Tensor:
    """See `registered`."""
    x = _channels_last(x)
    y = torch.empty_like(x)
    grid = (triton.cdiv(x.numel(), TILE),)
    bias_act_kernel[grid](
        x, x if bias is None else bias.contiguous(), y, x.numel(), x.shape[1], slope, gain,
        BIASED=bias is not None, BLOCK=TILE,
    )  # fmt: skip
    return y


def bias_act_backward(g: Tensor, y: Tensor, slope: float, gain: float) -> Tensor:
    g, y = _channels_last(g), _channels_last(y)
    grad = torch.empty_like(g)
    grid = (triton.cdiv(g.numel(), TILE),)
    bias_act_backward_kernel[grid](g, y, grad, g.numel(), slope, gain, BLOCK=TILE)
    return grad


# ---- modulate. A group is [pixels, C / groups]; programs of sums take the blocks of a group, `per` tiles each. Only where a
# sample begins, `before`, may be beyond 32 bits. Grids have one dimension: the others end at 65,535, which large images exceed.


@triton.jit
def _places(owner, tile, pixels, C, groups, BP: tl.constexpr, BC: tl.constexpr):
    """Of the elements of a tile: places in the sample and in its gamma, [BP, BC], and which of them there are."""
    p, k = (tile * BP + tl.arange(0, BP))[:, None], tl.arange(0, BC)[None, :]
    channel = owner % groups * (C // groups) + k
    return p * C + channel, p * 2 * C + channel, (p < pixels) & (k < C // groups)


@triton.jit
def moments_kernel(x, partial, pixels, C, groups, per, blocks, BP: tl.constexpr, BC: tl.constexpr):
    """Of each block: its number of elements, their mean, and the sum of squares about it (Chan's update). Reads E."""
    owner, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    before = (owner // groups).to(tl.int64) * pixels * C
    x += before
    count, mean, squares = 0.0, 0.0, 0.0
    for t in range(per):
        place, _, inside = _places(owner, block * per + t, pixels, C, groups, BP, BC)
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        more = tl.sum(inside.to(tl.float32))
        mean_here = tl.sum(value) / tl.maximum(more, 1.0)
        apart = tl.where(inside, value - mean_here, 0.0)
        both, step = count + more, mean_here - mean
        squares += tl.sum(apart * apart) + step * step * count * more / tl.maximum(both, 1.0)
        mean += step * more / tl.maximum(both, 1.0)
        count = both
    at = (owner * blocks + block) * 3
    tl.store(partial + at, count)
    tl.store(partial + at + 1, mean)
    tl.store(partial + at + 2, squares)


@triton.jit
def modulate_kernel(
    x, style, partial, y, means, scales, pixels, C, groups, tiles, blocks, eps,
    BLOCKS: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """``(x - mean) * scale * gamma + beta``. Reads x and style, writes y: 4 E, with the moments 5 E, or 4 if x stays in L2."""
    owner, tile = tl.program_id(0) // tiles, tl.program_id(0) % tiles
    before = (owner // groups).to(tl.int64) * pixels * C
    x, y, style = x + before, y + before, style + 2 * before
    b = tl.arange(0, BLOCKS)
    at = partial + (owner * blocks + b) * 3
    count = tl.load(at, mask=b < blocks, other=0.0)
    mean_here = tl.load(at + 1, mask=b < blocks, other=0.0)
    squares = tl.load(at + 2, mask=b < blocks, other=0.0)
    total = tl.sum(count)
    mean = tl.sum(count * mean_here) / total
    apart = mean_here - mean
    scale = 1 / tl.sqrt((tl.sum(squares) + tl.sum(count * apart * apart)) / total + eps)
    place, gamma_at, inside = _places(owner, tile, pixels, C, groups, BP, BC)
    value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    gamma = tl.load(style + gamma_at, mask=inside, other=0.0).to(tl.float32)
    beta = tl.load(style + gamma_at + C, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + place, ((value - mean) * scale * gamma + beta).to(y.dtype.element_ty), mask=inside)
    if tile == 0:
        tl.store(means + owner, mean)
        tl.store(scales + owner, scale)


@triton.jit
def modulate_style_kernel(
    g, x, style, means, scales, grad_style, partial, pixels, C, groups, per, blocks, BP: tl.constexpr, BC: tl.constexpr
):
    """Gradients of gamma (g x^) and beta (g), and the sums of g gamma and g gamma x^ of each block. Reads 3 E, writes 2 E."""
    owner, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    before = (owner // groups).to(tl.int64) * pixels * C
    g, x, style, grad_style = g + before, x + before, style + 2 * before, grad_style + 2 * before
    mean, scale = tl.load(means + owner), tl.load(scales + owner)
    first, second = 0.0, 0.0
    for t in range(per):
        place, gamma_at, inside = _places(owner, block * per + t, pixels, C, groups, BP, BC)
        up = tl.load(g + place, mask=inside, other=0.0)
        value = up.to(tl.float32)
        normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - mean) * scale
        scaled = value * tl.load(style + gamma_at, mask=inside, other=0.0).to(tl.float32)
        first += tl.sum(scaled)
        second += tl.sum(scaled * normal)
        tl.store(grad_style + gamma_at, (value * normal).to(grad_style.dtype.element_ty), mask=inside)
        tl.store(grad_style + gamma_at + C, up, mask=inside)
    at = (owner * blocks + block) * 2
    tl.store(partial + at, first)
    tl.store(partial + at + 1, second)


@triton.jit
def modulate_image_kernel(
    g, x, style, means, scales, partial, grad, pixels, C, groups, tiles, blocks,
    BLOCKS: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """``scale * (g gamma - mean(g gamma) - x^ mean(g gamma x^))``, the gradient of x. Reads 3 E, writes E."""
    owner, tile = tl.program_id(0) // tiles, tl.program_id(0) % tiles
    before = (owner // groups).to(tl.int64) * pixels * C
    g, x, style, grad = g + before, x + before, style + 2 * before, grad + before
    mean, scale = tl.load(means + owner), tl.load(scales + owner)
    b = tl.arange(0, BLOCKS)
    at = partial + (owner * blocks + b) * 2
    elements = 1.0 * pixels * (C // groups)  # pixels may be a constant, which has no type
    first = tl.sum(tl.load(at, mask=b < blocks, other=0.0)) / elements
    second = tl.sum(tl.load(at + 1, mask=b < blocks, other=0.0)) / elements
    place, gamma_at, inside = _places(owner, tile, pixels, C, groups, BP, BC)
    normal = (tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - mean) * scale
    scaled = tl.load(g + place, mask=inside, other=0.0).to(tl.float32)
    scaled *= tl.load(style + gamma_at, mask=inside, other=0.0).to(tl.float32)
    tl.store(grad + place, (scale * (scaled - first - normal * second)).to(grad.dtype.element_ty), mask=inside)


def modulate(x: Tensor, style: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """See `registered`."""
    x, style = _channels_last(x), _channels_last(style)
    tiling, owners, tiles, per, blocks = _tiling(x, groups)
    partial = x.new_empty((owners, blocks, 3), dtype=SUMS)
    means, scales = (x.new_empty((x.shape[0], groups), dtype=SUMS) for _ in range(2))
    y = torch.empty_like(x)
    sizes = (x.shape[2] * x.shape[3], x.shape[1], groups)
    moments_kernel[(owners * blocks,)](x, partial, *sizes, per, blocks, **tiling)
    modulate_kernel[(owners * tiles,)](
        x, style, partial, y, means, scales, *sizes, tiles, blocks, eps,
        BLOCKS=triton.next_power_of_2(blocks), **tiling,
    )  # fmt: skip
    return y, means, scales


def modulate_backward(
    g: Tensor, x: Tensor, style: Tensor, mean: Tensor, scale: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    g, x, style = _channels_last(g), _channels_last(x), _channels_last(style)
    tiling, owners, tiles, per, blocks = _tiling(x, groups)
    partial = x.new_empty((owners, blocks, 2), dtype=SUMS)
    grad, grad_style = torch.empty_like(x), torch.empty_like(style)
    sizes = (x.shape[2] * x.shape[3], x.shape[1], groups)
    modulate_style_kernel[(owners * blocks,)](
        g, x, style, mean, scale, grad_style, partial, *sizes, per, blocks, **tiling
    )
    modulate_image_kernel[(owners * tiles,)](
        g, x, style, mean, scale, partial, grad, *sizes, tiles, blocks,
        BLOCKS=triton.next_power_of_2(blocks), **tiling,
    )  # fmt: skip
    return grad, grad_style


def _tiling(x: Tensor, groups: int) -> tuple[dict[str, int], int, int, int, int]:
    """Sides of a tile; how many groups, tiles of a group, tiles of a block and blocks of a group there are."""
    n, c, h, w = x.shape
    channels = triton.next_power_of_2(c // groups)
    pixels = min(max(1, TILE // channels), triton.next_power_of_2(h * w))
    tiles = triton.cdiv(h * w, pixels)
    per = triton.cdiv(tiles, MOST_BLOCKS)
    return {"BP": pixels, "BC": channels}, n * groups, tiles, per, triton.cdiv(tiles, per)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
