"""``stylemap project``: finds the latents of photos by any method of inversion."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import files
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import real, whole
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.architectures.model import Model
    from stylemap.cli.framing import Framing
    from stylemap.inversion import Method, State, Target
    from stylemap.inversion.folder import Begun
    from stylemap.photos.photo import Photo

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
    "pivotal",
    "fit",
)
FILM_KINDS = ("gif", "webp", "png", "mp4", "none")


def project(parser: Parser) -> None:
    """Find the latents of photos by the encoder, by optimisation, or by both. For each photo it writes NAME.png, the
    reconstruction; NAME.npy, the latent; NAME.safetensors, the latent with its noise maps or tuned weights; NAME.json, the
    history; and a film. report.json has the errors of all photos. Run the same command again to continue after a stop. Results
    of other settings are never overwritten. docs/inversion.md describes the methods and their settings."""
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
    flags.add_framing(parser, "A mask lies over the whole photos.")
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
    flags.add(parser, "--precision", default="float32")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    import torch

    from stylemap import checkpoint, decoding, familiarity, perceptual, provenance
    from stylemap.cli import framing, heldout, loading
    from stylemap.inversion import Stopping, Subject, invert
    from stylemap.inversion.folder import STATE, Begun, PhotoFile, ResultFolder, names_of

    method = method_of(arguments)
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
    others = [path for flag in ("mask", "crossover") if (path := image_of(arguments, flag))]
    written = [REPORT, STATE, *(file for name in names for file in files_of(name))]
    inputs.keep_inputs([arguments.out / file for file in written], [*paths, *others])

    model = loading.load_any(arguments)
    network = perceptual.load(arguments.perceptual_network, model.device, arguments.vgg, arguments.weights)
    subject = Subject(model)
    method = method.for_latents(subject.latents)
    steps, every = sum(method.counts.values()), arguments.every
    known = familiarity.measure(arguments.weights, model)
    squares = framing.Framing(arguments, model.config.resolution)
    for _ in squares.each(paths):  # all of them are good before the work begins
        pass
    targets_of = masked_targets(arguments, model, squares)
    stopping = Stopping(arguments.stop_error, arguments.patience)
    settings = {
        "preset": arguments.method,
        **method.origin(network),
        "weights_sha256": provenance.sha256(checkpoint.find_file(arguments.weights)),
        # --every decides when a photo is looked at, and so when it is left; it changes no latent otherwise
        "stopping": asdict(stopping) | {"every": every} if stopping != Stopping() else None,
        "mask_sha256": arguments.mask and provenance.sha256(arguments.mask),
        "crossover_sha256": arguments.crossover and provenance.sha256(arguments.crossover),
    } | ({"precision": "bfloat16"} if model.passes == torch.bfloat16 else {})
    settings = json.loads(json.dumps(settings))  # as they are when they are read from a file
    folder = ResultFolder(arguments.out, settings, steps, every, arguments.film, subject.device)

    def invert_together(begun: Begun) -> dict[str, dict]:
        """The notes of these photos by name."""
        opened = [squares.open(photo.path) for photo in begun.photos]
        pixels = loading.images_of(opened, model)
        if known and not arguments.mask:  # with a mask only a part of them counts
            familiarity.tell(known, [photo.path for photo in begun.photos], familiarity.errors(model, pixels))
        if begun.state:
            print(f"resuming at step {next_step(begun)} of {steps}", file=sys.stderr)
        film = folder.film(begun.frames)

        def tick(state: "State", reconstructions: "Tensor") -> None:
            film.see(state, reconstructions)
            if len(state.history) % max(1, arguments.save_every // every) == 0:
                folder.save(begun.photos, state, film)

        inversion = invert(method, subject, targets_of(opened, pixels), network, begun.state, stopping, every, tick)
        film.add(inversion.image)
        notes = {
            photo.name: summary(folder.write(i, photo, pixels[i], inversion, film))
            for i, photo in enumerate(begun.photos)
        }
        folder.drop_state()
        return notes

    with files.owned(arguments.out):
        named = zip(paths, names, strict=True)
        photos = [PhotoFile(path, name, folder.key(path, squares.place(path))) for path, name in named]
        notes = {photo.name: summary(folder.written(photo)) for photo in photos}
        begun = folder.begun(photos)
        chunks = [begun] if begun else []
        left = [p for p in photos if notes[p.name] is None and not (begun and p in begun.photos)]
        chunks += [Begun(left[k : k + arguments.batch_gpu]) for k in range(0, len(left), arguments.batch_gpu)]
        try:
            for chunk in chunks:
                notes |= invert_together(chunk)
        except KeyboardInterrupt:
            done, begun = sum(folder.written(photo) is not None for photo in photos), folder.begun(photos)
            print(
                f"stopped with {done} of {len(photos)} photos done; the same command continues from step "
                f"{next_step(begun) if begun else 0} of {steps}",
                file=sys.stderr,
            )
            return 130
        features = network.origin if method.perceptual else {}
        write_report(arguments.out / REPORT, settings, notes, features.get("stand_in"))
    heldout.note_trained_files(paths, arguments.weights)
    return 0


def image_of(arguments: argparse.Namespace, flag: str) -> Path | None:
    """The image that a flag names.

    Raises:
        InputError: naming the flag; it is missing or no image.
    """
    from stylemap import decoding

    if getattr(arguments, flag) is None:
        return None
    path = Path(getattr(arguments, flag))
    try:
        decoding.read_size(path)
    except InputError as err:
        raise InputError(f"--{flag}: {err}") from err
    return path


def method_of(arguments: argparse.Namespace) -> "Method":
    """The method with the settings that were given.

    Raises:
        InputError: a setting it does not have, or a value of another kind.
    """
    from stylemap.inversion import preset
    from stylemap.inversion.methods import parse_setting

    given = [*arguments.set, *([f"steps={arguments.steps}"] if arguments.steps is not None else [])]
    settings = dict(parse_setting(arguments.method, text) for text in given)
    return preset(arguments.method, **{"seed": arguments.seed} | settings)


def masked_targets(
    arguments: argparse.Namespace, model: "Model", squares: "Framing"
) -> "Callable[[list[Photo], Tensor], list[Target]]":
    """A function of photos and their images: what ``--mask`` and ``--crossover`` compare reconstructions with."""
    from stylemap.cli import loading
    from stylemap.inversion import Target

    if not arguments.mask:
        return lambda photos, images: [Target(images)]
    other = arguments.crossover and loading.images_of([squares.open(arguments.crossover, crop=False)], model)

    def targets(photos: "list[Photo]", images: "Tensor") -> "list[Target]":
        mask = loading.read_mask(arguments.mask, model, photos, white="what counts; the rest is made up")
        beside = [] if other is None else [Target(other.expand_as(images), 1 - mask)]
        return [Target(images, mask), *beside]

    return targets


def next_step(begun: "Begun") -> int:
    """At which the optimisation of these photos goes on."""
    return begun.state.history[-1].step + 1


def summary(note: dict | None) -> dict | None:
    """What the report says of a photo: the histories of thousands of them would fill the memory."""
    return note and {key: note.get(key) for key in ("error", "steps", "seconds_per_step", "batch", "rounding")}


def write_report(path: Path, settings: dict, notes: dict[str, dict], stand_in: str | None) -> None:
    """Write the errors of all photos, and print their mean.

    Args:
        notes: by the name of a photo.
        stand_in: the network that is used instead of another.
    """
    errors = {f"{name}.png": note["error"] for name, note in notes.items()}
    mean = sum(errors.values()) / len(errors)
    report = {"range": "[-1, 1]", "mse": mean, **settings, "images": errors}
    files.write_text(path, json.dumps(report, indent=2) + "\n")
    first = next(iter(notes.values()))
    print(
        f"mean squared error {mean:.4f} over {len(errors)} images, pixels in [-1, 1]; {first['seconds_per_step'] * 1000:.1f} ms "
        f"a {'step' if first['steps'] else 'pass'} for {first['batch']} images"
        + (f"; perceptual network: {stand_in}" if stand_in else "")
    )
    if first["rounding"] is not None:
        change = sum(note["rounding"] for note in notes.values()) / len(notes)
        print(
            f"the tuned weights are stored in 5 bits, which changed the images by {change:.1g} (mean squared), counted above"
        )
