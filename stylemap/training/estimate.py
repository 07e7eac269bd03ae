"""Memory and time of a whole run, from the numbers of `rehearsal` and the data sheets of GPUs.

The arithmetic of convolutions and matrix products counts; a multiplication and an addition are two operations. Everything
else is in the share of a data sheet's number that is not reached (`SHARE`, assumed). The estimate leaves out the compiler, the
held-out scores, waiting for data, and that the first ``loss.autoencoder_images`` are cheaper.
"""

import time
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from stylemap.architectures.discriminator import GROUP
from stylemap.config import TrainConfig
from stylemap.training import batching
from stylemap.training.distributed import World
from stylemap.training.rehearsal import GIB, PRECISIONS, Need, Stage

CARDS = (8, 16, 24, 40, 80)  # GiB of common cards
SHARE = 0.35  # assumed: what such networks reach of a data sheet's number
# Measured once: avatars32 does 86 GFLOP/s (docs/benchmarks.md) where the convolution of `cpu_rate` does 196.
CPU_SHARE = 0.44


@dataclass(frozen=True)
class Device:
    """TFLOP/s of dense products, from public data sheets; None = it cannot."""

    float32: float
    tf32: float | None = None
    bfloat16: float | None = None

    def rate(self, need: Need, tf32: bool = True) -> float | None:
        """Images a second at `SHARE`; None = it cannot."""
        slow = self.tf32 if tf32 and self.tf32 else self.float32
        if need.bfloat16 and self.bfloat16 is None:
            return None
        seconds = need.float32 / slow + (need.bfloat16 / self.bfloat16 if need.bfloat16 else 0)
        return SHARE * 1e12 / seconds


DEVICES = {  # tensor cores with float32 sums where the data sheet tells them apart
    "H200 or H100 SXM": Device(float32=67, tf32=494, bfloat16=989),
    "A100": Device(float32=19.5, tf32=156, bfloat16=312),
    "RTX 4090": Device(float32=82.6, tf32=82.6, bfloat16=165),
    "RTX 3090": Device(float32=35.6, tf32=35.6, bfloat16=71),
    "L4": Device(float32=30.3, tf32=60, bfloat16=121),
    "V100": Device(float32=15.7),
    "T4": Device(float32=8.1),
}


@dataclass(frozen=True)
class FittingSettings:
    """Settings with which a run fits."""

    batch_gpu: int
    checkpointing: bool


@dataclass(frozen=True)
class Estimate:
    """What a run takes; see the module for how that is known, and how well."""

    images: int  # of the whole run
    processes: int
    share: int  # images of a batch per process
    at_once: int  # images per pass
    needs: dict[str, Need]  # by precision: float32, bfloat16
    precision: str  # the one that `fits` is for
    fits: dict[int, FittingSettings | None]  # GiB of a card -> the most that fits on it; None = nothing does

    def days(self, device: Device, precision: str, tf32: bool = True) -> float | None:
        """For the whole run, on a device per process; None = it cannot."""
        rate = device.rate(self.needs[precision], tf32)
        return rate and self.images / rate / self.processes / 86400


def estimate(config: TrainConfig, processes: int = 1) -> Estimate:
    """Rehearse an iteration of ``config`` as one of ``processes``.

    Seconds, whatever the resolution and batch. A batch that the processes cannot share evenly is rounded down.
    ``augment.mode`` auto is counted as adaptive, which takes more than none.

    Raises:
        InputError: ``optim.freeze_d`` is more than the discriminator has.
    """
    share = max(1, config.batch // processes)
    at_once = share // batching.count_passes(replace(config, batch=share * processes), World(0, processes))
    stage = Stage(config, processes, share)
    precision = "float32" if config.speed.precision == "float32" else "bfloat16"
    checkpointing = config.speed.checkpointing
    return Estimate(
        images=config.images,
        processes=processes,
        share=share,
        at_once=at_once,
        needs={name: stage.need(at_once, at_once < share, name, checkpointing) for name in PRECISIONS},
        precision=precision,
        fits={card: _fit(stage, precision, card * GIB) for card in CARDS},
    )


def _fit(stage: Stage, precision: str, room: int) -> FittingSettings | None:
    """The largest pass that fits. Checkpointing is tried before smaller groups of samples that D compares."""
    divisors = [n for n in range(stage.share, 0, -1) if stage.share % n == 0]
    whole = [n for n in divisors if n % GROUP == 0 or n == stage.share]
    rest = [n for n in divisors if n not in whole]
    for sizes in (whole, rest):
        for kept in dict.fromkeys((stage.config.speed.checkpointing, True)):
            for n in sizes:
                if stage.on_card(n, precision, kept) <= room:
                    return FittingSettings(n, kept)
    return None


def cpu_rate(seconds: float = 0.2) -> float:
    """Operations a second that training does on this CPU: `CPU_SHARE` of what a convolution does, measured here and now."""
    x = torch.randn(4, 64, 64, 64).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        F.conv2d(x, weight, padding=1)
        calls, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < seconds:
            F.conv2d(x, weight, padding=1)
            calls += 1
    return CPU_SHARE * calls * 2 * x.numel() * weight[0].numel() / taken
