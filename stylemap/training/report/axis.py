"""Round numbers beside a plot."""

import math
from dataclasses import dataclass

from stylemap.training.report.log import LARGEST
from stylemap.training.report.plots import Plot


@dataclass(frozen=True)
class Axis:
    """The vertical one."""

    low: float
    high: float
    logarithmic: bool
    ticks: list[float]
    labels: list[str]

    @classmethod
    def fit(cls, known: list[float], plot: Plot, newest: list[float | None]) -> "Axis":
        """Logarithmic for positive values over more than two decades."""
        low, high = min(known), max(known)
        if low > 0 and high > 100 * low and plot.unit == "":
            low, high = low / 1.2, high * 1.2
            first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
            exponents = range(first, last + 1, math.ceil((last - first + 1) / 5))
            return cls(low, high, True, [10.0**e for e in exponents], [_power(e) for e in exponents])
        if plot.floor is not None and low < plot.floor and any(v is not None and v > plot.floor for v in newest):
            low = plot.floor
        if 0 < low < 0.4 * high:
            low = 0.0
        if high - low <= 1e-9 * max(abs(high), abs(low)) or high - low < 1 / LARGEST:
            margin = abs(high) / 2 or 1.0
            low, high = low - margin, high + margin
        if plot.unit == "%":
            ticks, step = round_ticks(100 * low, 100 * high, 5, outward=True)
            return cls(ticks[0] / 100, ticks[-1] / 100, False, [t / 100 for t in ticks], _labels(ticks, step, " %"))
        ticks, step = round_ticks(low, high, 5, outward=True)
        return cls(ticks[0], ticks[-1], False, ticks, _labels(ticks, step))

    def place(self, value: float) -> float:
        """0 at the bottom, 1 at the top; held near the picture, as the numbers of SVG are of single precision."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return max(-5.0, min(5.0, (value - low) / (high - low)))


def round_ticks(low: float, high: float, about: int, outward: bool = False) -> tuple[list[float], float]:
    """Round numbers from low to high, about so many, and their step; ``outward`` lets them enclose the range."""
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next((m * unit for m in (1, 2, 5) if m * unit >= rough * 0.999), 10 * unit)
    first, last = (math.floor, math.ceil) if outward else (math.ceil, math.floor)
    near = 1e-6  # steps; so that a number that is round but for its last bit does not open another step
    first, last = (
        (first(low / step + near), last(high / step - near)) if outward else (first(low / step), last(high / step))
    )
    return [k * step for k in range(first, last + 1)], step


def _labels(ticks: list[float], step: float, unit: str = "") -> list[str]:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 5 or max(map(abs, ticks)) >= 1e6:
        return [f"{t:.3g}{unit}" for t in ticks]
    return [f"{t:.{digits}f}{unit}" for t in ticks]


def _power(exponent: int) -> str:
    if -4 <= exponent <= 4:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
