"""The layout of a published checkpoint: names and shapes of its entries, and its training arguments."""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

HERE = Path(__file__).parent
SIZE, CELLS, CHANNELS = 64, 8, 64
LR_MUL = 0.01


def arguments(**changes) -> argparse.Namespace:
    """``train_args`` of the fixture, with some that are no business of ours."""
    values = {
        "size": SIZE,
        "mapping_layer_num": 8,
        "latent_channel_size": CHANNELS,
        "latent_spatial_size": CELLS,
        "lr_mul": LR_MUL,
        "channel_multiplier": 2,
        "normalize_mode": "LayerNorm",
        "small_generator": False,
        "batch": 16,
        "lr": 0.002,
        "dataset": "celeba_hq",
    }
    return argparse.Namespace(**{**values, **changes})


def shapes(network: str) -> dict[str, list[int]]:
    """Entries of "generator", "encoder" or "discriminator" at 64 px."""
    return json.loads((HERE / "official_64_8x8_keys.json").read_text())[network]


def blur_buffer(name: str) -> Tensor:
    """The filter of a resampling layer as it lies in the file: times 4 where it follows an upsampling."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(line, line) * (4 if name.startswith("decoder") else 1)


def checkpoint(
    generator: dict[str, Tensor],
    encoder: dict[str, Tensor],
    discriminator: dict[str, Tensor],
    train_args: argparse.Namespace,
) -> dict:
    """All nine entries. The averages are the same tensors as the networks, so they take no room in the file."""
    optimizer = {"state": {}, "param_groups": [{"lr": 0.002, "betas": (0.0, 0.99), "params": [0, 1]}]}
    return {
        "generator": generator,
        "g_ema": generator,
        "encoder": encoder,
        "e_ema": encoder,
        "discriminator": discriminator,
        "train_args": train_args,
        "g_optim": optimizer,
        "d_optim": optimizer,
        "e_optim": optimizer,
    }
