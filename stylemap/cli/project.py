"""``stylemap project``: latents of photos by any method of inversion, with history, images and films."""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, decoding, devices, files, images, video
from stylemap.cli import generate, options
from stylemap.errors import InputError
from stylemap.inversion import PRESETS, Inversion, Method, State, Stopping, Subject, Target, invert, latents, preset
from stylemap.inversion import perceptual as networks
from stylemap.inversion.inverting import check, describe
from stylemap.metrics import provenance

STATE = "state.pt"
FILMS = ("gif", "webp", "png", "mp4", "none")
FILM_FRAMES, FILM_SIDE, FPS = 64, 512, 12.5


def main(argv: list[str]) -> int:
    parser = options.Parser(
        prog="stylemap project",
        description="Find the latents of photos, by the encoder, by optimisation or by both. Writes for each photo NAME.png, "
        "the latent as NAME.npy and, with noise maps, as NAME.safetensors, NAME.json with the history, and a film; and "
        "report.json. Goes on where it was stopped when it is called again.",
        epilog="methods: "
        + "; ".join(f"{name}: {method.source}" for name, method in PRESETS.items())
        + ". docs/inversion.md describes them and their knobs.",
    )
    parser.add_argument("--method", choices=PRESETS, required=True, metavar="NAME", help=", ".join(PRESETS))
    parser.add_argument("--images", nargs="+", required=True, metavar="PATH", help="pictures, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="of the method; may repeat")
    parser.add_argument("--steps", type=number, help="the same as --set steps=N")
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
    run(parser.parse_args(argv))
    return 0


def number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    method = configured(arguments)
    if arguments.crossover and not arguments.mask:
        raise InputError("--crossover needs --mask: white is taken from --images, black from --crossover")
    if arguments.stop_error is not None and not arguments.stop_error > 0:
        raise InputError(f"--stop-error {arguments.stop_error:g} must be above 0")
    paths = generate._pictures(arguments.images)
    names = generate._unique_names(paths)
    options.keep_inputs((arguments.out / f"{name}.png" for name in names), paths)
    model = checkpoint.load(arguments.weights, devices.pick(arguments.device))
    network = networks.load(arguments.perceptual, model.device, arguments.lpips_vgg, arguments.weights)
    subject = Subject(model)
    check(method, subject)
    for path in paths:
        decoding.check(path)
    job = Job(arguments, method, subject, network)
    with files.owned(arguments.out):
        chunks = range(0, len(paths), arguments.batch)
        notes = [
            note for k in chunks for note in job.chunk(paths[k : k + arguments.batch], names[k : k + arguments.batch])
        ]
        (arguments.out / STATE).unlink(missing_ok=True)
        report(arguments, job, dict(zip(names, notes, strict=True)))


def configured(arguments: argparse.Namespace) -> Method:
    """The method with the knobs that were set.

    Raises:
        InputError: a knob it does not have, or a value of another kind.
    """
    known = asdict(PRESETS[arguments.method])
    knobs: dict = {"seed": arguments.seed}
    given = [*arguments.set, *([f"steps={arguments.steps}"] if arguments.steps else [])]
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


class Job:
    """One command: photos in chunks, each of which is written when it is done."""

    def __init__(self, arguments: argparse.Namespace, method: Method, subject: Subject, network: networks.Perceptual):
        self.arguments, self.method, self.subject, self.network = arguments, method, subject, network
        self.stopping = Stopping(arguments.stop_error, arguments.patience)
        self.out: Path = arguments.out
        self.origin = describe(method, network) | {
            "weights_sha256": provenance.sha256(checkpoint.find(arguments.weights)),
            "stopping": asdict(self.stopping),
            "mask_sha256": arguments.mask and provenance.sha256(arguments.mask),
            "crossover_sha256": arguments.crossover and provenance.sha256(arguments.crossover),
        }

    def chunk(self, paths: list[Path], names: list[str]) -> list[dict]:
        """What is noted of these photos, found now or by an earlier call."""
        key = self.key(paths)
        if notes := self.written(names, key):
            return notes
        side = self.subject.model.config.resolution
        photos = torch.cat([images.read(path, side) for path in paths]).to(self.subject.device)
        film = Film(self.arguments.every, self.method)
        state = self.resumed(key, film)

        def tick(state: State, shown: Tensor) -> None:
            film.see(state, shown)
            if len(state.history) % max(1, self.arguments.save_every // self.arguments.every) == 0:
                with files.atomic(self.out / STATE) as temporary:
                    torch.save({"key": key, "state": state.plain(), "frames": film.frames}, temporary)

        found = invert(self.method, self.subject, self.targets(photos), self.network, state, self.stopping, self.arguments.every,
                       tick)  # fmt: skip
        film.frames.append(film.small(found.image))
        return [self.write(i, names[i], paths[i], photos[i], found, film, key) for i in range(len(paths))]

    def targets(self, photos: Tensor) -> list[Target]:
        if not self.arguments.mask:
            return [Target(photos)]
        mask = options.read_mask(self.arguments.mask, self.subject.model)
        if not self.arguments.crossover:
            return [Target(photos, mask)]
        other = options.read_image(self.arguments.crossover, self.subject.model)
        return [Target(photos, mask), Target(other.expand_as(photos), 1 - mask)]

    def key(self, paths: list[Path]) -> str:
        """Of everything the result depends on."""
        every = {"photos": [provenance.sha256(path) for path in paths], "every": self.arguments.every}
        return hashlib.sha256(json.dumps(self.origin | every, sort_keys=True).encode()).hexdigest()

    def written(self, names: list[str], key: str) -> list[dict] | None:
        """The notes of an earlier call, if it did all of these photos."""
        notes = []
        for name in names:
            try:
                notes.append(json.loads((self.out / f"{name}.json").read_text()))
            except (OSError, ValueError):
                return None
        return notes if all(note.get("key") == key for note in notes) else None

    def resumed(self, key: str, film: "Film") -> State | None:
        path = self.out / STATE
        if not path.exists():
            return None
        try:
            saved = torch.load(path, map_location=self.subject.device, weights_only=True)
        except Exception:  # torch.load raises many kinds; a state that cannot be read is as none
            return None
        if saved.get("key") != key:
            return None
        film.frames = [frame.cpu() for frame in saved["frames"]]
        return State.of(saved["state"])

    def write(self, i: int, name: str, path: Path, photo: Tensor, found: Inversion, film: "Film", key: str) -> dict:
        """The files of photo i; the note comes last, as it says that the others are there."""
        note = {
            "key": key,
            "source": str(path),
            "error": found.error[i].item(),
            "steps": found.steps,
            "seconds": found.seconds,
            "seconds_per_step": found.seconds_per_step,
            "seconds_statistics": found.seconds_statistics,
            "batch": len(found.error),
            "device": str(self.subject.device),
            "origin": found.origin,
            "history": [
                {"phase": r.phase, "step": r.step, "seconds": r.seconds, "loss": r.loss[i], "error": r.error[i]}
                for r in found.history
            ],
        }
        images.write(self.out / f"{name}.png", found.image[i])
        extras = {k: x[i : i + 1] for k, x in found.extras.items()}
        latent = latents.Found(found.latent[i : i + 1], extras, {"error": note["error"], **found.origin})
        for suffix in latents.SUFFIXES:
            latents.write(self.out / f"{name}{suffix}", latent)
        if found.history and self.arguments.film != "none":
            suffix = self.arguments.film if self.arguments.film != "png" else "film.png"
            video.write(self.out / f"{name}.{suffix}", film.of(i, photo), FPS)
        files.write_text(self.out / f"{name}.json", json.dumps(note, indent=1) + "\n")
        return note


class Film:
    """Reconstructions on the way: at most FILM_FRAMES, no larger than FILM_SIDE, as bytes."""

    def __init__(self, every: int, method: Method):
        steps = sum(value for name, value in asdict(method).items() if name in ("steps", "noise_steps"))
        self.stride = max(1, -(-steps // (every * FILM_FRAMES)))  # in rows of the history
        self.frames: list[Tensor] = []  # uint8 [N, r, r, 3]

    def see(self, state: State, shown: Tensor) -> None:
        if (len(state.history) - 1) % self.stride == 0:
            self.frames.append(self.small(shown))

    def small(self, shown: Tensor) -> Tensor:
        return images.to_uint8(networks.shrink(shown, FILM_SIDE)).cpu()

    def of(self, i: int, photo: Tensor) -> Iterator[Tensor]:
        """Photo and reconstruction side by side, [1, 3, r, 2 r] each."""
        beside = self.small(photo[None])
        for frame in self.frames:
            yield images.from_uint8(torch.cat([beside, frame[i : i + 1]], dim=2))


def report(arguments: argparse.Namespace, job: Job, notes: dict[str, dict]) -> None:
    errors = [note["error"] for note in notes.values()]
    mean = sum(errors) / len(errors)
    about = {
        "range": "[-1, 1]",
        "mse": mean,
        **job.origin,
        "images": {f"{k}.png": n["error"] for k, n in notes.items()},
    }
    files.write_text(job.out / "report.json", json.dumps(about, indent=2) + "\n")
    pace = next(iter(notes.values()))
    features = job.network.origin if job.method.perceptual else {}
    stand_in = f"; perceptual: {features['stand_in']}" if features.get("stand_in") else ""
    print(
        f"mean squared error {mean:.4f} over {len(errors)} images, pixels in [-1, 1]; {pace['seconds_per_step'] * 1000:.1f} ms "
        f"a step of {pace['batch']}{stand_in}"
    )
