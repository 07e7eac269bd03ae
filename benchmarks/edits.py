"""What an edit of known images and a frame of a film cost, against the same images made plainly: ratios in one run.

    python -m benchmarks.edits [--models avatars64 avatars128 configs/ffhq256.yaml] [--rounds 5] [--threads 2] [--json FILE]

*Plainly* is as in `benchmarks.training`: the networks in NCHW memory with gamma and beta as two convolutions, and nothing is
known of the images but their stylemaps. An edit then resizes two stylemaps, mixes them under a mask and renders the image.
A frame of a film mixes resized stylemaps and renders them. Both versions run in turns, and their images are compared first.
What our version keeps of an image is computed before, once. One thread is timed by its own clock, which stands still while
other programs have the core. A model is the name of weights, or a recipe whose networks get random weights: the time does not
depend on their values.
"""

import argparse
import copy
import json
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import recipes, timing
from benchmarks.machine import machine
from benchmarks.training import PLAIN, make_plain
from stylemap import checkpoint, devices, files
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import composing, incremental
from stylemap.editing.blending import edited, patch_change
from stylemap.editing.edit import Patch

Work = Callable[[], Tensor]
MODELS = ("avatars64", "avatars128", "configs/ffhq256.yaml")
PREVIEW = "preview, feathered"  # not exact: see docs/editor.md
TOLERANCE = 1e-4  # of the image, relative to its largest value


def load(name: str, device: torch.device) -> StylemapModel:
    if not name.endswith(".yaml"):
        return checkpoint.load(name, device)
    torch.manual_seed(0)
    return StylemapModel(recipes.read(name).model).to(device).eval().requires_grad_(False)


def disc(side: int, device: torch.device) -> Tensor:
    """A brush's mask [1, 1, R, R]: a disc of a third of the image's side."""
    line = torch.arange(side, device=device) + 0.5
    distance = torch.hypot(line[:, None] - side / 2, line - 0.4 * side)
    return (distance < side / 6).float()[None, None]


def measure(name: str, device: torch.device, rounds: int, kind: torch.dtype) -> dict:
    """Of one model: seconds of both versions for each kind of image, and the error of ours."""
    model = load(name, device)
    plain = copy.deepcopy(model)
    make_plain(plain, PLAIN)
    model.compute_in(kind)
    side = model.config.resolution
    a, b = model.map(torch.randn(2, model.config.stylemap_channels, device=device)).split(1)
    cache = incremental.Cache(model)
    original, reference = cache.known([a, b])
    drawn = cache.drawn(a)
    mask = disc(side, device)
    resize, render = plain.generator.resizer, plain.generator.synthesis

    def work(patch: Patch, resized: bool, original: incremental.Known = original) -> tuple[Work, Work]:
        def plainly() -> Tensor:
            start, end = styles if resized else map(plain_styles, (a, b))
            return render(composing.compose(start, [composing.Change(patch, end)], side))

        return plainly, lambda: edited(model, original, [patch_change(patch, reference)], "w+")

    def plain_styles(stylemap: Tensor) -> list[Tensor]:
        return [x.contiguous() for x in resize(stylemap.contiguous())]

    styles = [plain_styles(w) for w in (a, b)]
    hard = Patch(reference=0, mask=mask)
    works = {
        "edit": work(hard, resized=False),
        "edit, feathered": work(replace(hard, feather=side / 32), resized=False),
        "edit, plain has resized stylemaps": work(hard, resized=True),
        PREVIEW: work(replace(hard, feather=side / 32), resized=False, original=drawn),
        "frame of a film": work(Patch(reference=0, strength=0.3), resized=True),
    }
    report = {}
    for label, (plainly, ours) in works.items():
        expected, found = plainly(), ours()
        error = float((found - expected).abs().max() / expected.abs().max())
        if not error < TOLERANCE and label != PREVIEW and kind == torch.float32:
            raise SystemExit(f"error: {name}, {label}: the images differ by {error:.1e}")
        times = timing.alternating(plainly, ours, device, 1, rounds, f"{name}, {label}", timing.clock(device))
        ratios = [p / o for p, o in times]
        report[label] = {
            "plain_s": statistics.median(p for p, _ in times),
            "ours_s": statistics.median(o for _, o in times),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "error": error,
        }
    return report


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{device}, {cpu}, {threads} threads, torch {torch}, {date}".format(**report["machine"])
    yield "\n| | plain, s | ours, s | plain / ours | largest difference |\n|---|---:|---:|---:|---:|"
    for model, rows in report["models"].items():
        for label, row in rows.items():
            times = f"{row['plain_s']:.3g} | {row['ours_s']:.3g} | {timing.ratio(row)}"
            yield f"| {Path(model).stem}, {label} | {times} | {row['error']:.0e} |"


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of weights, or recipes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of our version")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = devices.pick(arguments.device)
    report = {"machine": machine(device), "load": os.getloadavg()[0], "precision": arguments.precision}
    how = device, arguments.rounds, getattr(torch, arguments.precision)
    report["models"] = {name: measure(name, *how) for name in arguments.models}
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
