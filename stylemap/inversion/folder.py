"""The folder of an inversion of many photos: the results of each, and the state from which unfinished ones go on.

Results of other settings are never overwritten. A photo is finished only if all its files are there.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from stylemap import files, images, pickles, provenance, reading, video
from stylemap.errors import InputError, shortened
from stylemap.inversion import latents
from stylemap.inversion.engine import State
from stylemap.inversion.inverting import Inversion
from stylemap.inversion.methods import COUNTS
from stylemap.perceptual.network import shrink

STATE = "state.pt"
FilmKind = Literal["gif", "webp", "png", "mp4", "none"]
FILM_FRAMES, FILM_SIDE, FPS = 64, 512, 12.5


class PhotoFile(NamedTuple):
    path: Path
    name: str  # of its files, without a suffix
    key: str  # hash of everything that its latent depends on, see `ResultFolder.key`


class Begun(NamedTuple):
    """Photos that are inverted together."""

    photos: list[PhotoFile]
    state: State | None = None
    frames: tuple[Tensor, ...] = ()


class Film:
    """Reconstructions during the optimisation: about FILM_FRAMES at most, no larger than FILM_SIDE, as bytes."""

    def __init__(self, stride: int, frames: Iterable[Tensor] = ()):
        self.stride = stride  # in rows of the history
        self.frames = list(frames)  # uint8 [N, r, r, 3]

    def see(self, state: State, reconstructions: Tensor) -> None:
        if (len(state.history) - 1) % self.stride == 0:
            self.add(reconstructions)

    def add(self, reconstructions: Tensor) -> None:
        self.frames.append(_small(reconstructions))

    def of(self, i: int, photo: Tensor) -> Iterator[Tensor]:
        """Photo and reconstruction side by side, large enough to be seen, [1, 3, s, 2 s] each."""
        beside = _small(photo[None])
        for frame in self.frames:
            pair = images.from_uint8(torch.cat([beside, frame[i : i + 1]], dim=2))
            yield images.enlarge(pair, 2 * images.SEEN)


def _small(x: Tensor) -> Tensor:
    return images.to_uint8(shrink(x, FILM_SIDE)).cpu()


@dataclass(frozen=True)
class ResultFolder:
    """Results of one method with one group of settings.

    Args:
        settings: everything but the photo that latents depend on, as JSON gives it back; "preset" and "knobs" name the method.
        steps: of the method; 0 for a method without steps, of which there is no film.
        every: steps between rows of the history; state and film depend on it.
    """

    path: Path
    settings: dict[str, Any]
    steps: int
    every: int
    kind: FilmKind
    device: torch.device

    def key(self, photo: Path, place: Sequence[float] | None = None) -> str:
        """Hash of everything that the latent of a photo depends on.

        Args:
            place: of the square that is inverted, in the photo; None: the central one.
        """
        square = {} if place is None else {"square": place}
        text = json.dumps(self.settings | {"photo": provenance.sha256(photo)} | square, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # ---- the state

    @property
    def state_settings(self) -> dict[str, Any]:
        return self.settings | {"every": self.every}

    def film(self, frames: Iterable[Tensor] = ()) -> Film:
        return Film(max(1, -(-self.steps // (self.every * FILM_FRAMES))), frames)

    def save(self, photos: list[PhotoFile], state: State, film: Film) -> None:
        """Write the state from which these photos go on."""
        keys = [photo.key for photo in photos]
        whole = {"settings": self.state_settings, "photos": keys, "state": state.plain(), "frames": film.frames}
        pickles.save(self.path / STATE, whole)

    def drop_state(self) -> None:
        (self.path / STATE).unlink(missing_ok=True)

    def begun(self, photos: list[PhotoFile]) -> Begun | None:
        """The photos that an earlier call began and did not finish.

        Raises:
            InputError: that call had other settings or photos.
        """
        path = self.path / STATE
        if not path.exists():
            return None
        remedy = "go on with the same settings, give another --out, or delete the file"
        try:
            saved = pickles.content(path)
            settings, keys = dict(saved["settings"]), list(saved["photos"])
            state = State.of(saved["state"]).to(self.device)
            frames = tuple(frame.cpu() for frame in saved["frames"])
            about = title(settings)
        except Exception as err:  # damage comes out as nearly any type
            raise InputError(f"{path} cannot be read ({type(err).__name__}); {remedy}") from err
        if why := difference(settings, self.state_settings):
            raise InputError(f"{path} is the state of another run, {about} ({why}); {remedy}")
        left, begun = list(photos), []
        for key in keys:
            photo = next((photo for photo in left if photo.key == key), None)
            if photo is None:
                raise InputError(f"{path} is the state of a run on other photos; {remedy}")
            left.remove(photo)
            begun.append(photo)
        return Begun(begun, state, frames)

    # ---- the results

    def film_file(self, photo: PhotoFile) -> dict[str, Any] | None:
        """The entry of the film in the note; None where there is no film."""
        file = film_name(photo.name, self.kind) if self.steps else None
        return {"file": file, "every": self.every} if file else None

    def written(self, photo: PhotoFile) -> dict[str, Any] | None:
        """The note of an earlier call, if it finished this photo and all its files are still there.

        Raises:
            InputError: the note is of other settings or of another photo.
        """
        path = self.path / f"{photo.name}.json"
        if not path.exists():
            return None
        try:
            note = reading.read_json(path)
            key, origin, about = note["key"], note["origin"], title(note["origin"])
        except (InputError, KeyError, TypeError, AttributeError) as err:
            raise InputError(f"{path} was not written by `stylemap project`; give another --out") from err
        if key != photo.key:
            why = difference(origin, self.settings) or "another photo"
            raise InputError(f"{path} holds another result, {about} ({why}); give another --out, or delete it")
        film = self.film_file(photo)
        if film and film != note.get("film"):
            return None
        names = names_of(photo.name, self.kind if film else "none")
        return note if all((self.path / name).exists() for name in names) else None

    def write(self, i: int, photo: PhotoFile, image: Tensor, inversion: Inversion, film: Film) -> dict[str, Any]:
        """Write the files of photo i of an inversion. The note comes last, as it says that the others are there. Returns it."""
        note: dict[str, Any] = {
            "key": photo.key,
            "source": str(photo.path),
            "error": inversion.error[i].item(),
            "steps": inversion.steps,
            "seconds": inversion.seconds,
            "seconds_per_step": inversion.seconds_per_step,
            "seconds_statistics": inversion.seconds_statistics,
            "rounding": None if inversion.rounding is None else inversion.rounding[i].item(),
            "batch": len(inversion.error),
            "device": str(self.device),
            "film": self.film_file(photo),
            "origin": self.settings | inversion.origin,
            "history": [
                {name: value[i] if isinstance(value, list) else value for name, value in row._asdict().items()}
                for row in inversion.history
            ],
        }
        images.write(self.path / f"{photo.name}.png", inversion.image[i])
        extras = {k: x[i : i + 1] for k, x in inversion.extras.items()}
        latent = latents.SavedLatent(inversion.latent[i : i + 1], extras, {"error": note["error"], **note["origin"]})
        for suffix in latents.SUFFIXES:
            latents.write(self.path / f"{photo.name}{suffix}", latent)
        if note["film"]:
            video.write(self.path / note["film"]["file"], film.of(i, image), FPS)
        files.write_text(self.path / f"{photo.name}.json", json.dumps(note, indent=1) + "\n")
        return note


def names_of(name: str, kind: FilmKind) -> list[str]:
    """The files of a photo."""
    film = film_name(name, kind)
    return [f"{name}{suffix}" for suffix in (".png", *latents.SUFFIXES, ".json")] + ([film] if film else [])


def film_name(name: str, kind: FilmKind) -> str | None:
    return None if kind == "none" else f"{name}.{'film.png' if kind == 'png' else kind}"


def title(settings: dict[str, Any]) -> str:
    """The method of a result or a state, for a message."""
    counts = [f"{name}={value}" for name, value in settings["knobs"].items() if name in COUNTS]
    return ", ".join([f"method {settings['preset']}", *counts])


def difference(known: dict[str, Any], settings: dict[str, Any]) -> str:
    """The first of the settings that differs from the known ones; empty if none does."""
    for name, value in settings.items():
        other = known.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            if inner := difference(other, value):
                return inner
        elif value != other:
            return f"{name} {shortened(str(other))}, not {shortened(str(value))}"
    return ""
