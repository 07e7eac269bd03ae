"""Everything put together, and the bottom of the page: the settings, the files, the versions."""

import base64
import hashlib
import importlib.metadata
import json
import platform
import re
import string
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from stylemap import __version__, architectures, files, reading
from stylemap.errors import InputError
from stylemap.schema import flat
from stylemap.training.log import Log
from stylemap.training.report import curves, headline, sheets, wording

NAME = "report.html"
TEMPLATE = Path(__file__).with_name("page.html.template")


def write(run: Path) -> Path:
    """Write ``report.html`` into a run folder, whatever the state of the run. Returns its path.

    Raises:
        InputError: the folder holds no run, or cannot be written.
    """
    config = _read_config(run)
    log = Log.read(run / "log.jsonl")
    pictures = sheets.Sheets.collect(run, run / NAME)
    template = TEMPLATE.read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)[1]
    page = string.Template(template).substitute(
        title=wording.text(run.resolve().name),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        headline=headline.headline(run, config, log),
        alarms=headline.alarms(log),
        pictures=sheets.pictures(pictures),
        curves=curves.curves(log),
        config=_config(config),
        files=_files(run),
        versions=_versions(),
        frames=wording.json_in_script(pictures.frames),
        log=wording.json_in_script(curves.payload(log)),
    )
    files.write_text(run / NAME, page)
    return run / NAME


def _read_config(run: Path) -> dict:
    """As it stands in the file: it may be of another version, so that no `TrainConfig` can be made of it."""
    path = run / "config.yaml"
    if not path.is_file():
        raise InputError(f"{run} holds no run (config.yaml is missing); name the folder of a training run")
    return reading.read_yaml(path)


def _defaults(config: dict) -> dict:
    """Of the architecture that the run trains."""
    model = config.get("model", {})
    name = model.get("architecture", architectures.DEFAULT) if isinstance(model, dict) else architectures.DEFAULT
    try:
        return flat(asdict(architectures.find(name).training()))
    except InputError:
        return {}


def _config(config: dict) -> str:
    defaults = _defaults(config)
    rows, changed = [], 0
    for name, value in flat(config).items():
        if name not in defaults:
            note = "not known to this version"
        elif value != defaults[name]:
            note, changed = f"default {_plain(defaults[name])}", changed + 1
        else:
            note = ""
        kind = " class='changed'" if note else ""
        rows.append(
            f"<tr{kind}><th>{wording.text(name)}</th><td>{wording.text(_plain(value))}</td><td>{wording.text(note)}</td></tr>"
        )
    said = f"{changed} setting{'s' * (changed != 1)} differ{'s' * (changed == 1)} from the defaults"
    table = f"<table class='config'>{''.join(rows)}</table>"
    return f"<details><summary><h2>Config</h2> <span>{said}</span></summary>{table}</details>"


def _plain(value: object) -> str:
    """As in YAML."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


KINDS = (  # what the files of a run are, by the beginning of the name
    ("weights.safetensors", "the newest weights: what to generate and edit with"),
    ("weights-best", "the weights with the lowest held-out error"),
    ("weights-", "weights"),
    ("state-", "everything a resume needs"),
    ("log.jsonl", "one line per tick"),
    ("config.yaml", "every setting"),
    ("grids", "image sheets in full size"),
    ("tensorboard", "the same log for TensorBoard"),
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
        rows.append(f"<tr><th>{wording.text(name)}</th><td>{wording.size(sum(inside))}</td><td>{what}</td></tr>")
    return f"<section><h2>Files</h2><table class='files'>{''.join(rows)}</table></section>"


def _versions() -> str:
    now = datetime.now().astimezone()
    parts = [
        f"stylemap {__version__}",
        f"PyTorch {importlib.metadata.version('torch')}",
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        f"written <time datetime='{now.isoformat(timespec='seconds')}'>{now:%Y-%m-%d %H:%M}</time>",
    ]
    return " · ".join(parts)
