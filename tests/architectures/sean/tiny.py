"""A SEAN that is as small as one can be, and drawn faces with their masks."""

import torch

from stylemap.architectures.sean.config import SeanConfig, SeanLoss, SeanOptim, SeanTraining
from stylemap.architectures.sean.model import SeanModel
from stylemap.datasets import Avatars, labelled, stream

CONFIG = SeanConfig(
    resolution=16, code_channels=5, mask_channels=4, plain_blocks=1, patch_layers=2, channel_base=96, channel_max=8
)
TRAINING = SeanTraining(
    heldout=4,
    images=16,
    batch=4,
    tick=8,
    save_every=8,
    workers=0,
    device="cpu",
    model=CONFIG,
    loss=SeanLoss(image_reconstruction=10),
    optim=SeanOptim(lr=0.002, discriminator_lr_mul=1),
)


def model(config: SeanConfig = CONFIG, seed: int = 0) -> SeanModel:
    """No parameter is at its initial zero, so that each is seen in the image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = SeanModel(config).eval().requires_grad_(False)
        for name, parameter in made.named_parameters():
            if name.endswith(("bias", "strength", "mix")):
                parameter += 0.3 * torch.randn_like(parameter)
    return made


def faces(count: int = 3) -> torch.Tensor:
    """uint8 [count, 16, 16, 4]."""
    return stream.first_images(labelled(Avatars(16), None), count)
