"""Everything a resume needs, in one file, and the few files kept.

Noise and the order of the data are pure functions of the seed and the images seen (`datasets.stream`, `loop.noise`), so a
state holds tensors and one number: there are no random generators to save.
"""

import re
import warnings
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
    """The newest state that can be read; damaged ones are named in a warning and passed over.

    Raises:
        InputError: none can be.
    """
    for candidate in paths(run):
        try:
            content = torch.load(candidate, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        except Exception as err:  # torch.load raises many kinds for a damaged file
            reason = str(err).strip().splitlines()[:1] or [type(err).__name__]
            warnings.warn(f"{candidate} cannot be read ({reason[0][:120]}); trying the one before", stacklevel=2)
            continue
        return content
    raise InputError(f"{run} holds no readable state-*.pt; start anew in another --out")


def restore(content: dict, config: TrainConfig, networks: Networks, average: Model, optimizers: Optimizers) -> int:
    """Put a state into fresh objects. Returns the images seen.

    Raises:
        InputError: the state is of another model.
    """
    saved, wanted = content["config"]["model"], asdict(config.model)
    if saved != wanted:
        keys = sorted(k for k in saved.keys() | wanted.keys() if saved.get(k) != wanted.get(k))
        raise InputError(
            f"the state was trained with another {', '.join('model.' + k for k in keys)}; leave it as it was"
        )
    networks.load_state_dict(content["networks"])
    average.load_state_dict(content["average"])
    optimizers.load_state_dict(content["optimizers"])
    return content["images"]


def _check_finite(networks: nn.Module) -> None:
    for name, value in networks.state_dict().items():
        if not value.isfinite().all():
            raise InputError(f"{name} is not finite: training has diverged; resume with a lower --optim.lr")
