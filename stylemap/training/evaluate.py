"""Held-out scores and the picture grid of a run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stylemap import images
from stylemap.editing import blend
from stylemap.model import Model

MOST_COMPARED = 64  # pictures whose spread is looked at in a tick
LEAST_TILE = 96  # pixels a picture of the grid is at least wide
CHUNK_PIXELS = 4 * 256**2  # per pass; a tick must not need more memory than the training does


@dataclass(frozen=True)
class Scores:
    """Reconstruction of images that training never saw; pixels in [-1, 1], clamped."""

    mse: float
    psnr: float  # dB, peak to peak 2
    explained: float  # share of the pixel variance about the mean image of the set; 1 is perfect


def per_pass(side: int) -> int:
    """How many pictures of this side the functions below have on the device at once."""
    return max(1, CHUNK_PIXELS // side**2)


@torch.no_grad()
def score(model: Model, pictures: Tensor) -> Scores:
    """Reconstruct uint8 [N, R, R, 3] and compare."""
    chunks = pictures.split(per_pass(pictures.shape[1]))
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
    parts = model.map(z.to(model.device)).split(per_pass(pictures.shape[1]))
    samples = torch.cat([model.synthesize(w).float().cpu().clamp(-1, 1) for w in parts])
    variance = images.from_uint8(pictures[:MOST_COMPARED]).var(dim=0, correction=1).mean()
    return float(samples.var(dim=0, correction=1).mean() / variance.clamp_min(1e-12))


@torch.no_grad()
def stylemap_statistics(model: Model, pictures: Tensor) -> dict[str, Tensor]:
    """Standard deviations of the stylemaps of pictures: of all values [], by channel [C], by cell [S * S]."""
    parts = images.from_uint8(pictures[:MOST_COMPARED]).split(per_pass(pictures.shape[1]))
    w = torch.cat([model.encode(x.to(model.device)).float().cpu() for x in parts])
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
    originals, n = images.from_uint8(pictures), per_pass(pictures.shape[1])
    stylemap = torch.cat([model.encode(x.to(model.device)) for x in originals.split(n)])
    mask = torch.zeros_like(originals[:1, :1], device=model.device)
    mask[:, :, mask.shape[2] // 2 :] = 1
    rows = []
    parts = (t.split(n) for t in (originals, stylemap, stylemap.roll(-1, dims=0), z))
    for x, w, other, noise in zip(*parts, strict=True):
        columns = [x, model.synthesize(w), blend(model, w, other, mask), model.synthesize(model.map(noise))]
        rows.append(torch.stack([column.float().cpu() for column in columns], dim=1))
    tiles = torch.cat(rows).flatten(0, 1)  # [4 N, 3, R, R]
    return images.grid(images.enlarge(tiles, LEAST_TILE), columns=4)
