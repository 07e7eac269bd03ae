"""The order of training images as a pure function of (seed, images seen), so that a resumed run goes on exactly."""

import itertools
import warnings
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylemap import parallel
from stylemap.datasets import Pictures
from stylemap.errors import InputError
from stylemap.networks.discriminator import GROUP

Draw = tuple[int, bool]  # (index of the image, mirrored)


def epoch(seed: int, number: int, count: int, mirror: bool) -> list[Draw]:
    """All images once, shuffled; each mirrored with probability one half if ``mirror``."""
    rng = np.random.default_rng([seed, number])
    order = rng.permutation(count)
    flips = rng.random(count) < 0.5 if mirror else np.zeros(count, bool)
    return list(zip(order.tolist(), flips.tolist(), strict=True))


def draws(seed: int, count: int, start: int, mirror: bool) -> Iterator[Draw]:
    """The endless stream of draws after ``start`` images have been seen."""
    number, offset = divmod(start, count)
    while True:
        yield from epoch(seed, number, count, mirror)[offset:]
        number, offset = number + 1, 0


def shares(batch: int, rank: int = 0, world: int = 1, passes: int = 1) -> list[list[int]]:
    """Which samples of every batch of ``batch`` images process ``rank`` of ``world`` takes, in each of its ``passes``.

    Together the processes take each sample once, so any number of them, and any change of it, sees every image once an
    epoch. Samples that the discriminator compares (i, i + batch / 4, ...) stay together wherever the parts are large
    enough, so that the split does not change the result.

    Raises:
        InputError: the batch cannot be shared out evenly.
    """
    parts = world * passes
    if batch % parts:
        raise InputError(f"a batch of {batch} cannot be split into {parts} equal parts; make it a multiple of {parts}")
    rows = GROUP if batch % (GROUP * parts) == 0 else 1
    table = np.arange(batch).reshape(rows, parts, -1)  # [rows, parts, samples of a row]
    return [table[:, rank * passes + i].flatten().tolist() for i in range(passes)]


def batch_draws(
    seed: int, count: int, start: int, mirror: bool, batch: int, samples: Sequence[int]
) -> Iterator[list[Draw]]:
    """Of every ``batch`` draws of the one stream those at the places ``samples``, continuing after ``start`` images."""
    stream = draws(seed, count, start, mirror)
    while True:
        whole = list(itertools.islice(stream, batch))
        yield [whole[i] for i in samples]


def batches(
    pictures: Pictures,
    batch: int,
    seed: int,
    start: int,
    mirror: bool,
    workers: int,
    samples: Sequence[int] | None = None,
) -> Iterator[Tensor]:
    """Endless uint8 batches [len(samples), R, R, 3], continuing after ``start`` images; see `batch_draws`.

    Args:
        samples: places in the batch; None = all.
    """
    samples = range(batch) if samples is None else samples
    sampler = batch_draws(seed, len(pictures), start, mirror, batch, samples)
    loader = DataLoader(
        _Mirrored(pictures),
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="spawn" if workers else None,  # forking a process with threads can deadlock
        persistent_workers=workers > 0,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
    )
    with parallel.signals_blocked():
        return map(_checked, iter(loader))


def _collate(pictures: list[Tensor | InputError]) -> Tensor | InputError:
    """An error travels as a value: raised in a worker it would arrive with a traceback inside its message."""
    return next((p for p in pictures if isinstance(p, InputError)), None) or torch.stack(pictures)


def _checked(batch: Tensor | InputError) -> Tensor:
    if isinstance(batch, InputError):
        raise batch
    return batch


def _start_worker(worker: int) -> None:
    """In a worker nobody catches warnings; they go to the terminal as one line each. The cores are shared already."""
    cv2.setNumThreads(1)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"


class _Mirrored(Dataset):
    def __init__(self, pictures: Pictures):
        self.pictures = pictures

    def __getitem__(self, draw: Draw) -> Tensor | InputError:
        index, mirrored = draw
        try:
            picture = self.pictures[index]
        except InputError as err:
            return err
        return torch.from_numpy(np.ascontiguousarray(picture[:, ::-1] if mirrored else picture))


def first(pictures: Pictures, count: int) -> Tensor:
    """The first images as one uint8 tensor [count, R, R, 3]."""
    return torch.from_numpy(np.stack([pictures[i] for i in range(min(count, len(pictures)))]))
