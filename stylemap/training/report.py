"""``report.html``: a run on one page that needs nothing but itself, made from the run folder alone.

It is written anew at every saved state, so it must not cost the training anything to speak of: nothing here imports torch,
and the picture sheets that the last report shrank are taken from there.
"""

import base64
import hashlib
import html
import importlib.metadata
import io
import json
import math
import platform
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import yaml
from PIL import Image

from stylemap import __version__, decoding, files
from stylemap.config import TrainConfig
from stylemap.errors import InputError

NAME = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.template")
SMOOTH = 200  # ticks; with more of them, bold lines are means
TICKS = 1000  # of a longer log, this many are drawn, and the extremes of every curve
FRAMES = 24  # picture sheets, at most
FRAME_WIDTH, FRAME_QUALITY = 512, 75  # pixels of a sheet in the slider; JPEG
NEWEST_WIDTH, NEWEST_QUALITY = 1040, 88
SHEET_COLUMNS = ("held-out", "reconstruction", "local edit", "sample")  # of `evaluate.picture_grid`
SHEET_PAD = 2
ALARMS = 12  # shown, at most
LARGEST = 1e100  # beyond it, a value counts as infinite

Values = list[float | None]  # a field at every tick; None = not logged then, NaN = logged and not finite


def write(run: Path) -> Path:
    """Write ``report.html`` into a run folder, whatever the state of the run. Returns its path.

    Raises:
        InputError: the folder holds no run, or cannot be written.
    """
    config = _read_config(run)
    log = Log.read(run / "log.jsonl")
    sheets = Sheets.collect(run)
    template = TEMPLATE.read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)[1]
    page = string.Template(template).substitute(
        title=_text(run.resolve().name),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        headline=_headline(run, config, log),
        alarms=_alarms(log),
        pictures=_pictures(sheets),
        curves=_curves(log),
        config=_config(config),
        files=_files(run),
        versions=_versions(),
        frames=_json(sheets.frames),
        log=_json(_payload(log)),
    )
    files.write_text(run / NAME, page)
    return run / NAME


# ---- reading


def _read_config(run: Path) -> dict:
    """As it stands in the file: it may be of another version, so that no `TrainConfig` can be made of it."""
    path = run / "config.yaml"
    try:
        config = yaml.safe_load(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as err:
        raise InputError(f"{run} holds no run (config.yaml is missing); name the folder of a training run") from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror}; make it readable") from err
    except yaml.YAMLError as err:
        raise InputError(f"{path} is damaged: not YAML; write it again with stylemap train --resume") from err
    if not isinstance(config, dict):
        raise InputError(f"{path} is damaged: it holds no settings; write it again with stylemap train --resume")
    return config


