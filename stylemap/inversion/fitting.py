"""Fits a generator to one photo within seconds, for edits of it: first the stylemap, then the weights around it. Or to a clip.

The method is `pivotal` (arXiv 2106.05744) with few and larger steps by the error of pixels alone. docs/inversion.md has what that
does to errors and edits. Frames of a clip keep the stylemaps of the encoder and share the weights, as in Stitch it in Time
(arXiv 2201.08361).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor

from stylemap import architectures
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.errors import InputError
from stylemap.inversion import tuning
from stylemap.inversion.engine import BETAS, State
from stylemap.inversion.inverting import invert
from stylemap.inversion.methods import preset
from stylemap.perceptual import load
from stylemap.precision import in_float32

STEPS, MOST_STEPS = 50, 1000
RATE = 1e-3  # of the weights, when frames share them
STYLEMAP = "stylemap"
LARGEST = 1e4  # of a value; those of a network in order are about 1
DAMAGED = "this is not a fit of these weights"

Tick = Callable[[float], None]  # gets the share of the steps that are done, after each; what it raises ends the fit


@dataclass(frozen=True, eq=False)
class Fit:
    """What a generator is to change for one photo, or for a clip."""

    stylemap: Tensor  # [1, C, S, S] on the CPU, of the photo, or of the first frame
    weights: Mapping[str, Tensor]  # differences, as `tuning.pack` makes them: about 0.6 bytes for each weight

    def model(self, model: StylemapModel, passes: torch.dtype = torch.float32) -> StylemapModel:
        """The fitted one, for any edit of the photo.

        Args:
            model: that was fitted, not rounded.
            passes: as of `Model.compute_in`.

        Raises:
            InputError: another model, or a rounded one; a damaged fit.
        """
        if tuple(self.stylemap.shape[1:]) != model.config.stylemap_shape:
            raise InputError(DAMAGED)
        fitted = tuning.tuned(model, tuning.unpack(self.weights, model))
        fitted.compute_in(passes)
        return fitted


def fit(model: StylemapModel, image: Tensor, steps: int = STEPS, tick: Tick | None = None) -> Fit:
    """Fit a model to an image [1, 3, R, R] in [-1, 1]. The model stays as it is.

    Args:
        steps: of Adam, two fifths of them on the stylemap; 0 = the encoder's stylemap and the weights as they are.

    Raises:
        InputError: weights that are rounded, see `Fit.model`.
    """
    first = 2 * steps // 5
    method = preset("fit", pivot_steps=first, steps=steps - first)

    def told(state: State, _: Tensor) -> None:
        if tick:
            tick(state.ran / steps)

    found = invert(method, model, image.to(model.device), load("none"), every=1, tick=told)
    return Fit(found.latent.cpu(), {name: x.cpu() for name, x in tuning.pack(found.extras).items()})


@torch.enable_grad()
@in_float32
def fit_frames(model: StylemapModel, frames: Tensor, steps: int, tick: Tick | None = None) -> Fit:
    """Fit the weights to frames [N, 3, R, R] of a clip together. Each of the steps takes one frame, in turn.

    Raises:
        InputError: weights that are rounded, or that go astray.
    """
    parameters = tuning.tunable(model)
    differences = {name: torch.zeros_like(x)[None].requires_grad_() for name, x in parameters.items()}
    adam = torch.optim.Adam(differences.values(), lr=RATE, betas=BETAS)
    with torch.no_grad():
        stylemaps = model.encode(frames)
    for step in range(steps):
        one = [step % len(frames)]
        image = tuning.render(model, model.spread_out(stylemaps[one]), differences)
        gradients = torch.autograd.grad((image - frames[one]).square().mean(), list(differences.values()))
        for x, gradient in zip(differences.values(), gradients, strict=True):
            x.grad = gradient
        adam.step()
        if tick:
            tick((step + 1) / steps)
    if not all(x.isfinite().all() for x in differences.values()):
        raise InputError("the fit diverged: its weights are not finite; take fewer steps")
    found = {name: x.detach() for name, x in differences.items()}
    return Fit(stylemaps[:1].cpu(), {name: x.cpu() for name, x in tuning.pack(found).items()})


# ---- as files hold it


def to_bytes(fitted: Fit) -> bytes:
    """A ``.safetensors``."""
    tensors = {STYLEMAP: fitted.stylemap, **fitted.weights}
    return serialize({name: x.detach().clone(memory_format=torch.contiguous_format) for name, x in tensors.items()})


def from_bytes(data: bytes) -> Fit:
    """The inverse of `to_bytes`; whether the weights are of a model, `Fit.model` says.

    Raises:
        InputError: something else.
    """
    try:
        return of_tensors(deserialize(data))
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as err:
        raise InputError(DAMAGED) from err


def of_tensors(tensors: Mapping[str, Tensor]) -> Fit:
    """A fit of the tensors in a file that may come from a stranger.

    Raises:
        InputError: they are something else.
    """
    weights = dict(tensors)
    stylemap = weights.pop(STYLEMAP, None)
    numbers = [x for name, x in weights.items() if name != tuning.CODES]
    if stylemap is None or stylemap.dim() != 4 or len(stylemap) != 1 or any(x.dtype != torch.float32 for x in numbers):
        raise InputError(DAMAGED)
    if stylemap.dtype != torch.float32 or not all(bool((x.abs() <= LARGEST).all()) for x in (stylemap, *numbers)):
        raise InputError(DAMAGED)  # NaN is not smaller
    return Fit(stylemap, weights)


def most_bytes(config: StylemapConfig) -> int:
    """An upper bound of what `to_bytes` gives."""
    with torch.device("meta"):
        parameters = tuning.tunable(architectures.build(config, True)).values()
    weights = sum(p.numel() + 4 * len(p) + 200 for p in parameters)  # a code, a step for each row, and the header
    return weights + weights // 100 + 4 * math.prod(config.stylemap_shape) + 1000  # deflating may add a little
