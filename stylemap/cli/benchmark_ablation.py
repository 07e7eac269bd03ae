"""``stylemap benchmark ablation``: train stylemaps of several sides alike, and measure them."""

import argparse
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from stylemap import checkpoint, devices, files
from stylemap.cli import options, train
from stylemap.cli.evaluate import number
from stylemap.comparison import ablation, machine, page
from stylemap.comparison.ablation import EDITS, PLOT, SHEET, TABLE, Measuring, Run
from stylemap.comparison.results import number as digits
from stylemap.datasets import unseen
from stylemap.errors import InputError, Note
from stylemap.metrics.evaluation import Reference

NAME = "ablation"  # of its place in a document


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap benchmark ablation",
        description="Train a stylemap of every side with every seed into OUT/side<S>-seed<K>, then measure reconstruction and "
        "edits by side. Finished runs are not trained again, unfinished ones go on, those of other processes are left. "
        "Exit code 1 if a training failed.",
    )
    parser.add_argument(
        "--config", required=True, metavar="RECIPE", help="of the training: a name in configs/, or a YAML file"
    )
    parser.add_argument(
        "--sides", type=number, nargs="+", default=[1, 2, 4, 8, 16], metavar="S", help="of the stylemap, in cells"
    )
    parser.add_argument("--seeds", type=options.seed, nargs="+", default=[0, 1], metavar="K", help="of each run: a run for "
                        "every side and seed")  # fmt: skip
    parser.add_argument("--images", type=number, help="training images of every run; default: as the recipe says")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--no-train", action="store_true", help="measure what is finished, train nothing")
    parser.add_argument(
        "--count", type=number, default=1000, help="interpolations, for SWD_lerp, and training pictures to compare"
    )
    parser.add_argument("--pairs", type=number, default=250, help="edits for each part or half, at most")
    parser.add_argument("--seed", type=options.seed, default=0, help="of what is drawn at random to measure")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--docs", type=Path, metavar="PAGE", help="Markdown file to put the results into, between its markers"
    )
    return run(parser.parse_args(argv), argv)


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    if arguments.docs:
        page.validate(arguments.docs, NAME)
    for flag, values in (("--sides", arguments.sides), ("--seeds", arguments.seeds)):
        if len(set(values)) < len(values):
            raise InputError(f"{flag} {' '.join(map(str, values))}: one is given twice")
    flags = ["--config", arguments.config, "--device", arguments.device]
    flags += ["--images", str(arguments.images)] if arguments.images else []
    config, *_ = train.parse(flags)
    if not config.model.latents.spatial:
        raise InputError(f"--config {arguments.config} trains {config.model.architecture}, which has no stylemap")
    device = devices.pick(arguments.device)
    runs = ablation.runs(config, arguments.sides, arguments.seeds, arguments.out)
    failed: dict[str, str] = {}
    if not arguments.no_train:
        for one in runs:
            try:
                code = trained(one)
            except InputError as err:  # one that diverges must not end the others
                failed[one.name] = str(err)
                print(f"{one.name} failed: {err}", file=sys.stderr, flush=True)
                continue
            if code:
                return code
    finished = [one for one in runs if one.status() == "finished"]
    if not finished:
        raise InputError(f"{arguments.out} holds no finished run to measure: {', '.join(told(runs, failed))}")
    seen = {one: checkpoint.seen_by(one.folder) for one in finished}
    found = unseen.open_unseen(config.data, config.model.resolution, [each for some in seen.values() for each in some])
    for one, some in seen.items():
        if found.relation(some) == "other":
            raise InputError(f"{one.folder} holds a run on other pictures, {some[0].data}; give another --out")
    doubts = {one.name: text for one, some in seen.items() if (text := found.doubt(some))}
    reference = Reference(found.training, arguments.count, arguments.seed, device=device)
    how = Measuring(reference, found.heldout, arguments.pairs, arguments.out)
    with files.owned(arguments.out / ablation.MEASURES):
        measures = []
        for one in finished:
            measures.append(how.measure(one))
            print(line(measures[-1]), flush=True)
        numbers = sorted({measure["images"] for measure in measures})
        masks = measures[0]["details"]["mse_src"].get("masks", "none")
        notes = [
            f"Recipe {arguments.config}, {' and '.join(f'{n:,}' for n in numbers)} images each; "
            f"{len(found.heldout)} held-out pictures of {config.data}, {config.model.resolution} px; "
            f"edits of {masks}, at most {arguments.pairs} pairs each; "
            f"{arguments.count} interpolations.",
            *(f"Not finished: {text}." for text in told(runs, failed)),
            *(f"Not certain that {name} never saw these pictures: {text}." for name, text in doubts.items()),
            page.command("stylemap benchmark ablation", argv),
        ]
        about = {"machine": machine.hardware(device), "config": asdict(config), "load": machine.load()}
        text = ablation.write(measures, about, notes, how.sheets(finished), arguments.out)
    if arguments.docs:
        words = {PLOT: "Error by side of the stylemap", SHEET: "Reconstructions by side", EDITS: "Edits by side"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: word for file, word in words.items()})
    for name, text in doubts.items():
        text = f"it is not certain that {name} never saw the pictures it is measured on: {text}"
        warnings.warn(text, Note, stacklevel=2)
    for text in told(runs, failed):
        print(f"not finished: {text}", file=sys.stderr)
    print(arguments.out / TABLE)
    return 1 if failed else 0


def trained(one: Run) -> int:
    """Train what is to be trained. Returns the exit code: not 0 where a signal stopped it."""
    status = one.status()
    if status == "new":
        return train.run(one.config, one.folder, False)
    if status == "unfinished":
        # where the data lies may have changed
        return train.run(replace(one.known_config, data=one.config.data), one.folder, True)
    return 0


def told(runs: list[Run], failed: Mapping[str, str]) -> list[str]:
    """The runs that cannot be measured, and why."""
    words = {"busy": "another process trains it", "new": "not begun", "unfinished": "stopped"}
    return [
        f"{one.name} ({failed.get(one.name, words[status])})" for one in runs if (status := one.status()) != "finished"
    ]


def line(measure: dict) -> str:
    values = "   ".join(f"{name} {digits(measure[name])}" for name in ablation.METRICS)
    return f"side {measure['side']:>2}, seed {measure['seed']}   {values}"
