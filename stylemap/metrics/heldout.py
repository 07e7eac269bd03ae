"""Held-out scores and the image grid of a run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stylemap import images
from stylemap.architectures.vector.generator import style_mixing
from stylemap.editing import blend
from stylemap.precision import in_float32

MOST_COMPARED = 64  # images whose spread is looked at in a tick
LEAST_TILE = 96  # pixels an image of the grid is at least wide
CHUNK_PIXELS = 4 * 256**2  # per pass; a tick must not need more memory than the training does


@dataclass(frozen=True)
class Scores:
    """Reconstruction of images that training never saw; pixels in [-1, 1], clamped."""

    mse: float
    psnr: float  # dB, peak to peak 2
    explained: float  # share of the pixel variance about the mean image of the set; 1 is perfect


def per_pass(side: int) -> int:
    """How many images of this side the functions below have on the device at once."""
    return max(1, CHUNK_PIXELS // side**2)


def encoded(model, pictures: Tensor) -> dict[str, Tensor]:
    """What reconstructions are rendered from, by name: "latent" and the extras, on the model's device.

    Args:
        pictures: uint8 [N, R, R, 3], or 4 with labels.
    """
    originals, labels = images.from_labelled(pictures.to(model.device))
    extras = model.extras_of(labels)
    return {"latent": model.encode(originals, **extras), **extras}


def rendered(model, tensors: dict[str, Tensor]) -> Tensor:
    """`encoded` -> images [N, 3, R, R], about [-1, 1]."""
    return model.render_with(tensors["latent"], tensors)


@in_float32
@torch.no_grad()
def score(model, pictures: Tensor) -> Scores:
    """Reconstruct uint8 [N, R, R, 3], or 4 with labels, and compare."""
    chunks = pictures.split(per_pass(pictures.shape[1]))
    mean = sum(images.from_labelled(x)[0].double().sum(dim=0) for x in chunks) / len(pictures)
    error = spread = 0.0
    for chunk in chunks:
        originals, _ = images.from_labelled(chunk)
        reconstructions = rendered(model, encoded(model, chunk)).cpu().clamp(-1, 1)
        error += (reconstructions - originals).square().sum(dtype=torch.float64).item()
        spread += (originals - mean).square().sum().item()
    count = len(pictures) * mean.numel()
    mse, variance = error / count, spread / count
    psnr = 10 * math.log10(4 / mse) if mse > 0 else math.inf
    return Scores(mse, psnr, 1 - mse / variance if variance > 0 else math.nan)


@in_float32
@torch.no_grad()
def diversity(model, pictures: Tensor, z: Tensor) -> float:
    """How much samples differ from one another, relative to real images: variance about the mean image, 1 is as much.

    images: uint8 [N, R, R, 3]; z: [M, C]. 0 means that all samples are one; NaN that there is but one image.
    """
    if len(pictures) < 2:
        return math.nan
    latents = {"latent": model.map(z.to(model.device))}
    samples = _in_parts(model, lambda x: model.synthesize(x["latent"]), latents).clamp(-1, 1)
    variance = images.from_uint8(pictures[:MOST_COMPARED]).var(dim=0, correction=1).mean()
    return float(samples.var(dim=0, correction=1).mean() / variance.clamp_min(1e-12))


@in_float32
@torch.no_grad()
def latent_statistics(model, pictures: Tensor) -> dict[str, Tensor]:
    """Standard deviations of the latents of images: of all values [], by channel [C], and by place [P]."""
    latents = model.latents
    w = _encoded_in_parts(model, pictures[:MOST_COMPARED])["latent"]
    rows = latents.vectors(w)  # [N, P, C]
    return {
        f"{latents.name}_std": w.std(),
        f"{latents.name}_std_of_channels": rows.flatten(0, 1).std(dim=0),
        f"{latents.name}_std_of_{latents.places}": rows.transpose(0, 1).flatten(1).std(dim=1),
    }


@torch.no_grad()
def picture_grid(model, pictures: Tensor, z: Tensor) -> Tensor:
    """A sheet [3, H, W] with a row per image: original | reconstruction | combination | sample.

    The combination has its lower half, or with a vector for each layer the finer half of the layers, from the image of the
    next row. What needs an encoder is grey where there is none, and so are samples of a model without z. images: uint8
    [N, R, R, 3], or 4 with labels; z: [N, C].
    """
    originals, _ = images.from_labelled(pictures)
    reconstructions = combinations = samples = torch.zeros_like(originals)
    if model.encoder is not None:
        tensors = _encoded_in_parts(model, pictures)
        reconstructions = _in_parts(model, lambda x: rendered(model, x), tensors)
        combinations = _in_parts(model, _combiner(model), tensors | {"other": tensors["latent"].roll(-1, dims=0)})
    if z.shape[1]:
        samples = _in_parts(model, lambda x: model.synthesize(model.map(x["z"])), {"z": z})
    tiles = torch.stack([originals, reconstructions, combinations, samples], dim=1).flatten(0, 1)  # [4 N, 3, R, R]
    return images.grid(images.enlarge(tiles, LEAST_TILE), columns=4)


def _combiner(model) -> Callable[[dict[str, Tensor]], Tensor]:
    """`encoded`, with the latents "other" -> images of both."""
    if not model.latents.spatial:
        first = model.latents.count // 2
        return lambda x: rendered(model, x | {"latent": style_mixing(x["latent"], x["other"], first)})
    side = model.config.resolution
    mask = torch.zeros(1, 1, side, side, device=model.device)
    mask[:, :, side // 2 :] = 1
    return lambda x: blend(model, x["latent"], x["other"], mask)


def _encoded_in_parts(model, pictures: Tensor) -> dict[str, Tensor]:
    """`encoded`, of as many images as go at once; the result is on the CPU."""
    parts = [encoded(model, part) for part in pictures.split(per_pass(model.config.resolution))]
    return {name: torch.cat([part[name].float().cpu() for part in parts]) for name in parts[0]}


def _in_parts(model, function: Callable[[dict[str, Tensor]], Tensor], tensors: dict[str, Tensor]) -> Tensor:
    """``function`` on the model's device over as many samples as go at once; the result is on the CPU."""
    parts = zip(*(x.split(per_pass(model.config.resolution)) for x in tensors.values()), strict=True)
    named = ({name: x.to(model.device) for name, x in zip(tensors, part, strict=True)} for part in parts)
    return torch.cat([function(part).float().cpu() for part in named])
