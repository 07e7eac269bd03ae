"""Everything a resume needs, in one file, and the few files kept.

Noise and the order of the data are pure functions of the seed and the images seen (`datasets.stream`, `loop.noise`), so a
state holds tensors and one number: there are no random generators to save.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from stylemap.config import TrainConfig
from stylemap.errors import InputError
from stylemap.files import atomic
from stylemap.model import Model
from stylemap.training.steps import Networks, Optimizers

FORMAT = "stylemap-state-1"


def path(run: Path, images: int) -> Path:
    return run / f"state-{images:010d}.pt"


def paths(run: Path) -> list[Path]:
    """The states of a run, newest first."""
    return sorted((p for p in run.glob("state-*.pt") if re.fullmatch(r"state-\d{10}\.pt", p.name)), reverse=True)


def begun(run: Path) -> bool:
    """Whether there ever was a state, damaged ones included."""
    return any(run.glob("state-*"))


def save(
    run: Path, images: int, config: TrainConfig, networks: Networks, average: Model, optimizers: Optimizers
) -> None:
    """Write the state after ``images`` images and drop the oldest beyond ``config.keep_states``.

    Raises:
        InputError: weights that are not finite (nothing is written), or a disk that cannot take the file.
    """
    _check_finite(networks)
    content = {
        "format": FORMAT,
        "images": images,
        "config": asdict(config),
        "networks": networks.state_dict(),
        "average": average.state_dict(),
        "optimizers": optimizers.state_dict(),
    }
    with atomic(path(run, images)) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as err:  # torch's zip writer reports a full disk in its own way
            raise OSError(0, f"writing failed, is the disk full? ({str(err).splitlines()[0]})") from err
    for old in paths(run)[config.keep_states :]:
        old.unlink(missing_ok=True)


def load_newest(run: Path) -> dict:
    """The newest state that can be read; damaged ones are named in a warning, renamed and passed over.

    Raises:
        InputError: none can be.
    """
    for candidate in paths(run):
        try:
            content = torch.load(candidate, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        except Exception as err:  # torch.load raises many kinds for a damaged file
            # Out of the way: it would count as one of the states to keep, and push out a good one.
            damaged = candidate.rename(candidate.with_suffix(".damaged"))
            warnings.warn(f"{candidate} cannot be read ({type(err).__name__}), now {damaged.name}", stacklevel=2)
            continue
        return content
    raise InputError(f"{run} holds no readable state-*.pt; start anew in another --out")


def restore(content: dict, config: TrainConfig, networks: Networks, average: Model, optimizers: Optimizers) -> int:
    """Put a state into fresh objects. Returns the images seen.

    Raises:
        InputError: the state is of another model, or of data in another order.
    """
    changed = sorted(_changed(content["config"], asdict(config)))
    if changed:
        raise InputError(f"a run cannot go on with another {', '.join(changed)}; leave it as it was, or start anew")
    networks.load_state_dict(content["networks"])
    average.load_state_dict(content["average"])
    optimizers.load_state_dict(content["optimizers"])
    return content["images"]


def _changed(saved: dict, wanted: dict) -> Iterator[str]:
    """The settings that a run cannot change: its networks, and what decides the order and the split of the data."""
    for name in ("data", "heldout", "mirror", "seed"):
        if saved[name] != wanted[name]:
            yield name
    for name in saved["model"].keys() | wanted["model"].keys():
        if saved["model"].get(name) != wanted["model"].get(name):
            yield f"model.{name}"


def _check_finite(networks: nn.Module) -> None:
    for name, value in networks.state_dict().items():
        if not value.isfinite().all():
            raise InputError(f"{name} is not finite: training has diverged; resume with a lower --optim.lr")
