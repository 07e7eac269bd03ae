"""The same results on a GPU as on the CPU. Skipped where there is none; `benchmarks/gpu.sh` runs it where there is."""

from dataclasses import replace

import pytest
import torch

from stylemap import blend, checkpoint, datasets
from stylemap.config import LossConfig, ModelConfig, OptimConfig, TrainConfig
from stylemap.images import from_uint8
from stylemap.model import Model
from stylemap.training import loop, state
from stylemap.training.monitor import read_log

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

SMALL = ModelConfig(resolution=32, stylemap_size=8, stylemap_channels=16, channel_base=1024, channel_max=64)


@pytest.fixture
def exact():
    """Float32 products as on the CPU: TF32 keeps 10 bits of the factors."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def test_model_agrees_with_the_cpu(exact):
    torch.manual_seed(0)
    model = Model(SMALL).requires_grad_(False)
    faces = datasets.Avatars(32)
    images = from_uint8(datasets.stream.first(faces, 4))
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
    config = TrainConfig(
        heldout=8,
        images=96,
        batch=8,
        tick=48,
        save_every=48,
        workers=0,
        device="cuda",
        model=SMALL,
        optim=OptimConfig(r1_every=4),
        loss=LossConfig(image_reconstruction=10),
    )
    loop.train(config, tmp_path / "run")
    records = read_log(tmp_path / "run" / "log.jsonl")
    assert [r["images"] for r in records] == [48, 96]
    assert records[1]["image_reconstruction"] < records[0]["image_reconstruction"]
    loop.train(replace(config, images=104), tmp_path / "run", resume=True)
    assert state.load_newest(tmp_path / "run")["images"] == 104
    # what a GPU has trained is used on a CPU
    assert checkpoint.load(tmp_path / "run", "cpu").device.type == "cpu"
