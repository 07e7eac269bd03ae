"""Each kernel of `op/` against its reference, in turns, and against the time in which its bytes can be moved.

    python -m benchmarks.kernels [--device cpu] [--rounds 9] [--threads 2] [--json FILE]

On a CPU these are the kernels in C++, at the sizes of avatars64 and avatars128; on a GPU those in Triton, at the sizes of the
published model at 256 px. The floor is the number of bytes that must be moved over the bandwidth of a copy, measured here.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks import timing
from benchmarks.machine import machine
from stylemap import devices, files
from stylemap.architectures.layers import BLUR
from stylemap.operators import bias_act, kernels, modulate, upfirdn2d

RESAMPLINGS = {
    "blur": {"pad": (1, 1), "gain": 4},
    "halve": {"down": 2, "pad": (1, 1)},
    "double": {"up": 2, "pad": (2, 1), "gain": 4},
}
SIZES = {  # [N, C, H, W]
    "cpu": [(4, 32, 64, 64), (4, 64, 32, 32), (4, 128, 8, 8), (1, 64, 129, 129)],
    "cuda": [(16, 128, 256, 256), (16, 256, 128, 128), (16, 512, 32, 32), (1, 128, 256, 256)],
}
REPEATS = 20  # calls that are timed as one
COPIED = 2**28  # bytes


def bandwidth(device: torch.device) -> float:
    """Bytes that a copy reads and writes in a second."""
    source = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = [timing.seconds(lambda: target.copy_(source), device) for _ in range(6)]
    return 2 * COPIED / min(times)


def cases(
    device: torch.device, size: tuple[int, ...], dtype: torch.dtype
) -> Iterator[tuple[str, Callable, list, tuple]]:
    """Name, operator, inputs; elements that a forward and a backward pass must move."""
    n, c, h, w = size
    x, style = (
        torch.randn(n, k, h, w, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
        for k in (c, 2 * c)
    )
    for name, how in RESAMPLINGS.items():
        moved = x.numel() + int(x.numel() * (how.get("up", 1) / how.get("down", 1)) ** 2)
        yield name, partial(upfirdn2d, taps=BLUR, **how), [x], (moved, moved)
    if device.type == "cuda":  # no others are in C++
        bias = torch.zeros(c, device=device, dtype=dtype)
        yield "bias_act", bias_act, [x, bias], (2 * x.numel(), 3 * x.numel())
        yield "modulate", modulate, [x, style], (4 * x.numel(), 9 * x.numel())


def measure(work: dict[str, Callable], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of a call, for each choice of kernels, in turns."""
    times: dict[str, list[float]] = {choice: [] for choice in work}

    def repeated(function):
        for _ in range(REPEATS):
            function()

    for k in range(rounds + 1):
        for choice, function in work.items():
            with kernels.using(choice):
                spent = timing.seconds(partial(repeated, function), device) / REPEATS
            if k:  # the first builds and compiles
                times[choice].append(spent)
    return times


def rows(device: torch.device, rounds: int, rate: float) -> Iterator[dict]:
    choice = "triton" if device.type == "cuda" else "cpp"
    for dtype in (torch.float32, torch.bfloat16):
        for size in SIZES[device.type]:
            for name, operator, inputs, moved in cases(device, size, dtype):
                forward, backward = {}, {}
                for each in ("reference", choice):
                    with kernels.using(each):
                        leaves = [
                            x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in inputs
                        ]
                        y = operator(*leaves)
                    forward[each] = torch.no_grad()(partial(operator, *inputs))
                    backward[each] = partial(torch.autograd.grad, y, leaves, torch.ones_like(y), retain_graph=True)
                for direction, work, elements in zip(("forward", "backward"), (forward, backward), moved, strict=True):
                    times = measure(work, device, rounds)
                    ratios = [a / b for a, b in zip(times["reference"], times[choice], strict=True)]
                    yield {
                        "operator": name,
                        "size": list(size),
                        "type": str(dtype).removeprefix("torch."),
                        "direction": direction,
                        "reference_s": statistics.median(times["reference"]),
                        "kernel_s": statistics.median(times[choice]),
                        "floor_s": elements * inputs[0].element_size() / rate,
                        "ratio": statistics.median(ratios),
                        "ratios": ratios,
                    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = devices.pick(arguments.device)
    rate = bandwidth(device)
    report = {"machine": machine(device), "bytes_per_second": rate, "kernels": []}
    print(f"a copy moves {rate / 1e9:.0f} GB/s\n")
    print("| operator | size | type | pass | reference, µs | kernel, µs | floor, µs | speed, reference = 1 |")
    print("|---|---|---|---|---:|---:|---:|---:|")
    for row in rows(device, arguments.rounds, rate):
        report["kernels"].append(row)
        times = " | ".join(f"{row[key] * 1e6:.0f}" for key in ("reference_s", "kernel_s", "floor_s"))
        size = " × ".join(map(str, row["size"]))
        print(
            f"| {row['operator']} | {size} | {row['type']} | {row['direction']} | {times} | {timing.ratio(row)} |",
            flush=True,
        )
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
