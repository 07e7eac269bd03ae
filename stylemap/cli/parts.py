"""``stylemap parts``: teach weights to name the parts of any image, and name them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import OutputFile, whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from stylemap.datasets import Dataset, Labelled

MEASURED = 200  # images
LEARNED = 1000  # drawn faces
MOST_SHOWN = 24  # photos on a sheet


def train(parser: Parser) -> None:
    """Teach weights to name the parts of any image, from some images with part labels. Ten labelled images already help, fifty
    help more. The page and --part then work without label maps."""
    flags.add(parser, "--data", required=True)
    flags.add(parser, "--part-labels", help="Folder or zip of label maps, named like the images. Avatars need none.")
    flags.add(
        parser,
        "--count",
        help="Learn from the first N images that have labels. Default: all that the training of the weights did not hold out; "
        "of avatars 1000.",
    )
    flags.add(
        parser,
        "--heldout",
        default=MEASURED,
        type=whole(0, flags.MOST_IMAGES),
        help="Measure it on as many other images that have labels, at most.",
    )
    parser.add_argument(
        "--out",
        type=OutputFile(".safetensors"),
        metavar="FILE",
        help="File to write. Default: parts/NAME.safetensors beside the weights, where verbs and the page look for it.",
    )
    flags.add(parser, "--seed", "--weights", "--device")
    parser.set_defaults(run=run_train)


def predict(parser: Parser) -> None:
    """Name the parts of photos. Writes NAME.png for each photo: a label map of the square that the model sees. Other verbs take
    it by --part-labels, with --mask-on face where the square is a face."""
    flags.add(parser, "--photos", required=True)
    flags.add_out_folder(parser, "the label maps")
    flags.add(parser, "--sheet", help="Also write the photos with their parts in colours side by side, 24 at most.")
    flags.add_framing(parser)
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(run=run_predict)


@without_gradients
def run_train(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from stylemap import checkpoint, reading, segmentation
    from stylemap.cli import loading
    from stylemap.resources import PRETRAINED
    from stylemap.segmentation import scoring, segmenter

    weights = checkpoint.find_file(arguments.weights)
    if arguments.out is None and weights.parent.samefile(PRETRAINED):
        raise InputError(f"{arguments.weights} come with a segmenter; give --out to make another")
    out = arguments.out or segmentation.place_of(weights)
    read = [weights, arguments.part_labels, arguments.data if arguments.data != "avatars" else None]
    inputs.keep_inputs([out], filter(None, read))
    if out.exists() and reading.read_metadata(out).get("format") != segmenter.FORMAT:
        raise InputError(f"{out} exists and holds no segmenter, so it was not replaced; give another --out")
    model = loading.load_model(arguments)
    known, others = open_images(arguments, model.config.resolution)
    origin = segmentation.Origin(model.fingerprint(), Path(arguments.data).name, len(known))
    print(f"learning from {len(known)} labelled image{'s' * (len(known) > 1)}", flush=True)
    with tqdm(desc="steps", leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        made = segmentation.learn(model, known, origin, arguments.seed, progress=progress)
    if others is not None:
        counts = scoring.confusion(scoring.compared(made, model, others))
        ious = scoring.ious(counts)
        made.origin = replace(origin, measured=len(others), miou=scoring.miou(counts), ious=ious)
        print("  ".join(f"{name} {value:.2f}" for name, value in ious.items()))
    print(made.origin.sentence)
    out.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save(out, made)
    print(out)


def open_images(arguments: argparse.Namespace, side: int) -> "tuple[Labelled, Labelled | None]":
    """Labelled images to learn from, and others to measure on, which the training of the weights held out if possible.

    Raises:
        InputError: no image has labels.
    """
    from stylemap import datasets
    from stylemap.cli import heldout
    from stylemap.datasets import Avatars

    if arguments.data == "avatars":
        if arguments.part_labels:
            raise InputError("avatars know their parts; leave out --part-labels")
        faces = Avatars(side, arguments.count or LEARNED)
        others: Dataset = Avatars(side, arguments.heldout, "heldout")
    else:
        if not arguments.part_labels:
            raise InputError("the images need --part-labels, a folder or zip of label maps")
        labels = datasets.parts.PartLabels(arguments.part_labels)
        split = heldout.open_unseen([arguments.weights], arguments.data, side)
        training, unseen = ([name for name in part.names if name in labels] for part in (split.training, split.heldout))
        names = (training or unseen)[: arguments.count]
        if not names:
            raise InputError(f"{arguments.part_labels} holds part labels of no image in {arguments.data}; check both")
        left = [name for name in [*unseen, *training] if name not in set(names)]
        faces, others = split.training.subset(names), split.training.subset(left[: arguments.heldout])
    measured = datasets.labelled(others, arguments.part_labels) if len(others) else None
    return datasets.labelled(faces, arguments.part_labels), measured


@without_gradients
def run_predict(arguments: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from PIL import Image

    from stylemap import images, segmentation, sheets
    from stylemap.cli import framing, loading
    from stylemap.segmentation.colours import coloured, laid_over

    paths = inputs.pictures(arguments.photos)
    names = inputs.unique_names(paths, [])
    written = [arguments.out / f"{name}.png" for name in names]
    inputs.keep_inputs([arguments.out, *written, *filter(None, [arguments.sheet])], [*arguments.photos, *paths])
    model = loading.load_model(arguments)
    segmenter = segmentation.open_segmenter(arguments.weights, model)
    squares = framing.Framing(arguments, model.config.resolution)
    for _ in squares.each(paths):  # all of them are good before the first is written
        pass
    arguments.out.mkdir(parents=True, exist_ok=True)
    shown = []
    for path, file in zip(paths, written, strict=True):
        photo = squares.open(path)
        labels = segmenter.labels(model, loading.images_of([photo], model))[0]
        Image.fromarray(labels).save(file)
        if arguments.sheet and len(shown) < MOST_SHOWN:
            shown.append(np.stack([photo.pixels, coloured(labels), laid_over(photo.pixels, labels)]))
        print(file)
    if arguments.sheet:
        columns = torch.stack([images.from_arrays(row) for row in shown], 1)
        images.write(arguments.sheet, sheets.sheet(dict(zip(("photo", "parts", "both"), columns, strict=True))))
        print(arguments.sheet)
