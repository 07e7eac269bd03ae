"""``stylemap project``: latents of photos by any method of inversion, with history, images and films."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from stylemap import checkpoint, decoding, devices, familiarity, files, images, provenance
from stylemap import perceptual as networks
from stylemap.cli import heldout, inputs, options
from stylemap.errors import InputError
from stylemap.inversion import PRESETS, Method, State, Stopping, Subject, Target, invert, preset
from stylemap.inversion.folder import STATE, Begun, FilmKind, Folder, PhotoFile, names_of
from stylemap.inversion.methods import knob_value

REPORT = "report.json"


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap project",
        description="Find the latents of photos, by the encoder, by optimisation or by both. Writes for each photo NAME.png at "
        "the resolution of the weights, the latent as NAME.npy and, with noise maps, as NAME.safetensors, NAME.json with the "
        "history, and a film; and report.json. Goes on where it was stopped when it is called again; never writes over the "
        "results of other settings.",
        epilog="methods: "
        + "; ".join(f"{name}: {method.source}" for name, method in PRESETS.items())
        + ". docs/inversion.md describes them and their knobs.",
    )
    parser.add_argument("--method", choices=PRESETS, required=True, metavar="NAME", help=", ".join(PRESETS))
    parser.add_argument("--images", nargs="+", required=True, metavar="PATH", help="pictures, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="of the method; may repeat; "
                        "a wrong name is answered with those there are")  # fmt: skip
    parser.add_argument("--steps", type=steps, help="the same as --set steps=N; 0 = where the method begins")
    parser.add_argument("--seed", type=options.seed, default=0, help="of all that is drawn at random")
    parser.add_argument("--mask", metavar="M", help="only what is white counts: the rest is made up")
    parser.add_argument("--crossover", metavar="PATH", help="this picture counts where the mask is black")
    parser.add_argument("--perceptual", choices=networks.NAMES, default="auto", help="auto: lpips if VGG-16 is found, else the "
                        "discriminator if the weights have one, else random weights")  # fmt: skip
    parser.add_argument("--lpips-vgg", metavar="PATH", help="vgg16-397923af.pth; by default in torch's cache")
    parser.add_argument(
        "--batch", type=options.number, default=4, help="photos at once; the results do not depend on it"
    )
    parser.add_argument("--stop-error", type=float, metavar="MSE", help="leave a photo at this mean squared error")
    parser.add_argument(
        "--patience",
        type=options.number,
        metavar="STEPS",
        help="leave a photo whose loss has not become 1 %% lower for so long",
    )
    parser.add_argument("--every", type=options.number, default=10, help="steps between rows of the history")
    parser.add_argument("--save-every", type=options.number, default=100, help="steps between states to go on from")
    parser.add_argument(
        "--film", choices=get_args(FilmKind), default="gif", help="photo and reconstruction side by side"
    )
    options.add_weights(parser)
    return run(parser.parse_args(argv))


def steps(text: str) -> int:
    return options.number(text, 0)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    method = configured(arguments)
    if arguments.crossover and not arguments.mask:
        raise InputError("--crossover needs --mask: white is taken from --images, black from --crossover")
    if arguments.stop_error is not None and not arguments.stop_error > 0:
        raise InputError(f"--stop-error {arguments.stop_error:g} must be above 0")
    paths = inputs.pictures(arguments.images)

    def files_of(name: str) -> list[str]:
        return names_of(name, arguments.film)

    names = inputs.unique_names(paths, [REPORT, STATE], files_of)
    for path in paths:
        decoding.read_size(path)
    others = [path for flag in ("mask", "crossover") if (path := checked(arguments, flag))]
    written = [REPORT, STATE, *(file for name in names for file in files_of(name))]
    options.keep_inputs([arguments.out / file for file in written], [*paths, *others])
    model = checkpoint.load_any(arguments.weights, devices.pick(arguments.device))
    network = networks.load(arguments.perceptual, model.device, arguments.lpips_vgg, arguments.weights)
    subject = Subject(model)
    method.validate_for(subject.latents)
    job = Job(arguments, method, subject, network, paths)
    with files.owned(arguments.out):
        try:
            notes = job.run(paths, names)
        except KeyboardInterrupt:
            print(job.stopped(len(paths)), file=sys.stderr)
            return 130
        report(arguments, job, notes)
    heldout.note_trained_files(paths, arguments.weights)
    return 0


def checked(arguments: argparse.Namespace, flag: str) -> Path | None:
    """The picture that was given.

    Raises:
        InputError: naming the flag; it is missing or no picture.
    """
    if getattr(arguments, flag) is None:
        return None
    path = Path(getattr(arguments, flag))
    try:
        decoding.read_size(path)
    except InputError as err:
        raise InputError(f"--{flag}: {err}") from err
    return path


def configured(arguments: argparse.Namespace) -> Method:
    """The method with the knobs that were set.

    Raises:
        InputError: a knob it does not have, or a value of another kind.
    """
    known = asdict(PRESETS[arguments.method])
    knobs: dict = {"seed": arguments.seed}
    given = [*arguments.set, *([f"steps={arguments.steps}"] if arguments.steps is not None else [])]
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text} must be KNOB=VALUE, such as rate=0.05")
        try:
            knobs[name] = knob_value(name, value, known[name]) if name in known else value
        except InputError as err:
            raise InputError(f"--set {err}") from None
    return preset(arguments.method, **knobs)


class Job:
    """One command: photos in chunks, each of which is written when it is done."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        method: Method,
        subject: Subject,
        network: networks.Perceptual,
        paths: list[Path],
    ):
        self.arguments, self.method, self.subject, self.network = arguments, method, subject, network
        self.stopping = Stopping(arguments.stop_error, arguments.patience)
        self.steps = sum(method.counts.values())
        self.known = familiarity.of(arguments.weights, subject.model)
        self.done = 0  # photos
        self.step = 0  # at which those of the chunk would go on
        model, mask, other = subject.model, arguments.mask, arguments.crossover
        self.mask = mask and options.read_mask(mask, model, paths, white="what counts; the rest is made up")
        self.other = other and options.read_image(other, model)
        # --every decides when a photo is looked at, and so when it is left; it changes no latent otherwise
        stops = self.stopping != Stopping()
        settings = {
            "preset": arguments.method,
            **method.origin(network),
            "weights_sha256": provenance.sha256(checkpoint.find(arguments.weights)),
            "stopping": asdict(self.stopping) | {"every": arguments.every} if stops else None,
            "mask_sha256": arguments.mask and provenance.sha256(arguments.mask),
            "crossover_sha256": arguments.crossover and provenance.sha256(arguments.crossover),
        }
        # as they are when they are read from a file
        settings = json.loads(json.dumps(settings))
        self.folder = Folder(arguments.out, settings, self.steps, arguments.every, arguments.film, subject.device)

    def run(self, paths: list[Path], names: list[str]) -> dict[str, dict]:
        """What is noted of the photos, found now or by an earlier call, by name; their histories are in the files.

        Raises:
            InputError: results or a state of other settings would be written over.
        """
        photos = [PhotoFile(path, name, self.folder.key(path)) for path, name in zip(paths, names, strict=True)]
        notes = {photo.name: summary(self.folder.written(photo)) for photo in photos}
        todo = [photo for photo in photos if notes[photo.name] is None]
        chunks = []
        if begun := self.folder.begun(photos):
            todo = [photo for photo in todo if photo not in begun.photos]
            chunks.append(begun)
        batch = self.arguments.batch
        chunks += [Begun(todo[k : k + batch]) for k in range(0, len(todo), batch)]
        self.done = len(photos) - sum(len(chunk.photos) for chunk in chunks)
        for chunk in chunks:
            notes |= self.chunk(chunk)
        return notes

    def chunk(self, begun: Begun) -> dict[str, dict]:
        """Notes by name."""
        side = self.subject.model.config.resolution
        pictures = torch.cat([images.read(photo.path, side) for photo in begun.photos]).to(self.subject.device)
        film = self.folder.film(begun.frames)
        self.step = begun.state.history[-1].step + 1 if begun.state else 0
        if self.known and self.mask is None:  # with a mask only a part of them counts
            errors = familiarity.errors(self.subject.model, pictures)
            options.tell_unfamiliar(self.known, [photo.path for photo in begun.photos], errors)
        if begun.state:
            print(f"resuming at step {self.step} of {self.steps}", file=sys.stderr)

        def tick(state: State, shown: Tensor) -> None:
            film.see(state, shown)
            if len(state.history) % max(1, self.arguments.save_every // self.arguments.every) == 0:
                self.folder.save(begun.photos, state, film)
                self.step = state.history[-1].step + 1

        found = invert(self.method, self.subject, self.targets(pictures), self.network, begun.state, self.stopping,
                       self.arguments.every, tick)  # fmt: skip
        film.add(found.image)
        notes = {
            photo.name: summary(self.folder.write(i, photo, pictures[i], found, film))
            for i, photo in enumerate(begun.photos)
        }
        self.folder.drop_state()
        self.done += len(notes)
        self.step = 0
        return notes

    def stopped(self, total: int) -> str:
        """For a person who stopped it."""
        return f"stopped with {self.done} of {total} photos done; the same command goes on from step {self.step} of {self.steps}"

    def targets(self, photos: Tensor) -> list[Target]:
        if self.mask is None:
            return [Target(photos)]
        if self.other is None:
            return [Target(photos, self.mask)]
        return [Target(photos, self.mask), Target(self.other.expand_as(photos), 1 - self.mask)]


def summary(note: dict | None) -> dict | None:
    """What the report says of a photo: the histories of thousands of them would fill the memory."""
    return note and {key: note[key] for key in ("error", "steps", "seconds_per_step", "batch")}


def report(arguments: argparse.Namespace, job: Job, notes: dict[str, dict]) -> None:
    errors = [note["error"] for note in notes.values()]
    mean = sum(errors) / len(errors)
    about = {
        "range": "[-1, 1]",
        "mse": mean,
        **job.folder.settings,
        "images": {f"{k}.png": n["error"] for k, n in notes.items()},
    }
    files.write_text(arguments.out / REPORT, json.dumps(about, indent=2) + "\n")
    pace = next(iter(notes.values()))
    features = job.network.origin if job.method.perceptual else {}
    stand_in = f"; perceptual: {features['stand_in']}" if features.get("stand_in") else ""
    print(
        f"mean squared error {mean:.4f} over {len(errors)} images, pixels in [-1, 1]; {pace['seconds_per_step'] * 1000:.1f} ms "
        f"a {'step' if pace['steps'] else 'pass'} of {pace['batch']}{stand_in}"
    )
