"""What a run is said to take, against what an iteration takes."""

import functools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stylemap import perceptual
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapLoss, StylemapSpeed, StylemapTraining
from stylemap.architectures.vector.config import StyleGAN2Config, StyleGAN2Training
from stylemap.config import AugmentConfig, EmaConfig, OptimConfig, TrainConfig
from stylemap.metrics import heldout
from stylemap.operators import kernels
from stylemap.training import batching, ema, estimate, loop
from stylemap.training.distributed import ALONE
from stylemap.training.estimate import META, Device, FittingSettings, Ledger, Memory, Rehearsal
from tests.memory import peak

SMALL = StylemapConfig(
    resolution=16, stylemap_size=8, stylemap_channels=16, channel_base=1024, channel_max=64, mapping_layers=2
)
PLAIN = StylemapTraining(model=SMALL, batch=4, heldout=1, augment=AugmentConfig(mode="none"), device="cpu")
# What kernels take while they run is not foreseen: a copy of a tensor or two of the size of a layer's output. The largest
# has 0.5 MB here (4 images, 32 channels, 32 x 32), the whole of what is alive is 30 MB and more.
MARGIN = 0.05


def train(config: TrainConfig, tick: bool = False) -> None:
    """Two iterations with the penalties (in the second, all gradients and moments are there), or one and a tick."""
    device = torch.device("cpu")
    with kernels.using("reference"):  # those in C++ keep less
        _train(config, device, tick)


def _train(config: TrainConfig, device: torch.device, tick: bool) -> None:
    term = perceptual.for_training(config.loss, device)
    trainee = loop.build(config, device)
    trainee.networks.model.speed_up(config.speed)
    cycle = loop.cycle_of(config, trainee, term)
    places = batching.assign_places(config.batch, passes=batching.count_passes(config, ALONE))
    side = config.model.resolution
    for seen in (0, config.batch):
        pixels = torch.randint(0, 256, (config.batch, side, side, 3), dtype=torch.uint8)
        parts = batching.split(pixels, config, seen, places, trainee)
        cycle.iterate(parts, 0)
        ema.update(trainee.average, trainee.networks.model, ema.decay(config.batch, config.batch, EmaConfig()))
        del parts
    if tick:
        pictures = torch.randint(0, 256, (config.heldout, side, side, 3), dtype=torch.uint8)
        heldout.score(trainee.average, pictures)


VARIANTS = {
    "plain": PLAIN,
    "checkpointing": replace(PLAIN, speed=StylemapSpeed(checkpointing=True)),
    "two passes": replace(PLAIN, batch_gpu=2),
    "passes of one image, checkpointing": replace(PLAIN, batch=2, batch_gpu=1, speed=StylemapSpeed(checkpointing=True)),
    "augmented": replace(PLAIN, augment=AugmentConfig(mode="fixed", p=0.5)),
    "frozen layers, no perceptual term": replace(
        PLAIN, optim=OptimConfig(freeze_d=2), loss=StylemapLoss(perceptual_network="none")
    ),
    "R2, relativistic": replace(
        PLAIN, optim=OptimConfig(r2_gamma=1, r1_every=1), loss=StylemapLoss(adversarial="relativistic")
    ),
    "transplants": replace(PLAIN, loss=StylemapLoss(transplants=1.0)),
    "batch norm, light": replace(PLAIN, model=replace(SMALL, norm="batch", light=True)),
    "stylegan2": StyleGAN2Training(
        model=StyleGAN2Config(resolution=16, latent_channels=16, channel_base=1024, channel_max=64, mapping_layers=2),
        batch=4,
        heldout=1,
        augment=AugmentConfig(mode="none"),
        device="cpu",
    ),
}


@functools.cache
def expected(config: TrainConfig) -> Memory:
    return estimate._rehearsed(config, 1)[0]


@functools.cache
def operations(config: TrainConfig) -> float:
    return estimate._rehearsed(config, 1)[1].operations()


# ---- memory


# What these add to the others is more of the same: the cycle runs as it is, and the ledger knows no settings.
SLOW = {"plain", "checkpointing", "two passes", "R2, relativistic", "transplants"}


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
    assert measured > 1.1 * peak(lambda: train(config))  # so it is the tick that is measured
    assert expected(config).total == pytest.approx(measured, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [{}, {"batch_gpu": 1}, {"speed": StylemapSpeed(checkpointing=True)}], ids=str)
def test_memory_at_128_pixels(flags):
    model = StylemapConfig(resolution=128, stylemap_channels=64, channel_base=4096, channel_max=128)
    config = replace(PLAIN, model=model, **flags)
    assert expected(config).total == pytest.approx(peak(lambda: train(config)), rel=MARGIN)


