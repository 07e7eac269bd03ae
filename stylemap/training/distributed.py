"""Several processes train one model. torchrun starts them; gradients are averaged by hand, so R1 needs no wrapper of modules.

Every process holds the same weights and makes the same updates. They differ only in the samples that they see. Rank 0, the
first, alone writes and prints.
"""

import contextlib
import datetime
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from stylemap.errors import InputError
from stylemap.files import write_text
from stylemap.training import rendezvous

T = TypeVar("T")
MARK = ".launch"  # in the folder of a run
BEAT_S, SILENCE_S = 2, 45  # between signs of life from a process that others wait for; how long they wait for one
PATIENCE = datetime.timedelta(minutes=10)  # with a process that hangs; the death of one is noticed at once


@dataclass(frozen=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1
    store: dist.Store | None = None  # through which they leave messages
    turns: Iterator[int] = field(default_factory=itertools.count)  # numbers of `first_works`

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes, all in one message."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)])

    def sum(self, x: Tensor) -> Tensor:
        """Over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(x)
        return x

    def minimum(self, x: Tensor) -> Tensor:
        """The smallest of any process, in place."""
        if self.size > 1:
            dist.all_reduce(x, dist.ReduceOp.MIN)
        return x

    def any(self, value: bool) -> bool:
        """Whether it is true in any process. The message goes between hosts, so no device is waited for."""
        if self.size == 1:
            return value
        flag = torch.tensor(int(value))
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def broadcast(self, value: T) -> T:
        """The value that rank 0 gives."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    @contextlib.contextmanager
    def first_works(self) -> Iterator[None]:
        """Rank 0 does the work within; the others wait here as long as it takes. A message to wait for would have a time limit.

        Raises:
            InputError: rank 0 gives no sign of life any more.
        """
        if self.size == 1:
            yield
            return
        turn = dist.PrefixStore(f"turn {next(self.turns)}", self.store)
        if self.first:
            with _signs_of_life(turn):
                yield
        else:
            yield
            self._wait(turn)
        self.any(False)  # the store ends with the first process, so it stays until all have heard

    def _wait(self, turn: dist.Store) -> None:
        beats, heard = 0, time.monotonic()
        while not turn.check(["over"]):
            if (now := turn.add("beats", 0)) != beats:
                beats, heard = now, time.monotonic()
            if time.monotonic() - heard > SILENCE_S:
                raise InputError(
                    f"process {self.rank} of {self.size} has not heard from process 0 for {SILENCE_S} s; its own message says "
                    "why. Go on from the last state with --resume"
                )
            time.sleep(rendezvous.POLL_S)


@contextlib.contextmanager
def _signs_of_life(turn: dist.Store) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        with contextlib.suppress(RuntimeError):  # the store is gone
            while not over.wait(BEAT_S):
                turn.add("beats", 1)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:  # if the work fails, the others notice at their next message
        over.set()
        beating.join()
        turn.set("over", "")


ALONE = World()


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ or ("RANK" in os.environ and "WORLD_SIZE" in os.environ)


def speaks() -> bool:
    """Whether this is the process that prints: the first, or the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def restarted(run: Path) -> bool:
    """Whether torchrun started this process again, after a failure of the launch that works on ``run``. Then the run goes on."""
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
    return again and (run / MARK).exists() and (run / MARK).read_text() == _launch()


def claim(run: Path) -> None:
    """Note in the folder of a run which launch works on it; nothing without torchrun."""
    if launched():
        write_text(run / MARK, _launch())


def release(run: Path) -> None:
    """The run has ended as it should: no restart goes on with it."""
    (run / MARK).unlink(missing_ok=True)


def _launch() -> str:
    """An id of this call of torchrun: its --rdzv-id, or its process if there is none."""
    given = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return given if given != "none" else f"{socket.gethostname()}:{os.getppid()}"


def local_device(name: str) -> str:
    """The device of this process on a machine with several: ``cuda`` and ``auto`` become its own GPU."""
    if launched() and name in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return name


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The group of processes that torchrun started, or this process alone.

    Messages between hosts go by gloo, those between GPUs by NCCL. A process that dies breaks the connections of the others,
    which then fail in their next message.

    Raises:
        InputError: another process has died, or they do not reach one another.
    """
    if not launched():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        store = rendezvous.meet("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", PATIENCE)
    except RuntimeError as err:
        raise InputError(
            f"the processes cannot reach one another ({str(err).splitlines()[0][:200]}); see torchrun's --rdzv-endpoint"
        ) from err
    world = World(dist.get_rank(), dist.get_world_size(), store)
    try:
        yield world
    except RuntimeError as err:  # DistError, of NCCL and of the store, is one; gloo raises it plainly
        if "gloo" in str(err).lower() or isinstance(err, dist.DistError):
            raise InputError(
                f"process {world.rank} of {world.size} lost another one; its own message says why. Go on from the last state "
                "with --resume"
            ) from err
        raise
    finally:
        with contextlib.suppress(RuntimeError):  # a peer may be gone
            dist.destroy_process_group()
