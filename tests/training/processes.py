"""Processes that start in a moment: forked by a server that has imported torch already, which takes two seconds."""

import multiprocessing
import os
import socket
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import torch.multiprocessing as mp

from stylemap import cli

METHOD = "forkserver"
# The server begins with the first process; what cannot be imported there is imported by each process. An optimiser imports
# torch._dynamo before its first step.
multiprocessing.set_forkserver_preload(["stylemap.cli.train", "tests.training.test_distributed", "torch._dynamo"])


class Command:
    """``stylemap`` with these arguments, leader of a group of its own; what it prints goes to two files."""

    def __init__(self, folder: Path, *arguments: str | Path):
        self.out, self.err = folder / "stdout.txt", folder / "stderr.txt"
        given = [str(argument) for argument in arguments]
        self.process: BaseProcess = multiprocessing.get_context(METHOD).Process(
            target=_command, args=(given, self.out, self.err)
        )
        self.process.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"still running after {timeout} s"
        return self.out.read_text(), self.err.read_text()

    @property
    def returncode(self) -> int:
        return self.process.exitcode


def _command(arguments: list[str], out: Path, err: Path) -> None:
    os.setsid()
    for path, handle in ((out, 1), (err, 2)):
        with open(path, "w") as file:
            os.dup2(file.fileno(), handle)
    torch.set_num_threads(1)
    sys.exit(cli.main(arguments))


def spawn(function, world: int, *arguments) -> None:
    """``function(*arguments)`` in ``world`` processes that see what torchrun would tell them."""
    mp.start_processes(_started, (function, world, _free_port(), arguments), world, start_method=METHOD)


def start(function, world: int, *arguments) -> list[BaseProcess]:
    """As `spawn` does, and returns at once; they are left alone when one of them ends."""
    context = multiprocessing.get_context(METHOD)
    given = (function, world, _free_port(), arguments)
    processes = [context.Process(target=_started, args=(rank, *given)) for rank in range(world)]
    for process in processes:
        process.start()
    return processes


def _started(rank: int, function, world: int, port: int, arguments: tuple) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    function(*arguments)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
