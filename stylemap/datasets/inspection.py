"""What a folder, zip or LMDB of images holds. Every pixel is decoded once; nothing is changed or kept."""

import contextlib
import functools
import hashlib
import math
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import cv2

from stylemap import decoding, naming, parallel
from stylemap.datasets import preparing
from stylemap.datasets.image_folder import validate_side
from stylemap.datasets.sources import Archive, Lmdb, Source
from stylemap.datasets.splitting import given_splits, uncounted_splits
from stylemap.decoding import FileInfo
from stylemap.errors import InputError
from stylemap.naming import SPLITS, split_of

SAMPLE = 64  # images, at most, that speed and size are measured on
GPU_SPEED = 500  # images/s; the number of workers is computed for it
NEEDED = 2  # images to start training: one to learn from, one to measure on
OVERHEAD = 210  # bytes of a prepared zip for each image: two headers and its line in dataset.json, without the names
NAME_COPIES = 4  # how often its name stands there


@dataclass(frozen=True)
class Report:
    """What `inspect_source` returns. Only ``images_per_second`` and ``workers_for_gpu`` depend on more than the files."""

    source: str  # path, as given
    kind: str  # folder, zip, LMDB
    resolution: int  # side in pixels that training would use

    pictures: int  # files that are images by their names
    readable: int  # of these, the ones that are whole; the counts below are about them
    bytes: int  # of the readable, as stored
    formats: dict[str, int]  # JPEG, PNG, WEBP, HEIF -> readable images, the most frequent first
    modes: dict[str, int]  # Pillow's: RGB, L, CMYK ... -> readable images
    smallest_side: int  # pixels, of the shorter side; 0 without readable images
    median_side: int
    largest_side: int
    not_square: int
    small: dict[str, tuple[int, int]]  # name -> (width, height) with a side below the resolution, the smallest first
    turned: int  # stored on their side or head, by their EXIF
    transparent: int
    profiles: int  # with an embedded colour profile that is not sRGB
    ready: int  # images that `stylemap data prepare` would keep byte for byte

    unreadable: dict[str, str]  # name -> reason and repair
    others: dict[str, int]  # extension in lower case, "" for none -> files passed over
    splits: dict[str, int]  # given by folders: train, val, test -> images; {} if training would choose by itself
    outside_splits: list[str]  # images beside such folders; because of them the folders do not count
    uncounted_splits: str | None  # what training will say of folders that are named like splits and do not count
    duplicates: list[list[str]]  # groups of names with the same bytes, except those in `leaks`
    leaks: list[list[str]]  # groups that reach across given splits

    sampled: int  # images that the following was measured on
    images_per_second: float  # from bytes to a square, in the computing time of one process; 0 = not measured
    workers_for_gpu: int  # loading processes that a GPU training on 500 images/s needs
    prepared_bytes: int  # estimate of a zip that `stylemap data prepare` would write

    @property
    def usable(self) -> bool:
        """Whether training would start."""
        return self.readable >= NEEDED

    def as_dict(self) -> dict:
        """The fields and ``usable``, ready for JSON."""
        return {**asdict(self), "usable": self.usable}


