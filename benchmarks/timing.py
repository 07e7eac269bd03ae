"""Times of work done in turns, and their ratios: a machine that slows down slows all alike."""

import time
from collections.abc import Callable

import torch
from tqdm import trange

Clock = Callable[[], float]


def seconds(work: Callable[[], object], device: torch.device | None = None, clock: Clock = time.perf_counter) -> float:
    """Of the work, with all that it asked of the device."""
    start = clock()
    work()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def clock(device: torch.device) -> Clock:
    """Of one thread of a CPU what the processor gave to it, which other programs hardly change; else what a clock shows."""
    return time.thread_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


def alternating(
    first: Callable[[], object],
    second: Callable[[], object],
    device: torch.device,
    count: int,
    rounds: int,
    label: str,
    clock: Clock = time.perf_counter,
) -> list[tuple[float, float]]:
    """Seconds of each for ``count`` calls, in turns call by call, in every round; one round before them warms up."""
    times = []
    for _ in trange(rounds + 1, desc=label, disable=None, leave=False):
        pairs = [(seconds(first, device, clock), seconds(second, device, clock)) for _ in range(count)]
        times.append(tuple(sum(column) for column in zip(*pairs, strict=True)))
    return times[1:]


def ratio(row: dict) -> str:
    """Of a report: the median over rounds, and their range."""
    return f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
