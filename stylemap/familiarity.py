"""Whether weights know pictures of a kind: a photo that they cannot draw is reconstructed as something else, without a word.

The measure is the mean squared error of the reconstruction G(E(x)), pixels in [-1, 1], beside what it is for pictures of the
kind the weights were trained on but did not see. More than `FACTOR` times as much is told. With three weights of drawn faces
(`avatars32`, `avatars32_stylegan2`, 64 px after 16,000 images) the error of 1 in 100 held-out faces is 2.0 to 2.3 times the
mean, and that of 9 in 10 photos more than 2.7 times, of noise more than 16 times.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stylemap import checkpoint, images
from stylemap.architectures.model import Model, noise_of
from stylemap.datasets import unseen
from stylemap.datasets.avatars import MAX_SIDE, Avatars
from stylemap.editing import motion

if TYPE_CHECKING:
    pass

FACTOR = 2.5
MOST = 32  # pictures that are measured where the weights' file says nothing; their mean is right to a tenth
PIXELS = 4 * 256**2  # of them together, for the time it takes


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What weights usually make of pictures of the kind they know."""

    weights: str  # as a person calls them
    usual: float  # mean squared error of reconstructions, pixels in [-1, 1]
    of: str  # whose

    def knows(self, error: float) -> bool:
        """Whether a reconstruction with this mean squared error is of a picture of that kind."""
        return not error > FACTOR * self.usual  # nor NaN, which weights that have diverged make of all

    def remark(self, name: str, error: float) -> str | None:
        """A line for the person, where the weights cannot draw the picture of that name."""
        if self.knows(error):
            return None
        return (
            f"{self.weights} cannot draw {name} well: the error of its reconstruction is {error / self.usual:.1f} times that of "
            f"{self.of} ({error:.2g}, not {self.usual:.2g}); results will not look like it"
        )


def of(weights: str | Path, model: "Model") -> Familiarity | None:
    """Of a model that was loaded from these weights; None where it has no encoder.

    The error is the held-out one that training noted in the file. Where there is none it is measured, on drawn faces for
    weights of those, and otherwise on the model's own samples.
    """
    if model.encoder is None:
        return None
    noted = checkpoint.read_info(weights).get("heldout_mse")
    if isinstance(noted, float) and 0 < noted < math.inf:
        return Familiarity(name_of(weights), noted, "pictures that were held out")
    side = model.config.resolution
    count = max(4, min(MOST, PIXELS // side**2))
    seen = checkpoint.seen_by(weights)
    if seen and seen[0].data == unseen.AVATARS and side <= MAX_SIDE:
        drawn = Avatars(side, count, "heldout")
        known, whose = images.from_arrays(drawn[i] for i in range(count)), "drawn faces"
    else:
        known, whose = torch.cat([sample(model, seed) for seed in range(count)]), "its own samples"
    usual = max(sum(errors(model, known)) / count, torch.finfo(torch.float32).eps)
    return Familiarity(name_of(weights), usual, whose)


@torch.no_grad()
def errors(model: "Model", pictures: Tensor) -> list[float]:
    """The mean squared error of each reconstruction, of [N, 3, R, R] in [-1, 1]."""
    found = []
    for part in pictures.split(motion.frames_at_once(model)):
        shown = model.synthesize(model.encode(part.to(model.device))).clamp(-1, 1)
        found += (shown.cpu() - part.cpu()).square().mean(dim=(1, 2, 3), dtype=torch.float64).tolist()
    return found


@torch.no_grad()
def sample(model: "Model", seed: int) -> Tensor:
    """A picture of nobody, [1, 3, R, R] in [-1, 1] on the model's device: that of `stylemap generate samples` for the seed."""
    z = noise_of([seed], model.config.stylemap_channels).to(model.device)
    return model.synthesize(model.map(z)).clamp(-1, 1)


def name_of(weights: str | Path) -> str:
    """ "runs/00000-photos/" -> "00000-photos", "my.safetensors" -> "my"."""
    return Path(weights).resolve().name.removesuffix(".safetensors")
