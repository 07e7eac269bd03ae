"""How a batch is shared out among processes and passes, and which noise belongs to which sample.

Samples have places in the whole batch. Noise and augmentation are drawn for all places, so that 2 processes with 8 samples
each compute what one process computes with 16. The discriminator compares samples in groups (minibatch standard deviation),
so samples of one group stay in one pass where that is possible.
"""

import numpy as np
from torch import Tensor

from stylemap import architectures, images
from stylemap.architectures.cycle import Pass
from stylemap.architectures.discriminator import GROUP, group_size
from stylemap.config import TrainConfig
from stylemap.errors import InputError
from stylemap.training import augment
from stylemap.training.distributed import World
from stylemap.training.state import Trainee


def count_passes(config: TrainConfig, world: World) -> int:
    """The number of equal passes in which a process computes its share of a batch.

    As few as ``batch_gpu`` allows; sizes that leave the discriminator's groups whole come first.

    Raises:
        InputError: the processes cannot share the batch evenly.
    """
    if config.batch % world.size:
        raise InputError(
            f"batch {config.batch} cannot be shared by {world.size} processes; make it a multiple of {world.size}"
        )
    share = config.batch // world.size
    most = min(config.batch_gpu or share, share)
    sizes = [size for size in range(most, 0, -1) if share % size == 0]
    group = group_size(config.batch)
    return share // next((size for size in sizes if size % group == 0), sizes[0])


def assign_places(batch: int, rank: int = 0, world: int = 1, passes: int = 1) -> list[list[int]]:
    """The places in every batch that process ``rank`` of ``world`` computes, for each of its ``passes``.

    Together the processes take each place once, so an epoch shows every image once, however many processes there are and
    whenever their number changes. Samples that the discriminator compares (i, i + batch / group, ...) stay together if the
    parts are large enough.

    Raises:
        InputError: the batch cannot be shared out evenly.
    """
    parts = world * passes
    if batch % parts:
        raise InputError(f"a batch of {batch} cannot be split into {parts} equal parts; make it a multiple of {parts}")
    group = group_size(batch)
    rows = group if batch % (group * parts) == 0 else 1
    table = np.arange(batch).reshape(rows, parts, -1)  # [rows, parts, samples of a row]
    return [table[:, rank * passes + i].flatten().tolist() for i in range(passes)]


def small_groups_warning(config: TrainConfig, world: World) -> str | None:
    """One line if the discriminator compares fewer images with one another than in the whole batch; else None."""
    size = config.batch // world.size // count_passes(config, world)
    group, whole = group_size(size), group_size(config.batch)
    if group == 1:
        return (
            f"with {size} image{'s' * (size > 1)} per pass the discriminator compares no images with one another, so it cannot "
            f"see that samples are alike; make --batch and --batch-gpu multiples of {GROUP}"
        )
    if group == whole:
        return None
    return (
        f"with {size} images per pass the discriminator compares groups of {group} instead of {whole}, so training differs "
        f"from all {config.batch} at once; make --batch-gpu and the share of each process multiples of {whole} to avoid this"
    )


def split(real: Tensor, config: TrainConfig, seen: int, places: list[list[int]], trainee: Trainee) -> list[Pass]:
    """Pair the images of this process, see `datasets.labelled`, with the noise of their places, pass by pass."""
    real, labels = images.from_labelled(real)
    model = trainee.networks.model
    chance = architectures.cycle_class(config.model).draw(config, seen)
    draws = trainee.augment and augment.draw(config.seed, seen, config.batch)
    passes = []
    for i, (part, taken) in enumerate(zip(real.chunk(len(places)), places, strict=True)):
        seen_by_d = None if draws is None else draws[taken].to(real.device, non_blocking=True)
        extras = model.extras_of(None if labels is None else labels.chunk(len(places))[i])
        passes.append(Pass(part, chance.take(taken).to(real.device), seen_by_d, extras))
    return passes
