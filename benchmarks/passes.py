"""bfloat16 passes against float32, by network and size, and how long commands take from start to exit.

python -m benchmarks.passes [--threads 2] [--rounds 10] [--json FILE]

Both models take turns, pass by pass, and the ratio of each pair counts. Commands are timed by the processor time that they take,
which is about their time on an idle machine, and by their peak of resident memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import timing
from benchmarks.machine import machine
from benchmarks.memory import ROOT
from stylemap import checkpoint, files, images
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets import Avatars

PUBLISHED = "published, 256 px"  # its size, with random weights
MODELS = ("avatars32", "avatars64", "avatars128", PUBLISHED)
COMPARED = 64  # faces
CPU = torch.device("cpu")
# In a small process, for Linux counts the memory of the process that starts another as that other's.
USAGE = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}))
"""


def models(name: str) -> tuple[StylemapModel, StylemapModel]:
    """In float32 and in bfloat16."""
    if name != PUBLISHED:
        return checkpoint.load(name), checkpoint.load(name, precision="bfloat16")
    made = []
    for kind in (None, torch.bfloat16):
        torch.manual_seed(0)
        model = StylemapModel(StylemapConfig()).eval().requires_grad_(False)
        if kind:
            model.compute_in(kind)
        made.append(model)
    return made[0], made[1]


def passes(name: str, rounds: int) -> dict:
    """Milliseconds of each network in float32, and how many times as fast bfloat16 is."""
    plain, low = models(name)
    side = plain.config.resolution
    x = images.from_arrays([Avatars(side, 1, "heldout")[0]]) if name != PUBLISHED else torch.zeros(1, 3, side, side)
    w = plain.encode(x)
    styles = plain.resize(w)
    inputs: dict[str, Tensor | list[Tensor]] = {"encode": x, "resize": w, "render": styles}
    work: dict[str, Callable[[StylemapModel], object]] = {
        stage: lambda m, stage=stage: getattr(m, stage)(inputs[stage]) for stage in inputs
    }
    work["reconstruct"] = lambda m: m.synthesize(m.encode(x))
    row = {}
    for stage, call in work.items():
        times = [partial(call, model) for model in (plain, low)]
        pairs = timing.alternating(*times, CPU, 1, rounds, f"{name}, {stage}", timing.clock(CPU))
        ratios = [a / b for a, b in pairs]
        row[stage] = {"ms": 1000 * min(a for a, _ in pairs), "ratio": statistics.median(ratios), "ratios": ratios}
    return row


def errors(name: str) -> dict[str, float]:
    """Of reconstructions of held-out faces, in levels of 255; and their PSNR in dB. ``encoder``: it alone in bfloat16."""
    plain, low = models(name)
    faces = Avatars(plain.config.resolution, COMPARED, "heldout")
    batches = images.from_arrays(faces[i] for i in range(COMPARED)).split(8)
    x = torch.cat(batches)

    def reconstructed(encoding: StylemapModel, rendering: StylemapModel) -> Tensor:
        return torch.cat([rendering.synthesize(encoding.encode(part)) for part in batches]).clamp(-1, 1)

    def psnr(image: Tensor) -> float:
        return float(10 * torch.log10(4 / (image - x).square().mean()))

    expected, found = reconstructed(plain, plain), reconstructed(low, low)
    levels = (images.to_uint8(found).int() - images.to_uint8(expected).int()).abs().float()
    return {
        "mean": float(levels.mean()),
        "worst_image": float(levels.mean(dim=(1, 2, 3)).max()),
        "largest": float(levels.max()),
        "psnr": psnr(expected),
        "psnr_encoder": psnr(reconstructed(low, plain)),
        "psnr_bfloat16": psnr(found),
    }


def command(*words: str) -> dict[str, float]:
    """The processor time in seconds and the peak memory in MiB of ``stylemap WORDS``."""
    line = [sys.executable, "-c", USAGE, sys.executable, "-m", "stylemap", *words]
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def commands(rounds: int) -> dict[str, dict[str, float]]:
    """The median of each command."""
    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            images.write(Path(folder) / f"{i}.png", images.from_arrays([Avatars(32, 2, "heldout")[i]]))
        edit = [
            "local-edit",
            "blend",
            "--original",
            f"{folder}/0.png",
            "--reference",
            f"{folder}/1.png",
            "--half",
            "left",
        ]
        edit += ["--out", f"{folder}/edit.png", "--weights"]
        lines = {
            "local-edit blend, avatars32": [*edit, "avatars32"],
            "local-edit blend, avatars128": [*edit, "avatars128"],
            "local-edit blend --help": ["local-edit", "blend", "--help"],
            "train --help": ["train", "--help"],
        }
        taken: dict[str, list] = {name: [] for name in lines}
        for _ in range(rounds + 1):
            for name, words in lines.items():
                taken[name].append(command(*words))
    return {
        name: {key: statistics.median(one[key] for one in each[1:]) for key in each[0]} for name, each in taken.items()
    }


def tables(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{cpu}, {threads} threads, torch {torch}, {date}.\n".format(**report["machine"])
    yield "| times as fast in bfloat16 (float32, ms) | encode | resize | render | reconstruct |\n|---|---:|---:|---:|---:|"
    for name, row in report["passes"].items():
        yield f"| {name} | " + " | ".join(f"{cell['ratio']:.2f} ({cell['ms']:.1f})" for cell in row.values()) + " |"
    yield "\n| error in levels of 255 | mean | of the worst image | of a pixel | PSNR, dB | encoder in bfloat16 | both |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, row in report["errors"].items():
        cells = "{mean:.2f} | {worst_image:.2f} | {largest:.0f} | {psnr:.3f} | {psnr_encoder:.3f} | {psnr_bfloat16:.3f}"
        yield f"| {name} | {cells.format(**row)} |"
    yield "\n| command | processor time, s | peak memory, MiB |\n|---|---:|---:|"
    for name, row in report["commands"].items():
        yield f"| `{name}` | {row['seconds']:.2f} | {row['memory']:.0f} |"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    report = {"machine": machine()}
    report["passes"] = {name: passes(name, arguments.rounds if name != PUBLISHED else 3) for name in MODELS}
    report["errors"] = {name: errors(name) for name in MODELS if name != PUBLISHED}
    report["commands"] = commands(min(arguments.rounds, 5))
    print("\n".join(tables(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
