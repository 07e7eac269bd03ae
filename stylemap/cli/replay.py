"""``stylemap local-edit replay``: the edit of a project file once more, on its own image or on others."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import decoding
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.values import PICTURES
from stylemap.errors import InputError
from stylemap.resources import PRETRAINED

if TYPE_CHECKING:
    from stylemap.photos.photo import Photo
    from stylemap.project import Project


def replay(parser: Parser) -> None:
    """Repeat an edit that the editor saved as a project: on its own photo, bit for bit, or on other photos."""
    parser.add_argument("project", metavar="PROJECT", help="Project file that the editor saved.")
    flags.add(parser, "--photos", help="Photos to edit instead of the project's own.")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="Image to write, or a folder to write NAME.png into."
    )
    flags.add_alignment(parser, "--photos are photos", "", painted=False)
    flags.add(
        parser,
        "--weights",
        default=None,
        help="Weights that the project was made with. Default: the shipped weights of that name.",
    )
    flags.add(parser, "--device")
    parser.set_defaults(run=run)


@without_gradients
def run(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint, devices, project
    from stylemap.cli import retouching

    paths = arguments.photos or []
    if arguments.align and not paths:
        raise InputError("--align goes with --photos; the photo in the project is cut out already")
    targets = outputs(arguments.out, paths)
    inputs.keep_inputs(targets, [*paths, arguments.project])
    for path in paths:
        # before anything is written: one that is missing would else be found after hours of work on the others
        decoding.read_size(Path(path))
    loaded = project.read(arguments.project)
    weights = arguments.weights or shipped(loaded)
    model = checkpoint.load(weights, devices.pick(arguments.device))
    repeat = project.Replay(model, loaded)
    pictures = retouching.Photos(arguments, model, weights)
    for target, path in zip(targets, paths or [None], strict=True):
        photo = own_photo(loaded, arguments.project) if path is None else pictures.open(path)
        image = None if path is None else pictures.image(photo)
        pictures.write(target, photo, repeat(image, pictures.paste))
        print(target)


def outputs(out: Path, paths: list[str]) -> list[Path]:
    """What is written: an image for each original, or one for the project's own.

    Raises:
        InputError: ``out`` is no name for that, or two paths would have one.
    """
    if len(paths) < 2 and out.suffix.lower() in PICTURES and not out.is_dir():
        return [out]
    if not paths or (out.suffix.lower() not in ("", *PICTURES) and not out.is_dir()):
        folder = "" if not paths else ", or name a folder"
        raise InputError(f"--out {out} must name an image and end in {' or '.join(PICTURES)}{folder}")
    if out.suffix.lower() in PICTURES and not out.is_dir():
        raise InputError(f"--out {out} is one image, but there are {len(paths)} photos; name a folder")
    named: dict[Path, str] = {}
    for path in paths:
        target = out / f"{Path(path).stem}.png"
        if target in named:
            raise InputError(
                f"{named[target]} and {path} would both become {target}; repeat the edit for each by itself"
            )
        named[target] = path
    return list(named)


def shipped(loaded: "Project") -> Path:
    """The weights that come with the program under the name that a project file gives; the name is never a path.

    Raises:
        InputError: there are none.
    """
    for path in PRETRAINED.glob("*.safetensors"):
        if path.stem == loaded.weights:
            return path
    raise InputError(f"the project was made with weights called {loaded.weights!r}; give them with --weights")


def own_photo(loaded: "Project", path: str) -> "Photo":
    """The project's own original.

    Raises:
        InputError: it has none.
    """
    from stylemap.editing.edit import ORIGINAL

    if ORIGINAL not in loaded.photos:
        raise InputError(f"{path} holds no original; give one with --photos")
    return replace(loaded.photos[ORIGINAL], name=f"the photo in {path}")
