"""The log as plots, drawn as SVG."""

import math
from collections.abc import Iterable, Iterator

from stylemap.training.report import wording
from stylemap.training.report.axis import Axis, round_ticks
from stylemap.training.report.log import Log, drawn
from stylemap.training.report.plots import PLOTS, REAL, Plot

SMOOTH = 200  # ticks; with more of them, bold lines are means
TICKS = 1000  # of a longer log, this many are drawn, and the extremes of every curve


def curves(log: Log) -> str:
    """A section per group of plots that have something to show."""
    kept, window = drawn_ticks(log), averaged_ticks(log)
    sections = {title: list(plots) for title, plots in PLOTS.items()}
    planned = {name for plots in PLOTS.values() for plot in plots for name in plot.fields}
    for name in log.values:
        if name not in planned:  # of a newer version, or of an experiment
            title = "Held-out scores" if name.startswith("heldout_") else "Speed and more"
            words = name.removeprefix("heldout_").replace("_", " ").strip() or name
            sections[title].append(Plot(words[:1].upper() + words[1:], "", {name: (name, REAL)}))
    found = []
    for title, plots in sections.items():
        figures = list(filter(None, (_figure(plot, log, kept, window) for plot in plots)))
        if figures:
            how = f" <span>bold: means of {window} ticks</span>" if window > 1 else ""
            found.append(f"<section><h2>{title}{how}</h2><div class='plots'>{''.join(figures)}</div></section>")
    return "\n".join(found)


def drawn_ticks(log: Log) -> list[int]:
    """Indices: of a long log evenly many, the first and last, and where a curve is highest and lowest."""
    count = len(log.images)
    if count <= TICKS:
        return list(range(count))
    kept = {round(i * (count - 1) / (TICKS - 1)) for i in range(TICKS)}
    for values in log.values.values():
        known = [i for i, v in enumerate(values) if drawn(v)]
        if known:
            kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    return sorted(kept)


def averaged_ticks(log: Log) -> int:
    """How many ticks a point of a bold line stands for; 1 = it goes through all of them."""
    return 1 if len(log.images) <= SMOOTH else math.ceil(len(log.images) / (SMOOTH // 2))


def payload(log: Log) -> dict:
    """What the pointer reads from the curves."""
    kept = drawn_ticks(log)
    columns = {
        name: [float(f"{v:.5g}") if drawn(v) else None for v in map(values.__getitem__, kept)]
        for name, values in log.values.items()
    }
    return {"images": [log.images[i] for i in kept], "values": columns}


def _figure(plot: Plot, log: Log, kept: list[int], window: int) -> str:
    """The lines are stretched to the place there is; ticks are HTML, so that letters are not stretched with them."""
    curves = {name: log.values[name] for name in plot.fields if name in log.values}
    known = [v for values in curves.values() for v in values if drawn(v)]
    if not known:
        return ""
    axis = Axis.fit(known, plot, [log.newest(name) for name in curves])
    last = log.images[-1] or 1
    across, _ = round_ticks(0, last, 5)
    lines = "".join(f"<path class='grid' d='M0 {1000 * (1 - axis.place(t)):.1f}H1000'/>" for t in axis.ticks)
    if plot.mark is not None and axis.low < plot.mark < axis.high:
        lines += f"<path class='mark' d='M0 {1000 * (1 - axis.place(plot.mark)):.1f}H1000'/>"
    keys, bold = [], ""
    for name, values in curves.items():
        label, colour = plot.fields[name]
        points = [(1000 * images / last, value) for images, value in zip(log.images, values, strict=True)]
        if window > 1:
            lines += f"<path class='curve every c{colour}' d='{_path((points[i] for i in kept), axis)}'/>"
        bold += f"<path class='curve c{colour}' d='{_path(_means(points, window), axis)}'/>"
        newest = log.newest(name)
        shown = wording.shown(newest, plot.unit) if newest is not None else "–"
        keys.append(
            f"<span class='c{colour}' data-name='{wording.text(name)}'><i></i>{wording.text(label)} <b>{shown}</b></span>"
        )
    labels = "".join(
        f"<span class='y' style='top:{100 * (1 - axis.place(t)):.2f}%'>{label}</span>"
        for t, label in zip(axis.ticks, axis.labels, strict=True)
    )
    labels += "".join(f"<span class='x' style='left:{100 * t / last:.2f}%'>{wording.short(t)}</span>" for t in across)
    gaps = sum(v is not None and math.isnan(v) for values in curves.values() for v in values)
    notes = [plot.note] * bool(plot.note) + ["Logarithmic scale."] * axis.logarithmic
    notes += [f"{gaps} value{'s' * (gaps > 1)} not finite: a gap."] * bool(gaps)
    notes += ["It begins below the picture."] * (min(known) < axis.low)
    return (
        f"<figure class='plot{' wide' * plot.wide}'><figcaption><h3>{wording.text(plot.title)}</h3>"
        f"<span class='at'>at {log.images[-1]:,} images</span><p class='quiet'>{' '.join(notes)}</p></figcaption>"
        f"<div class='keys'>{''.join(keys)}</div>"
        f"<div class='area' data-unit='{plot.unit}' data-low='{axis.low!r}' data-high='{axis.high!r}' "
        f"data-log='{int(axis.logarithmic)}' tabindex='0' role='img' aria-label='{wording.text(plot.title)} over images seen'>"
        f"<svg viewBox='0 0 1000 1000' preserveAspectRatio='none' aria-hidden='true'>{lines}{bold}</svg>{labels}</div></figure>\n"
    )


def _means(points: list[tuple[float, float | None]], window: int) -> Iterator[tuple[float, float | None]]:
    """Of so many ticks each; a gap stays one where nothing in them is finite."""
    for start in range(0, len(points), window):
        group = [point for point in points[start : start + window] if point[1] is not None]
        finite = [point for point in group if drawn(point[1])]
        if finite:
            yield sum(x for x, _ in finite) / len(finite), sum(v for _, v in finite) / len(finite)
        elif group:
            yield group[0]


def _path(points: Iterable[tuple[float, float | None]], axis: Axis) -> str:
    """A tick without the field is passed over, one that is not finite leaves a gap; a lonely point is a dot."""
    parts: list[list[str]] = [[]]
    for x, value in points:
        if value is None:
            continue
        if math.isnan(value):
            parts.append([])
        else:
            parts[-1].append(f"{x:.1f} {1000 * (1 - axis.place(value)):.1f}")
    return "".join("M" + "L".join(part) + "h0" * (len(part) == 1) for part in parts if part)
