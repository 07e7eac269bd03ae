"""Translations of images, pixel by pixel: what moving parts is compared with."""

import torch
from torch import Tensor


def by_loops(x: Tensor, down: int, right: int, edge: str) -> Tensor:
    """Translation by whole pixels, pixel by pixel."""
    height, width = x.shape[2:]
    result = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            y, z = i - down, j - right
            if edge == "replicate":
                y, z = min(max(y, 0), height - 1), min(max(z, 0), width - 1)
            if 0 <= y < height and 0 <= z < width:
                result[:, :, i, j] = x[:, :, y, z]
    return result


def between(x: Tensor, down: float, right: float, edge: str) -> Tensor:
    """Translation by fractions: the weighted mean of the four whole ones around it."""
    total = torch.zeros_like(x)
    floor_y, floor_x = int(down // 1), int(right // 1)
    for y, weight_y in ((floor_y, floor_y + 1 - down), (floor_y + 1, down - floor_y)):
        for z, weight_x in ((floor_x, floor_x + 1 - right), (floor_x + 1, right - floor_x)):
            if weight_y * weight_x:
                total += weight_y * weight_x * by_loops(x, y, z, edge)
    return total
