"""What a folder, zip or LMDB of pictures holds: every pixel decoded once, nothing changed, nothing kept."""

import contextlib
import hashlib
import io
import math
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from PIL import Image

from stylemap import decoding, naming, parallel
from stylemap.datasets import preparing
from stylemap.datasets.image_folder import LARGEST_SIDE
from stylemap.datasets.sources import Archive, Lmdb, Source
from stylemap.datasets.splitting import given_splits, uncounted_splits
from stylemap.decoding import FileInfo
from stylemap.errors import InputError
from stylemap.naming import SPLITS, split_of

SAMPLE = 64  # pictures, at most, that speed and size are measured on
GPU_SPEED = 500  # images/s; what the number of workers is reckoned for
NEEDED = 2  # pictures, to start training: one to learn from, one to measure on
OVERHEAD = 210  # bytes of a prepared zip for each picture: two headers, its line in dataset.json, without the names
NAME_COPIES = 4  # of its name there


@dataclass(frozen=True)
class Report:
    """What `inspect_source` found. All but ``images_per_second`` and ``workers_for_gpu`` depends on the files alone."""

    source: str  # path, as given
    kind: str  # folder, zip, LMDB
    resolution: int  # side in pixels that training would want

    pictures: int  # files that are pictures by their names
    readable: int  # of these, those that are whole; all the rest of this report but the names is about them
    bytes: int  # of the readable, as stored
    formats: dict[str, int]  # JPEG, PNG, WEBP, HEIF -> readable pictures, the most first
    modes: dict[str, int]  # Pillow's: RGB, L, CMYK ... -> readable pictures
    smallest_side: int  # pixels, of the shorter side; 0 without readable pictures
    median_side: int
    largest_side: int
    not_square: int
    small: dict[str, tuple[int, int]]  # name -> (width, height) with a side below the resolution, the smallest first
    turned: int  # stored on their side or head, by their EXIF
    transparent: int
    profiles: int  # with an embedded colour profile that is not sRGB
    ready: int  # that `stylemap data prepare` would keep byte for byte

    unreadable: dict[str, str]  # name -> reason and repair
    others: dict[str, int]  # extension in lower case, "" for none -> files passed over
    splits: dict[str, int]  # given by folders: train, val, test -> pictures; {} if training would choose by itself
    outside_splits: list[str]  # pictures beside such folders, for which those do not count
    uncounted_splits: str | None  # what training will say of folders named like splits that do not count
    duplicates: list[list[str]]  # names of pictures with the same bytes, but for those in `leaks`
    leaks: list[list[str]]  # the same across given splits

    sampled: int  # pictures that the following was measured on
    images_per_second: (
        float  # from bytes to a square of the resolution, one process, its computing time; 0 = not measured
    )
    workers_for_gpu: int  # loading processes that a GPU training on 500 images/s needs
    prepared_bytes: int  # estimate of a zip that `stylemap data prepare` would write

    @property
    def usable(self) -> bool:
        """Whether training would start."""
        return self.readable >= NEEDED

    def as_dict(self) -> dict:
        """The fields and ``usable``, ready for JSON."""
        return {**asdict(self), "small": {k: list(v) for k, v in self.small.items()}, "usable": self.usable}


