"""Held-out scores and the picture grid of a run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stylemap import images
from stylemap.editing import blend
from stylemap.model import Model

MOST_COMPARED = 64  # pictures whose spread is looked at in a tick
CHUNK_PIXELS = 64 * 256**2  # per pass; bounds the memory on the device


@dataclass(frozen=True)
class Scores:
    """Reconstruction of images that training never saw; pixels in [-1, 1], clamped."""

    mse: float
    psnr: float  # dB, peak to peak 2
    explained: float  # share of the pixel variance about the mean image of the set; 1 is perfect


@torch.no_grad()
def score(model: Model, pictures: Tensor) -> Scores:
    """Reconstruct uint8 [N, R, R, 3] and compare."""
    chunks = pictures.split(max(1, CHUNK_PIXELS // pictures[0, ..., 0].numel()))
    mean = sum(images.from_uint8(x).double().sum(dim=0) for x in chunks) / len(pictures)
    error = spread = 0.0
    for chunk in chunks:
        originals = images.from_uint8(chunk)
        reconstructions = model.synthesize(model.encode(originals.to(model.device))).cpu().clamp(-1, 1)
        error += (reconstructions - originals).square().sum(dtype=torch.float64).item()
        spread += (originals - mean).square().sum().item()
    mse, variance = error / pictures.numel(), spread / pictures.numel()
    psnr = 10 * math.log10(4 / mse) if mse > 0 else math.inf
    return Scores(mse, psnr, 1 - mse / variance if variance > 0 else math.nan)


@torch.no_grad()
def diversity(model: Model, pictures: Tensor, z: Tensor) -> float:
    """How much samples differ from one another, relative to real pictures: variance about the mean image, 1 is as much.

    pictures: uint8 [N, R, R, 3]; z: [M, C]. 0 means that all samples are one; NaN that there is but one picture.
    """
    if len(pictures) < 2:
        return math.nan
    samples = model.synthesize(model.map(z.to(model.device))).float().cpu().clamp(-1, 1)
    variance = images.from_uint8(pictures[:MOST_COMPARED]).var(dim=0, correction=1).mean()
    return float(samples.var(dim=0, correction=1).mean() / variance.clamp_min(1e-12))


@torch.no_grad()
def stylemap_statistics(model: Model, pictures: Tensor) -> dict[str, Tensor]:
    """Standard deviations of the stylemaps of pictures: of all values [], by channel [C], by cell [S * S]."""
    w = model.encode(images.from_uint8(pictures[:MOST_COMPARED]).to(model.device)).float().cpu()
    return {
        "stylemap_std": w.std(),
        "stylemap_std_of_channels": w.transpose(0, 1).flatten(1).std(dim=1),
        "stylemap_std_of_cells": w.flatten(2).permute(2, 0, 1).flatten(1).std(dim=1),
    }


@torch.no_grad()
def picture_grid(model: Model, pictures: Tensor, z: Tensor) -> Tensor:
    """A sheet [3, H, W] with a row per picture: original | reconstruction | local edit | sample.

    The edit takes its lower half from the picture of the next row. pictures: uint8 [N, R, R, 3]; z: [N, C].
    """
    originals = images.from_uint8(pictures).to(model.device)
    stylemap = model.encode(originals)
    mask = torch.zeros_like(originals[:, :1])
    mask[:, :, mask.shape[2] // 2 :] = 1
    edits = blend(model, stylemap, stylemap.roll(-1, dims=0), mask, space="w+")
    columns = [originals, model.synthesize(stylemap), edits, model.synthesize(model.map(z))]
    tiles = torch.stack(columns, dim=1).flatten(0, 1).float().cpu()  # [4 N, 3, R, R]
    return images.grid(enlarge(tiles), columns=len(columns))


def enlarge(tiles: Tensor, least: int = 96) -> Tensor:
    """Repeat pixels so that small images can be seen: the side becomes a multiple of R that is at least ``least``."""
    factor = max(1, math.ceil(least / tiles.shape[-1]))
    return tiles.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
