"""Small archives of the layouts that the scripts in ``data/`` read, and those scripts."""

import importlib.util
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.decoding.files import encoded

ROOT = Path(__file__).resolve().parents[2]


def script(name: str):
    """The module ``data/NAME/prepare.py``."""
    spec = importlib.util.spec_from_file_location(f"prepare_{name}", ROOT / "data" / name / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(seed: int, kind: str = "PNG", side: int = 12) -> bytes:
    """An image of one colour, so that it can be told from all others after any resize or compression."""
    return encoded(np.full((side, side, 3), colour(seed), np.uint8), kind)


def colour(seed: int) -> tuple[int, int, int]:
    """0 <= seed < 512: eight levels for each channel."""
    return tuple(20 + 30 * (seed // 8**i % 8) for i in range(3))


def mean_colour(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float).mean(axis=(0, 1))


def stored(path: Path) -> dict[str, bytes]:
    """What a zip holds, but for its dataset.json."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "dataset.json"}


def of(split: str, names) -> set[str]:
    """The names in a split, without it and the extension."""
    return {name[len(split) + 1 :].rsplit(".", 1)[0] for name in names if name.startswith(f"{split}/")}


def refused(main: Callable, argv: list, given: object, capsys) -> str:
    """Runs a script that must refuse with one line; returns the line."""
    capsys.readouterr()
    assert main([str(a) for a in argv], given) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), captured.err
    assert captured.out == ""
    return lines[0]
