"""``stylemap benchmark inversion``: ways to find latents, with a table, a plot and a sheet of images."""

import argparse
import sys

from stylemap import files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole
from stylemap.errors import InputError

WEIGHTS = ["avatars32", "avatars32_stylegan2"]  # shipped, and trained on the same terms
NAME = "inversion"  # of its place in a document


def inversion(parser: Parser) -> None:
    """Invert the same held-out images by every method, and compare time, error and quality. Writes result.json, a table, a plot
    and a sheet. If you run the same command again, it runs only what is missing. Exit code 1 if a method failed.
    docs/comparison.md says more."""
    flags.add(parser, "--data", help=flags.DATA_OF_WEIGHTS)
    flags.add(parser, "--count", default=16, help="Number of held-out images to invert, or all if there are fewer.")
    flags.add(parser, "--heldout")
    flags.add(
        parser,
        "--part-labels",
        help="Folder or zip of the images' label maps, for weights of a sean. Avatars have their own.",
    )
    flags.add(
        parser,
        "--weights",
        nargs="+",
        default=WEIGHTS,
        help="Weights of stylemaps, of a vector-latent generator, and of a sean: one of each kind at most.",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="NAME[@stylemap|@vectors|@sean][:SETTING=VALUE]..., such as w+:steps=100,1000:rate=0.05; each number of steps is a "
        "row. all: those of the table in docs/comparison.md that the weights allow. Default: all.",
    )
    flags.add_out_folder(parser)
    flags.add(parser, "--batch-gpu", "--seed", "--perceptual-network", "--vgg", "--inception")
    flags.add(parser, "--samples", type=whole(1, flags.MOST_IMAGES), default=500)
    flags.add(parser, "--device", "--docs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from stylemap import checkpoint, datasets, devices, provenance
    from stylemap.cli import heldout
    from stylemap.comparison import contenders, machine, page, subjects
    from stylemap.comparison.inversion import PLOT, SHEET, TABLE, Benchmark
    from stylemap.datasets import Labelled, stream
    from stylemap.metrics import swd
    from stylemap.metrics.evaluation import Reference
    from stylemap.published import INCEPTION, VGG

    if arguments.docs:
        page.validate(arguments.docs, NAME)
    inputs.check_networks(arguments)
    if arguments.methods:
        for spec in arguments.methods:  # mistakes before weights are read
            if spec != contenders.ALL:
                contenders.parse(spec)
    device = devices.pick(arguments.device)
    generators, weights = subjects.open_subjects(arguments.weights, device)
    network, origin = subjects.load_perceptual(arguments.perceptual_network, arguments.weights, arguments.vgg, device)
    side = next(iter(generators.values())).model.config.resolution
    unseen = heldout.open_unseen(arguments.weights, arguments.data, side, arguments.heldout)
    training, held_out = unseen.training, unseen.heldout
    labels = None
    if contenders.SEAN in generators:
        labels = datasets.open_part_labels(held_out, arguments.part_labels)
    chosen, left_out = contenders.choose(arguments.methods, generators, arguments.seed, labels is not None)
    pictures = stream.first_images(Labelled(held_out, labels) if labels else held_out, arguments.count)
    originals, parts = pictures[..., :3].contiguous(), pictures[..., 3].contiguous() if labels else None
    count = min(arguments.samples, len(training), swd.MOST_PICTURES)
    reference = Reference(training, count, arguments.seed, arguments.vgg, arguments.inception, device=device)
    data = {"name": unseen.data, "resolution": side, "training": len(training), "heldout": len(held_out)}
    for given in weights.values():
        given["doubt"] = unseen.doubt(checkpoint.seen_by(given["given"]))
    known_files = (VGG.path(arguments.vgg), INCEPTION.path(arguments.inception))
    about = {
        "machine": machine.hardware(device),
        "weights": weights,
        "data": data | {"names_sha256": datasets.fingerprint(training, held_out)},
        "perceptual": origin,
        "interpolations": arguments.samples,
        "seed": arguments.seed,
        "files": {path.name: provenance.sha256(path) for path in known_files if path.is_file()},
    }
    with files.owned(arguments.out):
        benchmark = Benchmark(
            originals, generators, network, reference, arguments.batch_gpu, about, arguments.out, parts
        )
        rows = benchmark.compare(chosen, lambda row: print(row_text(row), flush=True))
        notes = [
            *(f"Left out: {text}." for text in left_out),
            page.command("stylemap benchmark inversion", arguments.words),
        ]
        text = benchmark.write(chosen, rows, notes)
    if arguments.docs:
        pictures = {PLOT: "Time against error of every method", SHEET: "Reconstructions: original, then every method"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: words for file, words in pictures.items()})
    for text in left_out:
        print(f"left out: {text}", file=sys.stderr)
    for path in arguments.weights:
        heldout.tell(path, unseen, len(originals))
    failed = [row for row in rows if "failed" in row]
    for row in failed:
        print(f"{row['title']} failed: {row['failed']}", file=sys.stderr)
    if len(failed) == len(rows):
        raise InputError(f"no method succeeded: {rows[0]['failed']}")
    print(arguments.out / TABLE)
    return 1 if failed else 0


def row_text(row: dict) -> str:
    """For a person who waits."""
    from stylemap.comparison import results

    if "failed" in row:
        return f"{row['title']:<34} failed: {row['failed']}"
    return f"{row['title']:<34} {results.number(row['seconds']):>9} s an image   mse {results.number(row['mse']):>8}"
