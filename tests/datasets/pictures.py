"""Data sets for loading processes; no torch, so that these start fast."""

import numpy as np


class Numbers:
    """Image i is 2 x 2 pixels; its left column holds i, its right column i + 100."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return np.array([[[i] * 3, [i + 100] * 3]] * 2, np.uint8)

    def name(self, i):
        return str(i)


class Broken(Numbers):
    """A decoder, or a disk, that fails in a way of its own."""

    def __init__(self, error):
        super().__init__(4)
        self.error = error

    def __getitem__(self, i):
        raise self.error


class Stuck(Numbers):
    def __init__(self, path):
        super().__init__(4)
        self.path = path

    def __getitem__(self, i):
        return np.frombuffer(self.path.read_bytes(), np.uint8)
