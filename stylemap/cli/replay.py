"""``stylemap local-edit replay``: repeats the edit of a project file on its own photo or on others."""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import PICTURES
from stylemap.errors import InputError, Note


def replay(parser: Parser) -> None:
    """Repeat an edit that the editor saved as a project: on its own photo, bit for bit, or on other photos. If the project's
    weights are fitted to its own photo, other photos are drawn by the weights as they were, or are fitted anew with --fit."""
    parser.add_argument("project", metavar="PROJECT", help="Project file that the editor saved.")
    flags.add(parser, "--photos", help="Photos, or folders of photos, to edit instead of the project's own.")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="Image to write, or a folder to write NAME.png into."
    )
    flags.add_alignment(parser, "Each of --photos is a photo", "", painted=False)
    flags.add(parser, "--fit", help="First fit the weights to each photo, in N steps. 50 are a good number.")
    flags.add_weights_of_project(parser)
    flags.add(parser, "--device", "--precision")
    parser.set_defaults(run=run)


@without_gradients
def run(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint, decoding, devices, project
    from stylemap.cli import loading, retouching
    from stylemap.editing.edit import ORIGINAL
    from stylemap.inversion.fitting import STEPS

    paths = inputs.pictures(arguments.photos or [])
    if not paths:  # the photo in the project is cut out already
        inputs.only_with("--photos", arguments, "frame", "crop", "landmarks", "detector")
    if arguments.crop and len(paths) > 1:
        raise InputError(f"--crop is a square of one photo, and there are {len(paths)}; leave it out, or give one")
    targets = targets_of(arguments.out, paths)
    inputs.keep_inputs(targets, [*paths, arguments.project])
    for path in paths:
        # before anything is written: one that is missing would else be found after hours of work on the others
        decoding.read_size(path)
    loaded = project.read(arguments.project)
    if not paths and ORIGINAL not in loaded.photos:
        raise InputError(f"{arguments.project} holds no original; give one with --photos")
    weights = loading.weights_of_project(arguments, loaded.weights)
    if loaded.fit and paths and not arguments.fit:
        text = f"is fitted to its own photo; other photos are drawn by the weights as they were, or fitted with --fit {STEPS}"
        warnings.warn(f"{arguments.project} {text}", Note, stacklevel=2)
    precision = "float32" if arguments.fit or loaded.fit and not paths else arguments.precision
    model = checkpoint.load(weights, devices.pick(arguments.device), precision)
    repeat = project.Replay(model, loaded)
    photos = retouching.Photos(arguments, model, weights)
    for target, path in zip(targets, paths or [None], strict=True):
        if path is None:
            photo = replace(loaded.photos[ORIGINAL], name=f"the photo in {arguments.project}")
        else:
            photo = photos.open(path)
        if arguments.fit:
            drawing, stylemap = photos.fit(photo, arguments.fit)
            edited = repeat.fitted(drawing).of(stylemap, photos.how(photo))
        else:
            edited = repeat(None if path is None else photos.image(photo), photos.how(photo))
        photos.write(target, photo, edited)
        print(target)
    photos.framing.tell()


def targets_of(out: Path, paths: list[Path]) -> list[Path]:
    """The images to write: one for each photo, or one for the project's own.

    Raises:
        InputError: ``out`` is the name of something else.
    """
    is_folder = out.is_dir() or not out.suffix
    if not is_folder and out.suffix.lower() not in PICTURES or is_folder and not paths:
        folder = ", or name a folder" if paths else ""
        raise InputError(f"--out {out} must name an image and end in {' or '.join(PICTURES)}{folder}")
    if is_folder:
        return [out / f"{name}.png" for name in inputs.unique_names(paths, [])]
    if len(paths) > 1:
        raise InputError(f"--out {out} is one image, but there are {len(paths)} photos; name a folder")
    return [out]
