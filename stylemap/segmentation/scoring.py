"""How well label maps agree: intersection over union."""

from collections.abc import Iterable, Iterator

import numpy as np

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.labelled import Labelled
from stylemap.datasets.parts import GROUPS, Part
from stylemap.segmentation.segmenter import Segmenter

Pair = tuple[
    np.ndarray, np.ndarray
]  # the true label map of an image and the one that was found, uint8 [R, R] of `Part`


def compared(segmenter: Segmenter, model: StylemapModel, dataset: Labelled) -> Iterator[Pair]:
    """The label maps of each image."""
    for i in range(len(dataset)):
        picture = dataset[i]
        image = images.from_arrays([picture[..., :3]]).to(model.device)
        yield picture[..., 3], segmenter.labels(model, image)[0]


def confusion(pairs: Iterable[Pair]) -> np.ndarray:
    """Pixels int64 [19, 19] by true and by found part."""
    counts = np.zeros((len(Part), len(Part)), np.int64)
    for truth, found in pairs:
        np.add.at(counts, (truth, found), 1)
    return counts


def ious(confusion: np.ndarray) -> dict[str, float]:
    """Intersection over union, by the name of each part, or group of parts, in the truth; pixels of all images together."""
    names = [part.name.lower() for part in Part] if len(confusion) == len(Part) else list(GROUPS)
    both = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - both
    return {name: float(both[i] / union[i]) for i, name in enumerate(names) if confusion[i].any()}


def grouped(confusion: np.ndarray) -> np.ndarray:
    """The same by the groups of parts that --part and the page name, int64 [10, 10]."""
    group = np.array([[part in ids for part in Part] for ids in GROUPS.values()]).astype(np.int64)
    return group @ confusion @ group.T


def miou(confusion: np.ndarray) -> float:
    """The mean of `ious`."""
    return float(np.mean(list(ious(confusion).values())))
