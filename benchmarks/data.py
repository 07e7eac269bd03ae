"""How fast images are loaded, beside the plain way (Pillow and torchvision's transforms) in the same run.

    python -m benchmarks.data [--data FOLDER] [--count 256] [--rounds 5] [--json FILE]

Without --data it draws avatars with a grain that makes their JPEG files about as large as those of photos (photos of
people and animals had 33 kB at 256 px and 330 kB at 1024 px, at quality 95). Every reading and the plain one beside it are
timed in turns; a ratio is the median over the rounds.
"""

import argparse
import importlib.util
import io
import itertools
import json
import statistics
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.io import decode_image
from torchvision.transforms import v2

from benchmarks import timing
from benchmarks.machine import machine
from stylemap import decoding, files
from stylemap.datasets import Avatars, ImageFolder, stream

SIDE = 256
SOURCES = (256, 1024)  # sides of the files: prepared, and as FFHQ comes
BATCH = 16
GRAIN = {256: 5.5, 1024: 3.4}  # standard deviation, makes the files as large as those of photos
GPU_SPEED, GPU_WORKERS = 500, 8  # what a fast card takes, images per second, and the processes that serve it


class Plain(Dataset):
    """What a training script usually has: paths, Pillow, torchvision's transforms."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.glob("*.jpg"))
        self.transform = v2.Compose([v2.Resize(SIDE), v2.CenterCrop(SIDE), v2.RandomHorizontalFlip(), v2.PILToTensor()])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as picture:
            return self.transform(picture.convert("RGB"))


# ---- what is read


def draw(count: int, side: int) -> Iterator[bytes]:
    """JPEG files of avatars that are as hard to decode as photos."""
    avatars = Avatars(256)
    for i in range(count):
        face = cv2.resize(avatars[i], (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        face += np.random.default_rng(i).normal(0, GRAIN[side], (side, side, 1)).astype(np.float32)
        yield jpeg(face.clip(0, 255).astype(np.uint8))


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def store(pictures: list[bytes], side: int, folder: Path) -> dict[str, Path]:
    """The same files as a folder, a zip and an LMDB."""
    places = {"folder": folder / "set", "zip": folder / "set.zip"}
    for i, data in enumerate(pictures):
        files.write_bytes(places["folder"] / f"{i:05d}.jpg", data)
    with zipfile.ZipFile(places["zip"], "w") as archive:
        for i, data in enumerate(pictures):
            archive.writestr(f"{i:05d}.jpg", data)
    if importlib.util.find_spec("lmdb"):
        import lmdb

        places["LMDB"] = folder / "set.lmdb"
        with (
            lmdb.open(str(places["LMDB"]), map_size=1 << 34, subdir=False) as database,
            database.begin(write=True) as t,
        ):
            t.put(b"length", str(len(pictures)).encode())
            for i, data in enumerate(pictures):
                t.put(f"{side}-{i:05d}".encode(), data)
    return places


# ---- the measurement


def in_turns(
    versions: dict[str, Callable[[], object]],
    rounds: int,
    images: int,
    against: str,
    before: Callable[[str], object] = lambda name: None,
) -> dict[str, dict]:
    """Images per second of each, and how many times as fast as ``against`` each is; a first round is not counted."""

    def timed(name: str) -> float:
        before(name)
        return timing.seconds(versions[name])

    times = [{name: timed(name) for name in versions} for _ in range(rounds + 1)][1:]
    return {
        name: {
            "images_per_second": images / statistics.median(t[name] for t in times),
            "ratio": statistics.median(t[against] / t[name] for t in times),
            "ratios": [t[against] / t[name] for t in times],
        }
        for name in versions
    }


def in_process(places: dict[str, Path], rounds: int) -> dict[str, dict]:
    """One core, no DataLoader."""
    plain = Plain(places["folder"])
    versions = {"plain": lambda: [plain[i] for i in range(len(plain))]}
    for name, path in places.items():
        pictures = ImageFolder(path, SIDE)
        versions[name] = lambda pictures=pictures: [pictures[i] for i in range(len(pictures))]
    return in_turns(versions, rounds, len(plain), "plain")


def in_worker(places: dict[str, Path], rounds: int) -> dict[str, dict]:
    """One worker process and the batches it sends."""
    plain = Plain(places["folder"])
    count = len(plain) // BATCH
    order = iter(lambda: list(range(BATCH)), None)
    loader = DataLoader(
        plain, batch_sampler=order, num_workers=1, multiprocessing_context="spawn", persistent_workers=True
    )
    batches = {"plain": iter(loader)}
    for name, path in places.items():
        batches[name] = stream.batches(ImageFolder(path, SIDE), BATCH, seed=0, start=0, mirror=True, workers=1)
    versions = {name: lambda it=it: list(itertools.islice(it, count)) for name, it in batches.items()}

    def take_what_lies_ready(name: str) -> None:
        list(itertools.islice(batches[name], loader.prefetch_factor))

    return in_turns(versions, rounds, count * BATCH, "plain", take_what_lies_ready)


def decoders(pictures: list[bytes], rounds: int) -> dict[str, dict]:
    """Libraries that turn the bytes of a JPEG into RGB at full size, and ours, which ends at SIDE."""
    versions = {
        "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
        "OpenCV": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB),
        "torchvision.io": lambda data: decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8)),
    }
    if importlib.util.find_spec("simplejpeg"):
        import simplejpeg

        versions["simplejpeg"] = simplejpeg.decode_jpeg
    versions["ours, to 256 px"] = lambda data: decoding.decode_square(data, SIDE)
    work = {name: lambda decode=decode: [decode(data) for data in pictures] for name, decode in versions.items()}
    return in_turns(work, rounds, len(pictures), "Pillow")


# ---- the report


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{cpu}, 1 thread, torch {torch}, {date}\n".format(**report["machine"])
    for side, part in report["sides"].items():
        yield f"\nJPEG files of {side} px, {part['kilobytes']:.0f} kB each, to {SIDE} px:\n"
        yield "| read from | images/s of one core | plain = 1 | images/s of one worker | plain = 1 |\n|---|---:|---:|---:|---:|"
        for name, core in part["in_process"].items():
            worker = part["in_worker"][name]
            yield (
                f"| {name} | {core['images_per_second']:.0f} | {core['ratio']:.2f} | "
                f"{worker['images_per_second']:.0f} | {timing.ratio(worker)} |"
            )
        slowest = min(row["images_per_second"] for name, row in part["in_worker"].items() if name != "plain")
        yield (
            f"\n{GPU_WORKERS} workers with a core each: {slowest * GPU_WORKERS:.0f} images/s, "
            f"{slowest * GPU_WORKERS / GPU_SPEED:.1f} times what a GPU at {GPU_SPEED} images/s takes.\n"
        )
        yield "| decoder | images/s | Pillow = 1 |\n|---|---:|---:|"
        for name, row in part["decoders"].items():
            yield f"| {name} | {row['images_per_second']:.0f} | {timing.ratio(row)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of images to make the files of; default: drawn ones")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    report = {"machine": machine(), "sides": {}}
    for side in SOURCES:
        if arguments.data:
            given = ImageFolder(arguments.data, side)
            pictures = [jpeg(given[i % len(given)]) for i in range(arguments.count)]
        else:
            pictures = list(draw(arguments.count, side))
        with tempfile.TemporaryDirectory() as folder:
            places = store(pictures, side, Path(folder))
            report["sides"][side] = {
                "kilobytes": statistics.mean(map(len, pictures)) / 1e3,
                "in_process": in_process(places, arguments.rounds),
                "in_worker": in_worker(places, arguments.rounds),
                "decoders": decoders(pictures[:64], arguments.rounds),
            }
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
