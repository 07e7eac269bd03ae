"""Import StyleGAN2 and StyleGAN weights of other programs, without running code in a file.

Three kinds of files are read: checkpoints of rosinality/stylegan2-pytorch (.pt) and of programs built on it (pSp, e4e), pickles
of StyleGAN2-ADA for PyTorch, and TensorFlow pickles of StyleGAN2 and StyleGAN. Only the averaged generator is imported. The
weights keep their own licences, most of which are non-commercial.
"""

import warnings
from pathlib import Path
from typing import Any

import torch

from stylemap import pickles
from stylemap.architectures.vector import layouts
from stylemap.architectures.vector.model import VectorModel
from stylemap.errors import InputError, brief

MOST_ROWS = 32  # of latent_avg; 18 at 1024 px


def load(path: str | Path) -> VectorModel:
    """The generator of a foreign file, in evaluation mode, on the CPU; there is no encoder.

    The mean w is that of the file. If it has none (rosinality's training writes none), it is the mean over 10,000 fixed z.

    Warns if images will differ a little from those of the original program.

    Raises:
        InputError: missing, damaged, another kind of network, or one that would run code.
    """
    saved = pickles.load(path)
    try:
        config, state = _convert(saved)
        with torch.device("meta"):  # shapes without memory: every value comes from the file
            model = VectorModel(config, encoder=False)
        averaged = "w_avg" in state
        if not averaged:
            state["w_avg"] = torch.zeros(config.latent_channels)
        model.generator.load_state_dict({k: v.contiguous() for k, v in state.items()}, assign=True)
        if not averaged:
            model.generator.w_avg.copy_(model.statistics().mean[0, 0])
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
    if isinstance(saved, dict) and (generator := _rosinality(saved)):
        config, state = layouts.rosinality(generator)
        if isinstance(mean := saved.get("latent_avg"), torch.Tensor):
            state["w_avg"] = _mean_w(mean, config.latent_channels)
        return config, state
    raise InputError("it holds no G_ema, Gs, g_ema or g, and no decoder of pSp or e4e")


def _rosinality(saved: dict) -> dict[str, Any] | None:
    """The generator in a file of that program, or of one built on it: pSp and e4e call it their decoder."""
    if isinstance(saved.get("g_ema"), dict):
        state = saved["g_ema"]
    elif isinstance(saved.get("g"), dict):
        state = saved["g"]
        warnings.warn(
            "it holds no running average of the generator (g_ema), so the trained one (g) is taken", stacklevel=2
        )
    else:
        state = saved["state_dict"] if isinstance(saved.get("state_dict"), dict) else saved
    if not all(isinstance(name, str) for name in state):
        return None
    for prefix in ("module.", "decoder.", "module."):  # of torch's DataParallel, and of pSp and e4e
        if any(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return state if "input.input" in state else None


def _mean_w(mean: torch.Tensor, width: int) -> torch.Tensor:
    """[C] from what a file calls latent_avg: one vector, or one for each layer."""
    rows = mean.detach().float()
    if rows.shape[-1:] != (width,) or rows.numel() > width * MOST_ROWS:
        raise InputError(f"latent_avg is {list(mean.shape)}, not [{width}]")
    rows = rows.reshape(-1, width)
    if not rows.isfinite().all():
        raise InputError("latent_avg holds numbers that are not finite")
    if not torch.equal(rows, rows[:1].expand_as(rows)):
        warnings.warn("its latent_avg differs from layer to layer; the mean is taken", stacklevel=2)
        return rows.mean(dim=0)
    return rows[0].clone()
