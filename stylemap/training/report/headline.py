"""The top of the page: what the run is, how far and how good it is, and what gives cause for worry."""

import math
import re
from pathlib import Path

from stylemap import architectures
from stylemap.errors import InputError
from stylemap.training.log import Log
from stylemap.training.report import wording

ALARMS = 12  # shown, at most


def headline(run: Path, config: dict, log: Log) -> str:
    """Name, facts, progress and scores."""
    model = config.get("model") if isinstance(config.get("model"), dict) else {}
    facts = [
        f"data {config.get('data', '?')}",
        f"{model.get('resolution', '?')} px",
        _latent(model),
        f"batch {config.get('batch', '?')}",
        f"seed {config.get('seed', '?')}",
    ]
    return (
        f"<h1>{wording.text(run.resolve().name)}</h1>\n"
        f"<ul class='facts'>{''.join(f'<li>{wording.text(fact)}</li>' for fact in facts)}</ul>\n"
        f"{_progress(config, log)}\n{_verdict(log)}\n{_tiles(log)}"
    )


def _latent(model: dict) -> str:
    try:
        return architectures.model_config(model).latents.words
    except InputError:  # of another version
        return "unknown latents"


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
        state = f"about {wording.duration((total - seen) / speed)} of training left"
    else:
        state = ""
    return (
        f"<div class='bar' aria-hidden='true'><i style='width:{100 * share:.2f}%'></i></div>\n<p class='progress'>"
        f"<span><b>{seen:,}</b> of {total:,} images seen ({100 * share:.0f}&nbsp;%)</span><span>{state}</span></p>"
    )


def _verdict(log: Log) -> str:
    """The held-out score, as a person would say it."""
    if not log.images:
        later = "The first tick will bring images and curves."
        return f"<p class='verdict'>Nothing is measured yet.</p><p class='quiet'>{later}</p>"
    explained, psnr = log.newest("heldout_explained"), log.newest("heldout_psnr")
    if explained is not None:
        scale = "0&nbsp;% means the mean image every time, and 100&nbsp;% means perfect copies."
        if explained < 0:
            said = "Its reconstructions are <b>still worse than the mean image</b>."
        else:
            said = f"It reproduces <b>{wording.shown(explained, '%')}</b> of the variance of images that it never saw."
        return f"<p class='verdict'>{said}</p><p class='quiet'>{_best(log, 'heldout_explained', '%')} {scale}</p>"
    if psnr is not None:
        said = f"The PSNR of images that it never saw is <b>{wording.shown(psnr, 'dB')}</b>."
        return f"<p class='verdict'>{said}</p><p class='quiet'>{_best(log, 'heldout_psnr', 'dB')} Higher is better.</p>"
    return "<p class='verdict'>No held-out score is known.</p>"


def _best(log: Log, name: str, unit: str) -> str:
    value, at = log.best(name)
    if value <= log.newest(name):
        return "That is the best so far."
    return f"The best was {wording.shown(value, unit)}, after {at:,} images."


def _tiles(log: Log) -> str:
    tiles = []
    mse, psnr, speed = (log.newest(name) for name in ("heldout_mse", "heldout_psnr", "images_per_second"))
    if mse is not None and mse >= 0:
        levels = math.sqrt(mse) * 127.5
        tiles.append((f"{levels:.3g} of 255", "levels: the typical error of a pixel, in images that it never saw"))
    if psnr is not None:
        tiles.append(
            (wording.shown(psnr, "dB"), "PSNR of the same images; 6\N{NO-BREAK SPACE}dB more means half the error")
        )
    if speed is not None:
        tiles.append((wording.shown(speed), f"images per second; {wording.duration(log.seconds())} of training so far"))
    if log.written is not None:
        iso = log.written.isoformat(timespec="seconds")
        tiles.append((f"{log.written:%H:%M}", f"last tick, <time datetime='{iso}'>{log.written:%Y-%m-%d}</time>"))
    cells = "".join(f"<div><dt>{words}</dt><dd>{value}</dd></div>" for value, words in tiles)
    return f"<dl class='tiles'>{cells}</dl>" if tiles else ""


def alarms(log: Log) -> str:
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
        items.append(f"<li>{mark}{wording.text(words[kind])} <span>{when}</span></li>")
    if len(ordered) > ALARMS:
        items.append(f"<li>and {len(ordered) - ALARMS} earlier ones</li>")
    title = "Needs attention" if standing else "Was noticed earlier"
    look = "standing" if standing else "past"
    return f"<section class='alarms {look}'><h2>{title}</h2><ul>{''.join(items)}</ul></section>"
