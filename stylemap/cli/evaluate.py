"""``stylemap evaluate``: what weights are worth, in numbers that say how they were made."""

import argparse
import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

from stylemap import __version__, files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import Names, OutputFile
from stylemap.errors import InputError
from stylemap.metrics.suite import DEFAULT, METRICS

if TYPE_CHECKING:
    from stylemap.datasets.unseen import Unseen
    from stylemap.metrics.evaluation import Evaluation, Result

ARROWS = {"lower": "↓", "higher": "↑"}
REASON = 110  # characters of a reason in the table; the report has it whole


def evaluate(parser: Parser) -> None:
    """Measure weights: reconstruction of held-out images, samples and interpolations against training images, local edits.
    Writes a report with everything a number depends on, and prints a table. docs/metrics.md defines the metrics."""
    flags.add(parser, "--weights", "--device")
    flags.add(parser, "--precision", default="float32")
    flags.add(parser, "--data", help=flags.DATA_OF_WEIGHTS)
    flags.add(
        parser,
        "--part-labels",
        help="Folder or zip of the images' label maps, for mse_src and mse_ref. Without them halves are edited. Avatars have "
        "their own.",
    )
    parser.add_argument(
        "--metrics",
        type=Names(METRICS, "metric", {"default": DEFAULT}),
        default="default",
        metavar="NAMES",
        help="Metrics to compute. default takes those that need no download and no package.",
    )
    flags.add(parser, "--samples", "--heldout", "--pairs", "--seed", "--vgg", "--inception")
    flags.add(parser, "--workers", default=0)
    parser.add_argument("--out", type=OutputFile(".json"), required=True, metavar="FILE", help="Report to write.")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap import datasets
    from stylemap.cli import heldout, loading
    from stylemap.metrics.evaluation import Evaluation, Reference

    inputs.check_networks(arguments)
    model = loading.load_any(arguments)
    side = model.config.resolution
    unseen = heldout.open_unseen([arguments.weights], arguments.data, side, arguments.heldout)
    if arguments.part_labels and unseen.data == "avatars":
        raise InputError("--part-labels goes with images of files; avatars have their own labels")
    labels = datasets.open_part_labels(unseen.heldout, arguments.part_labels)
    where = arguments.vgg, arguments.inception, arguments.workers, model.device
    reference = Reference(unseen.training, arguments.samples, arguments.seed, *where)
    evaluation = Evaluation(model, reference, unseen.heldout, arguments.pairs, labels)
    report = circumstances(arguments, evaluation, unseen)
    width = max(map(len, arguments.metrics))
    for name in arguments.metrics:
        result = evaluation.measure(name)
        report["metrics"][name] = entry(name, result)
        # After each, so that what took long is not lost with what comes after it.
        files.write_text(arguments.out, json.dumps(report, indent=1, allow_nan=False) + "\n")
        print(row(name, result, width), flush=True)
    reasons = [metric["reason"] for metric in report["metrics"].values() if "reason" in metric]
    if len(reasons) == len(report["metrics"]):
        raise InputError(f"no metric could be computed: {reasons[0]}")
    heldout.tell(arguments.weights, unseen)
    print(arguments.out)


def circumstances(arguments: argparse.Namespace, evaluation: "Evaluation", unseen: "Unseen") -> dict:
    """What all metrics depend on, for the report."""
    import torch

    from stylemap import checkpoint, datasets, provenance

    file = checkpoint.find_file(arguments.weights)
    return {
        "stylemap": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(evaluation.model.device),
        "threads": torch.get_num_threads(),
        "precision": str(evaluation.model.passes).removeprefix("torch."),
        "weights": {
            "file": str(file),
            "sha256": provenance.sha256(file),
            "info": checkpoint.read_info(file),
            "model": asdict(evaluation.model.config),
        },
        "data": {
            "name": unseen.data,
            "said": unseen.verdict(arguments.weights, checkpoint.seen_by(arguments.weights)),
            "training": len(evaluation.reference.training),
            "heldout": len(evaluation.heldout),
            "names_sha256": datasets.fingerprint(evaluation.reference.training, evaluation.heldout),
            "resolution": evaluation.model.config.resolution,
            "resize": "central square, shrunk by area, enlarged by Lanczos-3" if unseen.data != "avatars" else "drawn",
        },
        "metrics": {},
    }


def entry(name: str, result: "Result") -> dict:
    """Of the report."""
    about = {"value": result.value, "better": METRICS[name].better, "needs": METRICS[name].needs}
    return about | {"seconds": round(result.seconds, 2)} | result.details


def row(name: str, result: "Result", width: int) -> str:
    metric = METRICS[name]
    if result.value is None:
        reason = result.details["reason"]
        text = f"{'-':>10}   {reason if len(reason) <= REASON else reason[: REASON - 3] + '...'}"
    else:
        text = f"{result.value:>10.4g}   {result.seconds:6.1f} s   {metric.needs}"
    return f"{name:<{width}} {ARROWS[metric.better]} {text}".rstrip()
