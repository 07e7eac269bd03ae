"""Learns a segmenter from images with part labels."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.labelled import Labelled, mirrored
from stylemap.datasets.parts import Part
from stylemap.errors import InputError
from stylemap.resampling import fit_labels
from stylemap.segmentation.segmenter import SIDE, Origin, Segmenter

BATCH = 4
STEPS = 1000, 4000  # at least and at most
STEPS_PER_IMAGE = 4
RATE, WARM_UP = 6e-3, 20  # of Adam, and the steps in which it rises; it then falls along a cosine
DECAY = 1e-4
FEW = 30  # images; with so few, features are dropped and images laid over one another
DROPPED, PASTED = 0.3, 0.5  # share of the channels; share of the batches
BALANCE, RARE = 0.5, 1e-4  # a part weighs its share of all pixels, at least RARE, to the power of minus BALANCE
ROUGHLY = 32  # examples that shares and moments are taken from
LEAST = 1e-3  # of a deviation, for channels that are silent
KEPT_BYTES = 2 << 30  # of examples that are kept between steps


class Example(NamedTuple):
    features: list[Tensor]  # float16 [1, c, s, s] of each side, standardised
    image: Tensor  # float16 [1, 3, T, T]
    labels: Tensor  # uint8 [1, T, T]

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in (*self.features, self.image, self.labels))


class Examples:
    """Labelled images and their mirrored ones: example 2 i is image i, example 2 i + 1 the same mirrored."""

    def __init__(self, model: StylemapModel, dataset: Labelled, segmenter: Segmenter):
        self.model, self.dataset, self.segmenter = model, dataset, segmenter
        self._kept: dict[int, Example] = {}
        self._room = KEPT_BYTES

    def __len__(self) -> int:
        return 2 * len(self.dataset)

    def __getitem__(self, k: int) -> Example:
        if k in self._kept:
            return self._kept[k]
        image, labels = self.picture(k)
        side = self.segmenter.sides[-1]
        standardised = self.segmenter.standardised(self.features(image))
        small = torch.from_numpy(fit_labels(labels, side)).to(image.device)
        example = Example([x.half() for x in standardised], F.adaptive_avg_pool2d(image, side).half(), small[None])
        if example.nbytes <= self._room:
            self._room -= example.nbytes
            self._kept[k] = example
        return example

    def picture(self, k: int) -> tuple[Tensor, np.ndarray]:
        """The image [1, 3, R, R] of an example, and its labels uint8 [R, R]."""
        picture = self.dataset[k // 2]
        picture = mirrored(picture) if k % 2 else picture
        return images.from_arrays([picture[..., :3]]).to(self.model.device), picture[..., 3]

    def features(self, image: Tensor) -> list[Tensor]:
        return self.model.features(self.model.encode(image), SIDE)

    def set_moments(self, some: Sequence[int]) -> None:
        """Let the segmenter standardise each channel by its mean and deviation in some examples."""
        sides = zip(*(self.features(self.picture(k)[0]) for k in some), strict=True)
        for i, maps in enumerate(sides):
            x = torch.cat(maps)
            self.segmenter.get_buffer(f"mean{i}").copy_(x.mean((0, 2, 3))[:, None, None])
            self.segmenter.get_buffer(f"deviation{i}").copy_(x.std((0, 2, 3))[:, None, None] + LEAST)


def learn(
    model: StylemapModel,
    dataset: Labelled,
    origin: Origin,
    seed: int = 0,
    steps: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Segmenter:
    """A segmenter that names the parts of labelled images.

    Cross-entropy, in which rare parts weigh more, plus the Dice loss of the parts in a batch (Milletari et al., arXiv 1606.04797,
    section 3). Its weights hold what float16 can.

    Args:
        model: float32, without gradients.
        origin: what the segmenter says of itself.
        steps: None: by the number of images.
        progress: told of the steps that are done, and of all.

    Raises:
        InputError: there is no image, or what reading them raises.
    """
    if not len(dataset):
        raise InputError("none of the images has part labels; check --part-labels")
    rng = np.random.default_rng(seed)
    steps = steps or min(max(STEPS[0], STEPS_PER_IMAGE * len(dataset)), STEPS[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        segmenter = Segmenter(model.config, origin).to(model.device)
    examples = Examples(model, dataset, segmenter)
    some = rng.permutation(len(examples))[:ROUGHLY].tolist()
    with torch.no_grad():
        examples.set_moments(some)
        weights = _weights([examples[k] for k in some])
    optimizer = torch.optim.AdamW(segmenter.parameters(), RATE, (0.9, 0.99), weight_decay=DECAY)
    waiting: list[int] = []
    with torch.enable_grad():
        for step in range(steps):
            for group in optimizer.param_groups:
                rising = min(1, (step + 1) / WARM_UP)
                group["lr"] = RATE * rising * (1 + math.cos(math.pi * step / steps)) / 2
            if len(waiting) < BATCH:
                waiting += rng.permutation(len(examples)).tolist()
            with torch.no_grad():
                batch, waiting = [examples[k] for k in waiting[:BATCH]], waiting[BATCH:]
                features, image, labels = _together(batch)
                if len(dataset) <= FEW:
                    features, image, labels = _varied(features, image, labels, model.config.stylemap_size, rng)
            logits = segmenter(features, image)
            loss = F.cross_entropy(logits, labels, weights) + _dice(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress(step + 1, steps)
    for parameter in segmenter.parameters():
        parameter.data = parameter.data.half().float()
    return segmenter.eval().requires_grad_(False)


def _weights(examples: list[Example]) -> Tensor:
    """[19] of the cross-entropy, 1 on the average pixel."""
    counts = sum(torch.bincount(example.labels.flatten(), minlength=len(Part)) for example in examples)
    share = counts / counts.sum()
    weights = share.clamp(min=RARE) ** -BALANCE
    return weights / (weights * share).sum()


def _together(batch: list[Example]) -> tuple[list[Tensor], Tensor, Tensor]:
    features = [torch.cat(maps).float() for maps in zip(*(example.features for example in batch), strict=True)]
    image, labels = (torch.cat(maps) for maps in zip(*(example[1:] for example in batch), strict=True))
    return features, image.float(), labels.long()


def _varied(
    features: list[Tensor], image: Tensor, labels: Tensor, cells: int, rng: np.random.Generator
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Channels dropped; in some batches a rectangle of cells is the next image's (CutMix, arXiv 1905.04899)."""
    if rng.random() < PASTED:
        (top, bottom), (left, right) = (sorted(rng.integers(0, cells + 1, 2)) for _ in range(2))

        def paste(x: Tensor) -> Tensor:
            unit = x.shape[-1] // cells
            at = (..., slice(top * unit, bottom * unit), slice(left * unit, right * unit))
            x, other = x.clone(), x.roll(1, 0)
            x[at] = other[at]
            return x

        features, image, labels = [paste(x) for x in features], paste(image), paste(labels)
    kept = [torch.from_numpy(rng.random((*x.shape[:2], 1, 1)) >= DROPPED).to(x) / (1 - DROPPED) for x in features]
    return [x * keep for x, keep in zip(features, kept, strict=True)], image, labels


def _dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - the mean Dice coefficient over the parts that are there."""
    found = logits.softmax(1)
    there = F.one_hot(labels, len(Part)).permute(0, 3, 1, 2).to(found)
    both, sizes = (found * there).sum((0, 2, 3)), (found + there).sum((0, 2, 3))
    return (1 - 2 * both / (sizes + 1))[there.amax((0, 2, 3)) > 0].mean()