def inspect_source(
    source: Source,
    resolution: int = 256,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Decode every image of a source and report what there is; a file that cannot be read is listed.

    Args:
        resolution: side in pixels, 1 to 4096.
        workers: processes that decode; 0 = this one. Speed is measured in this process in any case.
        progress: called with (images done, of all); those measured count twice.

    Raises:
        InputError: a resolution out of range, a folder that cannot be listed, or a killed worker.
        OSError: the folder, zip or disk went away.
    """
    validate_side(resolution, "--resolution")
    names, others = source.listing()
    total = len(names) + min(SAMPLE, len(names))
    results: dict[str, Inspected] = {}
    with contextlib.closing(parallel.imap(functools.partial(_inspect, source), names, workers)) as inspected:
        for name, result in zip(names, inspected, strict=True):
            results[name] = result
            progress(len(results), total)
    readable = {name: result for name, result in results.items() if result.info}
    count, speed, bytes_each = measure(
        source, spread(list(readable), SAMPLE), resolution, lambda done: progress(len(results) + done, total)
    )
    progress(total, total)

    # The folders count for training as soon as the headers can be read
    splits = given_splits([name for name, result in results.items() if result.header])
    duplicates, leaks = _copies(readable, splits)
    infos = [result.info for result in readable.values()]
    sides = sorted(min(info.width, info.height) for info in infos)
    return Report(
        source=str(source.path),
        kind="zip" if isinstance(source, Archive) else "LMDB" if isinstance(source, Lmdb) else "folder",
        resolution=resolution,
        pictures=len(names),
        readable=len(readable),
        bytes=sum(result.size for result in readable.values()),
        formats=_counted(info.kind for info in infos),
        modes=_counted(info.mode for info in infos),
        smallest_side=min(sides, default=0),
        median_side=statistics.median_low(sides) if sides else 0,
        largest_side=max(sides, default=0),
        not_square=sum(info.width != info.height for info in infos),
        small=_small(readable, resolution),
        turned=sum(info.turned for info in infos),
        transparent=sum(info.transparent for info in infos),
        profiles=sum(info.profile for info in infos),
        ready=sum(preparing.kept_extension(info, resolution) != "" for info in infos),
        unreadable={name: result.reason for name, result in results.items() if result.reason},
        others=naming.kinds(others),
        splits={split: sum(name in readable for name in splits[split]) for split in SPLITS if split in splits},
        outside_splits=_outside(list(readable)),
        uncounted_splits=None if splits else uncounted_splits(list(readable)),
        duplicates=duplicates,
        leaks=leaks,
        sampled=count,
        images_per_second=speed,
        workers_for_gpu=math.ceil(GPU_SPEED / speed) if speed else 0,
        prepared_bytes=round(bytes_each * len(readable)),
    )


# ---- one image


@dataclass(frozen=True)
class Inspected:
    """What a file holds, or the reason why it cannot be read."""

    size: int = 0  # bytes
    sha256: bytes = b""
    info: FileInfo | None = None
    reason: str = ""  # starts with the name
    header: bool = True  # whether the header can be read, which is all that training reads when it starts


def _inspect(source: Source, name: str) -> Inspected:
    header = False
    try:
        data = source.fetch(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, of no use to a person
            decoding.read_size(data, name)
            header = True
            info = decoding.inspect(data, name)
    except InputError as err:
        return Inspected(reason=str(err), header=header)
    except MemoryError:
        return Inspected(reason=f"{name} needs more memory than there is; make it smaller first")
    return Inspected(len(data), hashlib.sha256(data).digest(), info)


# ---- speed and size


def measure(
    source: Source, names: Sequence[str], resolution: int, progress: Callable[[int], None]
) -> tuple[int, float, float]:
    """Decode images as one loading process would, and store them as preparing would.

    The computing time of the process is measured, not the clock's, so that other work on the machine does not matter. Reading
    from the disk is not included.

    Returns:
        The number of images measured, images/s, and the mean bytes of an image in a prepared zip.
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
            kept = preparing.kept_extension(decoding.inspect(data, name), resolution)
            file = data if kept else preparing.encode(pixels, preparing.Options())[1]
            stored += OVERHEAD + NAME_COPIES * len(name) + len(file)
            done += 1
            progress(done)
    speed = done / max(seconds, 1e-6) if done else 0.0  # the clock of some systems stands still for 16 ms
    return done, float(f"{speed:.3g}"), stored / max(1, done)


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


def spread(names: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of the names, at even distances: neighbours are often of one camera."""
    count = min(count, len(names))
    return [names[i * len(names) // count] for i in range(count)]


# ---- all images


def _counted(values: Iterable[str]) -> dict[str, int]:
    """Value -> how often it occurs, the most frequent first, equals in alphabetical order."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _small(readable: dict[str, Inspected], resolution: int) -> dict[str, tuple[int, int]]:
    sizes = {name: (result.info.width, result.info.height) for name, result in readable.items()}
    small = {name: size for name, size in sizes.items() if min(size) < resolution}
    return dict(sorted(small.items(), key=lambda item: (min(item[1]), item[0])))


def _copies(readable: dict[str, Inspected], splits: dict[str, list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """-> groups of equal files that lie in one split, and those that lie in several."""
    groups: dict[bytes, list[str]] = {}
    for name, result in readable.items():
        groups.setdefault(result.sha256, []).append(name)
    split_of = {name: split for split, names in splits.items() for name in names}
    duplicates, leaks = [], []
    for group in groups.values():
        if len(group) > 1:
            (leaks if len({split_of.get(name) for name in group}) > 1 else duplicates).append(group)
    return duplicates, leaks


def _outside(names: list[str]) -> list[str]:
    """The images because of which folders that are named like splits do not count."""
    splits = {name: split_of(name.split("/", 1)[0]) if "/" in name else None for name in names}
    kinds = set(splits.values())
    if given_splits(names) or "train" not in kinds or len(kinds & set(SPLITS)) < 2:
        return []
    return [name for name, split in splits.items() if split is None]
