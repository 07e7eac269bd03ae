"""Line charts by Pillow, with labels that are measured before they are placed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stylemap import images

FINE = 3  # drawn so many times larger and shrunk, which smooths the lines
SIZE, TITLE_SIZE = 14, 17  # pixels, of the letters
LINE, DOT, PAD = 2, 5, 10
WHITE, INK, GREY, FAINT = (255, 255, 255), (35, 35, 35), (95, 95, 95), (225, 225, 225)
# Okabe and Ito's colours, told apart by the colour-blind, but for yellow, which is hard to see on white; then three more.
COLOURS = (
    *((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (35, 35, 35), (230, 159, 0), (86, 180, 233)),
    *((128, 60, 30), (110, 70, 170), (140, 140, 140)),
)
SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Series:
    """One entry of the legend: a line, dots, or both; points are (x, y)."""

    label: str
    line: Sequence[tuple[float, float]] = ()
    dots: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Axis:
    """Logarithmic, or linear from 0.

    Args:
        ticks: of the values, with their labels; None chooses round ones.
    """

    label: str
    logarithmic: bool = False
    ticks: Sequence[tuple[float, str]] | None = None


def draw(
    title: str, across: Axis, up: Axis, series: Sequence[Series], size: tuple[int, int], legend: bool = True
) -> Tensor:
    """A chart as one picture [3, H, W]; values that an axis cannot show are left out.

    Args:
        size: (W, H) in pixels.
    """
    return _Chart(title, across, up, series, size, legend).drawn()


class _Scale:
    """Where values lie between two pixels."""

    def __init__(self, axis: Axis, values: list[float], first: float, last: float):
        self.axis = axis
        values = [*values, *(value for value, _ in axis.ticks or ())]
        low, high = (min(values), max(values)) if values else (1.0, 10.0)
        if axis.logarithmic:
            low, high = low / 1.25, high * 1.25
            self.ticks = axis.ticks or log_ticks(low, high)
        else:
            high = high or 1.0
            self.ticks = axis.ticks or linear_ticks(high)
            low, high = 0.0, max(high * 1.05, self.ticks[-1][0])
        self.low, self.high = self.warp(low), self.warp(high)
        self.first, self.last = first, last

    def warp(self, value: float) -> float:
        return math.log10(value) if self.axis.logarithmic else value

    def shows(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.axis.logarithmic)

    def __call__(self, value: float) -> float:
        return self.first + (self.warp(value) - self.low) / (self.high - self.low) * (self.last - self.first)


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten, between them others if there are few; from ``low`` to ``high``."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5), (1, 2, 3, 5, 7)):
        values = [step * 10.0**e for e in exponents for step in steps]
        values = [value for value in values if low <= value <= high]
        if len(values) >= 4:
            break
    return [(value, f"{value:g}") for value in values]


def linear_ticks(high: float) -> list[tuple[float, str]]:
    """About five round numbers from 0 to ``high`` or the next one."""
    unit = 10.0 ** math.floor(math.log10(high / 5))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= high / 5 * 0.999)
    return [(k * step, f"{k * step:g}") for k in range(math.ceil(high / step * 0.999) + 1)]


class _Chart:
    def __init__(
        self, title: str, across: Axis, up: Axis, series: Sequence[Series], size: tuple[int, int], legend: bool
    ):
        self.title, self.across, self.up, self.series, self.legend = title, across, up, series, legend
        self.width, self.height = size[0] * FINE, size[1] * FINE
        self.picture = Image.new("RGB", (self.width, self.height), WHITE)
        self.pen = ImageDraw.Draw(self.picture)
        self.font, self.bold = (ImageFont.load_default(size=s * FINE) for s in (SIZE, TITLE_SIZE))
        self.place()

    def place(self) -> None:
        """The frame, as large as the labels around it allow."""
        pad, letter = PAD * FINE, SIZE * FINE
        points = [p for s in self.series for p in (*s.line, *s.dots)]
        finite = [(x, y) for x, y in points if self._shown(self.across, x) and self._shown(self.up, y)]
        above = 2 * pad + int(2.6 * letter)  # title, and the label of the vertical axis below it
        below = self.height - 2 * pad - int(2.4 * letter)
        self.y = _Scale(self.up, [y for _, y in finite], below, above)
        left = 2 * pad + max((self.pen.textlength(text, self.font) for _, text in self.y.ticks), default=0)
        keys = max((self.pen.textlength(s.label, self.font) for s in self.series), default=0) if self.legend else 0
        right = self.width - 2 * pad - (keys + 5 * pad if self.legend else pad)
        self.x = _Scale(self.across, [x for x, _ in finite], left, right)
        self.frame = left, above, right, below

    def _shown(self, axis: Axis, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not axis.logarithmic)

    def drawn(self) -> Tensor:
        left, above, right, below = self.frame
        pad = PAD * FINE
        self.pen.text((left, pad), self.title, INK, self.bold)
        self.pen.text((left, above - pad / 2), self.up.label, GREY, self.font, anchor="ls")
        self.pen.text(((left + right) / 2, self.height - pad), self.across.label, GREY, self.font, anchor="ms")
        for value, text in self.y.ticks:
            y = self.y(value)
            self.pen.line((left, y, right, y), FAINT, FINE)
            self.pen.text((left - pad / 2, y), text, GREY, self.font, anchor="rm")
        for value, text in self.x.ticks:
            x = self.x(value)
            self.pen.line((x, above, x, below), FAINT, FINE)
            self.pen.text((x, below + pad / 2), text, GREY, self.font, anchor="ma")
        self.pen.line((left, above, left, below, right, below), GREY, FINE)
        for k, one in enumerate(self.series):
            self.curve(one, COLOURS[k % len(COLOURS)], SHAPES[k % len(SHAPES)])
        if self.legend:
            self.keys(right + 2 * pad, above)
        small = self.picture.resize((self.width // FINE, self.height // FINE), Image.Resampling.LANCZOS)
        return images.from_uint8(torch.from_numpy(np.array(small))[None])[0]

    def curve(self, one: Series, colour: tuple, shape: str) -> None:
        line = [self.at(p) for p in one.line if self.inside(p)]
        if len(line) > 1:
            self.pen.line(line, colour, LINE * FINE, joint="curve")
        for point in filter(self.inside, one.dots):
            self.mark(self.at(point), DOT * FINE, colour, shape)

    def inside(self, point: tuple[float, float]) -> bool:
        return self.x.shows(point[0]) and self.y.shows(point[1])

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        return self.x(point[0]), self.y(point[1])

    def keys(self, x: float, y: float) -> None:
        pad, line = PAD * FINE, int(1.6 * SIZE * FINE)
        for k, one in enumerate(self.series):
            colour, middle = COLOURS[k % len(COLOURS)], y + line * (k + 0.5)
            if one.line:
                self.pen.line((x, middle, x + 2 * pad, middle), colour, LINE * FINE)
            self.mark((x + pad, middle), DOT * FINE, colour, SHAPES[k % len(SHAPES)])
            self.pen.text((x + 2.8 * pad, middle), one.label, INK, self.font, anchor="lm")

    def mark(self, centre: tuple[float, float], r: float, colour: tuple, shape: str) -> None:
        x, y = centre
        corners = {
            "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
            "triangle": [(0, -1.3), (1.2, 0.9), (-1.2, 0.9)],
        }
        if shape == "circle":
            self.pen.ellipse((x - r, y - r, x + r, y + r), colour, WHITE, FINE)
        else:
            self.pen.polygon([(x + dx * r, y + dy * r) for dx, dy in corners[shape]], colour, WHITE, FINE)
