"""Whether weights can draw a photo, and where not. A photo of another kind than the training images is drawn as something else.

The measure is the mean squared error of the reconstruction G(E(x)), pixels in [-1, 1], over that of images like the training
images that the weights did not see. `WELL` and `FACTOR` split it into three `WORDS`. Weights that draw all images badly would
find their own large error usual, so `GOOD` and `LEAST` hold for all weights. `LOCAL` does it for places, with the squared error
around each pixel. docs/local_editing.md has what the thresholds were measured on.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stylemap import checkpoint, images
from stylemap.architectures.model import Model, noise_of
from stylemap.datasets import unseen
from stylemap.datasets.avatars import MAX_SIDE, Avatars
from stylemap.editing import motion
from stylemap.errors import Note

WORDS = ("well drawn", "roughly drawn", "not known to these weights", "these weights draw nothing well yet")
WELL, FACTOR = 1.5, 2.5  # times the usual error: the first word up to here, the second up to here
GOOD, LEAST = 0.9, 0.7  # of the variance of images: what is well drawn, and roughly drawn, explains as much or more
LOCAL = 8.0  # times the usual error: a place is drawn badly from here on
AROUND = 1 / 32  # of the side: sigma of the blur of squared errors
MOST = 32  # images that are measured where the weights' file says nothing; their mean is right to a tenth
PIXELS = 4 * 256**2  # of them together, for the time it takes
NOTES = {"heldout": "held-out images", "samples": "its own samples"}  # NAME_mse and NAME_explained in a weights file


@dataclass(frozen=True, eq=False)
class Familiarity:
    """How well weights reconstruct images of the kind they know."""

    weights: str  # their name
    usual: float  # mean squared error of reconstructions, pixels in [-1, 1]
    of: str  # which images that is of
    explained: float = math.nan  # share of the variance of these images; NaN: not known, and taken for enough

    @property
    def draws_something(self) -> bool:
        """Whether any image is drawn well."""
        return not self.explained < LEAST

    @property
    def limits(self) -> tuple[float, float]:
        """The largest mean squared errors of what is well drawn and roughly drawn."""
        variance = self.usual / (1 - self.explained) if self.explained < 1 else math.inf  # NaN is not less
        return min(WELL * self.usual, (1 - GOOD) * variance), min(FACTOR * self.usual, (1 - LEAST) * variance)

    @property
    def of_a_place(self) -> float:
        """The usual squared error of a pixel; where nothing is drawn well, what makes `LOCAL` times it the limit."""
        return self.usual if self.draws_something else self.limits[1] / LOCAL

    def knows(self, error: float) -> bool:
        """Whether a reconstruction with this mean squared error is of an image of that kind."""
        return not error > self.limits[1]  # NaN is not: diverged weights make it of every image

    def word(self, error: float) -> str:
        """One of `WORDS` for a reconstruction with this mean squared error."""
        word = next((word for word, most in zip(WORDS, self.limits, strict=False) if error <= most), WORDS[2])
        return word if self.draws_something or self.knows(error) else WORDS[3]

    def remark(self, name: str, error: float) -> str | None:
        """A line for the user if the weights cannot draw the image of that name well."""
        if error <= self.limits[0]:
            return None
        if error <= WELL * self.usual or not self.draws_something:  # no worse than other images
            line = "draws images only roughly" if self.draws_something else "draws nothing well yet"
            share = f"{max(0.0, self.explained):.0%} of the variance of {self.of}, where {GOOD:.0%} look well"
            return f"{self.weights} {line}: its reconstructions explain {share}; train longer, or take other weights"
        times = (
            f"the error of its reconstruction is {error / self.usual:.1f} times that of {self.of} "
            f"({error:.2g}, not {self.usual:.2g})"
        )
        if not self.knows(error):
            return f"{self.weights} cannot draw {name} well: {times}; results will not look like it"
        return f"{self.weights} draws {name} roughly: {times}"

    def local(self, image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
        """Where the weights draw an image badly: the squared error around each pixel, over the usual error of a pixel.

        Args:
            image, reconstruction: uint8 [R, R, 3].

        Returns:
            float32 [R, R]; from `LOCAL` on a place is drawn badly.
        """
        square = ((image.astype(np.float32) - reconstruction) / 127.5) ** 2
        return cv2.GaussianBlur(square.mean(2), (0, 0), AROUND * len(image)) / self.of_a_place


def measure(weights: str | Path, model: Model) -> Familiarity | None:
    """Of a model that was loaded from these weights; None if it has no encoder.

    The error is the held-out one that training noted in the file, or that of samples which `stylemap import` noted. Without a
    note it is measured: on drawn faces for weights of drawn faces, otherwise on the model's own samples.
    """
    if model.encoder is None:
        return None
    info = checkpoint.read_info(weights)
    for note, of in NOTES.items():
        noted, explained = info.get(f"{note}_mse"), info.get(f"{note}_explained")
        if isinstance(noted, float) and 0 < noted < math.inf:
            return Familiarity(name_of(weights), noted, of, explained if isinstance(explained, float) else math.nan)
    side, seen = model.config.resolution, checkpoint.seen_by(weights)
    if seen and seen[0].data == unseen.AVATARS and side <= MAX_SIDE:
        count = _count(side)
        drawn = Avatars(side, count, "heldout")
        usual, explained = _usual(model, images.from_arrays(map(drawn.__getitem__, range(count))))
        return Familiarity(name_of(weights), usual, "drawn faces", explained)
    usual, explained = usual_of_samples(model)
    return Familiarity(name_of(weights), usual, NOTES["samples"], explained)


def usual_of_samples(model: Model) -> tuple[float, float]:
    """The mean squared error of reconstructions of the model's own samples, and the share of their variance that they explain."""
    return _usual(model, torch.cat([sample(model, seed) for seed in range(_count(model.config.resolution))]))


