"""The same results on a GPU as on the CPU. Skipped where there is none; `benchmarks/gpu.sh` runs it where there is."""

import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml

from stylemap import blend, checkpoint, datasets, perceptual, precision
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapLoss, StylemapSpeed, StylemapTraining
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import AugmentConfig, OptimConfig
from stylemap.images import from_uint8
from stylemap.training import batching, ema, estimate, loop, state
from stylemap.training.distributed import ALONE
from stylemap.training.log import read_log
from stylemap.training.monitor import Meter

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

SMALL = StylemapConfig(resolution=32, stylemap_size=8, stylemap_channels=16, channel_base=1024, channel_max=64)


@pytest.fixture
def exact():
    """Float32 products as on the CPU: TF32 keeps 10 bits of the factors."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def test_model_agrees_with_the_cpu(exact):
    torch.manual_seed(0)
    model = StylemapModel(SMALL).requires_grad_(False)
    faces = datasets.Avatars(32)
    images = from_uint8(datasets.stream.first_images(faces, 4))
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:16, 4:20] = 1
    results = []
    for device in ("cpu", "cuda"):
        model.to(device)
        x = images.to(device)
        w = model.encode(x)
        results.append([w.cpu(), model.synthesize(w).cpu(), blend(model, w[:1], w[1:2], mask.to(device)).cpu()])
    for cpu, cuda in zip(*results, strict=True):
        # 20 layers of sums of up to 576 products in another order: some hundred units of 1.2e-7
        torch.testing.assert_close(cuda, cpu, atol=1e-4, rtol=1e-4)


def test_training_and_resume(tmp_path):
    config = StylemapTraining(
        heldout=8,
        images=96,
        batch=8,
        tick=48,
        save_every=48,
        workers=0,
        device="cuda",
        model=SMALL,
        optim=OptimConfig(r1_every=4),
        loss=StylemapLoss(image_reconstruction=10),
    )
    loop.train(config, tmp_path / "run")
    records = read_log(tmp_path / "run" / "log.jsonl")
    assert [r["images"] for r in records] == [48, 96]
    assert records[1]["image_reconstruction"] < records[0]["image_reconstruction"]
    loop.train(replace(config, images=104), tmp_path / "run", resume=True)
    assert state.load_newest(tmp_path / "run")["images"] == 104
    # what a GPU has trained is used on a CPU
    assert checkpoint.load(tmp_path / "run", "cpu").device.type == "cpu"


SETTINGS = {
    "bfloat16": ("stylemap", StylemapSpeed(precision="bfloat16")),
    "float32": ("stylemap", StylemapSpeed(precision="float32", tf32=False)),
    "checkpointed": ("stylemap", StylemapSpeed(precision="bfloat16", checkpointing=True)),
    "compiled": ("stylemap", StylemapSpeed(precision="bfloat16", compile=True)),
    "StyleGAN2": ("stylegan2", StylemapSpeed(precision="bfloat16")),
}


# The compiler warns of its own doings.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("architecture", "speed"), SETTINGS.values(), ids=SETTINGS.keys())
def test_iterations_wait_for_nothing(architecture, speed):
    """With penalties, augmentation and two passes; the first iterations may wait, for cuDNN's choices and the compiler."""
    device = torch.device("cuda")
    config = StylemapTraining(
        batch=8,
        batch_gpu=4,
        device="cuda",
        model=replace(SMALL, architecture=architecture),
        optim=OptimConfig(r1_every=2),
        augment=AugmentConfig(mode="adaptive", p=0.5),
        speed=speed,
    )
    trainee = loop.build(config, device)
    trainee.networks.model.speed_up(config.speed)
    kind = precision.pick(config.speed.precision, device)
    cycle = loop.cycle_of(config, trainee, perceptual.for_training(config.loss, device), kind=kind)
    samples = batching.assign_places(config.batch, passes=2)
    pictures = datasets.stream.first_images(datasets.Avatars(32), 8).to(device)
    meter = Meter(cycle.terms, device, ALONE)

    def iterate(seen: int) -> None:
        parts = batching.split(pictures, config, seen, samples, trainee)
        meter.add(cycle.iterate(parts, seen))
        ema.update(trainee.average, trainee.networks.model, 0.99)

    with precision.tf32(config.speed.tf32):
        for k in range(2):
            iterate(8 * k)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for k in range(2, 6):
                iterate(8 * k)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(math.isfinite(value) for value in meter.means().values())


def test_memory_is_about_what_was_foreseen():
    """The rehearsal against the allocator of the card: what is alive, without fragments."""
    config = StylemapTraining(
        batch=8,
        heldout=1,
        device="cuda",
        model=replace(SMALL, resolution=64, stylemap_channels=64, channel_base=4096, channel_max=128),
        augment=AugmentConfig(mode="none"),
        speed=StylemapSpeed(precision="float32", tf32=False),
    )
    expected = estimate.Rehearsal(config).memory()
    device = torch.device("cuda")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    trainee = loop.build(config, device)
    cycle = loop.cycle_of(config, trainee, perceptual.for_training(config.loss, device))
    pictures = datasets.stream.first_images(datasets.Avatars(64), 8).to(device)
    for seen in (0, 8):
        parts = batching.split(pictures, config, seen, [list(range(8))], trainee)
        cycle.iterate(parts, 0)
        del parts
    # Workspaces of cuDNN and what kernels take while they run come on top.
    assert torch.cuda.max_memory_allocated() - before == pytest.approx(expected.total, rel=0.3)


def test_torchrun_with_nccl(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    config = StylemapTraining(
        heldout=4, images=32, batch=8, tick=16, save_every=16, workers=0, device="cuda", model=SMALL
    )
    recipe.write_text(yaml.safe_dump(asdict(config)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "train.py"]
    command += ["--config", str(recipe), "--out", str(tmp_path / "run")]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, timeout=120)
    assert [record["images"] for record in read_log(tmp_path / "run" / "log.jsonl")] == [16, 32]
