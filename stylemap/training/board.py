"""The file that TensorBoard reads, written in this thread.

torch's SummaryWriter writes in a thread of its own, and nobody can catch what it raises on a full disk.
"""

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

VERSION = "brain.Event:2"


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

    def add(self, seen: int, summary: Summary) -> None:
        """A summary of `torch.utils.tensorboard.summary`."""
        self._write(step=seen, summary=summary)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def _write(self, **event) -> None:
        self.records.write(Event(wall_time=time.time(), **event).SerializeToString())
