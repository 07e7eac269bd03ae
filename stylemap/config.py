"""Every knob: its default, unit, and what 0 or None mean. Defaults are the published 256 px settings.

The dataclasses are frozen and check themselves, so a config that exists is a config that can run. Quantities of training
are counted in images, never in iterations, so that they mean the same at every batch size.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from stylemap.errors import InputError


def _check(ok: bool, message: str) -> None:
    if not ok:
        raise InputError(message)


def _power_of_two(value: int, low: int, high: int) -> bool:
    return low <= value <= high and value & (value - 1) == 0


@dataclass(frozen=True)
class ModelConfig:
    """What the networks look like; stored in every weights file."""

    resolution: int = 256  # side R of the images in pixels: 16, 32, ... 1024
    stylemap_size: int = 8  # side S of the stylemap in cells: 1, 2, 4, 8, 16 or 32; finer reconstructs better, edits smaller
    stylemap_channels: int = 64  # channels of the stylemap, and the length of z
    channel_base: int = 32768  # features at side r: min(channel_max, channel_base // r); halve it for a 4 times smaller net
    channel_max: int = 512
    mapping_layers: int = 8  # linear layers from z to the stylemap
    mapping_lr_mul: float = 0.01  # learning rate of the mapping network relative to the rest
    norm: Literal["layer", "instance", "batch", "group"] = "layer"  # before modulation; the others are the paper's ablations
    light: bool = False  # the stylemap resizer keeps stylemap_channels at every side: for 1024 px

    def __post_init__(self):
        _check(
            _power_of_two(self.resolution, 16, 1024),
            f"model.resolution {self.resolution} must be 16, 32, 64, 128, 256, 512 or 1024",
        )
        _check(
            _power_of_two(self.stylemap_size, 1, min(32, self.resolution)),
            f"model.stylemap_size {self.stylemap_size} must be 1, 2, 4, 8, 16 or 32 and at most the resolution",
        )
        for name in ("stylemap_channels", "channel_base", "channel_max", "mapping_layers"):
            _check(getattr(self, name) >= 1, f"model.{name} {getattr(self, name)} must be at least 1")
        _check(
            self.channel_base >= self.resolution,
            f"model.channel_base {self.channel_base} must be at least the resolution {self.resolution}",
        )
        _check(self.mapping_lr_mul > 0, f"model.mapping_lr_mul {self.mapping_lr_mul} must be positive")
        _check(
            self.norm in ("layer", "instance", "batch", "group"),
            f"model.norm {self.norm!r} must be layer, instance, batch or group",
        )
        if self.norm == "group":
            widths = {self.channels(self.stylemap_size << i) for i in range(self.doublings + 1)}
            _check(all(w % 8 == 0 for w in widths), f"model.norm group needs channels divisible by 8, not {sorted(widths)}")

    @property
    def doublings(self) -> int:
        """n = log2(R / S)."""
        return int(math.log2(self.resolution // self.stylemap_size))

    @property
    def stylemap_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return self.stylemap_channels, self.stylemap_size, self.stylemap_size

    def channels(self, side: int) -> int:
        """Feature channels at a side."""
        return min(self.channel_max, self.channel_base // side)

    @classmethod
    def from_dict(cls, saved: dict) -> "ModelConfig":
        """Rebuild from ``asdict``; an unknown key is an InputError."""
        unknown = set(saved) - {f.name for f in fields(cls)}
        _check(not unknown, f"unknown model settings {sorted(unknown)}: written by a newer version of stylemap?")
        return cls(**saved)
