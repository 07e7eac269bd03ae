"""Exponential moving average of weights."""

import torch
from torch import nn

from stylemap.config import EmaConfig


def decay(images: int, batch: int, config: EmaConfig) -> float:
    """The share of the old average kept by the update after ``batch`` images, when ``images`` have been seen in all."""
    half_life = config.half_life
    if config.ramp is not None:
        half_life = min(half_life, config.ramp * images)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update(average: nn.Module, live: nn.Module, decay: float) -> None:
    """``average = decay * average + (1 - decay) * live``; buffers are copied. The modules must have the same entries."""
    averaged, current = dict(average.named_parameters()), dict(live.named_parameters())
    if averaged.keys() != current.keys():
        raise ValueError(f"the modules differ in {sorted(averaged.keys() ^ current.keys())}")
    torch._foreach_lerp_(list(averaged.values()), list(current.values()), 1 - decay)
    for buffer, other in zip(average.buffers(), live.buffers(), strict=True):
        buffer.copy_(other)
