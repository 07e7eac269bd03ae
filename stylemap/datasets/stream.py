"""The order of training images: a pure function of the seed and the images seen, so that a resumed run goes on exactly."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from stylemap import parallel, randomness
from stylemap.datasets import Dataset, Draw, read_batch
from stylemap.randomness import Purpose


def epoch(seed: int, number: int, count: int, mirror: bool) -> list[Draw]:
    """Every image once, in random order. If ``mirror``, each is mirrored with probability one half."""
    rng = randomness.generator(Purpose.ORDER, seed, number)
    order = rng.permutation(count)
    flips = rng.random(count) < 0.5 if mirror else np.zeros(count, bool)
    return list(zip(order.tolist(), flips.tolist(), strict=True))


def draws(seed: int, count: int, start: int, mirror: bool) -> Iterator[Draw]:
    """The endless stream of draws, continued after ``start`` images."""
    number, offset = divmod(start, count)
    while True:
        yield from epoch(seed, number, count, mirror)[offset:]
        number, offset = number + 1, 0


def batch_draws(
    seed: int, count: int, start: int, mirror: bool, batch: int, samples: Sequence[int]
) -> Iterator[list[Draw]]:
    """The draws at the places ``samples`` of each batch of the stream, continued after ``start`` images."""
    stream = draws(seed, count, start, mirror)
    while True:
        whole = list(itertools.islice(stream, batch))
        yield [whole[i] for i in samples]


def batches(
    images: Dataset,
    batch: int,
    seed: int,
    start: int,
    mirror: bool,
    workers: int,
    samples: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Tensor]:
    """uint8 batches [len(samples), R, R, 3], or [..., 4] with labels, continued after ``start`` images; see `batch_draws`.

    Args:
        workers: loading processes; 0 = this one.
        samples: places in the batch; None = all.
        stop: asked while a batch is waited for; the batches end once it is true. Otherwise they are endless.

    Raises:
        InputError: images cannot be loaded, or a loading process has died.
    """
    samples = range(batch) if samples is None else samples
    places = batch_draws(seed, len(images), start, mirror, batch, samples)
    for loaded in parallel.imap(functools.partial(read_batch, images), places, workers, stop):
        tensor = torch.from_numpy(loaded)
        yield tensor.pin_memory() if torch.cuda.is_available() else tensor


def first_images(images: Dataset, count: int) -> Tensor:
    """The first images as one uint8 tensor [count, R, R, 3], or [..., 4] with labels."""
    return torch.from_numpy(np.stack([images[i] for i in range(min(count, len(images)))]))
