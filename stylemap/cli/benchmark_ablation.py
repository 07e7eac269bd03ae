"""``stylemap benchmark ablation``: train stylemaps of several sizes alike, and measure them."""

import argparse
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from stylemap import files
from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.values import Numbers, whole
from stylemap.errors import InputError, Note

if TYPE_CHECKING:
    from stylemap.comparison.ablation import Run

NAME = "ablation"  # of its place in a document


def ablation(parser: Parser) -> None:
    """Train a stylemap of every size with every seed into FOLDER/side<S>-seed<K>, then measure reconstruction and edits by size.
    Finished runs are not trained again. Unfinished runs continue. Runs that another process trains are not touched. Exit code 1
    if a training failed."""
    parser.add_argument(
        "--config", required=True, metavar="RECIPE", help="Recipe: the name of one in configs/, or a YAML file."
    )
    parser.add_argument(
        "--stylemap-sizes",
        type=Numbers(whole(1, 32)),
        default=[1, 2, 4, 8, 16],
        metavar="LIST",
        help="Sides of the stylemap in cells. Default: 1,2,4,8,16.",
    )
    flags.add(parser, "--seeds", default=[0, 1], help="Seeds. Each size is trained with each seed. Default: 0..1.")
    parser.add_argument(
        "--images",
        type=whole(1),
        metavar="N",
        help="Number of training images to see in every run. Default: that of the recipe.",
    )
    flags.add_out_folder(parser)
    parser.add_argument("--no-train", action="store_true", help="Measure what is finished. Train nothing.")
    flags.add(parser, "--samples", "--pairs")
    flags.add(parser, "--seed", help="Seed of the measurements.")
    flags.add(parser, "--device", "--docs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from stylemap import checkpoint, devices
    from stylemap.cli import train
    from stylemap.comparison import ablation, machine, page
    from stylemap.comparison.ablation import EDITS, PLOT, SHEET, TABLE, Measuring
    from stylemap.datasets import unseen
    from stylemap.metrics.evaluation import Reference

    if arguments.docs:
        page.validate(arguments.docs, NAME)
    changes = {"device": arguments.device} | ({"images": arguments.images} if arguments.images else {})
    config = train.resolve([arguments.config], changes=changes)
    if not config.model.latents.spatial:
        raise InputError(f"--config {arguments.config} trains {config.model.architecture}, which has no stylemap")
    device = devices.pick(arguments.device)
    runs = ablation.runs(config, arguments.stylemap_sizes, arguments.seeds, arguments.out)
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
        raise InputError(f"{arguments.out} holds no finished run to measure: {', '.join(unfinished(runs, failed))}")
    seen = {one: checkpoint.seen_by(one.folder) for one in finished}
    split = unseen.open_unseen(config.data, config.model.resolution, [each for some in seen.values() for each in some])
    for one, some in seen.items():
        if split.relation(some) == "other":
            raise InputError(f"{one.folder} holds a run on other images, {some[0].data}; give another --out")
    doubts = {one.name: text for one, some in seen.items() if (text := split.doubt(some))}
    reference = Reference(split.training, arguments.samples, arguments.seed, device=device)
    how = Measuring(reference, split.heldout, arguments.pairs, arguments.out)
    with files.owned(arguments.out / ablation.MEASURES):
        measures = []
        for one in finished:
            measures.append(how.measure(one))
            print(measure_text(measures[-1]), flush=True)
        numbers = sorted({measure["images"] for measure in measures})
        masks = measures[0]["details"]["mse_src"].get("masks", "none")
        notes = [
            f"Recipe {arguments.config}, {' and '.join(f'{n:,}' for n in numbers)} images each; "
            f"{len(split.heldout)} held-out images of {config.data}, {config.model.resolution} px; "
            f"edits of {masks}, at most {arguments.pairs} pairs each; "
            f"{arguments.samples} interpolations.",
            *(f"Not finished: {text}." for text in unfinished(runs, failed)),
            *(f"Not certain that {name} never saw these images: {text}." for name, text in doubts.items()),
            page.command("stylemap benchmark ablation", arguments.words),
        ]
        about = {"machine": machine.hardware(device), "config": asdict(config), "load": machine.load_average()}
        text = ablation.write(measures, about, notes, how.sheets(finished), arguments.out)
    if arguments.docs:
        words = {PLOT: "Error by side of the stylemap", SHEET: "Reconstructions by side", EDITS: "Edits by side"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: word for file, word in words.items()})
    for name, text in doubts.items():
        text = f"it is not certain that {name} never saw the images it is measured on: {text}"
        warnings.warn(text, Note, stacklevel=2)
    for text in unfinished(runs, failed):
        print(f"not finished: {text}", file=sys.stderr)
    print(arguments.out / TABLE)
    return 1 if failed else 0


def trained(one: "Run") -> int:
    """Train what is to be trained. Returns the exit code: not 0 where a signal stopped it."""
    from stylemap.cli import running

    status = one.status()
    if status == "new":
        return running.train(one.config, one.folder, False)
    if status == "unfinished":
        # where the data lies may have changed
        return running.train(replace(one.known_config, data=one.config.data), one.folder, True)
    return 0


def unfinished(runs: "list[Run]", failed: Mapping[str, str]) -> list[str]:
    """The runs that cannot be measured, and why."""
    words = {"busy": "another process trains it", "new": "not begun", "unfinished": "stopped"}
    return [
        f"{one.name} ({failed.get(one.name, words[status])})" for one in runs if (status := one.status()) != "finished"
    ]


def measure_text(measure: dict) -> str:
    from stylemap.comparison import ablation, results

    values = "   ".join(f"{name} {results.number(measure[name])}" for name in ablation.METRICS)
    return f"side {measure['side']:>2}, seed {measure['seed']}   {values}"
