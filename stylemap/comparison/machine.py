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
RESET = Path("/proc/self/clear_refs")  # 5 written to it forgets the peak of resident memory (Linux, proc(5))
STATUS = Path("/proc/self/status")
MIB = 2**20


@dataclass
class Peak:
    """The most memory in use while something ran."""

    mib: float | None = None
    how: str = "not measured"


def describe(device: torch.device) -> dict:
    """Hardware and versions, and how busy the machine is."""
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
    """Its model, or as much as the system says."""
    models = re.findall(r"model name\s*: (.*)", CPUINFO.read_text()) if CPUINFO.exists() else []
    return models[0].strip() if models else platform.processor() or platform.machine()


def load() -> list[float] | None:
    """Processes that were running or waiting in the last 1, 5 and 15 minutes; None where the system does not say."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None


def seconds(device: torch.device) -> float:
    """The clock, read when the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def peak(device: torch.device) -> Iterator[Peak]:
    """Measure until the end of the block; what cannot be measured is said to be so."""
    found = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield found
        found.mib, found.how = torch.cuda.max_memory_allocated(device) / MIB, "tensors on the GPU"
        return
    resident = device.type == "cpu" and _forget()
    yield found
    if resident and (value := _resident()) is not None:
        found.mib, found.how = value, "resident memory of the whole process"


def _forget() -> bool:
    try:
        RESET.write_text("5")
    except OSError:
        return False
    return True


def _resident() -> float | None:
    """Peak since it was forgotten."""
    try:
        lines = re.findall(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    except OSError:
        return None
    return int(lines[0]) / 1024 if lines else None
