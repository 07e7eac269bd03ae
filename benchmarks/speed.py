"""What each setting of `SpeedConfig`, passes and augmentation costs or gains: images per second and peak memory.

    python -m benchmarks.speed [--config configs/avatars32.yaml] [--rounds 3] [--device cpu] [--threads 2] [--json FILE]

A setting runs in turns with the same training in float32 without it, iteration by iteration in the same process; a round is
one period of R1 (16 iterations). Ratios are taken per round; the table shows their median and range. Peak memory is of a
fresh process each. The images are noise, made beforehand: loading data is not measured. On a GPU it also says what share of
the card's bfloat16 matrix rate, measured in the same run, the arithmetic of the fastest setting amounts to.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import memory, recipes, timing
from benchmarks.machine import machine
from stylemap import devices, files, perceptual, precision
from stylemap.config import AugmentConfig, TrainConfig
from stylemap.training import batching, ema, estimate, loop
from stylemap.training.distributed import ALONE

MATRIX = 8192  # side of the matrices whose product measures the card


def with_speed(**values) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: replace(config, speed=replace(config.speed, **values))


SETTINGS: dict[str, Callable[[TrainConfig], TrainConfig]] = {  # row -> what it changes
    "bfloat16 passes": with_speed(precision="bfloat16"),
    "G and E compiled": with_speed(compile=True),
    "bfloat16 and compiled": with_speed(precision="bfloat16", compile=True),
    "synthesis checkpointed": with_speed(checkpointing=True),
    "two passes of half the batch": lambda config: replace(config, batch_gpu=-(-config.batch // 2)),
    "augmentation, p = 0.5": lambda config: replace(config, augment=AugmentConfig(mode="fixed", p=0.5)),
}
CUDA_SETTINGS = {"without TF32": with_speed(tf32=False)}


def plain(config: TrainConfig) -> TrainConfig:
    return replace(
        config,
        speed=type(config.speed)(precision="float32"),
        augment=AugmentConfig(mode="none"),
        batch_gpu=None,
        heldout=1,
    )


class Training:
    """Networks, optimisers and a batch, under one config."""

    def __init__(self, config: TrainConfig, device: torch.device):
        self.config = config
        self.trainee = loop.build(config, device)
        self.trainee.networks.model.speed_up(config.speed)
        distance = perceptual.for_training(config.loss, device)
        kind = precision.pick(config.speed.precision, device)
        trainee = self.trainee
        self.cycle = loop.cycle_of(config, trainee, distance, kind=kind)
        self.samples = batching.assign_places(config.batch, passes=batching.count_passes(config, ALONE))
        side = config.model.resolution
        noise = torch.randint(0, 256, (config.batch, side, side, 3), generator=torch.Generator().manual_seed(1))
        self.pictures = noise.to(device, torch.uint8)[sum(self.samples, [])]
        self.seen = 0

    def iterate(self) -> None:
        config, trainee = self.config, self.trainee
        with precision.tf32(config.speed.tf32):
            parts = batching.split(self.pictures, config, self.seen, self.samples, trainee)
            self.cycle.iterate(parts, self.seen)
            self.seen += config.batch
            ema.update(trainee.average, trainee.networks.model, ema.decay(self.seen, config.batch, config.ema))


def compare(config: TrainConfig, other: TrainConfig, device: torch.device, rounds: int, name: str) -> dict:
    """Images per second of both, in turns, and how many times as fast the other is in every round."""
    versions = Training(config, device), Training(other, device)
    iterations = config.optim.r1_every
    times = timing.alternating(versions[0].iterate, versions[1].iterate, device, iterations, rounds, name)
    images = iterations * config.batch
    base, changed = zip(*times, strict=True)
    return {
        "base_images_per_second": images / statistics.median(base),
        "images_per_second": images / statistics.median(changed),
        "ratio": statistics.median(b / c for b, c in times),
        "ratios": [b / c for b, c in times],
    }


def matrix_rate(device: torch.device) -> float:
    """bfloat16 products, floating-point operations per second: the best of 10."""
    a = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * MATRIX**3 / best


# ---- the report


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{device}, {cpu}, {threads} threads, torch {torch}, {date}; ".format(**report["machine"]) + report["config"]
    yield "\n| setting | images/s | without it, beside | speed, without = 1 | peak memory, MiB |\n|---|---:|---:|---:|---:|"
    yield f"| float32 | | | 1 | {report['memory']['plain']:.0f} |"
    for name, row in report["settings"].items():
        speeds = f"{row['images_per_second']:.1f} | {row['base_images_per_second']:.1f}"
        yield f"| {name} | {speeds} | {timing.ratio(row)} | {report['memory'][name]:.0f} |"
    yield f"\n{report['operations'] / 1e12:.3g} TFLOP per image."
    if "matrix_rate" in report:
        fastest = max(row["images_per_second"] for row in report["settings"].values())
        share = fastest * report["operations"] / report["matrix_rate"]
        rate = report["matrix_rate"] / 1e12
        yield f"The card multiplies bfloat16 matrices at {rate:.0f} TFLOP/s; the fastest row is {share:.1%} of it."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=recipes.DEFAULT, help="recipe, a YAML file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = devices.pick(arguments.device)
    config = plain(recipes.read(arguments.config))
    settings = SETTINGS | (CUDA_SETTINGS if device.type == "cuda" else {})
    if arguments.memory_of:
        change = settings.get(arguments.memory_of, lambda config: config)
        peak, idle = memory.peak(lambda: Training(change(config), device), device)
        print(json.dumps(peak - idle))
        return
    report = {"machine": machine(device), "config": Path(arguments.config).stem}
    report["memory"] = {name: memory.elsewhere("benchmarks.speed", arguments, name) for name in ("plain", *settings)}
    report["operations"] = estimate.estimate(config).needs["float32"].float32
    report["settings"] = {
        name: compare(config, change(config), device, arguments.rounds, name) for name, change in settings.items()
    }
    if device.type == "cuda":
        report["matrix_rate"] = matrix_rate(device)
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
