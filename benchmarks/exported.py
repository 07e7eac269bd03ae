"""How fast exported graphs are beside PyTorch, how large their files, and what rounding weights costs.

    python -m benchmarks.exported --weights avatars32 avatars64 avatars128

All are timed in one thread and in turn, by the processor time of the thread, which other programs on the machine disturb little.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch

import stylemap
from benchmarks import timing
from stylemap.exporting import STORED, graphs, parity, stored, tracing

TIMED = {"encode": "encoder", "resize": "resizer", "edit": "edit", "preview": "preview"}
NEEDED = ("encoder", "resizer", "render", "edit", "modulations", "preview")
OF_A_PAGE = ("encoder", "resizer", "edit")


def measure(weights: str, rounds: int) -> None:
    model = stylemap.load(weights)
    every = {name: graph for name, graph in graphs.graphs(model).items() if name in NEEDED}
    traced = {name: tracing.trace(graph) for name, graph in every.items()}
    photo = torch.rand(1, 3, model.config.resolution, model.config.resolution) * 2 - 1
    w = model.encode(photo)
    maps = model.resize(w)

    def edit() -> torch.Tensor:
        return model.render([torch.lerp(style, style, 0.5) for style in maps])

    work: dict[tuple[str, str], Callable[[], object]] = {
        ("encode", "PyTorch"): lambda: model.encode(photo),
        ("resize", "PyTorch"): lambda: model.resize(w),
        ("edit", "PyTorch"): edit,
    }
    for precision in STORED:
        runners, sizes = {}, {}
        for name, original in traced.items():
            copy = type(original).FromString(original.SerializeToString())
            stored.store(copy, precision)
            content = copy.SerializeToString()
            runners[name], sizes[name] = parity.Runner(content, 1), len(content) / 1e6
        errors = {what: f"{e['mean']:.4f} (max {e['max']:.2f})" for what, e in parity.errors(model, runners).items()}
        print(weights, precision, f"{sum(sizes[name] for name in OF_A_PAGE):.2f} MB", errors, flush=True)
        for what, name in TIMED.items():
            given = tracing.example(every[name], 1)
            work[what, precision] = partial(runners[name], *(torch.rand_like(x) for x in given))
    taken: dict[tuple[str, str], list[float]] = {what: [] for what in work}
    for turn in range(rounds + 1):
        for what, call in work.items():
            seconds = timing.seconds(call, clock=timing.clock(torch.device("cpu")))
            if turn:
                taken[what].append(seconds)
    for (what, how), seconds in sorted(taken.items()):
        print(f"{weights:<12}{what:<9}{how:<9}{1e3 * statistics.median(seconds):7.2f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", nargs="+", default=["avatars32", "avatars64", "avatars128"])
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        for weights in arguments.weights:
            measure(weights, arguments.rounds)


if __name__ == "__main__":
    main()