@dataclass(frozen=True)
class Log:
    """The ticks of a run, by images seen."""

    images: list[int]
    values: dict[str, Values]  # every numeric field, in the order of appearance
    alarms: list[tuple[int, str]]
    written: datetime | None  # when the newest tick was

    @classmethod
    def read(cls, path: Path) -> "Log":
        """Lines that are no ticks (a kill leaves half of one) are passed over, and so is a file that is not there."""
        records: dict[int, dict] = {}
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            written = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        except OSError:
            return cls([], {}, [], None)
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and type(record.get("images")) is int and 0 <= record["images"] < 2**63:
                records[record["images"]] = record
        ordered = [records[n] for n in sorted(records)]
        names = dict.fromkeys(name for r in ordered for name, v in r.items() if _is_number(v) and name != "images")
        values = {name: [_finite(r[name]) if name in r else None for r in ordered] for name in names}
        return cls(sorted(records), values, list(_alarms_of(ordered)), written if records else None)

    def newest(self, name: str) -> float | None:
        """The last finite value of a field."""
        return next((v for v in reversed(self.values.get(name, [])) if _drawn(v)), None)

    def best(self, name: str) -> tuple[float, int]:
        """The largest value of a field that has one, and the images seen then."""
        known = [(v, n) for v, n in zip(self.values[name], self.images, strict=True) if _drawn(v)]
        return max(known, key=lambda pair: pair[0])

    def seconds(self) -> float:
        """Spent in training, by the speed at every tick."""
        speeds = self.values.get("images_per_second", [None] * len(self.images))
        before = [0, *self.images]
        steps = zip(before, self.images, speeds, strict=False)
        return sum((now - then) / speed for then, now, speed in steps if _drawn(speed) and speed > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _finite(value: object) -> float:
    """NaN for what is not; the log has null for it, as JSON knows no infinity."""
    if not _is_number(value):
        return math.nan
    return float(value) if -LARGEST < value < LARGEST else math.nan  # a whole number may be too large for a float


def _drawn(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _alarms_of(records: list[dict]) -> Iterator[tuple[int, str]]:
    for record in records:
        alarms = record.get("alarms")
        for alarm in alarms if isinstance(alarms, list) else [alarms] if alarms else []:
            yield record["images"], str(alarm)


# ---- the top of the page


def _headline(run: Path, config: dict, log: Log) -> str:
    model = config.get("model") if isinstance(config.get("model"), dict) else {}
    facts = [
        f"data {config.get('data', '?')}",
        f"{model.get('resolution', '?')} px",
        f"stylemap {model.get('stylemap_size', '?')} × {model.get('stylemap_size', '?')}",
        f"batch {config.get('batch', '?')}",
        f"seed {config.get('seed', '?')}",
    ]
    return (
        f"<h1>{_text(run.resolve().name)}</h1>\n"
        f"<ul class='facts'>{''.join(f'<li>{_text(fact)}</li>' for fact in facts)}</ul>\n"
        f"{_progress(config, log)}\n{_verdict(log)}\n{_tiles(log)}"
    )


def _progress(config: dict, log: Log) -> str:
    seen, total = log.images[-1] if log.images else 0, config.get("images")
    if not isinstance(total, int) or total < 1:
        return f"<p class='progress'><b>{seen:,}</b> images seen</p>"
    share = min(1, seen / total)
    speed = log.newest("images_per_second")
    if seen >= total:
        state = "finished"
    elif not seen:
        state = "no tick so far"
    elif speed is not None and speed > 0:
        state = f"about {_duration((total - seen) / speed)} of training left"
    else:
        state = ""
    return (
        f"<div class='bar' aria-hidden='true'><i style='width:{100 * share:.2f}%'></i></div>\n<p class='progress'>"
        f"<span><b>{seen:,}</b> of {total:,} images seen ({100 * share:.0f}&nbsp;%)</span><span>{state}</span></p>"
    )


def _verdict(log: Log) -> str:
    """The held-out score, as a person would say it."""
    if not log.images:
        later = "The first tick will bring pictures and curves."
        return f"<p class='verdict'>Nothing is measured yet.</p><p class='quiet'>{later}</p>"
    explained, psnr = log.newest("heldout_explained"), log.newest("heldout_psnr")
    if explained is not None:
        share, scale = (
            _shown(explained, "%"),
            "0&nbsp;% is the same mean picture every time, 100&nbsp;% a perfect copy.",
        )
        if explained < 0:
            said = "Its reconstructions are <b>still worse than the mean picture</b>."
        else:
            said = f"It explains <b>{share}</b> of what differs between pictures it never saw."
        return f"<p class='verdict'>{said}</p><p class='quiet'>{_best(log, 'heldout_explained', '%')} {scale}</p>"
    if psnr is not None:
        said = f"Pictures it never saw come back with <b>{_shown(psnr, 'dB')}</b> PSNR."
        return f"<p class='verdict'>{said}</p><p class='quiet'>{_best(log, 'heldout_psnr', 'dB')} Higher is better.</p>"
    return "<p class='verdict'>No held-out score is known.</p>"


def _best(log: Log, name: str, unit: str) -> str:
    value, at = log.best(name)
    if value <= log.newest(name):
        return "That is the best so far."
    return f"The best was {_shown(value, unit)}, after {at:,} images."


def _tiles(log: Log) -> str:
    tiles = []
    mse, psnr, speed = (log.newest(name) for name in ("heldout_mse", "heldout_psnr", "images_per_second"))
    if mse is not None and mse >= 0:
        levels = math.sqrt(mse) * 127.5
        tiles.append((f"{levels:.3g} of 255", "levels a pixel is typically off, in pictures it never saw"))
    if psnr is not None:
        tiles.append((_shown(psnr, "dB"), "PSNR of the same; 6\N{NO-BREAK SPACE}dB more is half the error"))
    if speed is not None:
        tiles.append((_shown(speed), f"images per second; {_duration(log.seconds())} of training so far"))
    if log.written is not None:
        iso = log.written.isoformat(timespec="seconds")
        tiles.append((f"{log.written:%H:%M}", f"last tick, <time datetime='{iso}'>{log.written:%Y-%m-%d}</time>"))
    cells = "".join(f"<div><dt>{words}</dt><dd>{value}</dd></div>" for value, words in tiles)
    return f"<dl class='tiles'>{cells}</dl>" if tiles else ""


def _alarms(log: Log) -> str:
    """Each kind once, in its latest words: those of the newest tick first. What differs in numbers only is of one kind."""
    if not log.alarms:
        return ""
    times: dict[str, list[int]] = {}
    words: dict[str, str] = {}
    for images, text in log.alarms:
        kind = re.sub(r"\d[\d.,]*", "#", text)
        times.setdefault(kind, []).append(images)
        words[kind] = text
    ordered = sorted(times, key=lambda kind: -times[kind][-1])
    standing = [kind for kind in ordered if times[kind][-1] == log.images[-1]]
    items = []
    for kind in ordered[:ALARMS]:
        first, last, count = times[kind][0], times[kind][-1], len(times[kind])
        when = f"at {first:,} images" if count == 1 else f"at {count} ticks from {first:,} to {last:,} images"
        mark = "<em>now</em> " if kind in standing else ""
        items.append(f"<li>{mark}{_text(words[kind])} <span>{when}</span></li>")
    if len(ordered) > ALARMS:
        items.append(f"<li>and {len(ordered) - ALARMS} earlier ones</li>")
    title = "Needs attention" if standing else "Was noticed earlier"
    look = "standing" if standing else "past"
    return f"<section class='alarms {look}'><h2>{title}</h2><ul>{''.join(items)}</ul></section>"


# ---- picture sheets


@dataclass(frozen=True)
class Sheets:
    """The newest sheet, large, and earlier ones, small; each in two parts, to be put below or beside each other."""

    newest: dict | None  # images, parts: list of {source, width, height}, titled
    frames: list[dict]  # images, file (what it was made from), sources: a list of data URLs

    @classmethod
    def collect(cls, run: Path) -> "Sheets":
        """A sheet that cannot be read is passed over."""
        paths = sorted(p for p in (run / "grids").glob("*.png") if re.fullmatch(r"[0-9]{1,18}", p.stem))
        newest = None
        while paths and newest is None:
            path = paths.pop()
            parts = _parts(path)
            if parts:
                shown = [_jpeg(part, NEWEST_WIDTH, NEWEST_QUALITY) for part in parts]
                titled = _rows(parts[0].width, sum(p.height for p in parts) - SHEET_PAD * (len(parts) - 1)) is not None
                newest = {"images": int(path.stem), "parts": shown, "titled": titled}
        known = _known_frames(run / NAME)
        frames = [_frame(path, known) for path in thinned(paths, FRAMES - 1)]
        return cls(newest, [frame for frame in frames if frame])


def thinned(items: list, most: int) -> list:
    """At most ``most`` of them: every 2^k-th, from the first on.

    As a run grows, what was left out once stays out: the next report finds all but the newest sheets in this one.
    """
    step = 1
    while len(items) > most * step:
        step *= 2
    return items[::step]


def _known_frames(report: Path) -> dict[str, dict]:
    """The frames of the last report, by the file that they were made from."""
    try:
        block = re.search(r'<script type="application/json" id="frames">(.*?)</script>', report.read_text("utf-8"))
        frames = json.loads(block[1])
        return {frame["file"]: frame for frame in frames if all(s.startswith("data:image/") for s in frame["sources"])}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # none, or of another version
        return {}


def _frame(path: Path, known: dict[str, dict]) -> dict | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    file = f"{path.name} {stat.st_size} {stat.st_mtime_ns} {FRAME_WIDTH} {FRAME_QUALITY}"
    if file in known:
        return known[file]
    sources = [_jpeg(part, FRAME_WIDTH, FRAME_QUALITY)["source"] for part in _parts(path)]
    return {"images": int(path.stem), "file": file, "sources": sources} if sources else None


def _parts(path: Path) -> list[Image.Image]:
    """The upper and the lower rows of a sheet; one part if it is low or laid out in an unknown way, none if damaged."""
    try:
        sheet = Image.fromarray(decoding.decode(path))
    except InputError:
        return []
    rows = _rows(sheet.width, sheet.height)
    if rows is None or rows < 4 or rows % 2:
        return [sheet]
    middle = (sheet.height - SHEET_PAD) // 2  # the line between the rows goes to both
    return [
        sheet.crop((0, 0, sheet.width, middle + SHEET_PAD)),
        sheet.crop((0, middle, sheet.width, sheet.height)),
    ]


def _rows(width: int, height: int) -> int | None:
    """Of a sheet of square tiles in the known columns; None for another sheet."""
    pitch, rest = divmod(width - SHEET_PAD, len(SHEET_COLUMNS))
    if rest or pitch <= SHEET_PAD or (height - SHEET_PAD) % pitch:
        return None
    return (height - SHEET_PAD) // pitch


def _jpeg(picture: Image.Image, width: int, quality: int) -> dict:
    """As a data URL, at most ``width`` wide. WebP is half the size, but takes ten times as long."""
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"source": source, "width": picture.width, "height": picture.height}


def _pictures(sheets: Sheets) -> str:
    if sheets.newest is None:
        return "<section><h2>Pictures</h2><p class='quiet'>There is no picture sheet yet.</p></section>"
    heads = "".join(f"<span>{column}</span>" for column in SHEET_COLUMNS)
    heads = f"<div class='heads'>{heads}</div>" if sheets.newest["titled"] else ""
    parts = "".join(
        f"<div>{heads}<img src='{part['source']}' width='{part['width']}' height='{part['height']}' alt='picture sheet'></div>"
        for part in sheets.newest["parts"]
    )
    words = (
        "<b>Held-out</b>: a picture kept from training. <b>Reconstruction</b>: the same through encoder and generator. "
        "<b>Local edit</b>: its upper half with the lower half of the next row’s picture. <b>Sample</b>: drawn from noise."
    )
    return (
        f"<section id='pictures'><h2>Pictures <span id='when'>after {sheets.newest['images']:,} images</span></h2>"
        f"<div class='sheet' data-images='{sheets.newest['images']}'>{parts}</div>"
        "<div class='slider' hidden><button type='button' aria-label='play from the start'>▶</button>"
        "<input type='range' min='0' step='1' aria-label='picture sheets over time'></div>"
        + (f"<p class='quiet'>{words}</p>" if heads else "")
        + "</section>"
    )


# ---- curves


@dataclass(frozen=True)
class Plot:
    """Fields that share a plot; the same thing has the same colour in all plots."""

    title: str
    note: str
    fields: dict[str, tuple[str, int]]  # name -> (label, colour)
    unit: str = ""
    floor: float | None = None  # what the axis does not go below, if the newest value is above
    mark: float | None = None  # a dashed line
    wide: bool = False


REAL, SAMPLES, RECONSTRUCTIONS, TRAINING = range(4)
PLOTS = {
    "Held-out scores": (
        Plot(
            "Share explained",
            "Of what differs between pictures it never saw. Higher is better.",
            {"heldout_explained": ("held-out", REAL)},
            unit="%",
            floor=0,
            wide=True,
        ),
        Plot(
            "PSNR",
            "The error on a scale of decibels. Higher is better.",
            {"heldout_psnr": ("held-out", REAL)},
            unit="dB",
        ),
        Plot(
            "Squared error",
            "Pixels from −1 to 1. Training far below held-out: pictures are learned by heart.",
            {"heldout_mse": ("held-out", REAL), "image_reconstruction": ("training", TRAINING)},
        ),
    ),
    "Losses": (
        Plot(
            "Discriminator",
            "How far it is from telling each apart. Dashed: it guesses (0.69).",
            {
                "discriminator_real": ("real", REAL),
                "discriminator_fake": ("samples", SAMPLES),
                "discriminator_reconstruction": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Fooling the discriminator",
            "Small: these pass for real. Dashed: the discriminator guesses.",
            {
                "generator_adversarial": ("samples", SAMPLES),
                "encoder_adversarial": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Perceptual",
            "Reconstruction against original, in features. Lower is better.",
            {"perceptual": ("training", TRAINING)},
        ),
        Plot(
            "Latent reconstruction",
            "How well the encoder finds the stylemap of a sample. Lower is better.",
            {"latent_reconstruction": ("samples", SAMPLES)},
        ),
        Plot(
            "Gradient penalty",
            "Squared slope of the discriminator (R1 at real pictures, R2 at fakes).",
            {"r1_penalty": ("real", REAL), "r2_penalty": ("fakes", SAMPLES)},
        ),
        Plot(
            "Verdict on real pictures",
            "1: the discriminator takes all for real, 0: half of them. Near 1 for long, it knows them by heart.",
            {"real_sign": ("real", REAL)},
        ),
    ),
    "Spread": (
        Plot(
            "Diversity of samples",
            "How much they differ from one another; 1: as much as real pictures, 0: all are one.",
            {"sample_diversity": ("samples", SAMPLES)},
        ),
        Plot(
            "Stylemaps of held-out pictures",
            "Standard deviation of their values.",
            {
                "stylemap_std": ("all", REAL),
                "stylemap_std_of_channels": ("by channel", SAMPLES),
                "stylemap_std_of_cells": ("by cell", RECONSTRUCTIONS),
            },
        ),
    ),
    "Speed and more": (
        Plot("Throughput", "Images per second, scores not counted.", {"images_per_second": ("images/s", TRAINING)}),
    ),
}


def _curves(log: Log) -> str:
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
        known = [i for i, v in enumerate(values) if _drawn(v)]
        if known:
            kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    return sorted(kept)


def averaged_ticks(log: Log) -> int:
    """How many ticks a point of a bold line stands for; 1 = it goes through all of them."""
    return 1 if len(log.images) <= SMOOTH else math.ceil(len(log.images) / (SMOOTH // 2))


def _payload(log: Log) -> dict:
    """What the pointer reads from the curves."""
    kept = drawn_ticks(log)
    columns = {
        name: [float(f"{v:.5g}") if _drawn(v) else None for v in map(values.__getitem__, kept)]
        for name, values in log.values.items()
    }
    return {"images": [log.images[i] for i in kept], "values": columns}


def _figure(plot: Plot, log: Log, kept: list[int], window: int) -> str:
    """The lines are stretched to the place there is; ticks are HTML, so that letters are not stretched with them."""
    curves = {name: log.values[name] for name in plot.fields if name in log.values}
    known = [v for values in curves.values() for v in values if _drawn(v)]
    if not known:
        return ""
    axis = Axis.fit(known, plot, [log.newest(name) for name in curves])
    last = log.images[-1] or 1
    across, _ = _ticks(0, last, 5)
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
        shown = _shown(newest, plot.unit) if newest is not None else "–"
        keys.append(f"<span class='c{colour}' data-name='{_text(name)}'><i></i>{_text(label)} <b>{shown}</b></span>")
    labels = "".join(
        f"<span class='y' style='top:{100 * (1 - axis.place(t)):.2f}%'>{label}</span>"
        for t, label in zip(axis.ticks, axis.labels, strict=True)
    )
    labels += "".join(f"<span class='x' style='left:{100 * t / last:.2f}%'>{_short(t)}</span>" for t in across)
    gaps = sum(v is not None and math.isnan(v) for values in curves.values() for v in values)
    notes = [plot.note] * bool(plot.note) + ["Logarithmic scale."] * axis.logarithmic
    notes += [f"{gaps} value{'s' * (gaps > 1)} not finite: a gap."] * bool(gaps)
    notes += ["It begins below the picture."] * (min(known) < axis.low)
    return (
        f"<figure class='plot{' wide' * plot.wide}'><figcaption><h3>{_text(plot.title)}</h3>"
        f"<span class='at'>at {log.images[-1]:,} images</span><p class='quiet'>{' '.join(notes)}</p></figcaption>"
        f"<div class='keys'>{''.join(keys)}</div>"
        f"<div class='area' data-unit='{plot.unit}' data-low='{axis.low!r}' data-high='{axis.high!r}' "
        f"data-log='{int(axis.logarithmic)}' tabindex='0' role='img' aria-label='{_text(plot.title)} over images seen'>"
        f"<svg viewBox='0 0 1000 1000' preserveAspectRatio='none' aria-hidden='true'>{lines}{bold}</svg>{labels}</div></figure>\n"
    )


def _means(points: list[tuple[float, float | None]], window: int) -> Iterator[tuple[float, float | None]]:
    """Of so many ticks each; a gap stays one where nothing in them is finite."""
    for start in range(0, len(points), window):
        group = [point for point in points[start : start + window] if point[1] is not None]
        drawn = [point for point in group if _drawn(point[1])]
        if drawn:
            yield sum(x for x, _ in drawn) / len(drawn), sum(v for _, v in drawn) / len(drawn)
        elif group:
            yield group[0]


def _path(points: Iterable[tuple[float, float | None]], axis: "Axis") -> str:
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
            ticks, step = _ticks(100 * low, 100 * high, 5, outward=True)
            return cls(ticks[0] / 100, ticks[-1] / 100, False, [t / 100 for t in ticks], _labels(ticks, step, " %"))
        ticks, step = _ticks(low, high, 5, outward=True)
        return cls(ticks[0], ticks[-1], False, ticks, _labels(ticks, step))

    def place(self, value: float) -> float:
        """0 at the bottom, 1 at the top; held near the picture, as the numbers of SVG are of single precision."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return max(-5.0, min(5.0, (value - low) / (high - low)))


def _ticks(low: float, high: float, about: int, outward: bool = False) -> tuple[list[float], float]:
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


# ---- the bottom of the page


def _config(config: dict) -> str:
    defaults = dict(_flat(asdict(TrainConfig())))
    rows, changed = [], 0
    for name, value in _flat(config):
        if name not in defaults:
            note = "not known to this version"
        elif value != defaults[name]:
            note, changed = f"default {_plain(defaults[name])}", changed + 1
        else:
            note = ""
        kind = " class='changed'" if note else ""
        rows.append(f"<tr{kind}><th>{_text(name)}</th><td>{_text(_plain(value))}</td><td>{_text(note)}</td></tr>")
    said = f"{changed} setting{'s' * (changed != 1)} differ{'s' * (changed == 1)} from the defaults"
    table = f"<table class='config'>{''.join(rows)}</table>"
    return f"<details><summary><h2>Config</h2> <span>{said}</span></summary>{table}</details>"


def _flat(settings: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(value: object) -> str:
    """As in YAML."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


KINDS = (  # what the files of a run are, by the beginning of the name
    ("weights.safetensors", "the newest weights: what to generate and edit with"),
    ("weights-best", "those with the lowest held-out error"),
    ("weights-", "weights"),
    ("state-", "everything a resume needs"),
    ("log.jsonl", "one line per tick"),
    ("config.yaml", "every setting"),
    ("grids", "picture sheets in full size"),
    ("tensorboard", "the same for TensorBoard"),
)


def _files(run: Path) -> str:
    rows = []
    for path in sorted(run.iterdir()):
        if path.name == NAME or path.name.startswith("."):
            continue
        what = next((words for start, words in KINDS if path.name.startswith(start)), "")
        try:
            inside = (
                [p.stat().st_size for p in path.iterdir() if p.is_file()] if path.is_dir() else [path.stat().st_size]
            )
        except OSError:  # a state that training has just removed
            continue
        name = f"{path.name}/ ({len(inside)} file{'s' * (len(inside) != 1)})" if path.is_dir() else path.name
        rows.append(f"<tr><th>{_text(name)}</th><td>{_size(sum(inside))}</td><td>{what}</td></tr>")
    return f"<section><h2>Files</h2><table class='files'>{''.join(rows)}</table></section>"


def _versions() -> str:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "not installed"
    now = datetime.now().astimezone()
    parts = [
        f"stylemap {__version__}",
        f"PyTorch {torch}",
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        f"written <time datetime='{now.isoformat(timespec='seconds')}'>{now:%Y-%m-%d %H:%M}</time>",
    ]
    return " · ".join(parts)


# ---- words


def _text(value: object) -> str:
    """Harmless in HTML, attributes included; what is no Unicode, such as an odd file name, becomes question marks."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def _json(value: object) -> str:
    """For a script element, which ends at the first ``</script`` whatever stands around it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _shown(value: float, unit: str = "") -> str:
    """As the script on the page does."""
    if unit == "%":
        return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    if unit == "dB":
        return f"{value:.2f}\N{NO-BREAK SPACE}dB"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _short(images: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if images >= size:
            return f"{images / size:g}{letter}"
    return f"{images:g}"


def _size(count: int) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def _duration(seconds: float) -> str:
    for length, least, unit in ((86400, 2, "days"), (3600, 2, "h"), (60, 2, "min")):
        if seconds >= least * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 or unit == "min" else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s"
