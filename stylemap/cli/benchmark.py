"""``stylemap benchmark inversion``: ways to find latents, with a table, a plot and a sheet of images."""

import argparse
import sys
from typing import TYPE_CHECKING, NamedTuple

from stylemap import files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from stylemap.comparison.contenders import Contender
    from stylemap.datasets.unseen import Unseen
    from stylemap.inversion import Subject
    from stylemap.perceptual import Perceptual

WEIGHTS = [
    "avatars32",
    "avatars32_stylegan2",
    "avatars32_e4e",
    "avatars32_psp",
    "avatars32_sean",
]  # shipped; the table has the images seen
NAME, TRADEOFF_NAME = "inversion", "tradeoff"  # of its places in a document


def inversion(parser: Parser) -> None:
    """Invert the same held-out images by every method, and compare time, error and quality. Writes result.json, a table, a plot
    and a sheet. If you run the same command again, it runs only what is missing. Exit code 1 if a method failed.
    docs/comparing.md says more."""
    flags.add(parser, "--count", default=16, help="Number of held-out images to invert, or all if there are fewer.")
    add_methods(parser)
    flags.add_out_folder(parser)
    add_perceptual(parser)
    flags.add(parser, "--batch-gpu", "--seed", "--vgg", "--inception")
    flags.add(parser, "--samples", type=whole(1, flags.MOST_IMAGES), default=500)
    flags.add(parser, "--device", "--docs")
    parser.set_defaults(run=run)


def add_perceptual(parser: Parser) -> None:
    """The network of all methods, which should not have trained with a generator of one of them."""
    flags.add(
        parser,
        "--perceptual-network",
        choices=(*flags.PERCEPTUAL, "classifier"),
        help="Network that compares images. classifier learns the attributes of drawn faces first. auto takes lpips if VGG-16 is "
        "found, then classifier for drawn faces; else the discriminator if the weights have one, else random weights.",
    )


def add_methods(parser: Parser) -> None:
    """What is compared, on what."""
    flags.add(parser, "--data", help=flags.DATA_OF_WEIGHTS)
    flags.add(parser, "--heldout")
    flags.add(
        parser,
        "--part-labels",
        help="Folder or zip of the images' label maps, for edits of parts and for weights of a sean. Avatars have their own.",
    )
    flags.add(
        parser,
        "--weights",
        nargs="+",
        default=WEIGHTS,
        help="Weights of stylemaps, of a vector-latent generator, of the same with encoders by train-encoder, and of a sean: one "
        "of each kind at most.",
    )
    flags.add(parser, "--methods")


class Opened(NamedTuple):
    """What a comparison of methods needs."""

    chosen: "list[Contender]"
    left_out: list[str]  # why, in a line each
    subjects: "dict[str, Subject]"
    perceptual: "Perceptual"
    unseen: "Unseen"
    originals: "Tensor"  # uint8 [N, R, R, 3]
    parts: "Tensor | None"  # uint8 [N, R, R], labels of parts; None where they are not known
    about: dict  # for the record


