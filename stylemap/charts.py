"""Charts by Matplotlib, which is imported when one is drawn: as pixels for documents, as SVG for the page of a run."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MatplotlibAxis
    from matplotlib.figure import Figure

DPI = 100
INK, GREY, FAINT = "#232323", "#5f5f5f", "#e1e1e1"
# The colours of Okabe and Ito, which the colour-blind can tell apart, without yellow (hard to see on white); then three more.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#232323", "#e69f00", "#56b4e9"),
    *("#803c1e", "#6e46aa", "#8c8c8c"),
)
MARKERS = "osD^"
STYLE = {
    "font.sans-serif": ["DejaVu Sans"],  # which Matplotlib brings along
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 1,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "svg.fonttype": "none",  # letters stay letters, in a font of the page
    "svg.hashsalt": "stylemap",  # equal charts are equal bytes
}


@dataclass(frozen=True)
class Series:
    """One entry of the legend: a line, dots, or both; points are (x, y). ``errors`` are those of y, one for each dot, or none."""

    label: str
    line: Sequence[tuple[float, float]] = ()
    dots: Sequence[tuple[float, float]] = ()
    errors: Sequence[float] = ()


@dataclass(frozen=True)
class Axis:
    """Logarithmic, or linear from 0; ``ticks`` are values with their labels, None chooses round ones."""

    label: str
    logarithmic: bool = False
    ticks: Sequence[tuple[float, str]] | None = None

    def shows(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.logarithmic)

    def apply(self, axes: "Axes", axis: "MatplotlibAxis") -> None:
        """Set scale, limits and ticks of an axis after the points are drawn."""
        name = axis.axis_name
        if not self.logarithmic:
            axes.set_xlim(0) if name == "x" else axes.set_ylim(0)
        elif math.isfinite(axes.dataLim.minpos[int(name == "y")]):  # something is drawn
            scale_by_powers(axes, name)
        if self.ticks is not None:
            axis.set_ticks([value for value, _ in self.ticks], [label for _, label in self.ticks])


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, layout: str | None = "constrained"):
    """A figure of this many pixels in the style of this project, and its rows * columns axes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure((width / DPI, height / DPI), dpi=DPI, layout=layout)
        return figure, figure.subplots(rows, columns, squeeze=False).flatten().tolist()


def plot(axes: "Axes", title: str, across: Axis, up: Axis, series: Sequence[Series], legend: bool = True) -> None:
    """Draw series into axes. Points that cannot be shown, such as 0 on a logarithmic axis, are left out."""
    for k, one in enumerate(series):
        dashed = k >= len(COLOURS)  # a colour that comes again
        style = {"color": COLOURS[k % len(COLOURS)], "linewidth": 2, "linestyle": "--" if dashed else "-"}
        marks = style | {"marker": MARKERS[k % len(MARKERS)], "markersize": 8, "markeredgecolor": "white"}
        line, dots = ([p for p in points if across.shows(p[0]) and up.shows(p[1])] for points in (one.line, one.dots))
        if one.errors:
            axes.errorbar(
                *zip(*one.dots, strict=True), yerr=one.errors, fmt="none", ecolor=style["color"], elinewidth=1
            )
        axes.plot([x for x, _ in line], [y for _, y in line], **style)
        axes.plot([x for x, _ in dots], [y for _, y in dots], **marks | {"linestyle": "none"})
        axes.plot([], [], label=one.label, **marks | ({} if one.line else {"linestyle": "none"}))
    across.apply(axes, axes.xaxis)
    up.apply(axes, axes.yaxis)
    axes.set_xlabel(across.label)
    axes.set_title(f"{title}\n" if up.label else title, loc="left", fontweight="bold", color=INK)
    axes.text(0, 1.02, up.label, color=GREY, transform=axes.transAxes)
    if legend and series:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, labelcolor=INK)


def scale_by_powers(axes: "Axes", name: str) -> None:
    """Make the axis "x" or "y" logarithmic, with plain numbers at round values."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    low, high = getattr(axes, f"get_{name}lim")()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def png(figure: "Figure") -> bytes:
    """A file of the same bytes for the same chart."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: "Figure", colours: Mapping[str, str]) -> str:
    """An ``<svg>`` element for a page.

    Args:
        colours: from the colours that were drawn with to those of the page's style sheet.

    A gid becomes a class, as one page holds many figures.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace('<g id="', '<g class="')
    for drawn, replacement in colours.items():
        text = text.replace(drawn, replacement)
    return re.sub(r"\n\s*", "\n", text)
