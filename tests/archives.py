"""Folders and zips of given files, by name."""

import random
import zipfile
from pathlib import Path

import numpy as np

from tests.decoding.files import encoded


def picture(seed: int, kind: str = "PNG", side: int = 16) -> bytes:
    """A file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encoded(pixels, kind)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pack(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def pack_shuffled(path: Path, files: dict[str, bytes]) -> Path:
    """A zip whose listing is in no order."""
    names = sorted(files)
    random.Random(0).shuffle(names)
    return pack(path, {name: files[name] for name in names})
