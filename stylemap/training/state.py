"""Everything a resume needs, in one file, and the few files kept.

Noise and the order of the data are pure functions of the seed and the images seen (`architectures.chance`, `datasets.stream`).
So a state holds tensors and one number, and no random generators.
"""

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stylemap import architectures, pickles
from stylemap.checkpoint import CONFIG_FILE
from stylemap.config import TrainConfig
from stylemap.datasets import unseen
from stylemap.datasets.unseen import Seen, Unseen
from stylemap.errors import InputError, out_of_memory, shortened
from stylemap.schema import UnknownSettings, differences
from stylemap.training.augment import Augment
from stylemap.training.optimizers import Networks, Optimizers

FORMAT = "stylemap-state-2"

Totals = Mapping[str, tuple[float, int]]  # of a term: its sum, and of how many iterations


@dataclass(frozen=True)
class Trainee:
    """What training changes."""

    networks: Networks
    average: nn.Module  # the running average of networks.model
    optimizers: Optimizers
    augment: Augment | None = None  # of what D sees
    seen: tuple[Seen, ...] = ()  # of this training and those before it: what is not held out


def path(run: Path, images: int) -> Path:
    return run / f"state-{images:010d}.pt"


def paths(run: Path) -> list[Path]:
    """The states of a run, newest first."""
    return sorted((p for p in run.glob("state-*.pt") if re.fullmatch(r"state-\d{10}\.pt", p.name)), reverse=True)


def images_seen(run: Path) -> int:
    """Images that the newest state has seen; 0 if there is none."""
    return next(map(_images, paths(run)), 0)


def save(run: Path, images: int, config: TrainConfig, trainee: Trainee, totals: Totals | None = None) -> None:
    """Write the state after ``images`` images, with the totals of the terms since the last tick.

    Raises:
        InputError: weights that are not finite (nothing is written), or a disk that cannot take the file.
    """
    _check_finite(trainee.networks)
    content = {
        "format": FORMAT,
        "images": images,
        "config": asdict(config),
        "networks": trainee.networks.state_dict(),
        "average": trainee.average.state_dict(),
        "optimizers": trainee.optimizers.state_dict(),
        "augment": trainee.augment and trainee.augment.state_dict(),
        "data": unseen.to_header(trainee.seen) if trainee.seen else {},
        "totals": dict(totals or {}),
    }
    pickles.save(path(run, images), content)


def prune(run: Path, keep: int, scores: Mapping[int, float], seen: int) -> tuple[int, set[int]]:
    """Remove all states up to ``seen`` but the newest ``keep`` and the one with the lowest error.

    Args:
        scores: images -> held-out error, as logged; a state has that of the last tick before it.

    Returns:
        The images that the best state has seen, and those of all states that stay.
    """
    numbers = [n for n in map(_images, paths(run)) if n <= seen]  # newest first

    def error(images: int) -> float:
        return next((scores[tick] for tick in sorted(scores, reverse=True) if tick <= images), math.inf)

    best = min(numbers, key=error)
    kept = {*numbers[:keep], best}
    for number in set(numbers) - kept:
        path(run, number).unlink(missing_ok=True)
    return best, kept


def _images(state: Path) -> int:
    return int(state.stem.removeprefix("state-"))


def load_for(run: Path, resume: bool) -> dict | None:
    """The newest state of a run that is to go on; None for a new run, or one that was killed before its first state.

    Raises:
        InputError: the folder holds a run that is not to go on, or no state of it can be read.
    """
    if not resume and ((run / CONFIG_FILE).exists() or paths(run)):
        raise InputError(f"{run} holds another run; add --resume to go on with it, or give another --out")
    return load_newest(run) if any(run.glob("state-*")) else None  # damaged ones included


def load_newest(run: Path) -> dict:
    """The newest state that can be read; damaged ones are named in a warning, renamed and passed over.

    Raises:
        InputError: none can be, or the newest is of another version.
    """
    for candidate in paths(run):
        try:
            return load(candidate)
        except Exception as err:  # damage comes out as nearly any type
            if isinstance(err, (InputError, PermissionError)) or out_of_memory(err):
                raise  # nothing is wrong with the file
            # Out of the way: it would count as one of the states to keep, and push out a good one.
            damaged = candidate.rename(candidate.with_suffix(".damaged"))
            warnings.warn(f"{candidate} cannot be read ({type(err).__name__}), now {damaged.name}", stacklevel=2)
    raise InputError(f"{run} holds no readable state-*.pt; start anew in another --out")


