"""The log as plots, drawn by Matplotlib into the page, whose style sheet gives the colours and whose script the values."""

import math
from collections.abc import Iterable, Iterator

from stylemap import charts
from stylemap.training.log import LARGEST, Log, is_finite
from stylemap.training.report import wording
from stylemap.training.report.plots import PLOTS, REAL, Plot

SMOOTH = 200  # ticks; with more of them, bold lines are means
TICKS = 1000  # of a longer log, the script knows this many, and the extremes of every curve
WIDTH, HEIGHT = 460, 210  # of a plot; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 0.12, 0.95, 0.95, 0.11  # where in it the curves are, from the left and from below
CSS = {charts.INK: "var(--ink)", charts.GREY: "var(--quiet)", charts.FAINT: "var(--line)"} | {
    colour: f"var(--c{k})" for k, colour in enumerate(charts.COLOURS[:4])
}

Points = list[tuple[int, float]]  # (images, value); NaN = not finite, a gap


def curves(log: Log) -> str:
    """A section per group of plots that have something to show."""
    window = averaged_ticks(log)
    sections = {title: list(plots) for title, plots in PLOTS.items()}
    planned = {name for plots in PLOTS.values() for plot in plots for name in plot.fields}
    for name in log.values:
        if name not in planned:  # of a metric that the caller of the training gave
            title = "Held-out scores" if name.startswith("heldout_") else "Speed and more"
            words = name.removeprefix("heldout_").replace("_", " ").strip() or name
            sections[title].append(Plot(words[:1].upper() + words[1:], "", {name: (name, REAL)}))
    parts = []
    for title, plots in sections.items():
        if figures := "".join(_figure(plot, log, window) for plot in plots):
            means = f" <span>bold: means of {window} ticks</span>" if window > 1 else ""
            parts.append(f"<section><h2>{title}{means}</h2><div class='plots'>{figures}</div></section>")
    return "\n".join(parts)


def averaged_ticks(log: Log) -> int:
    """How many ticks a point of a bold line stands for; 1 = it goes through all of them."""
    return 1 if len(log.images) <= SMOOTH else math.ceil(len(log.images) / (SMOOTH // 2))


def payload(log: Log) -> dict:
    """The values for the script: of a long log evenly many ticks, the first and last, and the extremes of every curve."""
    count = len(log.images)
    kept = set(range(count)) if count <= TICKS else {round(i * (count - 1) / (TICKS - 1)) for i in range(TICKS)}
    for values in log.values.values():
        if known := [i for i, v in enumerate(values) if is_finite(v)]:
            kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    ticks = sorted(kept)
    columns = {
        name: [float(f"{values[i]:.5g}") if is_finite(values[i]) else None for i in ticks]
        for name, values in log.values.items()
    }
    return {"images": [log.images[i] for i in ticks], "values": columns}


def _figure(plot: Plot, log: Log, window: int) -> str:
    curves = {name: log.values[name] for name in plot.fields if name in log.values}
    known = [v for values in curves.values() for v in values if is_finite(v)]
    if not known:
        return ""
    figure, (axes,) = charts.new_figure(WIDTH, HEIGHT, layout=None)
    figure.subplots_adjust(LEFT, BOTTOM, RIGHT, TOP)
    keys = ""
    for name, values in curves.items():
        label, colour = plot.fields[name]
        points = [(images, v) for images, v in zip(log.images, values, strict=True) if v is not None]
        if window > 1:
            _draw(axes, points, colour, linewidth=1, alpha=0.38)
        _draw(axes, list(_means(points, window)), colour, linewidth=2, gid="curve")
        newest = log.newest(name)
        value = wording.shown(newest, plot.unit) if newest is not None else "–"
        keys += f"<span class='c{colour}' data-name='{wording.text(name)}'><i></i>{wording.text(label)} <b>{value}</b></span>"
    _scale(axes, plot, known, [log.newest(name) for name in curves], log.images[-1] or 1)
    (low, high), logarithmic = map(float, axes.get_ylim()), axes.get_yscale() == "log"
    if plot.mark is not None and low < plot.mark < high:
        axes.axhline(plot.mark, color=charts.GREY, linewidth=1, dashes=(5, 4))
    gaps = sum(v is not None and math.isnan(v) for values in curves.values() for v in values)
    notes = [plot.note] * bool(plot.note) + ["Logarithmic scale."] * logarithmic
    notes += [f"{gaps} value{'s' * (gaps > 1)} not finite: a gap."] * bool(gaps)
    notes += ["The curve begins below the plot."] * (min(known) < low)
    title = wording.text(plot.title)
    return (
        f"<figure class='plot'><figcaption><h3>{title}</h3>"
        f"<span class='at'>at {log.images[-1]:,} images</span><p class='quiet'>{' '.join(notes)}</p></figcaption>"
        f"<div class='keys'>{keys}</div><div class='drawing'>{charts.svg(figure, CSS)}"
        f"<div class='area' data-unit='{plot.unit}' data-low='{low!r}' data-high='{high!r}' data-log='{int(logarithmic)}' "
        f"style='left:{LEFT:.0%};right:{1 - RIGHT:.0%};top:{1 - TOP:.0%};bottom:{BOTTOM:.0%}' "
        f"tabindex='0' role='img' aria-label='{title} over images seen'></div></div></figure>\n"
    )


def _draw(axes, points: Points, colour: int, **style) -> None:
    """A line with gaps; a point between two gaps is a dot."""
    gaps = [i for i, (_, v) in enumerate(points) if math.isnan(v)]
    alone = [b - 1 for a, b in zip([-1, *gaps], [*gaps, len(points)], strict=True) if b - a == 2]
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=charts.COLOURS[colour], marker="o", markersize=4, markevery=alone, markeredgewidth=0, **style)


def _means(points: Points, window: int) -> Iterator[tuple[float, float]]:
    """Of ``window`` ticks each; a gap stays one if no value in them is finite."""
    for start in range(0, len(points), window):
        group = points[start : start + window]
        finite = [point for point in group if is_finite(point[1])] or group[:1]
        yield tuple(math.fsum(numbers) / len(finite) for numbers in zip(*finite, strict=True))


def _scale(axes, plot: Plot, known: list[float], newest: Iterable[float | None], last: int) -> None:
    """Round limits and ticks; logarithmic for positive values over more than two decades."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    low, high = min(known), max(known)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if low > 0 and high > 100 * low and not plot.unit:
        charts.scale_by_powers(axes, "y")
        return
    if plot.floor is not None and low < plot.floor and any(v is not None and v > plot.floor for v in newest):
        low = plot.floor
    if 0 < low < 0.4 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), abs(low)) or high - low < 1 / LARGEST:
        margin = abs(high) / 2 or 1.0
        low, high = low - margin, high + margin
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10])
    low, *_, high = ticks.tick_values(low, high)
    axes.yaxis.set_major_locator(ticks)
    axes.set_ylim(low, high)
    if plot.unit == "%":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
