"""The order of training images as a pure function of (seed, images seen), so that a resumed run goes on exactly."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from stylemap import parallel, randomness
from stylemap.datasets import Dataset
from stylemap.datasets.loading import Draw, read_batch
from stylemap.randomness import Purpose


def epoch(seed: int, number: int, count: int, mirror: bool) -> list[Draw]:
    """All images once, shuffled; each mirrored with probability one half if ``mirror``."""
    rng = randomness.generator(Purpose.ORDER, seed, number)
    order = rng.permutation(count)
    flips = rng.random(count) < 0.5 if mirror else np.zeros(count, bool)
    return list(zip(order.tolist(), flips.tolist(), strict=True))


def draws(seed: int, count: int, start: int, mirror: bool) -> Iterator[Draw]:
    """The endless stream of draws after ``start`` images have been seen."""
    number, offset = divmod(start, count)
    while True:
        yield from epoch(seed, number, count, mirror)[offset:]
        number, offset = number + 1, 0


def batch_draws(
    seed: int, count: int, start: int, mirror: bool, batch: int, samples: Sequence[int]
) -> Iterator[list[Draw]]:
    """Of every ``batch`` draws of the one stream those at the places ``samples``, continuing after ``start`` images."""
    stream = draws(seed, count, start, mirror)
    while True:
        whole = list(itertools.islice(stream, batch))
        yield [whole[i] for i in samples]


def batches(
    pictures: Dataset,
    batch: int,
    seed: int,
    start: int,
    mirror: bool,
    workers: int,
    samples: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Tensor]:
    """uint8 batches [len(samples), R, R, 3], continuing after ``start`` images; see `batch_draws`. Endless, unless ``stop()``
    becomes true while one is waited for.

    Args:
        samples: places in the batch; None = all.

    Raises:
        InputError: pictures cannot be loaded, for whatever reason, or a loading process has died.
    """
    samples = range(batch) if samples is None else samples
    places = batch_draws(seed, len(pictures), start, mirror, batch, samples)
    for loaded in parallel.imap(functools.partial(read_batch, pictures), places, workers, stop):
        tensor = torch.from_numpy(loaded)
        yield tensor.pin_memory() if torch.cuda.is_available() else tensor


def first(pictures: Dataset, count: int) -> Tensor:
    """The first images as one uint8 tensor [count, R, R, 3]."""
    return torch.from_numpy(np.stack([pictures[i] for i in range(min(count, len(pictures)))]))
