"""One iteration of training, rehearsed on the meta device: memory and arithmetic, without taking either.

Tensors of the meta device have shapes and types but no numbers. The phases of `StylemapCycle` run on them as they are, with
forward and backward passes, while a `Ledger` counts the bytes of living storages and the arithmetic of each operation. So
everything is counted that happens: what is kept for the backward pass, the reconstruction that two phases share, passes,
checkpointing and casts. No device is touched.

Measured against the peak of the CPU allocator (torch 2.15, float32, 64 and 128 px, batches of 4 and 8): 0.0 % with one pass,
with and without checkpointing, 0.3 % too much with LPIPS, 0.5 to 0.9 % too much with several passes, 0.2 % too little with
augmentation, 1.6 % too little with R2 besides; at 32 px up to 3.2 % too little, where the penalty takes the most. What kernels
take while they run is not seen. Not measured: a GPU. Its allocator rounds and fragments, cuDNN takes workspaces and CUDA
itself some memory, for which `on_card` adds a tenth and 1 GiB by convention. bfloat16 follows the rules of CUDA's autocast,
see `CudaAutocast`.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from stylemap import perceptual
from stylemap.architectures.chance import Chance
from stylemap.architectures.cycle import Pass
from stylemap.architectures.stylemap.cycle import StylemapCycle
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import TrainConfig
from stylemap.metrics import heldout
from stylemap.perceptual import vgg
from stylemap.training import augment
from stylemap.training.augment import Augment
from stylemap.training.distributed import World
from stylemap.training.ledger import META, CudaAutocast, Ledger
from stylemap.training.optimizers import Networks, freeze

GIB = 2**30
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Assumed, not measured: fragments and workspaces; CUDA itself.
SLACK, CONTEXT = 1.1, GIB
PENALTY = "penalty step"
STEPS = ("generator_step", "latent_step", "discriminator_step", "penalty_step", "image_step")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process when an iteration takes the most."""

    weights: int  # of the networks, and of the perceptual one
    gradients: int  # of all three networks
    adam: int  # its two moments
    average: int  # the running average of generator and encoder
    data: int  # the process's share of a batch
    activations: int  # what else is alive then
    phase: str  # in which that is
    tick: int  # of all of it, while held-out images are scored

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.adam + self.average + self.data + self.activations

    @property
    def on_card(self) -> int:
        """As a card needs it; at a tick if that is more."""
        return on_card(max(self.total, self.tick))


def on_card(tensors: float) -> int:
    """Bytes with what the allocator and CUDA take besides; by convention, not measured."""
    return math.ceil(SLACK * tensors) + CONTEXT


@dataclass(frozen=True)
class Need:
    """What a run takes in one precision."""

    memory: Memory
    float32: float  # operations of one training image, the gradient penalties in their share
    bfloat16: float


Key = tuple[int, bool, str, bool]  # images per pass, whether there are several, precision, checkpointing


