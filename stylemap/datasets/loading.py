"""What loading processes do. It does not import torch, so that they start fast and stay small."""

from collections.abc import Sequence

import numpy as np

from stylemap.datasets import Dataset
from stylemap.errors import InputError, brief

Draw = tuple[int, bool]  # (index of the image, mirrored)


def read_batch(images: Dataset, draws: Sequence[Draw]) -> np.ndarray:
    """Images as uint8 [len(draws), R, R, 3].

    Raises:
        InputError: anything failed; one line says what.
    """
    try:
        return np.stack([images[index][:, ::-1] if mirrored else images[index] for index, mirrored in draws])
    except InputError:
        raise
    except MemoryError as err:
        raise InputError(f"no memory is left to load {len(draws)} images; take fewer --workers") from err
    except Exception as err:  # whatever a decoder or a disk raises
        raise InputError(f"images cannot be loaded ({type(err).__name__}: {brief(err)})") from err
