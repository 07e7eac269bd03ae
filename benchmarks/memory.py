"""The peak memory of a training, in a process of its own, as a process never forgets its peak."""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]


def peak(make: Callable, device: torch.device) -> tuple[float, float]:
    """MiB: the most this process ever held, and how much of that was there before the networks. Call it once.

    Args:
        make: the training; what it returns has ``iterate``.
    """
    before = _resident()
    training = make()
    for _ in range(3):
        training.iterate()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20, 0.0
    return _resident(), before


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def elsewhere(module: str, arguments: argparse.Namespace, version: str):
    """What a benchmark prints with ``--memory-of``, run in a fresh process with the same arguments."""
    command = [sys.executable, "-m", module, "--config", arguments.config, "--device", arguments.device]
    command += ["--threads", str(arguments.threads), "--memory-of", version]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
