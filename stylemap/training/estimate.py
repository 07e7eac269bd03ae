"""What a run will take: memory and arithmetic of an iteration that is rehearsed, and its time by the data sheets of GPUs.

Tensors of the meta device have shapes and types but no numbers. The cycle of any architecture runs on them as it is, with its
optimisers, while a `Ledger` counts bytes and arithmetic. So everything is counted that happens, such as
passes, checkpointing, and what is kept for the backward pass. No device is touched.

Measured against the peak of the CPU allocator (float32, PyTorch's operations; those in C++ take a tenth less): within 5 %
(`tests/training/test_estimate.py`). What kernels take while they run is not seen. Not measured: a GPU. Its allocator rounds and
fragments, cuDNN takes workspaces and CUDA itself some memory, for which `on_card` adds a tenth and 1 GiB by convention.

The estimate of time leaves out the compiler, the held-out scores, waiting for data, and that the first
``loss.autoencoder_images`` and the next ``loss.discriminator_images`` are cheaper. In bfloat16 it counts all arithmetic as
bfloat16, also that of the gradient penalties.
"""

import functools
import itertools
import math
import time
import weakref
from collections import Counter
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from stylemap.architectures.discriminator import GROUP
from stylemap.config import TrainConfig
from stylemap.metrics import heldout
from stylemap.perceptual import vgg
from stylemap.schema import flat
from stylemap.training import augment, batching, loop
from stylemap.training.distributed import World

META = torch.device("meta")
GIB = 2**30
SLACK, CONTEXT = 1.1, GIB  # assumed, not measured: fragments and workspaces; CUDA itself
# Activations in bfloat16 as a share of those in float32: 0.61 to 0.74 in the recipes, as norms, LPIPS and penalties stay
# float32; 0.84 with R2, whose penalty takes the most.
BFLOAT16, BFLOAT16_R2 = 0.7, 0.85
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
class Memory:
    """Bytes of one process when an iteration takes the most."""

    lasting: int  # weights, gradients, the moments of Adam and the running average
    activations: int  # everything else, the batch included

    @property
    def total(self) -> int:
        return self.lasting + self.activations

    @property
    def on_card(self) -> int:
        """With what the allocator and CUDA take besides; by convention, not measured."""
        return math.ceil(SLACK * self.total) + CONTEXT


class Ledger(TorchDispatchMode):
    """Counts the bytes of the meta storages that are alive, the most of them at once, and arithmetic.

    The formulas are those of torch's FlopCounterMode, which itself fails in the gradient penalty.
    """

    def __init__(self):
        super().__init__()
        self.now = self.most = self.operations = 0
        self._alive: set[int] = set()  # ids of storages

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(x, Tensor) and x.device == META:
                self._note(x.untyped_storage())
        if formula := flop_registry.get(func.overloadpacket):
            self.operations += formula(*args, **(kwargs or {}), out_val=result)
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()  # a storage is one Python object as long as it lives
        if key in self._alive:  # a view, or changed in place
            return
        self._alive.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._alive.remove(key)
        self.now -= size


