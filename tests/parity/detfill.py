"""Deterministic tensors by name: splitmix64 -> uniform with unit variance. Exact on every machine."""

import zlib

import numpy as np

_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def unit(name: str, shape) -> np.ndarray:
    """float32 array of `shape`, uniform in (-sqrt3, sqrt3), a pure function of `name` and the index."""
    n = int(np.prod(shape)) if len(shape) else 1
    with np.errstate(over="ignore"):
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(zlib.crc32(name.encode())) << np.uint64(20)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return ((u - 0.5) * 2 * np.sqrt(3.0)).astype(np.float32).reshape(shape)


def parameter(name: str, shape, lr_mul: float = 0.01) -> np.ndarray:
    """The fill rule for an official StyleMapGAN state-dict entry (blur `kernel` buffers are left alone)."""
    u = unit(name, shape)
    if name.startswith("mapping_z"):  # stored divided by lr_mul
        return u / lr_mul if name.endswith("weight") else u * (0.1 / lr_mul)
    if name.endswith("gamma.bias"):
        return 1 + 0.1 * u
    if name.endswith("bias"):
        return 0.1 * u
    return u