class Stage:
    """A training on the meta device, with everything that stays in memory between iterations."""

    def __init__(self, config: TrainConfig, processes: int, share: int):
        self.config, self.processes, self.share = config, processes, share
        self.ledger = Ledger()
        with self.ledger, META:
            self.networks = Networks(config)
            freeze(self.networks.discriminator, config.optim.freeze_d)
            self.perceptual = _perceptual(config)
            self.weights = self.ledger.live
            self.average = StylemapModel(config.model).eval().requires_grad_(False)
            self.averaged = self.ledger.live - self.weights
            self.learning = [p for p in self.networks.parameters() if p.requires_grad]
            self.moments = [torch.empty_like(p) for p in self.learning for _ in range(2)]
            settled = augment.choose_mode(config, images=0).augment
            self.augment = Augment(settled, META) if settled.mode != "none" else None
        self.needs: dict[Key, Need] = {}

    def on_card(self, n: int, precision: str, checkpointing: bool) -> float:
        """Bytes with passes of ``n`` images.

        Between one image and all by a chord: not too little, as the largest of several linear functions is convex (and D's
        groups of samples, which are not linear, are small).
        """

        def at(n: int, several: bool) -> Memory:
            return self.need(n, several, precision, checkpointing).memory

        if n == self.share:
            return at(n, False).on_card
        low, high = at(1, True), at(self.share, True)
        return on_card(max(low.total + (high.total - low.total) * (n - 1) / (self.share - 1), low.tick))

    def need(self, *key) -> Need:
        """What an iteration takes: (images per pass, whether there are several, precision, checkpointing)."""
        if key not in self.needs:
            self.needs[key] = self._rehearse(*key)
        return self.needs[key]

    def _rehearse(self, n: int, several: bool, precision: str, checkpointing: bool) -> Need:
        """An iteration with the penalties, and a tick. One of several passes is enough, with the gradients of those before."""
        config, ledger = self.config, self.ledger
        side, channels = config.model.resolution, config.model.stylemap_channels
        self.networks.generator.synthesis.checkpointing = checkpointing
        with ledger:
            for p in self.learning:
                p.grad = torch.empty_like(p)
            between = ledger.live
            real = torch.empty(n, 3, side, side, device=META).to(memory_format=torch.channels_last)
            draws = torch.empty(n, augment.WIDTH, device=META) if self.augment else None
            part = Pass(real, Chance(torch.empty(2, n, channels, device=META)), draws)
            data = ledger.live - between
            ledger.begin()
            every = config.batch * config.optim.r1_every
            due = math.ceil(config.loss.autoencoder_images / every) * every  # the penalty is, and all other phases
            _Rehearsal(self, several, PRECISIONS[precision]).iterate([part], seen=due)
            peaks, operations = ledger.peaks, ledger.operations
            ledger.begin()
            self._tick()
        phase = max(peaks, key=peaks.__getitem__)
        fakes = 2 * _bytes(real) * (self.share - n) // n  # samples and reconstructions of the other passes
        others = data * (self.share - n) // n
        gradients = sum(map(_bytes, self.learning))
        for kind in PRECISIONS.values():
            operations[PENALTY, kind] /= config.optim.r1_every  # the penalty only comes so often
        float32, bfloat16 = (
            sum(count for (_, k), count in operations.items() if k == kind) / n for kind in PRECISIONS.values()
        )
        return Need(
            Memory(
                weights=self.weights,
                gradients=gradients,
                adam=2 * gradients,
                average=self.averaged,
                data=data + others,
                activations=peaks[phase] - between - data + fakes,
                phase=phase,
                tick=max(ledger.peaks.values()) + others,
            ),
            float32=float32,
            bfloat16=bfloat16,
        )

    @torch.no_grad()
    def _tick(self) -> None:
        """The largest of what `metrics.heldout` computes at once, in float32: the combinations of the image grid."""
        model, side = self.average, self.config.model.resolution
        n = min(self.config.heldout, heldout.per_pass(side))
        w = model.encode(torch.empty(n, 3, side, side, device=META))
        original, reference = model.resize(w), model.resize(w)
        model.render([torch.lerp(a, b, 0.5) for a, b in zip(original, reference, strict=True)])


class _Rehearsal(StylemapCycle):
    """The cycle, but optimisers do not step and gradients are not sent; the phases are noted in the ledger."""

    def __init__(self, stage: Stage, several: bool, precision: torch.dtype):
        networks, world = stage.networks, _Silent(0, stage.processes)
        optimizers = {n: _Still(getattr(networks, n), several) for n in ("generator", "encoder", "discriminator")}
        super().__init__(
            networks, SimpleNamespace(**optimizers), stage.config, stage.perceptual, stage.augment, world, precision
        )
        self.shares_reconstruction = not several
        self.ledger = stage.ledger
        for step in STEPS:
            setattr(self, step, self._noted(step, getattr(self, step)))

    def _noted(self, step: str, function: Callable) -> Callable:
        """The step, whose operations and peak stand in the ledger under its name."""

        def noted(*args):
            self.ledger.phase = step.replace("_", " ")
            # Checkpointing calls blocks inside of a backward pass, where no mode is on. So they bring theirs along.
            blocks = self.networks.generator.synthesis.blocks if self.precision != torch.float32 else []
            for block in blocks:
                block.forward = _with(CudaAutocast(), block.forward)
            try:
                return function(*args)
            finally:
                for block in blocks:
                    del block.forward

        return noted

    def _autocast(self) -> contextlib.AbstractContextManager:
        # torch's knows no meta device
        return contextlib.nullcontext() if self.precision == torch.float32 else CudaAutocast()


class _Still:
    """An optimiser that does not step. If there were passes before this one, it keeps their gradients."""

    def __init__(self, network: nn.Module, keeps: bool):
        self.param_groups = [{"params": [p for p in network.parameters() if p.requires_grad]}]
        self.keeps = keeps

    def zero_grad(self, set_to_none: bool) -> None:
        for p in [] if self.keeps else self.param_groups[0]["params"]:
            p.grad = None

    def step(self) -> None:
        pass


class _Silent(World):
    """Makes the message of gradients, which takes memory, but does not send it."""

    def average_gradients(self, parameters) -> None:
        if self.size > 1:
            torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])


def _perceptual(config: TrainConfig) -> perceptual.Distance | None:
    """That of `perceptual.for_training`, without its weights."""
    if config.loss.perceptual_network != "lpips":
        return None
    return vgg.random(device=META, widths=vgg.WIDTHS, largest=None).distance


def _with(context: contextlib.AbstractContextManager, function: Callable) -> Callable:
    def inside(*args):
        with context:
            return function(*args)

    return inside


def _bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()
