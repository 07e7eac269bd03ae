"""Any images -> one zip of squares of one side, ready to train on, with a ``dataset.json`` that says where each came from."""

import functools
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import PIL
from PIL import Image

from stylemap import __version__, decoding, naming
from stylemap.datasets import packing
from stylemap.datasets.image_folder import LARGEST_SIDE
from stylemap.datasets.packing import Entry
from stylemap.datasets.sources import FORMAT, Source
from stylemap.datasets.splitting import given_splits, smallest_hashes
from stylemap.decoding import FileInfo
from stylemap.errors import InputError
from stylemap.naming import without_extension
from stylemap.schema import Range, validate

KEPT_KINDS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}  # what any reader of zips can decode


@dataclass(frozen=True)
class Options:
    """What images become."""

    resolution: Annotated[int, Range(1, LARGEST_SIDE)] = 256
    """Side in pixels."""
    pad: bool = False
    """Keep the whole image, centred on white; otherwise the central square is cut out."""
    kind: Literal["jpeg", "png"] = "jpeg"
    """The format of images that must be changed. Those that fit already stay as they are, byte for byte."""
    quality: Annotated[int, Range(1, 100)] = 95
    """Of JPEG; colour is kept at full resolution (4:4:4)."""
    skip_small: bool = False
    """Leave out images that would have to be enlarged."""
    drop_duplicates: bool = False
    """Of files with the same bytes, take only the first by its name in the zip."""

    def __post_init__(self):
        validate(self)


def prepare(
    source: Source,
    out: Path,
    options: Options,
    places: Mapping[str, str] | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    holdout: tuple[int, int] = (0, 0),
) -> dict:
    """Write the images of a source as one zip; see `packing` for what a kill leaves and what the bytes depend on.

    Args:
        places: name of an image in the source -> its name in the zip, where the extension follows from what is stored. Only
            these are taken; None = all, under their own names. Folders ``train``, ``val``, ``test`` are the splits.
        holdout: the numbers of images to hold out in ``val/`` and in ``test/``; see `choose_splits`.

    Returns:
        The content of its ``dataset.json``.

    Raises:
        InputError: no image can be used, two would get the same name, or what `packing.pack` raises.
    """
    others: list[str] = []
    if places is None:
        pictures, others = source.listing()
        places = {name: name for name in pictures}
    if not places:
        raise InputError(f"{source.path} holds no image ({decoding.READABLE}); add some or convert them")
    if any(holdout):
        validate_holdout(places, *holdout)
    items = assign_names(places)
    settings = asdict(options)
    identity = _sha256(json.dumps([__version__, settings, [(*item, source.stamp(item[0])) for item in items]]).encode())
    labels = dict(source.manifest().get("labels") or [])

    def manifest(records: list[dict]) -> dict:
        return _manifest(source, options, labels, records, holdout, naming.kinds(others))

    make = functools.partial(_convert, source, options)
    return packing.pack(items, make, out, identity, manifest, workers, progress)


def validate_holdout(names: Collection[str], val: int, test: int) -> None:
    """Raise an InputError if the names are split already, or if nothing would be left to train on."""
    if given_splits(list(names)):
        raise InputError("the images lie in train/, val/ or test/ already; remove --heldout and --test")
    if val < 0 or test < 0 or val + test >= len(names):
        raise InputError(f"cannot hold out {val} + {test} of {len(names)} images; lower --heldout or --test")


def choose_splits(images: Sequence[dict], val: int, test: int) -> dict[str, str]:
    """Name -> split. The names with the smallest SHA-1 are held out, first in ``val``, then in ``test``.

    Copies stay in one split, so that no image is both trained on and measured on. A split whose last image has copies is larger.

    Raises:
        InputError: nothing is left to train on.
    """
    groups: dict[str, list[str]] = {}
    for image in images:
        groups.setdefault(image["sha256"], []).append(image["name"])
    first = {smallest_hashes(names, 1)[0]: names for names in groups.values()}
    order = iter(smallest_hashes(list(first), len(first)))
    split: dict[str, str] = {}
    for name, count in (("val", val), ("test", test)):
        taken = 0
        while taken < count and (member := next(order, None)):
            split |= dict.fromkeys(first[member], name)
            taken += len(first[member])
    if len(split) == len(images):
        raise InputError(
            f"holding out {val} + {test} of {len(images)} images, copies together, leaves none to train on"
        )
    return {image["name"]: split.get(image["name"], "train") for image in images}


