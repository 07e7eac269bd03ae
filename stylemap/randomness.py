"""Random numbers of a training: pure functions of a seed, a purpose and a place, so that a resumed run draws the same again.

Every purpose has numbers of its own. NumPy keeps sequences apart that differ in their spawn key, as it does not with lists of
numbers: ``default_rng([5])`` and ``default_rng([5, 0])`` are one.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    ORDER = 0  # of the images, and their mirroring
    NOISE = 1  # z
    GRID = 2  # z of the samples that are shown
    AUGMENTATION = 3
    CHANCE = 4  # `architectures.vector.chance`
    MAPPING = 5  # `training.mapping`
    ENCODER = 6  # `training.encoder`


def generator(purpose: Purpose, seed: int, place: int) -> np.random.Generator:
    """
    Args:
        place: from 0: the images seen, the epoch.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(purpose), place)))
