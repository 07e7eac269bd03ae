"""``stylemap local-edit replay``: the edit of a project file once more, on its own picture or on others."""

import argparse
from dataclasses import replace
from pathlib import Path

from stylemap import checkpoint, decoding, devices, project
from stylemap.cli import options, photos
from stylemap.editing.edit import ORIGINAL
from stylemap.errors import InputError
from stylemap.photos import formats
from stylemap.photos.photo import Photo
from stylemap.project import Project
from stylemap.resources import PRETRAINED


def add(verbs) -> None:
    """Register the verb with the parsers of ``local-edit``."""
    replay = verbs.add_parser(
        "replay",
        help="repeat an edit that the editor saved, on its picture or on others",
        description="Repeat an edit that the editor saved as a project: on its own picture, bit for bit, or on other photos.",
    )
    replay.add_argument("project", metavar="PROJECT", help="the file that the editor saved")
    replay.add_argument(
        "--original", nargs="+", metavar="A", help="photos to edit instead of the project's own; one or several"
    )
    replay.add_argument(
        "--out", type=Path, required=True, help="the picture to write; or a folder, to write <photo>.png into"
    )
    photos.add_options(replay, "each --original is a photo", "", painted=False)
    replay.add_argument(
        "--weights", help="those the project was made with; by default looked for among the shipped ones"
    )
    replay.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    replay.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    originals = arguments.original or []
    if arguments.align and not originals:
        raise InputError("--align goes with --original; the project's own picture is cut out already")
    targets = outputs(arguments.out, originals)
    options.keep_inputs(targets, [*originals, arguments.project])
    for path in originals:
        # before anything is written: one that is missing would else be found after hours of work on the others
        decoding.read_size(Path(path))
    loaded = project.load(arguments.project)
    weights = arguments.weights or shipped(loaded)
    model = options.stylemaps(checkpoint.load_any(weights, devices.pick(arguments.device)), weights)
    replay = project.Replay(model, loaded)
    pictures = photos.open_photos(arguments, model, weights)
    for target, path in zip(targets, originals or [None], strict=True):
        photo = own_photo(loaded, arguments.project) if path is None else pictures.open(path)
        image = None if path is None else pictures.image(photo)
        pictures.write(target, photo, replay(image, pictures.paste))
        print(target)


def outputs(out: Path, originals: list[str]) -> list[Path]:
    """What is written: a picture for each original, or one for the project's own.

    Raises:
        InputError: ``out`` is no name for that, or two originals would have one.
    """
    if len(originals) < 2 and out.suffix.lower() in formats.FORMATS and not out.is_dir():
        return [out]
    if not originals or (out.suffix.lower() not in ("", *formats.FORMATS) and not out.is_dir()):
        folder = "" if not originals else ", or name a folder"
        raise InputError(f"--out {out} must be a picture and end in {' or '.join(formats.FORMATS)}{folder}")
    if out.suffix.lower() in formats.FORMATS and not out.is_dir():
        raise InputError(f"--out {out} is one picture, for {len(originals)} photos; name a folder")
    named: dict[Path, str] = {}
    for path in originals:
        target = out / f"{Path(path).stem}.png"
        if target in named:
            raise InputError(
                f"{named[target]} and {path} would both become {target}; repeat the edit for each by itself"
            )
        named[target] = path
    return list(named)


def shipped(loaded: Project) -> Path:
    """The weights that come with the program under the name that a project file gives; the name is never a path.

    Raises:
        InputError: there are none.
    """
    for path in PRETRAINED.glob("*.safetensors"):
        if path.stem == loaded.weights:
            return path
    raise InputError(f"the project was made with weights called {loaded.weights!r}; give them with --weights")


def own_photo(loaded: Project, path: str) -> Photo:
    """The project's own original.

    Raises:
        InputError: it has none.
    """
    if ORIGINAL not in loaded.photos:
        raise InputError(f"{path} holds no original; give one with --original")
    return replace(loaded.photos[ORIGINAL], name=f"the photo in {path}")
