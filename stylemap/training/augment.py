"""Adaptive augmentation of what the discriminator sees, for small data sets.

(Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", sections 2 and 3 and appendix B.) Every
image, real or generated, passes through the same random transforms before the discriminator, each with probability p. While p
is below one, the distribution of augmented images determines that of the images, so the generator learns the images and not
the transforms. p rises while the discriminator is too sure of the training images.

All flips, turns, shifts and scales of an image are one affine map, so there is one interpolation. All changes of colour are one
affine map of RGB. Images are not clamped afterwards, because clamping cannot be inverted.
"""

import math
import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import randomness
from stylemap.config import AugmentConfig, TrainConfig
from stylemap.errors import InputError
from stylemap.precision import float32
from stylemap.randomness import Purpose

SMALL_DATA = 20_000  # images; see `choose_mode`
LN2 = math.log(2)


class Transform(NamedTuple):
    """One transform: a gate, and numbers that are either uniform in a range or normal with mean 0. 0 means no change."""

    name: str
    group: str
    """blit, geometry or colour."""
    uniform: tuple[float, float] | None = None
    """The range [low, high)."""
    normal: float = 0.0
    """The standard deviation."""
    count: int = 1
    """Numbers needed."""


TRANSFORMS = (  # in the order of application; the spreads are the paper's
    Transform("flip", "blit", uniform=(0, 2)),  # rounded down: 1 mirrors left and right
    Transform("quarter_turn", "blit", uniform=(0, 4)),  # rounded down: times 90 degrees
    Transform("shift", "blit", uniform=(-1 / 8, 1 / 8), count=2),  # of the side, rounded to whole pixels
    Transform("scale", "geometry", normal=0.2 * LN2),  # logarithm of the factor
    Transform("turn_before", "geometry", uniform=(-math.pi, math.pi)),  # radians
    Transform("stretch", "geometry", normal=0.2 * LN2),  # logarithm of the factor of x; y gets its inverse
    Transform("turn_after", "geometry", uniform=(-math.pi, math.pi)),  # radians
    Transform("offset", "geometry", normal=1 / 8, count=2),  # of the side
    Transform("brightness", "colour", normal=0.2),  # added to values in [-1, 1]
    Transform("contrast", "colour", normal=0.5 * LN2),  # logarithm of the factor
    Transform("luma_flip", "colour", uniform=(0, 2)),  # rounded down: 1 turns black into white and keeps the hue
    Transform("hue", "colour", uniform=(-math.pi, math.pi)),  # radians about the grey axis
    Transform("saturation", "colour", normal=LN2),  # logarithm of the factor
)
GATES = {t.name: i for i, t in enumerate(TRANSFORMS)}  # name -> column of its gate
_NUMBERS = [t for t in TRANSFORMS for _ in range(t.count)]  # the transform of each number
_FIRST = len(TRANSFORMS)  # the numbers follow the gates
_NORMAL = [_FIRST + i for i, t in enumerate(_NUMBERS) if t.uniform is None]
NUMBERS = {  # name -> columns of its numbers
    t.name: [_FIRST + i for i, owner in enumerate(_NUMBERS) if owner is t] for t in TRANSFORMS
}
WIDTH = _FIRST + len(_NUMBERS)


def draw(seed: int, seen: int, batch: int) -> Tensor:
    """The random numbers for the ``batch`` samples (of all processes together) that follow ``seen`` images.

    They are a pure function of the arguments and do not depend on p.

    Returns:
        float32 [batch, WIDTH]: a gate in [0, 1) for each transform, then the standard uniform or normal numbers.
    """
    rng = randomness.generator(Purpose.AUGMENTATION, seed, seen)
    numbers = rng.random((batch, WIDTH), np.float32)
    numbers[:, _NORMAL] = rng.standard_normal((batch, len(_NORMAL)), np.float32)
    return torch.from_numpy(numbers)


def choose_mode(config: TrainConfig, images: int, before: str | None = None) -> TrainConfig:
    """Replace ``augment.mode`` auto by what suits ``images`` training images: adaptive below 20,000, none from there on.

    In the paper the gain is largest at 1,000 to 10,000 images, where the discriminator otherwise learns its training set by
    heart. It shrinks from there, and is zero at the 140,000 of mirrored FFHQ. Where it ends depends on the data (the 50,000
    images of CIFAR-10 gained), so the border is a convention: above it, try it by hand if held-out and training images
    drift apart. Below it little can go wrong, as p stays near 0 while nothing overfits. The fixed strength that suits a data
    set is not known beforehand, so auto never chooses it. Other losses than the nonsaturating one have no sign to adapt to.

    Args:
        before: the mode of the run that goes on.
    """
    if config.augment.mode != "auto":
        return config
    small = images < SMALL_DATA and config.loss.adversarial == "nonsaturating"
    return replace(config, augment=replace(config.augment, mode=before or ("adaptive" if small else "none")))


