"""Sets of images as batches of uint8 [n, R, R, 3], on the CPU: real ones, samples, reconstructions, interpolations.

Which images they are depends on the seed and not on the size of the batches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stylemap import images, parallel
from stylemap.architectures.model import interpolate
from stylemap.datasets import Dataset
from stylemap.metrics import heldout

# Uses of random numbers, beside the seed, so that no two uses share their draws.
CHOICE, SAMPLES, PAIRS = range(3)
MAPS = 1  # of noise, beside the z of the same use

MOST = 64  # images in a batch
MAPPED = 500  # z in a batch


def per_pass(side: int) -> int:
    """Images of this side on the device at once: more than beside a training."""
    return min(MOST, 4 * heldout.per_pass(side))


def choose(size: int, count: int, seed: int = 0) -> list[int]:
    """``count`` of ``size`` images without repetition, ascending; all if there are fewer."""
    if count >= size:
        return list(range(size))
    return sorted(np.random.default_rng([seed, CHOICE]).choice(size, count, replace=False).tolist())


def real(pictures: Dataset, indices: Sequence[int], workers: int = 0, label: str = "real images") -> Iterator[Tensor]:
    """Images of a data set, read by ``workers`` processes (0 = this one)."""
    read = parallel.imap(pictures.__getitem__, indices, workers)
    for batch in batched(progress(read, len(indices), label), per_pass(pictures.side)):
        yield torch.from_numpy(np.stack(batch))


def latents_of(model, pictures: Dataset, indices: Sequence[int] | None = None, workers: int = 0) -> Tensor:
    """Encoded images, on the CPU: [N, C, S, S] or [N, L, C].

    Args:
        indices: of the images; None = all.
        workers: as in `real`.
    """
    return encoded(model, pictures, indices, workers)["latent"]


@torch.no_grad()
def encoded(model, pictures: Dataset, indices: Sequence[int] | None = None, workers: int = 0) -> dict[str, Tensor]:
    """What the reconstructions of images are rendered from, as `heldout.encoded` has it, on the CPU: [N, ...] each.

    Args:
        indices, workers: as in `latents_of`.
    """
    batches = real(pictures, range(len(pictures)) if indices is None else indices, workers, "encoding")
    parts = [{name: x.cpu() for name, x in heldout.encoded(model, batch).items()} for batch in batches]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def undamaged(pictures: Dataset) -> list[int]:
    """Indices of the images that could be read; call it after reading them.

    The next image takes the place of a damaged one, and the name and labels of that place do not belong to it.
    """
    return [i for i in range(len(pictures)) if not pictures.skipped or pictures.name(i) not in pictures.skipped]


def noise(model, count: int, seed: int = 0, use: int = SAMPLES) -> Tensor:
    """z [count, C], standard normal; of more draws with the same seed these are the first."""
    draws = np.random.default_rng([seed, use]).standard_normal((count, model.latents.z_channels), np.float32)
    return torch.from_numpy(draws)


def noise_maps(model, indices: Iterable[int], seed: int = 0, use: int = SAMPLES) -> dict:
    """The argument of `synthesize` beside latents: noise maps drawn for each index, as published for samples and path lengths.
    Empty for a generator without noise inputs."""
    sides = [shape[-1] for shape in model.latents.noise_shapes]
    if not sides:
        return {}
    drawn = []
    for index in indices:
        rng = np.random.default_rng([seed, use, MAPS, index])
        drawn.append([torch.from_numpy(rng.standard_normal((1, side, side), np.float32)) for side in sides])
    return {"noise": [torch.stack(maps).to(model.device) for maps in zip(*drawn, strict=True)]}


@torch.no_grad()
def mapped(model, z: Tensor) -> Iterator[Tensor]:
    """The latents of z [N, C] in batches, on the model's device."""
    for part in z.split(MAPPED):
        yield model.map(part.to(model.device))


@torch.no_grad()
def samples(model, count: int, seed: int = 0) -> Iterator[Tensor]:
    """Images of random z and noise maps, no truncation, as 8 bits hold them."""
    z = noise(model, count, seed)
    for places in progress(torch.arange(count).split(per_pass(model.config.resolution)), None, "samples"):
        maps = noise_maps(model, places.tolist(), seed)
        yield images.to_uint8(model.synthesize(model.map(z[places].to(model.device)), **maps)).cpu()


@torch.no_grad()
def reconstructions(model, tensors: dict[str, Tensor]) -> Iterator[Tensor]:
    """Latents and what else `encoded` gives, rendered, as 8 bits hold them."""
    parts = zip(*(x.split(per_pass(model.config.resolution)) for x in tensors.values()), strict=True)
    for part in progress(list(parts), None, "reconstructions"):
        yield rendered(model, dict(zip(tensors, part, strict=True)))


def draw_pairs(size: int, count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of ``size`` latents and where between them: first [count], second [count], amount [count] in [0, 1).

    Each index is drawn from all with replacement, so that a latent may meet itself, and the amount of the first is uniform; as
    published, but for the random numbers themselves.
    """
    rng = np.random.default_rng([seed, PAIRS])
    first, second = torch.from_numpy(rng.integers(0, size, (count, 2))).unbind(dim=1)
    return first, second, torch.from_numpy(rng.random(count, np.float32))


@torch.no_grad()
def interpolations(
    tensors: dict[str, Tensor], render: Callable[[dict[str, Tensor]], Tensor], count: int, side: int, seed: int = 0
) -> Iterator[Tensor]:
    """Batches of ``amount * first + (1 - amount) * second``, rendered, as 8 bits hold them: uint8 [n, R, R, 3].

    FID_lerp compares them with training images (StyleMapGAN, arXiv 2104.14754): it asks whether images between two real ones look
    real too, which random samples do not tell. Everything that the images are made of is interpolated, so that the ends are the
    reconstructions.

    Args:
        tensors: of the test images, [N, ...] each: latents (stylemaps before they are resized), and noise maps if there are.
        render: such tensors -> images.
        side: R.
    """
    (size,) = {len(x) for x in tensors.values()}
    parts = list(zip(*(x.split(per_pass(side)) for x in draw_pairs(size, count, seed)), strict=True))
    for first, second, amount in progress(parts, None, "interpolations"):
        yield render({name: interpolate(x[second], x[first], amount) for name, x in tensors.items()})


def rendered(model, tensors: dict[str, Tensor]) -> Tensor:
    """Latents and what else `encoded` gives -> uint8 [N, R, R, 3] on the CPU."""
    return images.to_uint8(heldout.rendered(model, {name: x.to(model.device) for name, x in tensors.items()})).cpu()


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of up to ``size`` items."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def progress(items: Iterable, total: int | None, label: str) -> Iterable:
    """A bar on stderr where that is a terminal."""
    return tqdm(items, total=total, desc=label, leave=False, disable=None)
