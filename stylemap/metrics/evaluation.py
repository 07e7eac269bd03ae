"""What is measured, on what: everything that several metrics share, computed once and only when it is asked for."""

import functools
import importlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from stylemap import images, perceptual
from stylemap.architectures.model import Model
from stylemap.datasets import Dataset, Labelled
from stylemap.errors import InputError
from stylemap.metrics import streams
from stylemap.metrics.suite import METRICS
from stylemap.perceptual import Perceptual, inception
from stylemap.perceptual.inception import Extractor
from stylemap.precision import in_float32

S, T = TypeVar("S", bound="Shared"), TypeVar("T")
RANGE = "[-1, 1]"  # of pixels


class Shared:
    """Keeps what several metrics need."""

    cache: dict[Callable, Any]

    def once(self: S, function: Callable[[S], T]) -> T:
        """``function(self)``, computed at the first call and kept."""
        if function not in self.cache:
            self.cache[function] = function(self)
        return self.cache[function]


@dataclass
class Reference(Shared):
    """The training images that generated ones are compared with, and the networks that compare them: the same for all models."""

    training: Dataset
    count: int = 1000
    """Generated images, and as many training images if there are."""
    seed: int = 0
    vgg: str | None = None
    """Path of the VGG-16 weights; None looks in torch's cache. Nothing is downloaded."""
    inception: str | None = None
    """Path of the Inception weights; the same."""
    workers: int = 0
    """Processes that read training images."""
    device: str | torch.device = "cpu"
    cache: dict[Callable, Any] = field(default_factory=dict)

    @functools.cached_property
    def lpips(self) -> Perceptual:
        return perceptual.load("lpips", self.device, self.vgg, largest=None)

    @functools.cached_property
    def extractor(self) -> Extractor:
        return inception.load(self.inception, torch.device(self.device))

    @functools.cached_property
    def features(self) -> Tensor:
        """Of the training images: float64 [N, D]."""
        return inception.extract(self.extractor, self.real())

    def chosen(self, most: int | None = None) -> list[int]:
        """The training images that are compared with: ``count``, or ``most`` if that is fewer."""
        return streams.choose(len(self.training), min(self.count, most or self.count), self.seed)

    def real(self, most: int | None = None) -> Iterator[Tensor]:
        """Batches of them, uint8 [n, R, R, 3]."""
        return streams.real(self.training, self.chosen(most), self.workers)


class Result(NamedTuple):
    """A number and everything that it depends on."""

    value: float | None
    """Finite; None where there is none, and the details have the "reason"."""
    details: dict
    seconds: float


@dataclass
class Evaluation(Shared):
    """A model that is measured on held-out images, against a `Reference`."""

    model: Model
    reference: Reference
    heldout: Dataset
    pairs: int = 250
    """Edits of a part, at most."""
    labels: Callable[[int], np.ndarray] | None = None
    """Part labels of held-out image i, uint8 [H, W]."""
    cache: dict[Callable, Any] = field(default_factory=dict)

    @in_float32
    def measure(self, name: str) -> Result:
        """A metric of the table `suite.METRICS`."""
        compute: Compute = importlib.import_module(f"stylemap.metrics.{METRICS[name].module}").METRICS[name]
        started = time.monotonic()
        try:
            value, details = compute(self)
        except InputError as err:
            value, details = None, {"reason": str(err)}
        else:
            if value is None or not np.isfinite(value):
                reason = "no value" if value is None else f"the value is {value}"
                value, details = None, details | {"reason": reason}
        return Result(value, details, time.monotonic() - started)

    @property
    def seed(self) -> int:
        return self.reference.seed

    @property
    def count(self) -> int:
        return self.reference.count

    @functools.cached_property
    def encoded(self) -> dict[str, Tensor]:
        """What the reconstructions of the held-out images are rendered from, in their order, by name: [N, ...] each."""
        pictures: Dataset = self.heldout
        if self.model.config.labelled:
            if self.labels is None:
                raise InputError(
                    f"{self.model.config.architecture} needs the part labels of the images; give --part-labels"
                )
            pictures = Labelled(pictures, self.labels)
        return streams.encoded(self.model, pictures)

    @functools.cached_property
    def latents(self) -> Tensor:
        """The latents of the held-out images, in their order."""
        return self.encoded["latent"]

    @functools.cached_property
    def kept(self) -> list[int]:
        """The held-out images that are measured; which are damaged is known once they have been read."""
        return streams.undamaged(self.heldout) if len(self.latents) else []

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What the reconstructions are rendered from, by name: [N, ...] each, for the images that are kept."""
        return {name: x[self.kept] for name, x in self.encoded.items()}

    def render(self, tensors: dict[str, Tensor]) -> Tensor:
        """Some of `tensors`, or what lies between them -> uint8 [n, R, R, 3] on the CPU."""
        return streams.rendered(self.model, tensors)

    def reconstructed(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (held-out image, its reconstruction): [n, 3, R, R] in [-1, 1], on the CPU."""
        left = iter(self.kept)
        for reconstruction in streams.reconstructions(self.model, self.tensors):
            originals = [self.heldout[i] for i in itertools.islice(left, len(reconstruction))]
            yield images.from_arrays(originals), images.from_uint8(reconstruction)

    def interpolations(self, count: int) -> Iterator[Tensor]:
        """Batches of images between reconstructions, see `streams.interpolations`."""
        return streams.interpolations(self.tensors, self.render, count, self.model.config.resolution, self.seed)

    def samples(self, count: int) -> Iterator[Tensor]:
        """Batches of images of random z, uint8 [n, R, R, 3]."""
        return streams.samples(self.model, count, self.seed)

    @functools.cached_property
    def sample_features(self) -> Tensor:
        return inception.extract(self.reference.extractor, self.samples(self.count))

    def about_reconstructions(self) -> dict:
        """For the record."""
        return {"pictures": len(self.kept), "range": RANGE, "reconstructions": "clamped and rounded to 8 bits"}

    def about_sets(self, generated: int, real: int) -> dict:
        """For the record: sets of so many images are compared."""
        return {"generated": generated, "real": real, "real_pictures": "training", "seed": self.seed}

    def about_features(self) -> dict:
        return self.about_sets(self.count, len(self.reference.features)) | self.reference.extractor.origin


Compute = Callable[[Evaluation], tuple[float | None, dict]]  # -> value, and everything that it depends on
