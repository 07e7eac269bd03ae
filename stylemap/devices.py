"""Where tensors live."""

import torch

from stylemap.errors import InputError


def pick(name: str = "auto") -> torch.device:
    """The device of a name; "auto" is the first NVIDIA or AMD GPU, else Apple's, else the CPU.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # some names are known but hold no numbers
    except (RuntimeError, AssertionError, ImportError) as err:
        reason = str(err).strip().splitlines()[0][:150]
        raise InputError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from err
    return device