def test_lasting_memory():
    networks = loop.build(PLAIN, torch.device("cpu")).networks
    size = {name: sum(p.numel() for p in getattr(networks, name).parameters()) for name in ("model", "discriminator")}
    # Weights, gradients and two moments of everything, and the average of the model; besides, small buffers.
    assert expected(PLAIN).lasting == pytest.approx(16 * sum(size.values()) + 4 * size["model"], rel=1e-3)


@pytest.mark.slow
def test_less_at_once_takes_less_memory_and_no_less_arithmetic():
    halves = replace(PLAIN, batch_gpu=2)
    assert (Rehearsal(PLAIN).at_once, Rehearsal(halves).at_once) == (4, 2)
    assert expected(halves).activations < expected(PLAIN).activations
    assert operations(halves) > operations(PLAIN)  # reconstructions are computed twice


def test_fits_are_the_largest_that_fit():
    config = replace(PLAIN, batch=2)

    def need(n: int, **speed) -> int:
        return expected(replace(config, batch_gpu=n, speed=StylemapSpeed(**speed))).on_card

    for n in (1, 2):
        assert estimate._fit(config, 1, "float32", need(n)) == FittingSettings(n)
    small = need(1, checkpointing=True)
    assert small < need(1)
    assert estimate._fit(config, 1, "float32", small) == FittingSettings(1, True)
    assert estimate._fit(config, 1, "float32", small - 1) is None


def test_bfloat16_takes_a_share_of_the_activations():
    memory, less = (estimate._memory(PLAIN, 1, precision) for precision in ("float32", "bfloat16"))
    assert less.lasting == memory.lasting
    assert less.activations == pytest.approx(estimate.BFLOAT16 * memory.activations)


# ---- arithmetic


def test_arithmetic_of_a_convolution():
    x = torch.empty(2, 3, 8, 8, device=META, requires_grad=True)
    weight = torch.empty(5, 3, 3, 3, device=META, requires_grad=True)
    with Ledger() as ledger:
        F.conv2d(x, weight, padding=1).sum().backward()
    forward = 2 * 2 * 8 * 8 * 5 * 3 * 3 * 3  # multiply and add: images, places, outputs, inputs, kernel
    assert ledger.operations == 3 * forward  # the gradients of both factors are as much each


def test_arithmetic_of_twice_the_channels():
    def at(factor: int, **changes) -> float:
        model = replace(SMALL, channel_base=factor * 1024, channel_max=factor * 32, stylemap_channels=factor * 16)
        return operations(replace(PLAIN, model=model, **changes))

    # Inputs times outputs: 4; only where images come in and go out, and in blurs (16 of about 9 * 32), one of them is 2.
    assert 3.6 < at(2) / at(1) < 4
    assert at(1, batch=8) == pytest.approx(at(1), rel=1e-3)  # counted per image


def test_penalties_count_as_often_as_they_come():
    def at(every: int) -> float:
        return operations(replace(PLAIN, optim=OptimConfig(r1_every=every)))

    never = operations(replace(PLAIN, optim=OptimConfig(r1_gamma=0)))
    assert at(1) - never == pytest.approx(16 * (at(16) - never))
    assert at(1) > never


# ---- runs


@pytest.fixture
def without_cards(monkeypatch):
    """What fits on which card takes several rehearsals more."""
    monkeypatch.setattr(estimate, "CARDS", ())


def test_processes_share_the_batch(without_cards):
    one, two = (estimate.estimate(PLAIN, processes) for processes in (1, 2))
    assert (two.share, two.at_once) == (2, 2)
    assert two.memory["float32"] == expected(replace(PLAIN, batch=2))
    device = Device(float32=1.0)
    assert two.days(device, "float32") == pytest.approx(
        one.days(device, "float32") / 2 * two.operations / one.operations
    )
    assert estimate.estimate(PLAIN, processes=3).share == 1  # cannot be shared: told elsewhere, rounded down here


def test_days():
    run = estimate.Estimate(86_400, 2, 4, 4, {}, 1e12, "float32", {})
    assert run.days(Device(float32=1), "bfloat16") is None
    assert run.days(Device(1, 2, 6), "bfloat16") == pytest.approx(1 / 6 / estimate.SHARE / 2)
    assert run.days(Device(1, 2, 6), "float32") == pytest.approx(1 / 2 / estimate.SHARE / 2)
    assert run.days(Device(1, 2, 6), "float32", tf32=False) == pytest.approx(1 / estimate.SHARE / 2)
    assert run.days(Device(1), "float32") == pytest.approx(1 / estimate.SHARE / 2)
    assert estimate.cpu_rate(0.01) > 1e8
