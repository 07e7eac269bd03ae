"""``stylemap benchmark``: comparisons with tables, plots and picture sheets."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from stylemap import checkpoint, datasets, devices, files, provenance
from stylemap import perceptual as networks
from stylemap.cli import benchmark_ablation as ablation
from stylemap.cli import heldout, options
from stylemap.cli.evaluate import number
from stylemap.comparison import contenders, machine, page
from stylemap.comparison.contenders import STYLEMAP, VECTORS
from stylemap.comparison.inversion import PLOT, SHEET, TABLE, Benchmark
from stylemap.comparison.results import number as digits
from stylemap.datasets import stream
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.metrics import swd
from stylemap.metrics.evaluation import Reference
from stylemap.perceptual.published import INCEPTION, VGG
from stylemap.perceptual.registry import DiscriminatorFeatures

VECTOR_WEIGHTS = "avatars32_stylegan2"  # shipped, trained on the same terms as the default ones
NAME = "inversion"  # of its place in a document
NAMES = {"inversion": "ways to find the latents of pictures: time, error, quality",
         "ablation": "stylemaps of several sides, trained alike"}  # fmt: skip


def main(argv: list[str]) -> int:
    name, *rest = argv or ["--help"]
    if name in ("-h", "--help"):
        print("usage: stylemap benchmark NAME [OPTIONS]   (stylemap benchmark NAME --help for more)\n")
        print("\n".join(f"  {name:<12}{text}" for name, text in NAMES.items()))
        return 0
    if name not in NAMES:
        raise InputError(f"unknown benchmark {name!r}; known are {', '.join(NAMES)}")
    return ablation.main(rest) if name == "ablation" else inversion(rest)


def inversion(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap benchmark inversion",
        description="Invert the same held-out pictures by every method and compare time, error and quality. Writes result.json, "
        f"{TABLE}, {PLOT} and {SHEET}; called again with the same settings it runs only what is not done. Exit code "
        "1 if a method failed.",
        epilog="METHOD is NAME[@stylemap|@vectors][:KNOB=VALUE]..., such as w+:steps=100,1000:rate=0.05; each number of steps is "
        f"a run. Without --methods: {' '.join(contenders.DEFAULT)}, as far as the weights allow. docs/comparison.md says more.",
    )
    parser.add_argument("--images", metavar="DATA", help="folder, zip or LMDB, or avatars; the pictures are those that training "
                        "held out; default: what the weights were trained on")  # fmt: skip
    parser.add_argument(
        "--count", type=number, default=16, help="pictures to invert; all held-out ones if there are fewer"
    )
    parser.add_argument("--heldout", type=number, help="how many of those to take; default: all")
    parser.add_argument("--weights", nargs="+", default=[options.DEFAULT_WEIGHTS, VECTOR_WEIGHTS], metavar="W", help="stylemap "
                        "weights and those of a vector-latent generator, either or both")  # fmt: skip
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="see below")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--batch", type=number, default=4, help="pictures at once, for all methods")
    parser.add_argument("--seed", type=options.seed, default=0, help="of all that is drawn at random")
    parser.add_argument("--perceptual", choices=networks.NAMES, default="auto", help="auto: lpips if VGG-16 is found, else the "
                        "discriminator of the first weights that have one, else random weights")  # fmt: skip
    parser.add_argument("--lpips-vgg", metavar="PATH", help="vgg16-397923af.pth; by default in torch's cache")
    parser.add_argument("--inception", metavar="PATH", help="weights-inception-2015-12-05-6726825d.pth; the same")
    parser.add_argument("--interpolations", type=number, default=500, help="pictures between latents, for SWD_lerp and FID_lerp, "
                        "and training pictures to compare them with")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--docs", type=Path, metavar="PAGE", help="Markdown file to put the results into, between its markers"
    )
    return run(parser.parse_args(argv), argv)


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    if arguments.docs:
        page.validate(arguments.docs, NAME)
    options.check_networks(arguments)
    if arguments.methods:
        for spec in arguments.methods:  # mistakes before weights are read
            contenders.parse(spec)
    device = devices.pick(arguments.device)
    subjects, weights = opened(arguments.weights, device)
    chosen, left_out = contenders.choose(arguments.methods, subjects, arguments.seed)
    network, origin = perceptual(arguments, device)
    side = next(iter(subjects.values())).model.config.resolution
    found = heldout.open_unseen(arguments.weights, arguments.images, "--images", side, arguments.heldout)
    training, held_out = found.training, found.heldout
    originals = stream.first_images(held_out, arguments.count)
    count = min(arguments.interpolations, len(training), swd.MOST_PICTURES)
    reference = Reference(training, count, arguments.seed, arguments.lpips_vgg, arguments.inception, device=device)
    data = {"name": found.data, "resolution": side, "training": len(training), "heldout": len(held_out)}
    for given in weights.values():
        given["doubt"] = found.doubt(checkpoint.seen_by(given["given"]))
    known_files = (VGG.path(arguments.lpips_vgg), INCEPTION.path(arguments.inception))
    about = {
        "machine": machine.hardware(device),
        "weights": weights,
        "data": data | {"names_sha256": datasets.fingerprint(training, held_out)},
        "perceptual": origin,
        "interpolations": arguments.interpolations,
        "seed": arguments.seed,
        "files": {path.name: provenance.sha256(path) for path in known_files if path.is_file()},
    }
    with files.owned(arguments.out):
        benchmark = Benchmark(originals, subjects, network, reference, arguments.batch, about, arguments.out)
        rows = benchmark.compare(chosen, lambda row: print(line(row), flush=True))
        notes = [*(f"Left out: {text}." for text in left_out), page.command("stylemap benchmark inversion", argv)]
        text = benchmark.write(chosen, rows, notes)
    if arguments.docs:
        pictures = {PLOT: "Time against error of every method", SHEET: "Reconstructions: original, then every method"}
        page.embed(arguments.docs, NAME, text, {arguments.out / file: words for file, words in pictures.items()})
    for text in left_out:
        print(f"left out: {text}", file=sys.stderr)
    for path in arguments.weights:
        heldout.tell(path, found)
    failed = [row for row in rows if "failed" in row]
    for row in failed:
        print(f"{row['title']} failed: {row['failed']}", file=sys.stderr)
    if len(failed) == len(rows):
        raise InputError(f"no method succeeded: {rows[0]['failed']}")
    print(arguments.out / TABLE)
    return 1 if failed else 0


def opened(paths: list[str], device: torch.device) -> tuple[dict[str, Subject], dict[str, dict]]:
    """What is inverted, and what is to be noted of it, by kind of weights.

    Raises:
        InputError: two weights of a kind, or of different resolutions.
    """
    subjects: dict[str, Subject] = {}
    notes: dict[str, dict] = {}
    for path in paths:
        model = checkpoint.load_any(path, device)
        kind = STYLEMAP if model.latents.spatial else VECTORS
        if kind in subjects:
            raise InputError(
                f"--weights {notes[kind]['given']} and {path} are both of kind {kind}; give one of each kind"
            )
        sides = {found.model.config.resolution for found in subjects.values()} | {model.config.resolution}
        if len(sides) > 1:
            raise InputError(
                f"--weights are for pictures of {' and '.join(map(str, sorted(sides)))} pixels; give weights of one"
            )
        file = checkpoint.find(path)
        subjects[kind] = Subject(model)
        notes[kind] = {
            "given": path,
            "sha256": provenance.sha256(file),
            "info": checkpoint.read_info(file),
            "parameters": {name: sum(x.numel() for x in part.parameters()) for name, part in model.named_children()},
            "model": asdict(model.config),
        }
    return subjects, notes


def perceptual(arguments: argparse.Namespace, device: torch.device) -> tuple[networks.Perceptual, dict]:
    """One network for all methods, and where it comes from."""
    holder = next(filter(has_discriminator, arguments.weights), None)
    found = networks.load(arguments.perceptual, device, arguments.lpips_vgg, holder)
    if not isinstance(found, DiscriminatorFeatures):
        return found, found.origin
    origin = {"stand_in": f"the discriminator of {holder} instead of VGG-16"}
    return found, found.origin | origin | {"weights_sha256": provenance.sha256(checkpoint.find(holder))}


def has_discriminator(weights: str) -> bool:
    try:
        checkpoint.load_discriminator(weights)
    except InputError:
        return False
    return True


def line(row: dict) -> str:
    """For a person who waits."""
    if "failed" in row:
        return f"{row['title']:<34} failed: {row['failed']}"
    return f"{row['title']:<34} {digits(row['seconds']):>9} s a picture   mse {digits(row['mse']):>8}"
