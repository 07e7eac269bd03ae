"""The number of threads of a training on a CPU beside other programs.

PyTorch's threads meet at the end of every operation, so the one that shares its core slows all of them down. One thread fewer
is then faster; `benchmarks/beside.py` measures it.
"""

import contextlib
import math
import os
import time
import warnings

import psutil
import torch

from stylemap.errors import Note
from stylemap.training.distributed import World

EVERY_S = 2.0  # between looks at the other programs
SPARE = 0.5  # cores that others may use before a thread gives way
FREE = 0.25  # and may still use when it comes back


class Threads:
    """Keeps to the cores that other programs leave; closing it gives PyTorch all its threads again.

    The number is fixed if ``OMP_NUM_THREADS`` gives it, with several processes, on a GPU, and with one thread.
    """

    def __init__(self, device: torch.device, world: World):
        self.most = torch.get_num_threads()
        self.fixed = device.type != "cpu" or world.size > 1 or "OMP_NUM_THREADS" in os.environ or self.most == 1
        self._warned = False
        if not self.fixed:
            self._look()

    def adjust(self) -> None:
        """Look at the other programs, if it is time to. For between two iterations."""
        if self.fixed or time.monotonic() - self._since < EVERY_S:
            return
        since, before = self._since, self._others
        self._look()
        if self.fixed:
            return
        others = max(0.0, (self._others - before) / (self._since - since))
        now = torch.get_num_threads()
        then = beside(others, now, self.most)
        if then != now:
            torch.set_num_threads(then)
        if then < now and not self._warned:
            self._warned = True
            warnings.warn(
                f"other programs keep {others:.1f} cores busy, so training takes {then} of {self.most} threads while they do; "
                "OMP_NUM_THREADS fixes the number",
                Note,
                stacklevel=2,
            )

    def close(self) -> None:
        if not self.fixed:
            torch.set_num_threads(self.most)

    def _look(self) -> None:
        try:
            self._others = _all_programs() - _program(psutil.Process())  # seconds of CPU
            self._since = time.monotonic()
        except (psutil.Error, OSError):  # this machine does not let its programs look
            self.fixed = True


def beside(others: float, now: int, most: int) -> int:
    """The number of threads beside programs that use ``others`` cores, when it is ``now``; 1 to ``most``.

    A thread gives way when others use half a core, and comes back when they use a quarter, so that it does not go to and fro.
    """
    fewer, more = (most - math.ceil(max(0.0, others - slack)) for slack in (SPARE, FREE))
    return max(1, min(fewer, max(now, more)))


def _all_programs() -> float:
    """Seconds of CPU that all programs have used, on the cores that this one may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = (t for i, t in enumerate(psutil.cpu_times(percpu=True)) if allowed is None or i in allowed)
    return sum(t.user + t.system + getattr(t, "nice", 0.0) for t in cores)


def _program(process: psutil.Process) -> float:
    """Seconds of CPU that a process and its children have used, those included that have ended."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            times = member.cpu_times()
            total += (
                times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
            )
    return total
