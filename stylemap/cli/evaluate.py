"""``stylemap evaluate``: what weights are worth, in numbers that say how they were made."""

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch

from stylemap import __version__, checkpoint, datasets, files, provenance
from stylemap.cli import heldout, options, parsing
from stylemap.config import TrainConfig
from stylemap.datasets.unseen import Unseen
from stylemap.errors import InputError
from stylemap.metrics import suite
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.metrics.suite import DEFAULT, METRICS, Result

ARROWS = {"lower": "↓", "higher": "↑"}
MOST = 1_000_000
REASON = 110  # characters of a reason in the table; the report has it whole


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap evaluate",
        description="Measure weights on pictures: reconstruction of held-out ones, samples and interpolations against "
        "training ones, local edits. Writes a report with everything a number depends on, and prints a table.",
        epilog="metrics: "
        + ", ".join(f"{name} ({metric.needs})" if metric.needs else name for name, metric in METRICS.items())
        + ". In brackets what a metric needs; docs/metrics.md defines them.",
    )
    options.add_weights(parser)
    parser.add_argument(
        "--data", help="folder, zip or LMDB of pictures, or avatars; default: what the weights were trained on"
    )
    parser.add_argument("--parts", metavar="PATH", help="folder or zip of the pictures' part labels, for mse_src and mse_ref; "
                        "without, halves are edited; avatars have their own")  # fmt: skip
    parser.add_argument("--metrics", type=names, default="default", metavar="NAMES",
                        help="such as mse,swd; default: those that need nothing; or all")  # fmt: skip
    parser.add_argument(
        "--count", type=number, default=1000, help="generated pictures, and training ones to compare with"
    )
    parser.add_argument("--heldout", type=number, help="pictures to reconstruct and edit, of those that training held out; "
                        f"default: all of them, or {TrainConfig.heldout} of data that the weights do not know")  # fmt: skip
    parser.add_argument("--pairs", type=number, default=250, help="edits for each part or half, at most")
    parser.add_argument("--seed", type=options.seed, default=0, help="of all that is drawn at random")
    parser.add_argument("--lpips-vgg", metavar="PATH", help="vgg16-397923af.pth; by default in torch's cache")
    parser.add_argument("--inception", metavar="PATH", help="weights-inception-2015-12-05-6726825d.pth; the same")
    parser.add_argument("--workers", type=parsing.processes, default=0, help="processes that read training pictures")
    parser.add_argument("--out", type=report_file, required=True, help="the report to write, .json")
    arguments = parser.parse_args(argv)
    run(arguments)
    return 0


def names(text: str) -> list[str]:
    """ "mse,swd" -> ["mse", "swd"]; also "default" and "all"."""
    chosen = {"default": list(DEFAULT), "all": list(METRICS)}.get(text) or list(dict.fromkeys(text.split(",")))
    for name in chosen:
        if name not in METRICS:
            raise argparse.ArgumentTypeError(f"unknown metric {name!r}; known are default, all, {', '.join(METRICS)}")
    return chosen


def number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 to {MOST}")
    return int(text)


def report_file(text: str) -> Path:
    return options.output(text, (".json",))


def run(arguments: argparse.Namespace) -> None:
    options.check_networks(arguments)
    model = options.load_any(arguments)
    side = model.config.resolution
    found = heldout.open_unseen([arguments.weights], arguments.data, "--data", side, arguments.heldout)
    if arguments.parts and found.data == "avatars":
        raise InputError("--parts goes with pictures of files; avatars have their own labels")
    labels = datasets.open_part_labels(found.heldout, arguments.parts)
    reference = Reference(
        found.training, arguments.count, arguments.seed, arguments.lpips_vgg, arguments.inception, arguments.workers, model.device
    )  # fmt: skip
    evaluation = Evaluation(model, reference, found.heldout, arguments.pairs, labels)
    report = describe(arguments, evaluation, found)
    width = max(map(len, arguments.metrics))
    for name in arguments.metrics:
        result = suite.compute(evaluation, name)
        report["metrics"][name] = entry(name, result)
        # After each, so that what took long is not lost with what comes after it.
        files.write_text(arguments.out, json.dumps(report, indent=1, allow_nan=False) + "\n")
        print(row(name, result, width), flush=True)
    reasons = [metric["reason"] for metric in report["metrics"].values() if "reason" in metric]
    if len(reasons) == len(report["metrics"]):
        raise InputError(f"no metric could be computed: {reasons[0]}")
    heldout.tell(arguments.weights, found)
    print(arguments.out)


def describe(arguments: argparse.Namespace, evaluation: Evaluation, found: Unseen) -> dict:
    """What all metrics have in common."""
    file = checkpoint.find(arguments.weights)
    return {
        "stylemap": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(evaluation.model.device),
        "threads": torch.get_num_threads(),
        "weights": {
            "file": str(file),
            "sha256": provenance.sha256(file),
            "info": checkpoint.read_info(file),
            "model": asdict(evaluation.model.config),
        },
        "data": {
            "name": found.data,
            "said": heldout.said(arguments.weights, found),
            "training": len(evaluation.reference.training),
            "heldout": len(evaluation.heldout),
            "names_sha256": datasets.fingerprint(evaluation.reference.training, evaluation.heldout),
            "resolution": evaluation.model.config.resolution,
            "resize": "central square, shrunk by area, enlarged by Lanczos-3" if found.data != "avatars" else "drawn",
        },
        "metrics": {},
    }


def entry(name: str, result: Result) -> dict:
    """Of the report. JSON knows no infinity; the details then say what the value is."""
    value = None if unavailable(result) else result.value
    about = {"value": value, "better": METRICS[name].better, "needs": METRICS[name].needs}
    return about | {"seconds": round(result.seconds, 2)} | result.details


def row(name: str, result: Result, width: int) -> str:
    metric = METRICS[name]
    if unavailable(result):
        reason = result.details["reason"]
        text = f"{'-':>10}   {reason if len(reason) <= REASON else reason[: REASON - 3] + '...'}"
    else:
        text = f"{result.value:>10.4g}   {result.seconds:6.1f} s   {metric.needs}"
    return f"{name:<{width}} {ARROWS[metric.better]} {text}".rstrip()


def unavailable(result: Result) -> bool:
    return "reason" in result.details
