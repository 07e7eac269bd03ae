"""A small network that answers yes or no about images, trained here by a fixed schedule. Nothing is downloaded."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylemap import images
from stylemap.precision import in_float32

LARGEST = 256  # pixels; larger images are averaged down
WIDTHS = (16, 32, 64, 128, 128, 128, 128)
SMALLEST = 4  # side after the last halving
# At five times the rate the detector of edits never left 0.5, on its own training images too.
STEPS, BATCH, RATE = 600, 32, 2e-3


def schedule() -> dict:
    """The schedule, for reports."""
    return {
        "network": "convolutions of this project",
        "steps": STEPS,
        "batch": BATCH,
        "rate": RATE,
        "largest_side": LARGEST,
    }


def reduced(pictures: Tensor) -> Tensor:
    """uint8 [N, R, R, 3] of at most 256 pixels: what the network sees, and all of an image that has to be kept."""
    if pictures.shape[1] <= LARGEST:
        return pictures
    return images.to_uint8(F.adaptive_avg_pool2d(images.from_uint8(pictures), LARGEST))


@in_float32
def fit(pictures: Tensor, answers: Tensor, seed: int = 0, device: torch.device | str = "cpu") -> nn.Module:
    """Train a network to give the answers. The same seed and inputs give the same network on a CPU.

    Args:
        images: uint8 [N, R, R, 3], see `reduced`.
        answers: [N, K], 0 or 1.

    Returns:
        images [N, 3, R, R] in [-1, 1] -> logits [N, K], in evaluation mode.
    """
    network = _build(pictures.shape[1], answers.shape[1], seed).to(device)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    rng = np.random.default_rng(seed)
    with torch.enable_grad():
        for _ in range(STEPS):
            chosen = torch.from_numpy(rng.integers(0, len(pictures), min(BATCH, len(pictures))))
            x = images.from_uint8(pictures[chosen]).to(device)
            x = torch.where(torch.from_numpy(rng.random(len(x)) < 0.5).to(device).view(-1, 1, 1, 1), x.flip(3), x)
            loss = F.binary_cross_entropy_with_logits(network(x), answers[chosen].to(device, torch.float32))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval().requires_grad_(False)


@in_float32
@torch.no_grad()
def logits(network: nn.Module, pictures: Tensor) -> Tensor:
    """Of uint8 [N, R, R, 3], see `reduced`: [N, K] on the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network(images.from_uint8(x).to(device)).cpu() for x in pictures.split(BATCH)])


def _build(side: int, answers: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = WIDTHS[0]
        # The first layer keeps the side: seams and the grain of upsampling are as fine as pixels.
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for wider in WIDTHS[1:]:
            if side <= SMALLEST:
                break
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.GroupNorm(8, wider), nn.LeakyReLU(0.2)]
            side, width = -(-side // 2), wider
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, answers))
