"""A run small enough to train in a second, and one that is trained already."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylemap.architectures.stylemap.config import StylemapLoss, StylemapTraining
from stylemap.config import AugmentConfig, OptimConfig
from stylemap.training import loop
from tests.tiny import TINY


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """12 images, one of them held out: with batches of 4, epochs of 11 end inside a batch. To be left as they are."""
    folder = tmp_path_factory.mktemp("training") / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def config(pictures) -> StylemapTraining:
    return StylemapTraining(
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
        loss=StylemapLoss(perceptual_network="discriminator"),
        augment=AugmentConfig(mode="none"),
    )


@pytest.fixture(scope="session")
def whole(config, tmp_path_factory) -> Path:
    """A run of `config` from its beginning to its end, with states at 16, 32 and 40. To be left as it is."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    loop.train(config, folder)
    return folder


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """A copy of `whole`, to do anything to."""
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture(scope="session")
def begun(config, tmp_path_factory) -> Path:
    """A run of `config` that was stopped at 16 images. To be left as it is."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    iterations = iter(range(4))
    loop.train(config, folder, stop=lambda: next(iterations, None) is None)
    return folder
