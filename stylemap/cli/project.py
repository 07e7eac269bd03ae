"""``stylemap project``: latents of photos by any method of inversion, with history, images and films."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stylemap import checkpoint, decoding, devices, files, images, video
from stylemap.cli import films, inputs, options
from stylemap.errors import InputError
from stylemap.inversion import PRESETS, Inversion, Method, State, Stopping, Subject, Target, invert, latents, preset
from stylemap.inversion import perceptual as networks
from stylemap.inversion.inverting import check, describe
from stylemap.metrics import provenance

STATE = "state.pt"
REPORT = "report"
FILMS = ("gif", "webp", "png", "mp4", "none")
COUNTS = ("steps", "noise_steps")  # knobs that count steps
FILM_FRAMES, FILM_SIDE, FPS = 64, 512, 12.5


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap project",
        description="Find the latents of photos, by the encoder, by optimisation or by both. Writes for each photo NAME.png, "
        "the latent as NAME.npy and, with noise maps, as NAME.safetensors, NAME.json with the history, and a film; and "
        "report.json. Goes on where it was stopped when it is called again; never writes over the results of other settings.",
        epilog="methods: "
        + "; ".join(f"{name}: {method.source}" for name, method in PRESETS.items())
        + ". docs/inversion.md describes them and their knobs.",
    )
    parser.add_argument("--method", choices=PRESETS, required=True, metavar="NAME", help=", ".join(PRESETS))
    parser.add_argument("--images", nargs="+", required=True, metavar="PATH", help="pictures, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="of the method; may repeat")
    parser.add_argument("--steps", type=steps, help="the same as --set steps=N; 0 = where the method begins")
    parser.add_argument("--seed", type=options.seed, default=0, help="of all that is drawn at random")
    parser.add_argument("--mask", metavar="M", help="only what is white counts: the rest is made up")
    parser.add_argument("--crossover", metavar="PATH", help="this picture counts where the mask is black")
    parser.add_argument("--perceptual", choices=networks.NAMES, default="auto", help="auto: lpips if VGG-16 is found, else the "
                        "discriminator if the weights have one, else random weights")  # fmt: skip
    parser.add_argument("--lpips-vgg", metavar="PATH", help="vgg16-397923af.pth; by default in torch's cache")
    parser.add_argument("--batch", type=number, default=4, help="photos at once; the results do not depend on it")
    parser.add_argument("--stop-error", type=float, metavar="MSE", help="leave a photo at this mean squared error")
    parser.add_argument(
        "--patience", type=number, metavar="STEPS", help="leave a photo that gets no better for so long"
    )
    parser.add_argument("--every", type=number, default=10, help="steps between rows of the history")
    parser.add_argument("--save-every", type=number, default=100, help="steps between states to go on from")
    parser.add_argument("--film", choices=FILMS, default="gif", help="photo and reconstruction side by side")
    options.add_weights(parser)
    return run(parser.parse_args(argv))


def number(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return int(text)


def steps(text: str) -> int:
    return number(text, 0)


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    method = configured(arguments)
    if arguments.crossover and not arguments.mask:
        raise InputError("--crossover needs --mask: white is taken from --images, black from --crossover")
    if arguments.stop_error is not None and not arguments.stop_error > 0:
        raise InputError(f"--stop-error {arguments.stop_error:g} must be above 0")
    paths = inputs.pictures(arguments.images)
    names = inputs.unique_names(paths, REPORT)
    for path in paths:
        decoding.check(path)
    others = [path for flag in ("mask", "crossover") if (path := checked(arguments, flag))]
    options.keep_inputs((arguments.out / f"{name}.png" for name in names), [*paths, *others])
    model = checkpoint.load(arguments.weights, devices.pick(arguments.device))
    network = networks.load(arguments.perceptual, model.device, arguments.lpips_vgg, arguments.weights)
    subject = Subject(model)
    check(method, subject)
    job = Job(arguments, method, subject, network)
    photos = [Photo(path, name, job.key(path)) for path, name in zip(paths, names, strict=True)]
    with files.owned(arguments.out):
        try:
            notes = job.run(photos)
        except KeyboardInterrupt:
            print(job.stopped(len(photos)), file=sys.stderr)
            return 130
        report(arguments, job, notes)
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
        decoding.check(path)
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
        knobs[name] = parsed(name, value, known[name]) if name in known else value
    return preset(arguments.method, **knobs)


def parsed(name: str, text: str, like) -> object:
    """A value of the same kind as the default."""
    kinds = {bool: {"true": True, "false": False}.__getitem__, tuple: lambda x: tuple(x.split(","))}
    try:
        value = kinds.get(type(like), type(like))(text)
    except (KeyError, ValueError):
        raise InputError(f"--set {name}={text} must be {type(like).__name__}, such as {like}") from None
    if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
        raise InputError(f"--set {name}={text} must be 0 or more")
    return value


class Photo(NamedTuple):
    path: Path
    name: str  # of its files, without a suffix
    key: str  # of everything its latent depends on


class Begun(NamedTuple):
    """Photos at once, on their way."""

    photos: list[Photo]
    state: State | None = None
    frames: tuple[Tensor, ...] = ()


class Job:
    """One command: photos in chunks, each of which is written when it is done."""

    def __init__(self, arguments: argparse.Namespace, method: Method, subject: Subject, network: networks.Perceptual):
        self.arguments, self.method, self.subject, self.network = arguments, method, subject, network
        self.stopping = Stopping(arguments.stop_error, arguments.patience)
        self.out: Path = arguments.out
        self.done = 0  # photos
        self.step = 0  # at which those of the chunk would go on
        # --every decides when a photo is looked at, and so when it is left; it changes no latent otherwise
        stops = self.stopping != Stopping()
        settings = {
            "preset": arguments.method,
            **describe(method, network),
            "weights_sha256": provenance.sha256(checkpoint.find(arguments.weights)),
            "stopping": asdict(self.stopping) | {"every": arguments.every} if stops else None,
            "mask_sha256": arguments.mask and provenance.sha256(arguments.mask),
            "crossover_sha256": arguments.crossover and provenance.sha256(arguments.crossover),
        }
        # as they are when they are read from a file
        self.settings: dict = json.loads(json.dumps(settings))

    def key(self, path: Path) -> str:
        """Of everything the latent of a photo depends on."""
        text = json.dumps(self.settings | {"photo": provenance.sha256(path)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def run(self, photos: list[Photo]) -> dict[str, dict]:
        """What is noted of the photos, found now or by an earlier call, by name.

        Raises:
            InputError: results or a state of other settings would be written over.
        """
        notes = {photo.name: self.written(photo) for photo in photos}
        todo = [photo for photo in photos if notes[photo.name] is None]
        chunks = []
        if begun := self.begun(photos):
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
        film = Film(self.arguments.every, self.method, begun.frames)
        self.step = begun.state.history[-1].step + 1 if begun.state else 0
        if begun.state:
            print(f"resuming at step {self.step} of {length(self.method)}", file=sys.stderr)

        def tick(state: State, shown: Tensor) -> None:
            film.see(state, shown)
            if len(state.history) % max(1, self.arguments.save_every // self.arguments.every) == 0:
                self.save(begun.photos, state, film)

        found = invert(self.method, self.subject, self.targets(pictures), self.network, begun.state, self.stopping,
                       self.arguments.every, tick)  # fmt: skip
        film.frames.append(film.small(found.image))
        notes = {photo.name: self.write(i, photo, pictures[i], found, film) for i, photo in enumerate(begun.photos)}
        (self.out / STATE).unlink(missing_ok=True)
        self.done += len(notes)
        self.step = 0
        return notes

    def stopped(self, total: int) -> str:
        """For a person who stopped it."""
        return (
            f"stopped with {self.done} of {total} photos done; the same command goes on from step {self.step} of "
            f"{length(self.method)}"
        )

    def targets(self, photos: Tensor) -> list[Target]:
        if not self.arguments.mask:
            return [Target(photos)]
        mask = options.read_mask(self.arguments.mask, self.subject.model)
        if not self.arguments.crossover:
            return [Target(photos, mask)]
        other = options.read_image(self.arguments.crossover, self.subject.model)
        return [Target(photos, mask), Target(other.expand_as(photos), 1 - mask)]

    # ---- the state

    def progress(self) -> dict:
        """The settings of a state; its history and frames depend on --every too."""
        return self.settings | {"every": self.arguments.every}

    def save(self, photos: list[Photo], state: State, film: "Film") -> None:
        whole = {
            "settings": self.progress(),
            "photos": [photo.key for photo in photos],
            "state": state.plain(),
            "frames": film.frames,
        }
        with files.atomic(self.out / STATE) as temporary:
            torch.save(whole, temporary)
        self.step = state.history[-1].step + 1

    def begun(self, photos: list[Photo]) -> Begun | None:
        """The photos that an earlier call did not finish.

        Raises:
            InputError: it had other settings or photos.
        """
        path = self.out / STATE
        if not path.exists():
            return None
        remedy = "go on with the same settings, give another --out, or delete the file"
        try:
            saved = torch.load(path, map_location=self.subject.device, weights_only=True)
            settings, keys = saved["settings"], saved["photos"]
        except Exception as err:  # torch.load raises many kinds
            raise InputError(f"{path} cannot be read ({type(err).__name__}); {remedy}") from err
        if why := difference(settings, self.progress()):
            raise InputError(f"{path} is of a run that was stopped, {title(settings)} ({why}); {remedy}")
        left, found = list(photos), []
        for key in keys:
            photo = next((photo for photo in left if photo.key == key), None)
            if photo is None:
                raise InputError(f"{path} is of a run that was stopped, of other photos; {remedy}")
            left.remove(photo)
            found.append(photo)
        frames = tuple(frame.cpu() for frame in saved["frames"])
        return Begun(found, State.of(saved["state"]), frames)

    # ---- the results

    def film(self, photo: Photo) -> dict | None:
        """Of what film the note tells; None where there is none."""
        kind = self.arguments.film
        if kind == "none" or not length(self.method):
            return None
        return {"file": f"{photo.name}.{'film.png' if kind == 'png' else kind}", "every": self.arguments.every}

    def written(self, photo: Photo) -> dict | None:
        """The note of an earlier call, if it did this photo and all that is wanted of it is still there.

        Raises:
            InputError: it is of other settings or of another photo.
        """
        path = self.out / f"{photo.name}.json"
        if not path.exists():
            return None
        try:
            note = json.loads(path.read_text())
            key, origin, about = note["key"], note["origin"], title(note["origin"])
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise InputError(f"{path} is no note of `stylemap project`; give another --out") from err
        if key != photo.key:
            why = difference(origin, self.settings) or "another photo"
            raise InputError(f"{path} holds another result, {about} ({why}); give another --out, or delete it")
        wanted = [f"{photo.name}{suffix}" for suffix in (".png", *latents.SUFFIXES)]
        if film := self.film(photo):
            if film != note.get("film"):
                return None
            wanted.append(film["file"])
        return note if all((self.out / name).exists() for name in wanted) else None

    def write(self, i: int, photo: Photo, picture: Tensor, found: Inversion, film: "Film") -> dict:
        """The files of photo i; the note comes last, as it says that the others are there."""
        note = {
            "key": photo.key,
            "source": str(photo.path),
            "error": found.error[i].item(),
            "steps": found.steps,
            "seconds": found.seconds,
            "seconds_per_step": found.seconds_per_step,
            "seconds_statistics": found.seconds_statistics,
            "batch": len(found.error),
            "device": str(self.subject.device),
            "film": self.film(photo),
            "origin": self.settings | found.origin,
            "history": [
                {
                    "phase": row.phase,
                    "step": row.step,
                    "seconds": row.seconds,
                    "loss": row.loss[i],
                    "regulariser": row.regulariser[i],
                    "error": row.error[i],
                }
                for row in found.history
            ],
        }
        images.write(self.out / f"{photo.name}.png", found.image[i])
        extras = {k: x[i : i + 1] for k, x in found.extras.items()}
        latent = latents.Found(found.latent[i : i + 1], extras, {"error": note["error"], **note["origin"]})
        for suffix in latents.SUFFIXES:
            latents.write(self.out / f"{photo.name}{suffix}", latent)
        if note["film"]:
            video.write(self.out / note["film"]["file"], film.of(i, picture), FPS)
        files.write_text(self.out / f"{photo.name}.json", json.dumps(note, indent=1) + "\n")
        return note


def length(method: Method) -> int:
    """Steps of all phases."""
    return sum(value for name, value in vars(method).items() if name in COUNTS)


def title(settings: dict) -> str:
    """What a result or a state is, for a message."""
    counts = [f"{name}={value}" for name, value in settings["knobs"].items() if name in COUNTS]
    return ", ".join([f"method {settings['preset']}", *counts])


def difference(theirs: dict, ours: dict) -> str:
    """The first of our settings that they have otherwise; empty if there is none."""
    for name, value in ours.items():
        other = theirs.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            if inner := difference(other, value):
                return inner
        elif value != other:
            return f"{name} {options.shortened(str(other))}, not {options.shortened(str(value))}"
    return ""


class Film:
    """Reconstructions on the way: at most FILM_FRAMES, no larger than FILM_SIDE, as bytes."""

    def __init__(self, every: int, method: Method, frames: Iterable[Tensor] = ()):
        self.stride = max(1, -(-length(method) // (every * FILM_FRAMES)))  # in rows of the history
        self.frames = list(frames)  # uint8 [N, r, r, 3]

    def see(self, state: State, shown: Tensor) -> None:
        if (len(state.history) - 1) % self.stride == 0:
            self.frames.append(self.small(shown))

    def small(self, shown: Tensor) -> Tensor:
        return images.to_uint8(networks.shrink(shown, FILM_SIDE)).cpu()

    def of(self, i: int, photo: Tensor) -> Iterator[Tensor]:
        """Photo and reconstruction side by side, large enough to be seen, [1, 3, s, 2 s] each."""
        beside = self.small(photo[None])
        for frame in self.frames:
            pair = images.from_uint8(torch.cat([beside, frame[i : i + 1]], dim=2))
            yield images.enlarge(pair, 2 * films.SEEN)


def report(arguments: argparse.Namespace, job: Job, notes: dict[str, dict]) -> None:
    errors = [note["error"] for note in notes.values()]
    mean = sum(errors) / len(errors)
    about = {
        "range": "[-1, 1]",
        "mse": mean,
        **job.settings,
        "images": {f"{k}.png": n["error"] for k, n in notes.items()},
    }
    files.write_text(job.out / f"{REPORT}.json", json.dumps(about, indent=2) + "\n")
    pace = next(iter(notes.values()))
    features = job.network.origin if job.method.perceptual else {}
    stand_in = f"; perceptual: {features['stand_in']}" if features.get("stand_in") else ""
    print(
        f"mean squared error {mean:.4f} over {len(errors)} images, pixels in [-1, 1]; {pace['seconds_per_step'] * 1000:.1f} ms "
        f"a step of {pace['batch']}{stand_in}"
    )