class Rehearsal:
    """A training on the meta device, in float32, as one of ``processes``.

    Two of several passes are enough: what the others leave in memory is added.
    """

    def __init__(self, config: TrainConfig, processes: int = 1):
        self.share = max(1, config.batch // processes)
        passes = batching.count_passes(replace(config, batch=self.share), World())
        self.at_once = self.share // passes
        self.places = batching.assign_places(min(2, passes) * self.at_once, passes=min(2, passes))
        config = replace(config, batch=len(self.places) * self.at_once, speed=replace(config.speed, compile=False))
        self.config = augment.choose_mode(config, images=0)
        self.ledger = Ledger()
        self._counts: dict[int, int] = {}  # arithmetic of the iterations that were rehearsed
        with self.ledger:
            with META:
                self.trainee = loop.build(self.config, META, new=False)
                distance = None
                if config.loss.perceptual_network == "lpips":  # without its weights, which may be missing
                    distance = vgg.random(device=META, widths=vgg.WIDTHS, largest=None).distance
            self.trainee.networks.model.speed_up(self.config.speed)
            self.cycle = loop.cycle_of(self.config, self.trainee, distance)
            for optimizer in self.trainee.optimizers.all():
                (group,) = optimizer.param_groups
                for p in group["params"]:
                    p.grad = torch.empty_like(p)
                    optimizer.state[p] = {name: torch.empty_like(p) for name in ("exp_avg", "exp_avg_sq")}
                optimizer.step = lambda: None  # Adam's would open the GPU, to ask whether a graph is being captured

    def memory(self) -> Memory:
        """Of an iteration with all penalties, or of the scores at a tick if they take more."""
        self.ledger.most = lasting = self.ledger.now
        self._count(0)
        with self.ledger, torch.no_grad():
            average, side = self.trainee.average, self.config.model.resolution
            n = min(self.config.heldout, heldout.per_pass(side))
            if channels := self.config.model.latents.z_channels:
                average.synthesize(average.map(torch.empty(n, channels, device=META)))
            else:
                heldout.rendered(average, heldout.encoded(average, self._pictures(n)))
        others = 3 * (self.share - self.config.batch)  # images, samples and reconstructions of the other passes
        return Memory(lasting, self.ledger.most - lasting + others * 4 * 3 * side**2)

    def operations(self) -> float:
        """Arithmetic of a training image; a multiplication and an addition are two. Penalties come in some iterations only."""
        period = min(10_000, math.lcm(*self._every))  # rarer penalties hardly count
        due = [tuple(k % every == 0 for every in self._every) for k in range(period)]
        total = sum(count * self._count(due.index(kind)) for kind, count in Counter(due).items())
        return total / len(due) / self.config.batch

    @property
    def _every(self) -> tuple[int, int]:
        """Iterations between penalties of the discriminator, and of the generator."""
        return self.config.optim.r1_every, self.config.generator_penalty_every or 1

    def _count(self, k: int) -> int:
        if k not in self._counts:
            before = self.ledger.operations
            with self.ledger:
                self._iterate(k)
            self._counts[k] = self.ledger.operations - before
        return self._counts[k]

    def _iterate(self, k: int) -> None:
        """The k-th iteration since one with all penalties, late in the run."""
        config = self.config
        period = config.batch * math.lcm(*self._every)
        seen = math.ceil(config.images / period) * period + k * config.batch
        self.cycle.iterate(batching.split(self._pictures(config.batch), config, seen, self.places, self.trainee), seen)

    def _pictures(self, count: int) -> Tensor:
        side = self.config.model.resolution
        return torch.empty(count, side, side, 3 + self.config.model.labelled, dtype=torch.uint8, device=META)


@dataclass(frozen=True)
class FittingSettings:
    """Settings with which a run fits."""

    batch_gpu: int
    checkpointing: bool = False  # to be switched on


@dataclass(frozen=True)
class Estimate:
    """What a run takes; see the module for how that is known, and how well."""

    images: int  # of the whole run
    processes: int
    share: int  # images of a batch per process
    at_once: int  # images per pass
    memory: dict[str, Memory]  # by precision: float32, bfloat16
    operations: float  # of one training image
    precision: str  # the one that `fits` is for
    fits: dict[int, FittingSettings | None]  # GiB of a card -> the most that fits on it; None = nothing does

    def days(self, device: Device, precision: str, tf32: bool = True) -> float | None:
        """For the whole run, on a device per process; None = it cannot."""
        rate = device.bfloat16 if precision == "bfloat16" else tf32 and device.tf32 or device.float32
        return rate and self.images * self.operations / (SHARE * rate * 1e12) / self.processes / 86400


def estimate(config: TrainConfig, processes: int = 1) -> Estimate:
    """Rehearse an iteration of ``config`` as one of ``processes``.

    This takes half a minute at most, whatever the resolution and batch. A batch that the processes cannot share evenly is
    rounded down. ``augment.mode`` auto is counted as adaptive, which takes more than none.

    Raises:
        InputError: ``optim.freeze_d`` is more than the discriminator has.
    """
    _, rehearsal = _rehearsed(config, processes)
    precision = "float32" if config.speed.precision == "float32" else "bfloat16"
    return Estimate(
        images=config.images,
        processes=processes,
        share=rehearsal.share,
        at_once=rehearsal.at_once,
        memory={name: _memory(config, processes, name) for name in ("float32", "bfloat16")},
        operations=rehearsal.operations(),
        precision=precision,
        fits={card: _fit(config, processes, precision, card * GIB) for card in CARDS},
    )


@functools.lru_cache(maxsize=16)
def _rehearsed(config: TrainConfig, processes: int) -> tuple[Memory, Rehearsal]:
    rehearsal = Rehearsal(config, processes)
    return rehearsal.memory(), rehearsal


def _memory(config: TrainConfig, processes: int, precision: str) -> Memory:
    memory, _ = _rehearsed(config, processes)
    if precision == "float32":
        return memory
    share = BFLOAT16_R2 if config.optim.r2_gamma > 0 else BFLOAT16
    return replace(memory, activations=math.ceil(share * memory.activations))


def _fit(config: TrainConfig, processes: int, precision: str, room: int) -> FittingSettings | None:
    """The largest pass that fits. Checkpointing is tried before smaller groups of samples that D compares."""
    share = max(1, config.batch // processes)
    *smaller, _ = divisors = [n for n in range(1, share + 1) if share % n == 0]

    def on_card(n: int, checkpointing: bool) -> float:
        """Several passes by a line between the smallest and the largest."""

        def at(n: int) -> int:
            speed = replace(config.speed, checkpointing=True) if checkpointing else config.speed
            return _memory(replace(config, batch_gpu=n, speed=speed), processes, precision).on_card

        if n == share:
            return at(n)
        low, high = smaller[0], smaller[-1]
        return at(low) + (at(high) - at(low)) * (n - low) / max(1, high - low)

    # None: the architecture has no checkpointing
    off = flat(asdict(config)).get("speed.checkpointing") is False
    whole = [n for n in divisors if n % GROUP == 0 or n == share]
    rest = [n for n in divisors if n not in whole]
    for sizes, checkpointing in itertools.product((whole, rest), (False, True) if off else (False,)):
        for n in reversed(sizes):
            if on_card(n, checkpointing) <= room:
                return FittingSettings(n, checkpointing)
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
