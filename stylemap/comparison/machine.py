"""What a time depends on: the machine, its clock and its memory."""

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from stylemap import __version__, provenance

CPUINFO = Path("/proc/cpuinfo")
RESET = Path("/proc/self/clear_refs")  # writing 5 to it resets the peak of resident memory (Linux, proc(5))
STATUS = Path("/proc/self/status")
MIB = 2**20


@dataclass
class Peak:
    """The most memory in use while something ran."""

    mib: float | None = None
    how: str = "not measured"


def hardware(device: torch.device) -> dict:
    """Hardware and versions."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": str(device),
        "gpu": gpu,
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "stylemap": __version__,
        "libraries": [provenance.version(name) for name in ("torch", "numpy", "lpips")],
    }


def processor() -> str:
    """The model of the processor, or what the system says of it."""
    models = re.findall(r"model name\s*: (.*)", CPUINFO.read_text()) if CPUINFO.exists() else []
    return models[0].strip() if models else platform.processor() or platform.machine()


def load_average() -> list[float] | None:
    """Processes that ran or waited in the last 1, 5 and 15 minutes, on average; None where the system does not say."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None


def seconds(device: torch.device) -> float:
    """The clock, read when the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def peak(device: torch.device) -> Iterator[Peak]:
    """Measure until the end of the block."""
    most = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield most
        most.mib, most.how = torch.cuda.max_memory_allocated(device) / MIB, "tensors on the GPU"
        return
    resettable = False
    if device.type == "cpu":
        with contextlib.suppress(OSError):
            RESET.write_text("5")
            resettable = True
    yield most
    if resettable and (kib := re.findall(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        most.mib, most.how = int(kib[0]) / 1024, "resident memory of the whole process"
