"""Memory and arithmetic of an iteration, rehearsed, against what one takes."""

import functools
from dataclasses import asdict, replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stylemap import perceptual
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapLoss, StylemapSpeed, StylemapTraining
from stylemap.config import AugmentConfig, EmaConfig, OptimConfig
from stylemap.editing import blend
from stylemap.images import from_uint8
from stylemap.metrics import heldout
from stylemap.training import batching, ema, loop
from stylemap.training.distributed import ALONE
from stylemap.training.rehearsal import Memory, Need, Stage
from tests.memory import peak

SMALL = StylemapConfig(
    resolution=32, stylemap_size=8, stylemap_channels=16, channel_base=1024, channel_max=32, mapping_layers=2
)
PLAIN = StylemapTraining(model=SMALL, batch=4, heldout=8, augment=AugmentConfig(mode="none"), device="cpu")
# What kernels take while they run is not foreseen: a copy of a tensor or two of the size of a layer's output. The largest
# has 0.5 MB here (4 images, 32 channels, 32 x 32), the whole of what is alive is 30 MB and more.
MARGIN = 0.05


def train(config: StylemapTraining, tick: bool = False) -> None:
    """Two iterations with the penalties (in the second, all gradients and moments are there), or one and a tick."""
    device = torch.device("cpu")
    term = perceptual.for_training(config.loss, device)
    trainee = loop.build(config, device)
    trainee.networks.model.speed_up(config.speed)
    cycle = loop.cycle_of(config, trainee, term)
    size = config.batch // batching.count_passes(config, ALONE)
    places = torch.arange(config.batch).split(size)
    side = config.model.resolution
    for seen in (0, config.batch):
        pixels = torch.randint(0, 256, (config.batch, side, side, 3), dtype=torch.uint8)
        parts = batching.split(pixels, config, seen, [p.tolist() for p in places], trainee)
        cycle.iterate(parts, 0)
        ema.update(trainee.average, trainee.networks.model, ema.decay(config.batch, config.batch, EmaConfig()))
        del parts
    if tick:
        pictures = torch.randint(0, 256, (config.heldout, side, side, 3), dtype=torch.uint8)
        with torch.no_grad():  # as the image grid does, whose sheet on the host is large beside these small networks
            w = trainee.average.encode(from_uint8(pictures))
            blend(trainee.average, w, w.flip(0), torch.ones(1, 1, side, side))


VARIANTS = {
    "plain": PLAIN,
    "checkpointing": replace(PLAIN, speed=StylemapSpeed(checkpointing=True)),
    "two passes": replace(PLAIN, batch_gpu=2),
    "four passes, checkpointing": replace(PLAIN, batch_gpu=1, speed=StylemapSpeed(checkpointing=True)),
    "augmented": replace(PLAIN, augment=AugmentConfig(mode="fixed", p=0.5)),
    "frozen layers, no perceptual term": replace(
        PLAIN, optim=OptimConfig(freeze_d=2), loss=StylemapLoss(perceptual_network="none")
    ),
    "R2, relativistic": replace(PLAIN, optim=OptimConfig(r2_gamma=1), loss=StylemapLoss(adversarial="relativistic")),
    "batch norm, light": replace(PLAIN, model=replace(SMALL, norm="batch", light=True)),
}


def expected(config: StylemapTraining) -> Memory:
    return need(config).memory


@functools.cache
def need(config: StylemapTraining) -> Need:
    """In float32; what `estimate` asks for."""
    at_once = config.batch // batching.count_passes(config, ALONE)
    return Stage(config, 1, config.batch).need(at_once, at_once < config.batch, "float32", config.speed.checkpointing)


# what each of these adds to the plain one is in "four passes, checkpointing", too
SLOW = {"checkpointing", "two passes"}