def _count(side: int) -> int:
    return max(4, min(MOST, PIXELS // side**2))


def _usual(model: Model, known: Tensor) -> tuple[float, float]:
    least = torch.finfo(torch.float32).eps
    usual = max(sum(errors(model, known)) / len(known), least)
    return usual, 1 - usual / max(known.var(dim=0).mean().item(), least)


@torch.no_grad()
def errors(model: Model, pictures: Tensor) -> list[float]:
    """The mean squared error of each reconstruction, of [N, 3, R, R] in [-1, 1]."""
    result = []
    for part in pictures.split(motion.frames_at_once(model)):
        reconstruction = model.synthesize(model.encode(part.to(model.device))).clamp(-1, 1)
        result += (reconstruction.cpu() - part.cpu()).square().mean(dim=(1, 2, 3), dtype=torch.float64).tolist()
    return result


@torch.no_grad()
def sample(model: Model, seed: int) -> Tensor:
    """A sample, [1, 3, R, R] in [-1, 1] on the model's device: that of `stylemap generate samples` for the seed."""
    z = noise_of([seed], model.latents.z_channels).to(model.device)
    return model.synthesize(model.map(z)).clamp(-1, 1)


def name_of(weights: str | Path) -> str:
    """ "runs/00000-photos/" -> "00000-photos", "my.safetensors" -> "my"."""
    return Path(weights).resolve().name.removesuffix(".safetensors")


def tell(known: Familiarity | None, paths: Sequence[str | Path], errors: Sequence[float]) -> None:
    """A `Note` for each image that the weights do not draw well, by the errors of their reconstructions."""
    errors_of = dict(zip(map(str, paths), errors, strict=True))
    lines = (known and known.remark(path, error) for path, error in errors_of.items())
    for line in dict.fromkeys(lines):  # that of weights which draw nothing is the same for all
        if line:
            warnings.warn(line, Note, stacklevel=2)