def load(file: Path) -> dict:
    """The content of a state file; raises whatever damage comes out as.

    Raises:
        InputError: it is intact, and of another version.
    """
    content = pickles.content(file)
    version = content["format"]
    if version != FORMAT and isinstance(version, str) and version.startswith("stylemap-state-"):
        raise InputError(
            f"{file} was written by another version of stylemap ({shortened(version)}); resume with that version"
        )
    if version != FORMAT or type(content["images"]) is not int or content["images"] != _images(file):
        raise ValueError("its content does not match its name")
    try:
        _check_content(content)
    except UnknownSettings as err:
        raise InputError(f"{file}: {err}") from err
    except InputError as err:
        raise ValueError(f"settings that do not fit: {err}") from err
    return content


def _check_content(content: dict) -> None:
    """Checksums say that a file is whole, not what it holds.

    Raises:
        UnknownSettings: of a newer version.
        Exception: of nearly any type: content that does not fit its own config.
    """
    config = architectures.train_config(dict(content["config"]))
    values = [*content["networks"].values(), *content["average"].values()]
    if not all(value.isfinite().all() for value in values):
        raise ValueError("numbers that are not finite")
    with torch.device("meta"):  # shapes without memory
        networks = Networks(config)
    for name, module in {"networks": networks, "average": networks.model}.items():
        saved, built = (
            {key: (value.shape, value.dtype) for key, value in tensors.items()}
            for tensors in (content[name], module.state_dict())
        )
        if saved != built:
            raise ValueError(f"{name} of other shapes")
    for optimizer in content["optimizers"].values():
        # torch would follow lists in lists in lists, and take any number
        moments = [value for entry in optimizer["state"].values() for value in entry.values()]
        if not all(isinstance(value, Tensor) and value.isfinite().all() for value in moments):
            raise ValueError("moments that are not finite numbers")
    Optimizers.build(networks, config).load_state_dict(content["optimizers"])
    Past.of(content)
    if (augment := content["augment"]) and not (augment["p"].isfinite().all() and augment["sums"].isfinite().all()):
        raise ValueError("an augmentation that is not finite")
    if not all(type(count) is int and math.isfinite(total) for total, count in content["totals"].values()):
        raise ValueError("totals that are not numbers")


@dataclass(frozen=True)
class Past:
    """What a resume needs to know of a state before it builds anything."""

    images: int
    seen: tuple[Seen, ...]
    augment: str | None  # its mode
    precision: str | None  # of its passes
    totals: Totals

    @classmethod
    def of(cls, content: dict) -> "Past":
        noted, config = content["data"], content["config"]
        chosen = config["augment"]["mode"], config["speed"]["precision"]
        return cls(content["images"], unseen.from_header(noted), *chosen, content["totals"])


def check_data(past: Past, data: Unseen, run: Path) -> None:
    """Warn if the images of a run have changed since it was stopped.

    Raises:
        InputError: it was trained on other images.
    """
    relation = data.relation(past.seen[:1])
    if relation == "other":
        raise InputError(
            f"{data.data} holds other images than {past.seen[0].data}, on which {run} was trained; give --data with those, or "
            f"begin another run with --init-from {run}"
        )
    if relation == "changed":
        warnings.warn(
            f"{data.data} holds other images than when this run was stopped. From here on they come in another order, and "
            "scores do not compare with earlier ones. No image that was trained on is held out",
            stacklevel=2,
        )


def restore(content: dict, config: TrainConfig, trainee: Trainee, first: bool = True) -> None:
    """Put a state into fresh objects.

    Args:
        first: whether this is the first process, which takes what all processes have counted for the augmentation.

    Raises:
        InputError: the state is of another model, or of data in another order.
    """
    saved = architectures.train_config(content["config"])
    adaptive = saved.augment.mode == config.augment.mode == "adaptive"
    fixed = config.fixed | {"augment.p"} if adaptive else config.fixed  # where it began; it has moved since
    if changed := sorted(n for n in differences(saved, config) if n in fixed or n.startswith("model.")):
        raise InputError(
            f"a run cannot continue with another {', '.join(changed)}; keep the old value, or start a new run"
        )
    trainee.networks.load_state_dict(content["networks"])
    trainee.average.load_state_dict(content["average"])
    trainee.optimizers.load_state_dict(content["optimizers"])
    if trainee.augment is not None and content["augment"]:
        trainee.augment.load_state_dict(content["augment"])
        if not first:
            trainee.augment.sums.zero_()


def _check_finite(networks: nn.Module) -> None:
    for name, value in networks.state_dict().items():
        if not value.isfinite().all():
            raise InputError(f"{name} is not finite: training has diverged; resume with a lower --optim.lr")