def inspect_source(
    source: Source,
    resolution: int = 256,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Decode every picture of a source and tell what there is; a file that cannot be read is listed.

    Args:
        resolution: side in pixels, 1 to 4096.
        workers: processes that decode; 0 = this one. Speed is measured in this process in any case.
        progress: called with (pictures done, of all), those measured counted once more.

    Raises:
        InputError: a resolution out of range, a folder that cannot be listed, or a killed worker.
        OSError: the folder, zip or disk went away.
    """
    if not 1 <= resolution <= LARGEST_SIDE:
        raise InputError(f"--resolution must be 1 to {LARGEST_SIDE} pixels, got {resolution}")
    pictures, others = source.listing()
    total = len(pictures) + min(SAMPLE, len(pictures))
    findings: dict[str, Finding] = {}
    with contextlib.closing(parallel.imap(Inspector(source), pictures, workers)) as results:
        for name, finding in zip(pictures, results, strict=True):
            findings[name] = finding
            progress(len(findings), total)
    found = {name: finding for name, finding in findings.items() if finding.description}
    measured = measure(source, spread(list(found), SAMPLE), resolution, lambda n: progress(len(findings) + n, total))
    progress(total, total)

    # The folders count for training as soon as the headers can be read
    splits = given_splits([name for name, finding in findings.items() if finding.header])
    duplicates, leaks = _copies(found, splits)
    all_described = [finding.description for finding in found.values()]
    sides = sorted(min(d.width, d.height) for d in all_described)
    return Report(
        source=str(source.path),
        kind="zip" if isinstance(source, Archive) else "LMDB" if isinstance(source, Lmdb) else "folder",
        resolution=resolution,
        pictures=len(pictures),
        readable=len(found),
        bytes=sum(finding.size for finding in found.values()),
        formats=_counted(d.kind for d in all_described),
        modes=_counted(d.mode for d in all_described),
        smallest_side=min(sides, default=0),
        median_side=statistics.median_low(sides) if sides else 0,
        largest_side=max(sides, default=0),
        not_square=sum(d.width != d.height for d in all_described),
        small=_small(found, resolution),
        turned=sum(d.turned for d in all_described),
        transparent=sum(d.transparent for d in all_described),
        profiles=sum(d.profile for d in all_described),
        ready=sum(_ready(d, resolution) for d in all_described),
        unreadable={name: finding.reason for name, finding in findings.items() if finding.reason},
        others=naming.kinds(others),
        splits={split: sum(name in found for name in splits[split]) for split in SPLITS if split in splits},
        outside_splits=_outside(list(found)),
        uncounted_splits=None if splits else uncounted_splits(list(found)),
        duplicates=duplicates,
        leaks=leaks,
        sampled=measured.pictures,
        images_per_second=measured.images_per_second,
        workers_for_gpu=math.ceil(GPU_SPEED / measured.images_per_second) if measured.images_per_second else 0,
        prepared_bytes=round(measured.bytes_each * len(found)),
    )


# ---- one picture


@dataclass(frozen=True)
class Finding:
    """Of one file: a description, or a reason why there is none."""

    size: int = 0  # bytes
    sha256: bytes = b""
    description: FileInfo | None = None
    reason: str = ""  # starts with the name
    header: bool = True  # whether the header alone can be read, which is what training looks at when it starts


@dataclass(frozen=True)
class Inspector:
    """Name of a picture -> `Finding`."""

    source: Source

    def __call__(self, name: str) -> Finding:
        try:
            data = self.source.read(name)
        except InputError as err:
            return Finding(reason=str(err), header=False)
        except OSError as err:
            if not self.source.path.exists():
                raise
            reason = f"{name} cannot be read: {err.strerror or err}; restore it or make it readable"
            return Finding(reason=reason, header=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, of no use to a person
                description = decoding.inspect(data, name)
        except InputError as err:
            return Finding(reason=str(err), header=_header(data))
        except MemoryError:
            return Finding(reason=f"{name} needs more memory than there is; make it smaller first")
        return Finding(len(data), hashlib.sha256(data).digest(), description)


def _header(data: bytes) -> bool:
    try:
        decoding.read_size(data)
    except InputError:
        return False
    return True


def _ready(description: FileInfo, resolution: int) -> bool:
    """Whether preparing keeps the file as it is."""
    fits = description.width == description.height == resolution
    return fits and description.plain and description.kind in preparing.KEPT_KINDS


# ---- speed and size


@dataclass(frozen=True)
class Measured:
    """Means over a sample."""

    pictures: int
    images_per_second: float
    bytes_each: float  # in a prepared zip


def measure(source: Source, names: Sequence[str], resolution: int, progress: Callable[[int], None]) -> Measured:
    """Load pictures as one training process would, and store them as preparing would.

    The computing time of the process is taken, not the clock's, so that other work on the machine does not matter; reading
    from the disk is not in it.
    """
    seconds = stored = 0.0
    done = 0
    with _as_one_worker():
        for name in names:
            try:
                data = source.read(name)
                if not done:
                    decoding.decode_square(data, resolution, name)  # the first time costs more
                start = time.process_time()
                pixels = decoding.decode_square(data, resolution, name)
                seconds += time.process_time() - start
            except (InputError, OSError):  # it could be read a minute ago: somebody is at work on the files
                continue
            stored += OVERHEAD + NAME_COPIES * len(name) + _stored_size(data, name, pixels)
            done += 1
            progress(done)
    speed = done / max(seconds, 1e-6) if done else 0.0  # the clock of some systems stands still for 16 ms
    return Measured(done, float(f"{speed:.3g}"), stored / max(1, done))


@contextlib.contextmanager
def _as_one_worker() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        cv2.setNumThreads(threads)


def _stored_size(data: bytes, name: str, pixels: np.ndarray) -> int:
    """Bytes of a picture in a prepared zip, from its file and its pixels of the resolution."""
    if decoding.read_size(data, name) == (len(pixels), len(pixels)) and _ready(
        decoding.inspect(data, name), len(pixels)
    ):
        return len(data)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=preparing.Options().quality, subsampling=0)
    return buffer.tell()


def spread(names: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of the names, at even distances: neighbours are often of one camera."""
    count = min(count, len(names))
    return [names[i * len(names) // count] for i in range(count)]


# ---- the whole


def _counted(things: Iterable[str]) -> dict[str, int]:
    """The most frequent first, equals by name."""
    return dict(sorted(Counter(things).items(), key=lambda item: (-item[1], item[0])))


def _small(found: dict[str, Finding], resolution: int) -> dict[str, tuple[int, int]]:
    sizes = {name: (finding.description.width, finding.description.height) for name, finding in found.items()}
    small = {name: size for name, size in sizes.items() if min(size) < resolution}
    return dict(sorted(small.items(), key=lambda item: (min(item[1]), item[0])))


def _copies(found: dict[str, Finding], splits: dict[str, list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """-> groups of equal files that lie in one split, and those that lie in several."""
    groups: dict[bytes, list[str]] = {}
    for name, finding in found.items():
        groups.setdefault(finding.sha256, []).append(name)
    split_of = {name: split for split, names in splits.items() for name in names}
    duplicates, leaks = [], []
    for group in groups.values():
        if len(group) > 1:
            (leaks if len({split_of.get(name) for name in group}) > 1 else duplicates).append(group)
    return duplicates, leaks


def _outside(names: list[str]) -> list[str]:
    """The pictures because of which folders named like splits do not count as such."""
    splits = {name: split_of(name.split("/", 1)[0]) if "/" in name else None for name in names}
    found = set(splits.values())
    if given_splits(names) or "train" not in found or len(found & set(SPLITS)) < 2:
        return []
    return [name for name, split in splits.items() if split is None]
