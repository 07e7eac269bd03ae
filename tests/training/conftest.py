"""A run small enough to train in a second."""

import numpy as np
import pytest
from PIL import Image

from stylemap.config import AugmentConfig, LossConfig, ModelConfig, OptimConfig, TrainConfig

TINY = ModelConfig(
    resolution=16, stylemap_size=4, stylemap_channels=4, channel_base=128, channel_max=8, mapping_layers=2
)


@pytest.fixture
def pictures(tmp_path):
    """12 pictures, one of them held out: with batches of 4, epochs of 11 end inside a batch."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def config(pictures):
    return TrainConfig(
        data=str(pictures),
        heldout=1,
        images=40,
        batch=4,
        tick=16,
        save_every=16,
        workers=0,
        device="cpu",
        model=TINY,
        optim=OptimConfig(r1_every=4),
        loss=LossConfig(perceptual_network="discriminator"),
        augment=AugmentConfig(mode="none"),
    )
