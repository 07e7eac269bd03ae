"""All measures by name: which way is better, what each needs, and the number with what it depends on."""

import time
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.metrics import (
    classifier,
    detectability,
    fid,
    kid,
    latent_distance,
    lerp,
    local_editing,
    ppl,
    precision_recall,
    separability,
    ssim,
    streams,
    swd,
)
from stylemap.metrics.evaluation import LABELLED, QUESTIONS, Evaluation
from stylemap.metrics.mse import psnr
from stylemap.perceptual import inception
from stylemap.precision import in_float32

RANGE = "[-1, 1]"  # of pixels


class Result(NamedTuple):
    """A number, or why there is none, and everything it depends on."""

    value: float | None
    details: dict
    seconds: float = 0.0


class Metric(NamedTuple):
    better: Literal["lower", "higher"]
    needs: str  # beside weights and pictures; "" = nothing
    compute: Callable[[Evaluation], tuple[float | None, dict]]


def _pixels(e: Evaluation) -> dict:
    return {"pictures": len(e.kept), "range": RANGE, "reconstructions": "clamped and rounded to 8 bits"}


def _mse(e: Evaluation) -> tuple[float, dict]:
    return float(e.errors[0].mean()), _pixels(e)


def _psnr(e: Evaluation) -> tuple[float, dict]:
    details = {"unit": "dB", "average": "over pictures", "of_the_mean_error": float(psnr(e.errors[0].mean()))}
    return float(psnr(e.errors[0]).mean()), _pixels(e) | details


def _ssim(e: Evaluation) -> tuple[float, dict]:
    details = {"window": f"gaussian {ssim.WINDOW} x {ssim.WINDOW}, sigma {ssim.SIGMA}", "range": "[0, 1]"}
    return float(e.errors[1].mean()), _pixels(e) | details


@torch.no_grad()
def _lpips(e: Evaluation) -> tuple[float, dict]:
    found = [e.lpips.distance(a.to(e.model.device), b.to(e.model.device)).cpu() for a, b in e.reconstructed()]
    return float(torch.cat(found).mean()), _pixels(e) | e.lpips.origin


def _compared(e: Evaluation, generated: int, real: int) -> dict:
    return {"generated": generated, "real": real, "real_pictures": "training", "seed": e.seed}


def _swd(e: Evaluation, pictures: Callable[[int], Iterable[Tensor]]) -> tuple[float, dict]:
    count = len(e.chosen(swd.MOST_PICTURES))
    levels = swd.swd(swd.describe(pictures(count), e.seed), e.real_patches, e.seed)
    settings = {"patch": swd.PATCH, "patches": swd.PATCHES, "directions": swd.ROUNDS * swd.DIRECTIONS}
    details = {"levels": {str(side): value for side, value in levels.items()}, "scale": swd.SCALE}
    return float(np.mean(list(levels.values()))), _compared(e, count, count) | settings | details


def _swd_samples(e: Evaluation) -> tuple[float, dict]:
    return _swd(e, lambda count: streams.samples(e.model, count, e.seed))


def _swd_lerp(e: Evaluation) -> tuple[float, dict]:
    return _swd(e, lambda count: lerp.interpolations(e.model, e.latents[e.kept], count, e.seed))


def _features(e: Evaluation) -> dict:
    return _compared(e, e.count, len(e.real_features)) | e.extractor.origin


def _fid(e: Evaluation) -> tuple[float, dict]:
    return fid.fid(e.sample_features, e.real_features), _features(e)


def _kid(e: Evaluation) -> tuple[float, dict]:
    found = kid.kid(e.sample_features, e.real_features, e.seed)
    return found.mean, _features(e) | {
        "deviation_of_subsets": found.deviation,
        "pictures_of_a_subset": found.spread_over,
    }


def _precision(e: Evaluation) -> tuple[float, dict]:
    return precision_recall.precision_recall(e.sample_features, e.real_features).precision, _features(e)


def _recall(e: Evaluation) -> tuple[float, dict]:
    return precision_recall.precision_recall(e.sample_features, e.real_features).recall, _features(e)


def _fid_lerp(e: Evaluation) -> tuple[float, dict]:
    between = inception.extract(e.extractor, lerp.interpolations(e.model, e.latents[e.kept], e.count, e.seed))
    return fid.fid(between, e.real_features), _features(e) | {"latents": len(e.kept)}


def _edits(e: Evaluation, which: str) -> tuple[float | None, dict]:
    errors, about = e.edit_errors
    by_part = {name: getattr(found, which) for name, found in errors.items()}
    exact = local_editing.average(getattr(found, f"{which}_exact") for found in errors.values())
    details = {"range": RANGE, "pooling": "published: groups of 4 edits", "pooled_exactly": exact, "parts": by_part}
    return local_editing.average(by_part.values()), about | details


def _ppl(e: Evaluation, space: str, sampling: str) -> tuple[float, dict]:
    found = ppl.ppl(e.model, e.lpips.distance, e.count, space, sampling, seed=e.seed)
    details = {
        "paths": e.count,
        "kept": found.kept,
        "deviation": found.deviation,
        "epsilon": ppl.EPSILON,
        "crop": False,
    }
    return found.mean, details | {"seed": e.seed} | e.lpips.origin


