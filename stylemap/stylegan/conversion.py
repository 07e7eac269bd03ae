"""Import of foreign StyleGAN2 and StyleGAN weights; no code in a file is run.

Three kinds of files: checkpoints of rosinality/stylegan2-pytorch (.pt), pickles of StyleGAN2-ADA for PyTorch, and TensorFlow
pickles of StyleGAN2 and StyleGAN. Only the averaged generator is taken. The weights keep their own licences, most of which are
non-commercial.
"""

import argparse
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from stylemap.errors import InputError, brief
from stylemap.stylegan import layouts, pickles
from stylemap.stylegan.model import VectorModel

TORCH = (b"PK\x03\x04", pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2))
"""The first bytes of what torch.save writes, and wrote before version 1.6."""


def load(path: str | Path) -> VectorModel:
    """The generator of a foreign file, in evaluation mode, on the CPU; there is no encoder.

    The mean w is the file's. Where it has none (rosinality's training writes none) it is taken over 10,000 fixed draws.

    Warns where images will not be quite those of the program that it comes from.

    Raises:
        InputError: missing, damaged, another kind of network, or one that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is a folder, not a network file" if path.is_dir() else f"{path}: no such file")
    saved = _load_torch(path) if _is_torch(path) else pickles.load(path)
    try:
        config, state = _convert(saved)
        with torch.device("meta"):  # shapes without memory: every value comes from the file
            model = VectorModel(config, encoder=False)
        averaged = "w_avg" in state
        if not averaged:
            state["w_avg"] = torch.zeros(config.stylemap_channels)
        model.generator.load_state_dict({k: v.contiguous() for k, v in state.items()}, assign=True)
        if not averaged:
            model.generator.w_avg.copy_(model.generator.statistics()[0])
    except InputError as err:
        raise InputError(f"{path} holds no StyleGAN2 or StyleGAN generator that can be used: {err}") from err
    except Exception as err:  # what is not where it belongs comes out as nearly any type
        raise InputError(
            f"{path} holds no StyleGAN2 or StyleGAN generator that can be used: {type(err).__name__} {brief(err)}"
        ) from err
    return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _convert(saved: Any) -> layouts.Converted:
    if isinstance(saved, (tuple, list)) and len(saved) == 3 and isinstance(saved[2], pickles.Holder):
        return layouts.tensorflow(saved[2])  # G, D, Gs
    if isinstance(saved, dict) and isinstance(saved.get("G_ema"), pickles.Holder):
        return layouts.ada(saved["G_ema"])
    if isinstance(saved, dict) and isinstance(saved.get("g_ema"), dict):
        config, state = layouts.rosinality(saved["g_ema"])
        if isinstance(saved.get("latent_avg"), torch.Tensor):
            state["w_avg"] = saved["latent_avg"].detach().float().flatten()
        return config, state
    raise InputError("neither G, D, Gs nor G_ema nor g_ema are in it")


def _is_torch(path: Path) -> bool:
    with open(path, "rb") as f:
        return f.read(64).startswith(TORCH)


def _load_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of the file's age, which is no news
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        # torch's own message goes on to advise loading it unsafely; only the name of what it holds is of use
        found = re.search(r"GLOBAL ([\w.]+)", str(err))
        what = f" ({found[1]})" if found else ""
        raise InputError(f"{path} holds more than tensors{what} or is damaged; nothing in it was run") from err
    except Exception as err:  # damage comes out as nearly any type
        raise InputError(f"{path} is damaged or no PyTorch checkpoint ({brief(err)}); copy it again") from err
