"""MSE_src and MSE_ref, the published measure of local editing, over pairs of images (StyleMapGAN, arXiv 2104.14754).

An edit takes a part from a reference. It should equal the source outside the mask and the reference inside. It is compared with
the images themselves, not with their reconstructions. `pairing` has the pairs and the pooling.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stylemap import images
from stylemap.datasets import Dataset
from stylemap.datasets.parts import GROUPS
from stylemap.editing import blend, masks
from stylemap.errors import InputError
from stylemap.metrics import heldout, pairing, streams
from stylemap.metrics.evaluation import RANGE, Evaluation

COMPARED_SIDE = 256  # pixels, of the masks whose overlap is measured
HALVES: tuple[masks.Half, ...] = ("right", "lower")  # edited where there are no labels of parts, as published for AFHQ

Labels = Callable[[int], np.ndarray]  # index of an image -> its part labels, uint8 [H, W]


class Task(NamedTuple):
    """The edits of one part or half."""

    name: str
    pairs: list[tuple[int, int]]  # (source, reference)
    overlap: dict[tuple[int, int], float] | None  # IoU of the parts of each pair; None for halves
    mask: Callable[[int, int], Tensor]  # of a pair, [1, 1, R, R], 0 and 1
    space: str


class EditedPair(NamedTuple):
    """One edit and its inputs: uint8 [R, R, 3], and a mask, bool [R, R], True = from the reference."""

    source: np.ndarray
    reference: np.ndarray
    picture: np.ndarray
    mask: np.ndarray


class Differences(NamedTuple):
    """Of one edit: sums of squared differences of pixels in [-1, 1], each with the number of values."""

    outside: tuple[float, int]  # of the mask, from the source
    inside: tuple[float, int]  # from the reference


class Errors(NamedTuple):
    """Mean squared errors, pixels in [-1, 1]; None where there is no pixel to compare."""

    src: float | None  # outside the mask, with the source
    ref: float | None  # inside, with the reference
    src_exact: float | None  # pooled over all pixels alike
    ref_exact: float | None


def part_tasks(
    labels: Labels, subset: Sequence[int], pairs: int, side: int, names: Sequence[str] = tuple(GROUPS)
) -> list[Task]:
    """For each part: the pairs of images whose parts overlap most, blended in w+ by the union of both.

    Args:
        labels: of any image of the subset.
        subset: indices of images; each is in one pair of a part at most.
        pairs: at most so many for each part.
        side: R.
        names: keys of `GROUPS`; default: the ten published parts.
    """
    compared = min(side, COMPARED_SIDE)
    packed = np.empty((len(names), len(subset), -(-(compared**2) // 8)), np.uint8)  # a bit a pixel
    for k, index in enumerate(streams.progress(subset, None, "part labels")):
        label = labels(index)
        for part, name in enumerate(names):
            packed[part, k] = np.packbits(_mask(label, name, compared))
    place = {index: k for k, index in enumerate(subset)}
    tasks = []
    for name, bits in zip(names, packed, strict=True):
        scores = pairing.iou(_unpacked(bits, compared))
        best = pairing.pair(scores, pairs)
        overlap = {(subset[a], subset[b]): float(scores[a, b]) for a, b in best}

        def mask(a: int, b: int, name=name, bits=bits) -> Tensor:
            if compared == side:
                both = _unpacked(bits[[place[a], place[b]]], side)
            else:
                both = np.stack([_mask(labels(i), name, side) for i in (a, b)])
            return masks.union(*torch.from_numpy(both).float()[:, None, None])

        tasks.append(Task(name, list(overlap), overlap, mask, "w+"))
    return tasks


def _mask(label: np.ndarray, name: str, side: int) -> np.ndarray:
    """bool [side, side]."""
    return (masks.from_parts(label, GROUPS[name], side) > 0.5)[0, 0].numpy()


def _unpacked(bits: np.ndarray, side: int) -> np.ndarray:
    """[N, bytes] -> bool [N, side, side]."""
    return np.unpackbits(bits, axis=1, count=side**2).view(bool).reshape(-1, side, side)


def half_tasks(
    subset: Sequence[int], pairs: int, side: int, seed: int = 0, names: Sequence[masks.Half] = HALVES
) -> list[Task]:
    """For each half: pairs by chance, blended in the stylemap itself."""
    drawn = pairing.pair_by_chance(len(subset), pairs, seed)
    chosen = [(subset[a], subset[b]) for a, b in drawn]
    halves = {name: (masks.half(name, side) > 0.5).float() for name in names}
    return [Task(name, chosen, None, lambda a, b, half=half: half, "w") for name, half in halves.items()]


def check_stylemaps(model) -> None:
    """InputError for a model whose latents have no places that a mask could choose."""
    if not model.latents.spatial:
        raise InputError("needs stylemaps; the latents of this model have no places that a mask could choose")


@torch.no_grad()
def edits(model, pictures: Dataset, encoded: dict[str, Tensor], task: Task, hard: bool = True) -> Iterator[EditedPair]:
    """Of every pair, as 8 bits hold them.

    Args:
        encoded: of all images, see `streams.encoded`: stylemaps [N, C, S, S], or codes and masks of a sean.
        hard: every cell that the mask touches is taken whole, as published; see `masks.resize`.
    """
    size = streams.per_pass(model.config.resolution)
    for pairs in streams.batched(streams.progress(task.pairs, None, f"edits, {task.name}"), size):
        selected = torch.cat([task.mask(*pair) for pair in pairs])
        source, reference = (
            {name: x[[pair[k] for pair in pairs]].to(model.device) for name, x in encoded.items()} for k in (0, 1)
        )
        if model.config.labelled:
            taken = model.take(source, reference, selected.to(model.device), GROUPS[task.name])
            edited = heldout.rendered(model, taken)
        else:
            stylemaps = source["latent"], reference["latent"]
            edited = blend(model, *stylemaps, selected.to(model.device), task.space, hard)
        edited = images.to_uint8(edited).cpu().numpy()
        for (a, b), picture, mask in zip(pairs, edited, selected[:, 0].numpy() > 0.5, strict=True):
            yield EditedPair(pictures[a], pictures[b], picture, mask)


def compare(edit: EditedPair) -> Differences:
    """An edit with its source and its reference."""
    return Differences(
        pairing.squared_errors(edit.picture, edit.source, ~edit.mask),
        pairing.squared_errors(edit.picture, edit.reference, edit.mask),
    )


def pool(differences: Sequence[Differences]) -> Errors:
    """The errors of the edits of one task, pooled as published (see `pairing.pooled`) and over all pixels alike."""
    both = ([each.outside for each in differences], [each.inside for each in differences])
    return Errors(*(pairing.pooled(errors, group) for group in (pairing.GROUP, None) for errors in both))


def edit_errors(some: Iterable[EditedPair]) -> Errors:
    """The errors of the edits of one task."""
    return pool([compare(edit) for edit in some])


def columns(some: Sequence[EditedPair]) -> dict[str, Tensor]:
    """For an image sheet: title -> [N, 3, R, R]."""
    parts = {
        "original": [edit.source for edit in some],
        "reference": [edit.reference for edit in some],
        "mask": [np.repeat(np.uint8(255) * edit.mask[..., None], 3, axis=2) for edit in some],
        "edit": [edit.picture for edit in some],
    }
    return {title: images.from_arrays(pictures) for title, pictures in parts.items()}


def average(values: Iterable[float | None]) -> float | None:
    """The mean over the parts that have a value; None if none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def masks_of(e: Evaluation) -> str:
    return "halves" if e.labels is None else "parts"


