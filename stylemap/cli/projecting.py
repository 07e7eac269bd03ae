"""One `stylemap project`: photos in chunks, each of which is written when it is done, and a report of all."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from stylemap import checkpoint, familiarity, files, images, provenance
from stylemap import perceptual as networks
from stylemap.cli import loading
from stylemap.inversion import Method, State, Stopping, Subject, Target, invert
from stylemap.inversion.folder import Begun, PhotoFile, ResultFolder


class Job:
    """The work of one command."""

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
        self.known = familiarity.measure(arguments.weights, subject.model)
        self.done = 0  # photos
        self.step = 0  # at which those of the chunk would go on
        model, mask, other = subject.model, arguments.mask, arguments.crossover
        self.mask = mask and loading.read_mask(mask, model, paths, white="what counts; the rest is made up")
        self.other = other and loading.read_image(other, model)
        # --every decides when a photo is looked at, and so when it is left; it changes no latent otherwise
        stops = self.stopping != Stopping()
        settings = {
            "preset": arguments.method,
            **method.origin(network),
            "weights_sha256": provenance.sha256(checkpoint.find_file(arguments.weights)),
            "stopping": asdict(self.stopping) | {"every": arguments.every} if stops else None,
            "mask_sha256": arguments.mask and provenance.sha256(arguments.mask),
            "crossover_sha256": arguments.crossover and provenance.sha256(arguments.crossover),
        }
        # as they are when they are read from a file
        settings = json.loads(json.dumps(settings))
        self.folder = ResultFolder(arguments.out, settings, self.steps, arguments.every, arguments.film, subject.device)

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
        batch = self.arguments.batch_gpu
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
            familiarity.tell(self.known, [photo.path for photo in begun.photos], errors)
        if begun.state:
            print(f"resuming at step {self.step} of {self.steps}", file=sys.stderr)

        def tick(state: State, images: Tensor) -> None:
            film.see(state, images)
            if len(state.history) % max(1, self.arguments.save_every // self.arguments.every) == 0:
                self.folder.save(begun.photos, state, film)
                self.step = state.history[-1].step + 1

        inversion = invert(self.method, self.subject, self.targets(pictures), self.network, begun.state, self.stopping,
                       self.arguments.every, tick)  # fmt: skip
        film.add(inversion.image)
        notes = {
            photo.name: summary(self.folder.write(i, photo, pictures[i], inversion, film))
            for i, photo in enumerate(begun.photos)
        }
        self.folder.drop_state()
        self.done += len(notes)
        self.step = 0
        return notes

    def stopped(self, total: int) -> str:
        """For a person who stopped it."""
        return (
            f"stopped with {self.done} of {total} photos done; the same command continues from step {self.step} of "
            f"{self.steps}"
        )

    def targets(self, photos: Tensor) -> list[Target]:
        if self.mask is None:
            return [Target(photos)]
        if self.other is None:
            return [Target(photos, self.mask)]
        return [Target(photos, self.mask), Target(self.other.expand_as(photos), 1 - self.mask)]


def summary(note: dict | None) -> dict | None:
    """What the report says of a photo: the histories of thousands of them would fill the memory."""
    return note and {key: note[key] for key in ("error", "steps", "seconds_per_step", "batch")}


def report(path: Path, job: Job, notes: dict[str, dict]) -> None:
    errors = [note["error"] for note in notes.values()]
    mean = sum(errors) / len(errors)
    about = {
        "range": "[-1, 1]",
        "mse": mean,
        **job.folder.settings,
        "images": {f"{k}.png": n["error"] for k, n in notes.items()},
    }
    files.write_text(path, json.dumps(about, indent=2) + "\n")
    pace = next(iter(notes.values()))
    features = job.network.origin if job.method.perceptual else {}
    stand_in = f"; perceptual network: {features['stand_in']}" if features.get("stand_in") else ""
    print(
        f"mean squared error {mean:.4f} over {len(errors)} images, pixels in [-1, 1]; {pace['seconds_per_step'] * 1000:.1f} ms "
        f"a {'step' if pace['steps'] else 'pass'} for {pace['batch']} images{stand_in}"
    )