def assign_names(places: Mapping[str, str]) -> list[tuple[str, str]]:
    """-> [(name in the source, name in the zip without extension)], all different, sorted by the name in the zip.

    Where ``a.png`` and ``a.jpg`` lie side by side, the stored names keep the old extension: ``a.png.jpg``.

    Raises:
        InputError: two images would get the same name all the same.
    """
    stems = {source: without_extension(place) for source, place in places.items()}
    while clashing := _clashing(stems, places):
        stems |= {source: places[source] for source in clashing}
    taken: dict[str, str] = {}
    for source, stem in stems.items():
        if stem in taken:
            raise InputError(f"{taken[stem]} and {source} would both be stored as {stem}; rename one")
        taken[stem] = source
    return sorted(stems.items(), key=lambda item: item[1])


def _clashing(stems: Mapping[str, str], places: Mapping[str, str]) -> list[str]:
    """Images that share their stem with others and can still take their whole name instead."""
    counts = Counter(stems.values())
    return [source for source, stem in stems.items() if counts[stem] > 1 and stem != places[source]]


def _convert(source: Source, options: Options, item: tuple[str, str]) -> Entry:
    """``item``: (name in the source, name in the zip without extension)."""
    name, stem = item
    side = options.resolution
    try:
        data = source.fetch(name)
        width, height = decoding.read_size(data, name)
        record = {"source": name, "sha256": _sha256(data), "size": [width, height]}
        if (max if options.pad else min)(width, height) < side:
            record["enlarged"] = True
            if options.skip_small:
                raise InputError(f"{name} is {width} x {height}, smaller than {side} px")
        if width == height == side and (extension := kept_extension(decoding.inspect(data, name), side)):
            return Entry(stem + extension, data, {**record, "kept": True})
        extension, data = encode(decoding.decode_square(data, side, name, pad=options.pad), options)
        return Entry(stem + extension, data, record)
    except InputError as err:
        return Entry(stem, None, {"source": name, "why": str(err)})


def kept_extension(info: FileInfo, resolution: int) -> str:
    """The extension under which a file is stored as it is; "" if it must be changed."""
    fits = info.width == info.height == resolution
    return KEPT_KINDS.get(info.kind, "") if fits and info.plain else ""


def encode(pixels: np.ndarray, options: Options) -> tuple[str, bytes]:
    """uint8 [R, R, 3] -> the extension and the bytes of a file."""
    buffer = io.BytesIO()
    if options.kind == "png":
        Image.fromarray(pixels).save(buffer, "PNG")
        return ".png", buffer.getvalue()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=options.quality, subsampling=0)
    return ".jpg", buffer.getvalue()


def _manifest(
    source: Source,
    options: Options,
    labels: dict,
    records: list[dict],
    holdout: tuple[int, int],
    passed_over: dict[str, int],
) -> dict:
    used = [record for record in records if "why" not in record]
    if not used:
        why = records[0]["why"]
        raise InputError(f"{source.path} holds no image that can be used: all {len(records)} fail, the first: {why}")
    first: dict[str, str] = {}
    for record in used:
        first.setdefault(record["sha256"], record["name"])
    copies = [r for r in used if options.drop_duplicates and first[r["sha256"]] != r["name"]]
    dropped = {record["name"] for record in copies}
    images = [record for record in used if record["name"] not in dropped]
    if any(holdout):
        split = choose_splits(images, *holdout)
        images = [{**r, "entry": r["name"], "name": f"{split[r['name']]}/{r['name']}"} for r in images]
    return {
        "format": FORMAT,
        "source": {
            "name": source.path.resolve().name,
            "sha256": _sha256("".join(sorted(f"{r['sha256']} {r['source']}\n" for r in used)).encode()),
        },
        "options": asdict(options),
        "made_with": {"stylemap": __version__, "pillow": PIL.__version__},
        "counts": {"pictures": len(records), "images": len(images), "left_out": len(records) - len(used)},
        "images": images,
        "passed_over": passed_over,
        "duplicates": copies,
        "left_out": [{"source": r["source"], "why": r["why"]} for r in records if "why" in r],
        "labels": [[r["name"], labels[r["source"]]] for r in images if r["source"] in labels] or None,
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
