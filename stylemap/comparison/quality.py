"""How good what a method found is: images against the pictures, and what lies between the latents."""

import functools
import math
import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from stylemap import images, inversion, perceptual
from stylemap.comparison.timing import Outcome
from stylemap.datasets import Dataset
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.metrics import fid, latent_distance, lerp, ssim, streams, swd
from stylemap.metrics.mse import mse, psnr
from stylemap.perceptual import Perceptual, inception
from stylemap.precision import in_float32

METRICS = ("mse", "psnr", "ssim", "lpips", "swd_lerp", "fid_lerp", "latent_distance")


class Judge:
    """The same measures for all methods, as docs/metrics.md defines them.

    Args:
        originals: uint8 [N, R, R, 3], what is inverted.
        training: pictures to compare interpolations with.
        count: interpolations, and as many training pictures if there are.
        vgg, inception: weights by path; None looks in torch's cache. What cannot be had is left out with the reason.
    """

    def __init__(
        self,
        originals: Tensor,
        training: Dataset,
        count: int,
        seed: int = 0,
        vgg: str | None = None,
        inception: str | None = None,
        device: str | torch.device = "cpu",
    ):
        self.originals, self.training, self.seed = images.from_uint8(originals), training, seed
        self.chosen = streams.choose(len(training), min(count, swd.MOST_PICTURES), seed)
        self.vgg, self.inception, self.device = vgg, inception, torch.device(device)
        # of models that are alive: a number of one that is gone may belong to the next
        self.spreads: weakref.WeakKeyDictionary[object, latent_distance.Spread] = weakref.WeakKeyDictionary()

    @in_float32
    def measure(self, subject: Subject, outcome: Outcome) -> dict:
        """name -> value, of METRICS; "reasons" says why one is None."""
        found: dict = {"reasons": {}}
        for name in METRICS:
            compute: Callable = getattr(self, f"_{name}")
            try:
                found[name] = compute(subject, outcome)
            except InputError as err:
                found[name], found["reasons"][name] = None, str(err)
                continue
            if not math.isfinite(found[name]):  # JSON knows no infinity
                found[name], found["reasons"][name] = None, f"the value is {found[name]}"
        return found

    def errors(self, outcome: Outcome) -> Tensor:
        """Mean squared error of every picture, [N]; pixels in [-1, 1]."""
        return mse(images.from_uint8(outcome.pictures), self.originals)

    def _mse(self, subject: Subject, outcome: Outcome) -> float:
        return float(self.errors(outcome).mean())

    def _psnr(self, subject: Subject, outcome: Outcome) -> float:
        return float(psnr(self.errors(outcome)).mean())

    def _ssim(self, subject: Subject, outcome: Outcome) -> float:
        if self.originals.shape[-1] < ssim.WINDOW:
            raise InputError(f"needs pictures of {ssim.WINDOW} pixels or more")
        return float(ssim.ssim(images.from_uint8(outcome.pictures), self.originals).mean())

    @torch.no_grad()
    def _lpips(self, subject: Subject, outcome: Outcome) -> float:
        pairs = zip(images.from_uint8(outcome.pictures).split(8), self.originals.split(8), strict=True)
        return float(
            torch.cat([self._network.distance(a.to(self.device), b.to(self.device)).cpu() for a, b in pairs]).mean()
        )

    def _swd_lerp(self, subject: Subject, outcome: Outcome) -> float:
        made = swd.describe(self._between(subject, outcome), self.seed)
        levels = swd.swd(made, self._real_patches, self.seed)
        return sum(levels.values()) / len(levels)

    def _fid_lerp(self, subject: Subject, outcome: Outcome) -> float:
        made = inception.extract(self._extractor, self._between(subject, outcome))
        return fid.fid(made, self._real_features)

    def _latent_distance(self, subject: Subject, outcome: Outcome) -> float:
        model = subject.model
        if model not in self.spreads:
            self.spreads[model] = latent_distance.mapped(model, self.seed)
        return float(latent_distance.distance(outcome.latents, self.spreads[model]).mean())

    def _between(self, subject: Subject, outcome: Outcome) -> Iterator[Tensor]:
        return between(subject, outcome, len(self.chosen), self.seed)

    @functools.cached_property
    def _network(self) -> Perceptual:
        return perceptual.load("lpips", self.device, self.vgg, largest=None)

    @functools.cached_property
    def _extractor(self) -> inception.Extractor:
        return inception.load(self.inception, self.device)

    @functools.cached_property
    def _real_patches(self) -> dict[int, Tensor]:
        return swd.describe(streams.real(self.training, self.chosen), self.seed)

    @functools.cached_property
    def _real_features(self) -> Tensor:
        return inception.extract(self._extractor, streams.real(self.training, self.chosen))


@torch.no_grad()
def between(subject: Subject, outcome: Outcome, count: int, seed: int) -> Iterator[Tensor]:
    """Batches uint8 [n, R, R, 3] on straight lines between what was found for two pictures, pairs and places as `lerp.draw` has
    them. Everything that the images are made of is interpolated, noise maps too, so that the ends are the reconstructions."""
    drawn = [
        x.split(streams.per_pass(subject.model.config.resolution)) for x in lerp.draw(len(outcome.latents), count, seed)
    ]
    parts = list(zip(*drawn, strict=True))
    for first, second, amount in streams.progress(parts, None, "interpolations"):

        def mixed(x: Tensor, first=first, second=second, amount=amount) -> Tensor:
            weight = amount.view(-1, *[1] * (x.ndim - 1))
            return torch.lerp(x[second], x[first], weight).to(subject.device)

        made = {name: mixed(x) for name, x in outcome.extras.items()}
        yield images.to_uint8(inversion.render(subject.model, mixed(outcome.latents), made)).cpu()
