"""A mapping network that follows a flow: z is carried along a field of velocities until it is distributed like encoded images.

Stylemaps of images fill few of their dimensions. The flow moves z among their principal components, by a field that
`training.mapping` has learned with flow matching (Lipman et al. 2023, arXiv 2210.02747; Liu et al. 2023, arXiv 2209.03003).
"""

import itertools

import torch
from torch import Tensor, nn

from stylemap.architectures.layers import normal, pixel_norm
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.precision import float32

WIDTH, BLOCKS = 256, 4  # of the networks here
COMPONENTS = 256  # at most: they hold 97 % of the variance of stylemaps of 4096 numbers, and images show no more
STEPS = 12  # of Heun's method; with 30 instead, components move by 3 % of their deviation
FREQUENCIES, FASTEST = 16, 5.0  # of the time that the network sees: 1 to exp(5) radians


class Velocity(nn.Module):
    """Points [N, K] and times [N] in [0, 1] -> velocities [N, K]."""

    def __init__(self, dimensions: int):
        super().__init__()
        self.first = nn.Linear(dimensions + 2 * FREQUENCIES, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(BLOCKS)
        )
        self.last = nn.Linear(WIDTH, dimensions)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        angles = time[:, None] * torch.linspace(0, FASTEST, FREQUENCIES, device=x.device, dtype=x.dtype).exp()
        x = self.first(torch.cat([x, angles.sin(), angles.cos()], dim=1))
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


class FlowMapping(nn.Module):
    """z [N, C] -> stylemap w [N, C, S, S]. z is scaled to unit mean square first.

    The flow yields the first C principal components. A second network adds what they let expect of the others. Both are trained
    alone, so no other training collects gradients for them.

    Attributes:
        mean: [1, C, S, S], of the stylemaps that it was trained on.
        basis: [Q, C S S], a row for each of Q components.
        others: C of them -> the other Q - C, or None.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, config: StylemapConfig):
        super().__init__()
        c, self.shape = config.stylemap_channels, config.stylemap_shape
        size = c * config.stylemap_size**2
        components = max(c, min(COMPONENTS, size))
        self.velocity = Velocity(c)
        self.others = None
        if components > c:
            widths = c, WIDTH, WIDTH
            hidden = [layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.SiLU())]
            self.others = nn.Sequential(*hidden, nn.Linear(WIDTH, components - c))
        self.register_buffer("mean", torch.zeros(1, *self.shape))
        self.register_buffer("basis", normal(components, size, divisor=components**0.5))
        self.requires_grad_(False)

    def forward(self, z: Tensor) -> Tensor:
        with float32():
            x = pixel_norm(z.to(self.basis.dtype))
            for i in range(STEPS):
                start, end = (torch.full((x.shape[0],), t / STEPS, device=x.device, dtype=x.dtype) for t in (i, i + 1))
                first = self.velocity(x, start)
                second = self.velocity(x + first / STEPS, end)
                x = x + (first + second) / (2 * STEPS)
            return self.mean + self.compose(x)

    def compose(self, x: Tensor) -> Tensor:
        """The first components [N, C], each of variance 1 -> stylemaps [N, C, S, S] without their mean."""
        if self.others is not None:
            x = torch.cat([x, self.others(x)], dim=1)
        return (x @ self.basis).unflatten(1, self.shape)
