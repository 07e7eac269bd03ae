"""The comparison of inversions as a table and a plot."""

import math
from collections.abc import Sequence

from stylemap import charts
from stylemap.charts import Axis, Series
from stylemap.comparison.contenders import SEAN
from stylemap.comparison.results import NONE, markdown, number, standard_error

PLOT_SIZE = (1100, 560)  # pixels
MOST = 1e6  # from here on a number has an exponent
MSE = "MSE ↓"
COLUMNS = {  # metric -> name, which way is better, decimals
    "mse": ("MSE", " ↓", 4),
    "psnr": ("PSNR, dB", " ↑", 1),
    "ssim": ("SSIM", " ↑", 3),
    "lpips": ("LPIPS", " ↓", 3),
    "swd_lerp": ("SWD_lerp", " ↓", 1),
    "fid_lerp": ("FID_lerp", " ↓", 1),
    "latent_distance": ("latent distance", "", 2),
}


def table(rows: list[dict], about: dict, batch: int, pictures: int, notes: Sequence[str]) -> str:
    """Markdown: the rows, and below what they were measured with."""
    columns = {name: column for name, column in COLUMNS.items() if any(row.get(name) is not None for row in rows)}
    memory = any(row.get("memory_mib") is not None for row in rows)
    header = ["method", "weights", "numbers", "seconds", "ms / step", "speed-up", "time, encoder = 1"]
    header += [name + better for name, better, _ in columns.values()] + ["peak memory, MiB"] * memory
    lines = []
    for row in rows:
        line = [row["title"], row["weights"]]
        if "failed" in row:
            line += [NONE, f"failed: {row['failed']}"]
            lines.append(line + [NONE] * (len(header) - len(line)))
            continue
        step = row["seconds_per_step"]
        line.append(_numbers(row))
        line += [number(row["seconds"]), number(step and 1000 * step), number(row["speedup"]), number(row["encoders"])]
        line += [_fixed(row[name], decimals) for name, (*_, decimals) in columns.items()]
        line[header.index(MSE)] += f" ± {number(standard_error(row['errors']), 2)}"
        lines.append(line + [_fixed(row["memory_mib"], 0)] * memory)
    return markdown(header, lines, remarks(rows, about, batch, pictures, notes))


def remarks(rows: list[dict], about: dict, batch: int, pictures: int, notes: Sequence[str]) -> list[str]:
    """One line each: what the numbers mean here."""
    done = [row for row in rows if "seconds" in row]
    lines = [
        *setting(about, batch, pictures),
        "±: standard error of the mean over the images.",
        "Numbers: size of the latent, plus that of noise maps and of the input tensor where a method finds them too.",
        "Time is for one image, from the image to its latent and its reconstruction; speed-up is over the slowest method.",
    ]
    if given := [row["title"] for row in done if row["weights"] == SEAN]:
        lines.append(
            f"{', '.join(given)} is given the part mask of each image, its second number, which no other method has."
        )
    if statistics := {row["weights"]: row["seconds_statistics"] for row in done if row["seconds_statistics"]}:
        text = ", ".join(f"{number(value)} s ({kind})" for kind, value in statistics.items())
        lines.append(
            f"The time does not include the mean and spread of w, which are computed once for the weights: {text}."
        )
    for name, text in {name: text for row in done for name, text in row["reasons"].items() if name in COLUMNS}.items():
        brief = text.partition(", not found")[0].partition(":")[0]  # without the remedy, which the result has
        lacking = [row["title"] for row in done if name in row["reasons"]]
        whose = "" if len(lacking) == len(done) else f" for {', '.join(lacking)}"
        lines.append(f"{COLUMNS[name][0]} was not measured{whose}: {brief}.")
    lines += circumstances(done, about["machine"])
    if done:
        lines.append(f"Peak memory: {', '.join(sorted({row['memory'] for row in done}))}.")
    return [*lines, *notes]


def setting(about: dict, batch: int, pictures: int) -> list[str]:
    """What all methods got."""
    hardware, data = about["machine"], about["data"]
    where = hardware["gpu"] or f"{hardware['processor']}, {hardware['threads']} of {hardware['cores']} cores"
    stand_in = about["perceptual"].get("stand_in")
    network = f"a stand-in, {stand_in}" if stand_in else about["perceptual"]["network"]
    return [
        f"{pictures} held-out images of {data['name']}, {data['resolution']} px, {batch} at once, the same for all; {where}; "
        f"{hardware['libraries'][0]}.",
        f"Weights: {'; '.join(_of_weights(kind, note) for kind, note in about['weights'].items())}.",
        *(
            f"It is not certain that {note['given']} never saw these images: {note['doubt']}."
            for note in about["weights"].values()
            if note["doubt"]
        ),
        f"The perceptual network of the methods is {network}.",
    ]