class Augment:
    """The transforms and their strength p, a tensor that stays on the device; only `strength` reads it.

    R1 needs the second derivative of ``F.grid_sample``. If there is none on this device, a warning says that the geometry group
    is left out; exact moves of pixels and changes of colour remain.

    Raises:
        InputError: only geometry is switched on, and it cannot be used here.
        ValueError: the mode is auto, which the caller replaces by `choose_mode`.
    """

    def __init__(self, config: AugmentConfig, device: torch.device | str = "cpu"):
        if config.mode == "auto":
            raise ValueError("replace augment.mode auto first, by choose_mode")
        self.config = config
        self.p = torch.full((), config.p if config.mode != "none" else 0.0, device=device)
        """float32 []: the probability of each transform."""
        self.sums = torch.zeros(2, device=device)
        """float32 [2]: sum of the signs of the logits since the last adjustment, and their number; whole numbers, hence exact.
        Several processes add theirs up before `adjust` and before a state is saved; then all but the first set it to zero."""
        on = {group for group in ("blit", "geometry", "colour") if getattr(config, group) and config.mode != "none"}
        if "geometry" in on and (failure := warp_failure(self.p.device)):
            on.remove("geometry")
            cause = f"grid_sample of torch {torch.__version__} fails on {self.p.device} ({failure})"
            if not on:
                raise InputError(f"augment.geometry cannot be used: {cause}; switch on augment.blit or augment.colour")
            warnings.warn(f"augment.geometry is left out: {cause}", stacklevel=2)
        self.groups = frozenset(on)
        """The groups in use."""
        used = [t.group in on and (t.name != "flip" or config.flip) for t in TRANSFORMS]
        ranges = [t.uniform or (0.0, t.normal) for t in _NUMBERS]
        self._used = torch.tensor(used, device=device)
        self._turns = torch.tensor([t.name in ("turn_before", "turn_after") for t in TRANSFORMS], device=device)
        self._gate_of = torch.tensor([GATES[t.name] for t in _NUMBERS], device=device)
        self._low = torch.tensor([low for low, _ in ranges], device=device)
        self._span = torch.tensor([high - low for low, high in ranges], device=device)

    # ---- images

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        """Transform images [N, 3, R, R] in [-1, 1], float32 (half precision is converted), by draws of N samples.

        The result may leave [-1, 1]. Equal draws are equal transforms. Nothing waits for the device, and autocast does not
        reach inside: coordinates need all their digits.

        Raises:
            ValueError: images that are not square or not RGB, or draws of another number of samples.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or len(images) != len(draws):
            raise ValueError(f"need square RGB images and as many draws, got {list(images.shape)} and {len(draws)}")
        images = images.to(torch.promote_types(images.dtype, torch.float32))
        if not self.groups:
            return images
        with float32():
            with torch.no_grad():
                values = {k: v.to(images.dtype) for k, v in self.values(draws).items()}
            if "geometry" in self.groups:
                images = warp(images, *source_of(values, images.shape[-1]))
            elif "blit" in self.groups:
                images = move(images, *source_of(values, images.shape[-1]))
            return recolour(images, *colour_map(values)) if "colour" in self.groups else images

    def values(self, draws: Tensor) -> dict[str, Tensor]:
        """The numbers of each transform in its own unit, 0 where its gate is shut: name -> [N] or, of two numbers, [N, 2]."""
        # Two turns, at 1 - sqrt(1 - p) each, leave an image unturned with probability 1 - p.
        thresholds = torch.where(self._turns, 1 - (1 - self.p).sqrt(), self.p) * self._used  # [transforms]
        open_ = draws[:, :_FIRST] < thresholds
        scaled = self._low + self._span * draws[:, _FIRST:]
        values = torch.where(open_[:, self._gate_of], scaled, 0.0)
        columns = iter(values.unbind(1))
        named = {}
        for t in TRANSFORMS:
            numbers = [next(columns) for _ in range(t.count)]
            named[t.name] = torch.stack(numbers, 1) if t.count > 1 else numbers[0]
        for name in ("flip", "quarter_turn", "luma_flip"):
            named[name] = named[name].floor()
        return named

    # ---- strength

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """Count the signs of the discriminator's logits [N, 1] of (augmented) training images, in any precision."""
        self.sums[0] += real_logits.float().sign().sum()
        self.sums[1] += real_logits.numel()

    @torch.no_grad()
    def adjust(self, images: int) -> None:
        """Once per window of ``images``: p moves by images / speed, up if the mean sign of the window exceeds the target.

        The mean sign is the paper's r_t (section 3): near 0 while real and generated are told apart by chance, 1 where every
        training image is recognised. Nothing observed leaves p as it is, and so does any mode but adaptive.
        """
        if self.config.mode == "adaptive":
            direction = (self.sums[0] - self.config.target * self.sums[1]).sign()
            self.p.add_(direction * (images / self.config.speed)).clamp_(0, self.config.limit)
        self.sums.zero_()

    def strength(self) -> float:
        """p for the log; waits for the device."""
        return self.p.item()

    def state_dict(self) -> dict[str, Tensor]:
        return {"p": self.p.clone(), "sums": self.sums.clone()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state``. A p that does not adapt, and the limit, stay those of the config."""
        self.sums.copy_(state["sums"])
        if self.config.mode == "adaptive":
            self.p.copy_(state["p"]).clamp_(0, self.config.limit)


# ---- geometry


def source_of(values: dict[str, Tensor], side: int) -> tuple[Tensor, Tensor]:
    """Where in the image the result's places come from: linear part [N, 2, 2] and shift [N, 2].

    The origin is the centre of the image and the unit half a side; x to the right, y down. This is the inverse of the
    transforms, so the last is applied first.
    """
    mirror = torch.stack([1 - 2 * values["flip"], torch.ones_like(values["flip"])], 1)  # [N, 2]
    quarter = values["quarter_turn"] * (math.pi / 2)
    blit = mirror[:, :, None] * _turn(-quarter).round()  # round: cos(pi / 2) is not quite 0
    stretch = torch.stack([-values["stretch"], values["stretch"]], 1).exp()  # [N, 2]
    squeeze = torch.exp(-values["scale"])[:, None, None]
    geometry = squeeze * _product(_turn(-values["turn_before"]) * stretch[:, None, :], _turn(-values["turn_after"]))
    offset = 2 * values["offset"]
    shift = (values["shift"] * side).round() * (2 / side)
    linear = _product(blit, geometry)
    return linear, -_apply(linear, offset) - _apply(blit, shift)


def warp(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """Take each place x of the result from ``linear x + shift`` in images [N, C, R, R], reflected at their edges.

    Bilinear, as the mean of four samples around each place. Where the map shrinks the image by l along an axis, they are
    spread until their variance is (l^2 - 1) / 12: what a box of the size of the result's pixel has beyond a box of one pixel.
    That keeps fine detail from turning into patterns (aliasing). Elsewhere the four coincide, and a map of pixels onto
    pixels is exact.

    The rms error against transforming first and bringing to 64 px (128 px) afterwards, at scale 0.5, for drawn faces and for
    rings down to the finest detail: 0.020 and 0.077; of a single sample 0.030 and 0.155. Down to scale 0.6 the two have the
    same error within 17 percent, one by blur, the other by patterns. Twice the side, averaged, takes as many samples and
    blurs what is not shrunk, too. Bicubic is sharper (0.039 against 0.049 over the draws at p = 1), but aliases as a single
    sample does, and costs two to three times as much.
    """
    side = images.shape[-1]
    a, b = (_spread(linear) * (2 / side)).unbind(2)  # [N, 2] each
    taps = torch.stack([-a - b, a - b, b - a, a + b], 1)  # [N, 4, 2]
    grid = _places(side, linear, shift)[:, None] + taps[:, :, None, None]  # [N, 4, R, R, 2]
    grid = grid.flatten(1, 2)  # [N, 4 R, R, 2]
    sampled = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)  # [N, C, 4 R, R]
    return sampled.unflatten(2, (4, side)).mean(dim=2)


def move(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """`warp` for maps that put pixels onto pixels: no interpolation, and differentiable twice everywhere."""
    side = images.shape[-1]
    at = ((_places(side, linear, shift) + 1) * (side / 2) - 0.5).round().long()  # [N, R, R, 2], pixels
    at = at.remainder(2 * side)  # reflected about the edges, the image repeats every two sides
    x, y = torch.minimum(at, 2 * side - 1 - at).unbind(-1)
    index = (y * side + x).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).unflatten(2, (side, side))


def warp_failure(device: torch.device) -> str | None:
    """Try to differentiate `warp` twice on this device: the reason why that fails, or None."""
    if device.type == "meta":
        return None  # nothing is computed there

    def slope(x: Tensor, create_graph: bool) -> Tensor:
        energy = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False).square().sum()
        return torch.autograd.grad(energy, x, create_graph=create_graph)[0]

    turn = torch.tensor([[[1.2, 0.7, 0.3], [-0.7, 1.2, 0.1]]], device=device)
    grid = _places(4, turn[:, :, :2], turn[:, :, 2])
    x = torch.linspace(-1, 1, 16, device=device).square().view(1, 1, 4, 4).requires_grad_(True)
    try:
        with torch.enable_grad():
            first = slope(x, create_graph=True)
            (second,) = torch.autograd.grad(first.square().sum(), x)
            # The slope is linear in x, with a symmetric matrix: its square has twice the slope at the slope as its own.
            expected = 2 * slope(first.detach().requires_grad_(True), create_graph=False)
    except RuntimeError as err:
        return " ".join(str(err).split())[:150]
    return None if torch.allclose(second, expected, rtol=1e-3) else "its second derivative is wrong"


def _places(side: int, linear: Tensor, shift: Tensor) -> Tensor:
    """The centres of the pixels, mapped: [N, R, R, 2] of (x, y) in half sides.

    Products of elements, here as below: matrix products may run in TF32, whose 10 bits are not even whole pixels. With a
    side that is a power of two the centres are exact in float32.
    """
    centres = (2 * torch.arange(side, device=linear.device, dtype=linear.dtype) + 1 - side) / side  # [R]
    x, y = centres[None, None, :, None], centres[None, :, None, None]
    linear = linear[:, None, None]  # [N, 1, 1, 2, 2]
    return linear[..., 0] * x + linear[..., 1] * y + shift[:, None, None]


def _spread(linear: Tensor) -> Tensor:
    """D [N, 2, 2] in pixels, so that the four places D (+-1, +-1) have the covariance that `warp` states."""
    v = _product(linear, linear.transpose(1, 2))  # a pixel of the result covers an ellipse of this shape
    mean, half = (v[:, 0, 0] + v[:, 1, 1]) / 2, (v[:, 0, 0] - v[:, 1, 1]) / 2
    radius = torch.hypot(half, v[:, 0, 1])
    large, small = (((mean + sign * radius - 1).clamp(min=0) / 12).sqrt() for sign in (1, -1))  # roots along its axes
    axes = torch.stack([half, v[:, 0, 1], v[:, 0, 1], -half], 1).unflatten(1, (2, 2))
    axes = axes / radius.clamp(min=1e-12)[:, None, None]  # a reflection: 1 along the long axis, -1 along the short one
    same = torch.eye(2, device=v.device, dtype=v.dtype)
    return ((large + small) / 2)[:, None, None] * same + ((large - small) / 2)[:, None, None] * axes


def _turn(angle: Tensor) -> Tensor:
    """Rotations [N, 2, 2] from x towards y."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([c, -s, s, c], 1).unflatten(1, (2, 2))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """[N, 2, 2] times [N, 2, 2]."""
    return (a[:, :, :, None] * b[:, None]).sum(dim=2)


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """[N, 2, 2] times [N, 2]."""
    return (matrix * vector[:, None]).sum(dim=2)


# ---- colour


def colour_map(values: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The affine map of RGB: matrix [N, 3, 3] and what is added to all channels [N].

    Brightness, contrast, luma flip, hue and saturation in this order. The last three leave the grey axis v = (1, 1, 1) /
    sqrt(3) and the plane across it in place, and contrast commutes with them, so the product has a closed form:
    contrast times (+-v v' along the axis, saturation times a rotation in the plane).
    """
    contrast, saturation = values["contrast"].exp(), values["saturation"].exp()
    luma = 1 - 2 * values["luma_flip"]
    along, across = saturation * values["hue"].cos(), saturation * values["hue"].sin()
    same = torch.eye(3, device=luma.device, dtype=luma.dtype)
    cross = (same.roll(1, 0) - same.roll(-1, 0)) / math.sqrt(3)  # u -> v x u
    along, across, luma_, contrast_ = (x[:, None, None] for x in (along, across, luma, contrast))
    matrix = contrast_ * (along * same + (luma_ - along) / 3 + across * cross)  # v v' is 1/3 everywhere
    return matrix, contrast * luma * values["brightness"]


def recolour(images: Tensor, matrix: Tensor, added: Tensor) -> Tensor:
    """Map the colours of images [N, 3, R, R] by matrix [N, 3, 3] and ``added`` [N]."""
    r, g, b = images[:, None].unbind(2)  # [N, 1, R, R]
    m = matrix[..., None, None]  # [N, 3, 3, 1, 1]
    return r * m[:, :, 0] + g * m[:, :, 1] + b * m[:, :, 2] + added[:, None, None, None]
