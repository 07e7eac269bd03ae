"""The file that TensorBoard reads, written in this thread.

torch's SummaryWriter writes in a thread of its own, and nobody can catch what it raises on a full disk.
"""

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor
from torch.utils.tensorboard import summary

VERSION = "brain.Event:2"
BINS = 64


class Board:
    """A file of events. It tells TensorBoard to forget what earlier files hold of steps after ``seen``.

    Raises, in each of its methods:
        OSError: as of any file.
    """

    def __init__(self, folder: Path, seen: int):
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self.file = open(folder / name, "wb")  # noqa: SIM115 (until `close`)
        self.records = RecordWriter(self.file)
        self._write(file_version=VERSION)
        self._write(step=seen + 1, session_log=SessionLog(status=SessionLog.START))

    def scalar(self, name: str, value: float, seen: int) -> None:
        self._write(step=seen, summary=summary.scalar(name, value))

    def histogram(self, name: str, numbers: Tensor, seen: int) -> None:
        self._write(step=seen, summary=summary.histogram(name, numbers.numpy(), bins=BINS))

    def text(self, name: str, text: str, seen: int) -> None:
        self._write(step=seen, summary=summary.text(name, text))

    def picture(self, name: str, pixels: Tensor, seen: int) -> None:
        """uint8 [H, W, 3]."""
        self._write(step=seen, summary=summary.image(name, pixels.numpy(), dataformats="HWC"))

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def _write(self, **event) -> None:
        self.records.write(Event(wall_time=time.time(), **event).SerializeToString())