def opened(arguments: argparse.Namespace, default: "Sequence[str]") -> Opened:
    """Weights, the methods that run on them, and the images that they have not seen.

    Args:
        default: the methods that "all" stands for.
    """
    from stylemap import checkpoint, datasets, devices, provenance
    from stylemap.cli import heldout
    from stylemap.comparison import contenders, machine, subjects
    from stylemap.datasets import Labelled, stream
    from stylemap.published import INCEPTION, VGG

    inputs.check_networks(arguments)
    for spec in arguments.methods:  # mistakes before weights are read
        if spec != contenders.ALL:
            contenders.parse(spec)
    device = devices.pick(arguments.device)
    generators, weights = subjects.open_subjects(arguments.weights, device)
    side = next(iter(generators.values())).model.config.resolution
    unseen = heldout.open_unseen(arguments.weights, arguments.data, side, arguments.heldout)
    labels = datasets.open_part_labels(unseen.heldout, arguments.part_labels)
    chosen, left_out = contenders.choose(arguments.methods, generators, arguments.seed, labels is not None, default)
    network, origin = subjects.load_perceptual(
        arguments.perceptual_network, arguments.weights, arguments.vgg, device, unseen.training, arguments.seed
    )
    pictures = stream.first_images(Labelled(unseen.heldout, labels) if labels else unseen.heldout, arguments.count)
    originals, parts = pictures[..., :3].contiguous(), pictures[..., 3].contiguous() if labels else None
    data = {
        "name": unseen.data,
        "resolution": side,
        "training": len(unseen.training),
        "heldout": len(unseen.heldout),
        "names_sha256": datasets.fingerprint(unseen.training, unseen.heldout),
    }
    for given in weights.values():
        given["doubt"] = unseen.doubt(checkpoint.seen_by(given["given"]))
    known_files = (VGG.path(arguments.vgg), INCEPTION.path(getattr(arguments, "inception", None)))
    about = {
        "machine": machine.hardware(device),
        "weights": weights,
        "data": data,
        "perceptual": origin,
        "seed": arguments.seed,
        "files": {path.name: provenance.sha256(path) for path in known_files if path.is_file()},
    }
    return Opened(chosen, left_out, generators, network, unseen, originals, parts, about)


def finish(arguments: argparse.Namespace, opened: Opened, rows: list[dict], table: str) -> int:
    """Say what was left out, what was measured and what failed. Returns the exit code."""
    from stylemap.cli import heldout

    for text in opened.left_out:
        print(f"left out: {text}", file=sys.stderr)
    for path in arguments.weights:
        heldout.tell(path, opened.unseen, len(opened.originals))
    failed = [row for row in rows if "failed" in row]
    for row in failed:
        print(f"{row['title']} failed: {row['failed']}", file=sys.stderr)
    if len(failed) == len(rows):
        raise InputError(f"no method succeeded: {rows[0]['failed']}")
    print(arguments.out / table)
    return 1 if failed else 0


def notes(name: str, arguments: argparse.Namespace, opened: Opened) -> list[str]:
    """The last lines below a table."""
    from stylemap.comparison import page

    return [
        *(f"Left out: {text}." for text in opened.left_out),
        page.command(f"stylemap benchmark {name}", arguments.words),
    ]


def run(arguments: argparse.Namespace) -> int:
    from stylemap.comparison import contenders, page
    from stylemap.comparison.inversion import PLOT, SHEET, TABLE, TRADEOFF, TRADEOFF_PLOT, Benchmark
    from stylemap.metrics import swd
    from stylemap.metrics.evaluation import Reference

    if arguments.docs:
        page.validate(arguments.docs, NAME)
        page.validate(arguments.docs, TRADEOFF_NAME)
    found = opened(arguments, contenders.DEFAULT)
    training, device = found.unseen.training, next(iter(found.subjects.values())).device
    count = min(arguments.samples, len(training), swd.MOST_PICTURES)
    reference = Reference(training, count, arguments.seed, arguments.vgg, arguments.inception, device=device)
    about = found.about | {"interpolations": arguments.samples}
    batch = arguments.batch_gpu
    with files.owned(arguments.out):
        benchmark = Benchmark(
            found.originals, found.subjects, found.perceptual, reference, batch, about, arguments.out, found.parts
        )
        rows = benchmark.compare(found.chosen, lambda row: print(row_text(row), flush=True))
        text = benchmark.write(found.chosen, rows, notes(NAME, arguments, found))
    if arguments.docs:
        pictures = {PLOT: "Time against error of every method", SHEET: "Reconstructions: original, then every method"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: words for file, words in pictures.items()})
        words = {arguments.out / TRADEOFF_PLOT: "Error against latent distance, and against editability"}
        page.embed(arguments.docs, TRADEOFF_NAME, (arguments.out / TRADEOFF).read_text(), words)
    return finish(arguments, found, rows, TABLE)


def row_text(row: dict) -> str:
    """For a person who waits."""
    from stylemap.comparison import results

    if "failed" in row:
        return f"{row['title']:<34} failed: {row['failed']}"
    return f"{row['title']:<34} {results.number(row['seconds']):>9} s an image   mse {results.number(row['mse']):>8}"