def circumstances(done: list[dict], hardware: dict) -> list[str]:
    """When rows were begun, and what else ran."""
    lines = []
    loads = [load[0] for row in done for load in (row["load_before"], row["load_after"]) if load]
    if dates := sorted(row["date"] for row in done):
        lines.append(f"Rows were begun from {_date(dates[0])} to {_date(dates[-1])}.")
    if loads:
        limits = f"{min(loads):.1f} to {max(loads):.1f} on {hardware['cores']} cores"
        lines.append(f"Load of the machine meanwhile: {limits}; this command alone makes {hardware['threads']}.")
    return lines


def plot(rows: list[dict]) -> bytes:
    """A PNG file, time against error: of methods that optimise a curve, of their run of the most steps; marks for results."""
    done = [row for row in rows if "seconds" in row]
    series = []
    for name in dict.fromkeys(row["name"] for row in done):
        some = [row for row in done if row["name"] == name]
        most = max(some, key=lambda row: row["steps"])
        line = [(seconds, error) for _, seconds, error in most["history"] if math.isfinite(error)]
        series.append(Series(name, line, [(row["seconds"], row["mse"]) for row in some]))
    across = Axis("seconds for one image", True)
    up = Axis("mean squared error, pixels in [-1, 1]; marks: results, line: the longest run over time", True)
    figure, (axes,) = charts.new_figure(*PLOT_SIZE)
    charts.plot(axes, "Time and error of inversion", across, up, series)
    return charts.png(figure)


def tradeoff(rows: list[dict], notes: Sequence[str]) -> str:
    """Markdown: of every row the error, how far its latents lie from mapped ones, and how they answer to directions."""
    done = [row for row in rows if "seconds" in row]
    names = list(next((row["of_attributes"] for row in done if row["of_attributes"]), ()))
    lines = []
    for row in done:
        values, errors = row["of_attributes"] or {}, row.get("errors_of_attributes") or {}
        answers = [(row["editability"], row.get("editability_error")), *((values.get(n), errors.get(n)) for n in names)]
        columns = [_fixed(row["mse"], 4), _fixed(row["latent_distance"], 2), *(_with_error(*each) for each in answers)]
        lines.append([row["title"], row["weights"], *columns])
    header = ["method", "weights", "MSE ↓", "latent distance", "editability ↑", *names]
    reasons = {row["reasons"]["editability"] for row in done if "editability" in row["reasons"]}
    remarks = (
        ["±: standard error, by drawing the images anew."] if any(row.get("editability_error") for row in done) else []
    )
    remarks += [f"Editability was not measured: {text}." for text in sorted(reasons)]
    return markdown(header, lines, [*remarks, *notes])


def tradeoff_plot(rows: list[dict]) -> bytes:
    """A PNG file: the error against the latent distance, and against editability; the rows of a method are joined."""
    panels = {
        "latent_distance": ("Latent distance", "1: as far from the mean as mapped samples"),
        "editability": ("Editability", "change of an attribute by a direction; higher is better"),
    }
    done = [row for row in rows if "seconds" in row and any(row[name] is not None for name in panels)]
    figure, drawn = charts.new_figure(*PLOT_SIZE, 1, len(panels))
    for axes, (name, (title, meaning)) in zip(drawn, panels.items(), strict=True):
        series = []  # the same in both, as they share colours and a legend
        for method in dict.fromkeys(row["name"] for row in done):
            some = [row for row in done if row["name"] == method and row[name] is not None]
            points = [(row["mse"], row[name]) for row in some]
            series.append(Series(method, points, points, [row.get(f"{name}_error") or 0.0 for row in some]))
        charts.plot(axes, title, Axis("mean squared error", True), Axis(meaning), series, legend=axes is drawn[-1])
    return charts.png(figure)


def _fixed(value: float | None, decimals: int) -> str:
    if value is None:
        return NONE
    return f"{value:,.{decimals}f}" if abs(value) < MOST else f"{value:.1e}"


def _with_error(value: float | None, error: float | None) -> str:
    text = _fixed(value, 2)
    return text if error is None else f"{text} ± {_fixed(error, 2)}"


def _of_weights(kind: str, note: dict) -> str:
    seen = note["info"].get("images")
    text = f"{kind}: {note['given']}, " + (f"{seen:,} training images seen" if seen else "training unknown")
    return f"{text}, parameters: {', '.join(f'{name} {count:,}' for name, count in note['parameters'].items())}"


def _numbers(row: dict) -> str:
    """ "64 + 2,704"."""
    counts = dict(row["origin"]["numbers"])
    latent, others = counts.pop("latent"), sum(counts.values())
    return f"{latent:,}" + (f" + {others:,}" if others else "")


def _date(iso: str) -> str:
    """In UTC, to the minute."""
    return f"{iso[:16].replace('T', ' ')} UTC"