def _latent_distance(e: Evaluation) -> tuple[float, dict]:
    z = streams.noise(e.model, e.count, e.seed)
    mapped = torch.cat([latent_distance.distance(w, e.spread) for w in streams.mapped(e.model, z)])
    found = latent_distance.distance(e.latents[e.kept], e.spread)
    details = {
        "definition": "of stylemap, see docs/metrics.md",
        "pictures": len(found),
        "of_mapped_samples": float(mapped.mean()),
    }
    return float(found.mean()), details | {
        "largest": float(found.max()),
        "seed": e.seed,
        "mapped": latent_distance.DRAWS,
    }


def _separability(e: Evaluation, space: str) -> tuple[float, dict]:
    provenance.library("sklearn.svm")
    logits, z = e.attribute_logits, streams.noise(e.model, e.count, e.seed)
    latents = torch.cat([w.cpu() for w in streams.mapped(e.model, z)]) if space == "w" else z
    value, entropies = separability.separability(latents, logits)
    bits = dict(zip(QUESTIONS, entropies, strict=True))
    positive = dict(zip(QUESTIONS, (logits > 0).float().mean(dim=0).tolist(), strict=True))
    accuracy = dict(zip(QUESTIONS, e.attribute_accuracy, strict=True))
    trained = classifier.describe() | {"faces": LABELLED, "heldout_accuracy": accuracy}
    details = {"samples": e.count, "kept": separability.CONFIDENT, "bits": bits, "share_of_samples": positive}
    return value, details | {"seed": e.seed, "classifier": trained}


def _detectability(e: Evaluation) -> tuple[float, dict]:
    order = np.random.default_rng([e.seed, streams.CHOICE]).permutation(e.kept).tolist()
    half = len(order) // 2
    fitted, judged = (_real_and_edited(e, sorted(part)) for part in (order[:half], order[half:]))
    found = detectability.detectability(fitted, judged, e.seed, e.model.device)
    details = {
        "chance": 0.5,
        "on_those_trained_on": found.fitted,
        "masks": e.masks,
        "edits_trained_on": len(fitted[0]),
        "edits_judged_on": len(judged[0]),
    }
    return found.judged, details | {"seed": e.seed, "classifier": classifier.describe()}


def _real_and_edited(e: Evaluation, subset: list[int]) -> tuple[Tensor, Tensor]:
    """Sources and their edits among these held-out pictures, `pairs` over all parts together: they are kept in memory."""
    tasks = e.tasks(subset, e.pairs)
    most = max(1, e.pairs // len(tasks))
    tasks = [task._replace(pairs=task.pairs[:most]) for task in tasks]
    made = [edit for task in tasks for edit in local_editing.edits(e.model, e.heldout, e.latents, task)]
    sources, edited = zip(*((_reduced(x.source), _reduced(x.picture)) for x in made), strict=True)
    return torch.cat(sources), torch.cat(edited)


def _reduced(picture: np.ndarray) -> Tensor:
    return classifier.reduced(torch.from_numpy(picture)[None])


VGG, INCEPTION, FACES = "VGG-16 weights", "torch-fidelity, Inception weights", "avatars, scikit-learn"
METRICS = {
    "mse": Metric("lower", "", _mse),
    "psnr": Metric("higher", "", _psnr),
    "ssim": Metric("higher", "", _ssim),
    "lpips": Metric("lower", VGG, _lpips),
    "mse_src": Metric("lower", "", lambda e: _edits(e, "src")),
    "mse_ref": Metric("lower", "", lambda e: _edits(e, "ref")),
    "swd": Metric("lower", "", _swd_samples),
    "swd_lerp": Metric("lower", "", _swd_lerp),
    "fid": Metric("lower", INCEPTION, _fid),
    "kid": Metric("lower", INCEPTION, _kid),
    "precision": Metric("higher", INCEPTION, _precision),
    "recall": Metric("higher", INCEPTION, _recall),
    "fid_lerp": Metric("lower", INCEPTION, _fid_lerp),
    "ppl_zfull": Metric("lower", VGG, lambda e: _ppl(e, "z", "full")),
    "ppl_wfull": Metric("lower", VGG, lambda e: _ppl(e, "w", "full")),
    "ppl_zend": Metric("lower", VGG, lambda e: _ppl(e, "z", "end")),
    "ppl_wend": Metric("lower", VGG, lambda e: _ppl(e, "w", "end")),
    "latent_distance": Metric("lower", "", _latent_distance),
    "separability_z": Metric("lower", FACES, lambda e: _separability(e, "z")),
    "separability_w": Metric("lower", FACES, lambda e: _separability(e, "w")),
    "detectability": Metric("lower", "", _detectability),
}
DEFAULT = tuple(name for name, metric in METRICS.items() if not metric.needs)  # no download, no extra


@in_float32
def compute(evaluation: Evaluation, name: str) -> Result:
    """One measure by its name. What cannot be had leaves a reason in the details and stops nothing else."""
    started = time.monotonic()
    try:
        value, details = METRICS[name].compute(evaluation)
    except InputError as err:
        return Result(None, {"reason": str(err)}, time.monotonic() - started)
    if value is None or not np.isfinite(value):
        details = details | {"reason": "no value" if value is None else f"the value is {value}"}
    return Result(value, details, time.monotonic() - started)