def tasks(e: Evaluation, subset: Sequence[int], pairs: int) -> list[Task]:
    """Edits of these held-out images: of parts if they have labels, else of halves.

    Raises:
        InputError: a model whose latents have no places, or fewer than two images.
    """
    if not e.model.config.labelled:
        check_stylemaps(e.model)
    if len(subset) < 2:
        raise InputError("needs two held-out images or more; raise --heldout")
    side = e.model.config.resolution
    if e.labels is None:
        return half_tasks(subset, pairs, side, e.seed)
    return part_tasks(e.labels, subset, pairs, side)


def _edit_errors(e: Evaluation) -> tuple[dict[str, Errors], dict]:
    """By part or half, and what they depend on."""
    all_tasks = tasks(e, e.kept, e.pairs)
    errors = {task.name: edit_errors(edits(e.model, e.heldout, e.encoded, task)) for task in all_tasks}
    space = "codes and masks" if e.model.config.labelled else all_tasks[0].space
    return errors, {"pairs": len(all_tasks[0].pairs), "space": space, "masks": masks_of(e)}


def _error(e: Evaluation, which: str) -> tuple[float | None, dict]:
    errors, about = e.once(_edit_errors)
    by_part = {name: getattr(error, which) for name, error in errors.items()}
    exact = average(getattr(error, f"{which}_exact") for error in errors.values())
    details = {"range": RANGE, "pooling": "published: groups of 4 edits", "pooled_exactly": exact, "parts": by_part}
    return average(by_part.values()), about | details


METRICS = {
    "mse_src": lambda e: _error(e, "src"),
    "mse_ref": lambda e: _error(e, "ref"),
}
