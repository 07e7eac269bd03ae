"""Part labels of any layout -> one zip of label maps, which have the names of their images."""

import functools
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from stylemap import __version__
from stylemap.datasets import packing
from stylemap.datasets.packing import Entry
from stylemap.datasets.parts import Files, Part, PartLabels
from stylemap.datasets.sources import open_source
from stylemap.errors import InputError

FORMAT = "stylemap-parts-1"
Item = tuple[str, str, Files]  # name of the map without extension, image, files


def prepare_parts(
    labels: PartLabels,
    places: Mapping[str, str],
    out: Path,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Write the label maps of images as grey PNGs at the size of their files; the values are ids of `Part`.

    A zip that the same call wrote before is kept; see `packing` for what a kill leaves.

    Args:
        places: name of an image, as ``labels`` looks it up -> name of its map in the zip, without extension.

    Returns:
        The content of its ``dataset.json``: ``images`` with ``name`` and ``source``, and ``left_out`` for damaged files, with
        ``source`` and ``why``.

    Raises:
        InputError: an image has no labels or several, none can be used, or what `packing.pack` raises.
    """
    items = [
        (place, picture, labels.files(picture)) for picture, place in sorted(places.items(), key=lambda item: item[1])
    ]
    identity = _identity(labels, items)
    if out.exists():
        content = open_source(out).manifest()
        if content.get("format") == FORMAT and content.get("identity") == identity:
            return content

    make, manifest = functools.partial(_make_map, labels), functools.partial(_manifest, labels, identity)
    return packing.pack(items, make, out, identity, manifest, workers, progress)


def _make_map(labels: PartLabels, item: Item) -> Entry:
    place, picture, files = item
    try:
        values = labels.read_files(files)
    except InputError as err:
        return Entry(place, None, {"source": picture, "why": str(err)})
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return Entry(f"{place}.png", buffer.getvalue(), {"source": picture})


def _identity(labels: PartLabels, items: list[Item]) -> str:
    stamp = labels.source.stamp
    stamped = [[place, image, [(file, stamp(file)) for file in files.values()]] for place, image, files in items]
    return hashlib.sha256(json.dumps([FORMAT, __version__, stamped]).encode()).hexdigest()


def _manifest(labels: PartLabels, identity: str, records: list[dict]) -> dict:
    images = [record for record in records if "why" not in record]
    if not images:
        raise InputError(f"{labels.source.path} holds no part labels that can be used, the first: {records[0]['why']}")
    return {
        "format": FORMAT,
        "identity": identity,
        "source": labels.source.path.resolve().name,
        "parts": {part.name.lower(): int(part) for part in Part},
        "images": images,
        "left_out": [{"source": r["source"], "why": r["why"]} for r in records if "why" in r],
    }