@pytest.mark.parametrize(
    "config",
    [pytest.param(c, id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name, c in VARIANTS.items()],
)
def test_memory_is_what_the_allocator_gives(config):
    measured = peak(lambda: train(config))
    assert expected(config).total == pytest.approx(measured, rel=MARGIN)


def test_memory_of_a_tick_is_what_the_allocator_gives(monkeypatch):
    monkeypatch.setattr(heldout, "CHUNK_PIXELS", 64 * SMALL.resolution**2)  # more than the training has at once
    config = replace(PLAIN, batch=1, heldout=64)
    measured = peak(lambda: train(config, tick=True))
    assert measured > 1.5 * peak(lambda: train(config))  # so it is the tick that is measured
    # The moments of the optimisers and the average are there in both; float64 sums on the host are not foreseen.
    assert expected(config).tick == pytest.approx(measured, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [{}, {"batch_gpu": 1}, {"speed": StylemapSpeed(checkpointing=True)}], ids=str)
def test_memory_at_128_pixels(flags):
    model = StylemapConfig(resolution=128, stylemap_channels=64, channel_base=4096, channel_max=128)
    config = replace(PLAIN, model=model, **flags)
    assert expected(config).total == pytest.approx(peak(lambda: train(config)), rel=MARGIN)


def test_parts_of_the_memory():
    memory = expected(PLAIN)
    networks = loop.build(PLAIN, torch.device("cpu")).networks
    size = {name: sum(p.numel() for p in getattr(networks, name).parameters()) for name in ("model", "discriminator")}
    everything = 4 * sum(size.values())
    assert (memory.weights, memory.gradients, memory.adam) == (everything, everything, 2 * everything)
    assert memory.average == 4 * size["model"]
    side, channels = SMALL.resolution, SMALL.stylemap_channels
    assert memory.data == PLAIN.batch * 4 * (3 * side**2 + 2 * channels)
    assert memory.total == sum(
        asdict(memory)[n] for n in ("weights", "gradients", "adam", "average", "data", "activations")
    )
    assert memory.phase == "discriminator step"  # three passes of D, and the graph of the reconstruction


def test_rehearsals_leave_nothing_behind():
    stage = Stage(PLAIN, 1, PLAIN.batch)
    first = stage.need(4, False, "float32", False)
    stage.need(1, True, "bfloat16", True)
    stage.needs.clear()
    again = stage.need(4, False, "float32", False)  # the penalty from the notes of the first time
    assert again.float32 == first.float32
    # The filters of `operators.upfirdn2d`, which stay, are of 16 numbers.
    assert again.memory.activations == pytest.approx(first.memory.activations, abs=1024)


# ---- arithmetic


def test_arithmetic_is_that_of_torchs_counter():
    """Without the penalty, in which it fails."""
    stage = Stage(replace(PLAIN, optim=OptimConfig(r1_gamma=0)), 1, 4)
    with FlopCounterMode(display=False) as counter:
        with stage.ledger:
            stage._tick()
        tick = counter.get_total_flops()
        ours = stage.need(4, False, "float32", False).float32
        assert 4 * ours == counter.get_total_flops() - 2 * tick


def test_arithmetic_of_twice_the_channels():
    def operations(factor: int, **changes) -> float:
        model = replace(SMALL, channel_base=factor * 1024, channel_max=factor * 32, stylemap_channels=factor * 16)
        return need(replace(PLAIN, model=model, **changes)).float32

    # Inputs times outputs: 4; only where images come in and go out, and in blurs (16 of about 9 * 32), one of them is 2.
    assert 3.6 < operations(2) / operations(1) < 4
    assert operations(1, batch=8) == pytest.approx(operations(1), rel=1e-3)  # counted per image


def test_penalties_count_as_often_as_they_come():
    def operations(every: int) -> float:
        return need(replace(PLAIN, optim=OptimConfig(r1_every=every))).float32

    never = need(replace(PLAIN, optim=OptimConfig(r1_gamma=0))).float32
    assert operations(1) - never == pytest.approx(16 * (operations(16) - never))
    assert operations(1) > never
