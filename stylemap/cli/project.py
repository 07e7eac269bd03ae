"""``stylemap project``: latents of photos by any method of inversion, with history, images and films."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import decoding, files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import real, whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from stylemap.inversion import Method

REPORT = "report.json"
METHODS = (
    "encoder",
    "w",
    "w-ada",
    "w+",
    "w+rolux",
    "stylemap",
    "image2stylegan",
    "image2stylegan++",
    "exchange-content",
    "exchange-style",
    "in-domain",
    "hybrid",
    "structured-noise",
)
FILM_KINDS = ("gif", "webp", "png", "mp4", "none")


def project(parser: Parser) -> None:
    """Find the latents of photos, by the encoder, by optimisation, or by both. Writes for each photo NAME.png at the resolution
    of the weights, the latent as NAME.npy and, with noise maps, as NAME.safetensors, NAME.json with the history, and a film; and
    report.json. Run the same command again to continue after a stop. It never writes over the results of other settings.
    docs/inversion.md describes the methods and their settings."""
    parser.add_argument(
        "--method", choices=METHODS, required=True, metavar="NAME", help=f"One of {', '.join(METHODS)}."
    )
    flags.add(parser, "--photos", required=True)
    flags.add_out_folder(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="Setting of the method. May be given several times. A wrong name prints the settings that the method has.",
    )
    parser.add_argument(
        "--steps",
        type=whole(0),
        metavar="N",
        help="The same as --set steps=N. 0 gives the starting point of the method.",
    )
    flags.add(parser, "--seed")
    flags.add(parser, "--mask", help="Grey image. Only white pixels are compared. The method makes up the rest.")
    parser.add_argument("--crossover", metavar="PHOTO", help="Photo to match where the mask is black.")
    flags.add(parser, "--perceptual-network", "--vgg", "--batch-gpu")
    parser.add_argument(
        "--stop-error",
        type=real(0),
        metavar="X",
        help="Stop a photo when its mean squared error is at most this, for pixels in [-1, 1].",
    )
    parser.add_argument(
        "--patience",
        type=whole(1),
        metavar="STEPS",
        help="Stop a photo when its loss has not become 1% lower for this many steps.",
    )
    parser.add_argument(
        "--every", type=whole(1), default=10, metavar="STEPS", help="Steps between rows of the history."
    )
    parser.add_argument(
        "--save-every",
        type=whole(1),
        default=100,
        metavar="STEPS",
        help="Steps between saved states.",
    )
    parser.add_argument(
        "--film", choices=FILM_KINDS, default="gif", help="Film to write of each photo beside its reconstruction."
    )
    flags.add(parser, "--weights", "--device")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from stylemap import perceptual
    from stylemap.cli import heldout, loading
    from stylemap.cli.projecting import Job, report
    from stylemap.inversion import Subject
    from stylemap.inversion.folder import STATE, names_of

    method = configured(arguments)
    if arguments.crossover and not arguments.mask:
        raise InputError("--crossover needs --mask: white is taken from --photos, black from --crossover")
    if arguments.stop_error == 0:
        raise InputError("--stop-error must be above 0")
    paths = inputs.pictures(arguments.photos)

    def files_of(name: str) -> list[str]:
        return names_of(name, arguments.film)

    names = inputs.unique_names(paths, [REPORT, STATE], files_of)
    for path in paths:
        decoding.read_size(path)
    others = [path for flag in ("mask", "crossover") if (path := checked(arguments, flag))]
    written = [REPORT, STATE, *(file for name in names for file in files_of(name))]
    inputs.keep_inputs([arguments.out / file for file in written], [*paths, *others])
    model = loading.load_any(arguments)
    network = perceptual.load(arguments.perceptual_network, model.device, arguments.vgg, arguments.weights)
    subject = Subject(model)
    method.validate_for(subject.latents)
    job = Job(arguments, method, subject, network, paths)
    with files.owned(arguments.out):
        try:
            notes = job.run(paths, names)
        except KeyboardInterrupt:
            print(job.stopped(len(paths)), file=sys.stderr)
            return 130
        report(arguments.out / REPORT, job, notes)
    heldout.note_trained_files(paths, arguments.weights)
    return 0


def checked(arguments: argparse.Namespace, flag: str) -> Path | None:
    """The image that was given.

    Raises:
        InputError: naming the flag; it is missing or no image.
    """
    if getattr(arguments, flag) is None:
        return None
    path = Path(getattr(arguments, flag))
    try:
        decoding.read_size(path)
    except InputError as err:
        raise InputError(f"--{flag}: {err}") from err
    return path


def configured(arguments: argparse.Namespace) -> "Method":
    """The method with the knobs that were set.

    Raises:
        InputError: a knob it does not have, or a value of another kind.
    """
    from stylemap.inversion import preset
    from stylemap.inversion.methods import parse_setting

    given = [*arguments.set, *([f"steps={arguments.steps}"] if arguments.steps is not None else [])]
    settings = dict(parse_setting(arguments.method, text) for text in given)
    return preset(arguments.method, **{"seed": arguments.seed} | settings)
