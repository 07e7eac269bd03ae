"""Import the weights that were published with the paper (PyTorch 1.4, channel multiplier 2).

Such a file is a pickled dict; `pickles` reads it and runs no code from it. Three things differ from our layout: names, gamma and
beta are two convolutions, and modulated weights have a leading axis of 1.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from stylemap import pickles, reading
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.errors import InputError, brief, quoted

NORMS = {"LayerNorm": "layer", "InstanceNorm": "instance", "BatchNorm": "batch", "GroupNorm": "group"}

MODULATED = r"(decoder\.(?:conv1|to_rgb|convs\.\d+\.conv[12]))"
# (pattern of the published name, our name). The modulated convolutions need more: `convert_generator`.
RENAMES = [
    (r"decoder\.input\.input", "synthesis.constant"),
    (r"decoder\.convs\.(\d+)\.skip\.\d\.weight", r"synthesis.blocks.\1.skip.weight"),
    (r"decoder\.convs_latent\.(\d+)\.\d\.(weight|bias)", r"resizer.layers.\1.\2"),
    (r"from_rgb\.\d\.(weight|bias)", r"from_rgb.\1"),
    (r"final_conv\.\d\.(weight|bias)", r"final_conv.\1"),
    (r"final_linear\.(\d)\.(weight|bias)", r"final_linear.\1.\2"),
    (r"convs\.(\d+)\.(conv1|conv2|skip)\.\d\.(weight|bias)", r"blocks.\1.\2.\3"),
]


def _module(published: str) -> str:
    """decoder.conv1 -> synthesis.head, decoder.convs.0.conv2 -> synthesis.blocks.0.conv2."""
    name = published.replace("decoder.convs.", "synthesis.blocks.").replace("decoder.to_rgb", "synthesis.to_rgb")
    return name.replace("decoder.conv1", "synthesis.head")


def _rename(name: str) -> str:
    for pattern, replacement in RENAMES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    raise InputError(f"unknown entry {name!r} in the published weights")


def _is_filter(name: str) -> bool:
    return name.endswith("kernel")  # blur filters are constants of ours


def convert_generator(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published generator's state dict in our names and shapes."""
    state = {}
    for name, value in published.items():
        if _is_filter(name) or ".beta." in name:  # beta goes with gamma
            continue
        if match := re.fullmatch(r"mapping_z\.(\d+)\.(weight|bias)", name):
            state[f"mapping.layers.{int(match[1]) - 1}.{match[2]}"] = value
        elif match := re.fullmatch(MODULATED + r"\.conv\.gamma\.(weight|bias)", name):
            beta = published[name.replace(".gamma.", ".beta.")]
            state[f"{_module(match[1])}.style.{match[2]}"] = torch.cat([value, beta])
        elif match := re.fullmatch(MODULATED + r"\.conv\.weight", name):
            state[f"{_module(match[1])}.conv.weight"] = value[0]
        elif match := re.fullmatch(MODULATED + r"\.activate\.bias", name):
            state[f"{_module(match[1])}.conv.bias"] = value
        elif match := re.fullmatch(MODULATED + r"\.conv\.norm\.(\w+)", name):  # batch norm's running statistics
            state[f"{_module(match[1])}.batch_norm.{match[2]}"] = value
        else:
            state[_rename(name)] = value
    return state


def convert_encoder(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published encoder's state dict in our names."""
    renamed = {_rename(name): value for name, value in published.items() if not _is_filter(name)}
    return {name.replace("final_conv.", "to_stylemap."): value for name, value in renamed.items()}


def convert_discriminator(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published discriminator's state dict in our names: its first layer is our from_rgb."""
    state = {}
    for name, value in published.items():
        if _is_filter(name):
            continue
        if match := re.fullmatch(r"convs\.0\.\d\.(weight|bias)", name):
            state[f"from_rgb.{match[1]}"] = value
        elif match := re.match(r"convs\.(\d+)(\..*)", name):
            state[_rename(f"convs.{int(match[1]) - 1}{match[2]}")] = value
        else:
            state[_rename(name)] = value
    return state


def load(path: str | Path) -> tuple[StylemapModel, Discriminator]:
    """Read a published checkpoint: the averaged generator and encoder, and the discriminator.

    Raises:
        InputError: missing, damaged, not such a checkpoint, or one that would run code.
    """
    saved = pickles.load(path)
    required = ("g_ema", "e_ema", "discriminator", "train_args")
    missing = [name for name in required if not isinstance(saved, dict) or name not in saved]
    if missing:
        raise InputError(f"{path} is not a published StyleMapGAN checkpoint: it lacks {', '.join(missing)}")
    try:
        config = convert_args(saved["train_args"].state)
        entries = pickles.floats({(name, key): value for name in required[:3] for key, value in saved[name].items()})
        networks = {name: {key: value for (n, key), value in entries.items() if n == name} for name in required[:3]}
        with torch.device("meta"):  # shapes without memory: every value comes from the file
            model, discriminator = StylemapModel(config), Discriminator(config)
        reading.fill(model.generator, convert_generator(networks["g_ema"]), "", path)
        reading.fill(model.encoder, convert_encoder(networks["e_ema"]), "", path)
        reading.fill(discriminator, convert_discriminator(networks["discriminator"]), "", path)
    except InputError as err:  # of the config or of an entry: it does not know the file
        raise InputError(f"{path} is not a published StyleMapGAN checkpoint: {err}") from err
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RuntimeError) as err:
        raise InputError(
            f"{path} is not a published StyleMapGAN checkpoint: {type(err).__name__} {brief(err)}"
        ) from err
    return model, discriminator


def convert_args(args: dict) -> StylemapConfig:
    """The model settings among the published training arguments."""
    multiplier = args.get("channel_multiplier", 2)
    if type(multiplier) is not int:
        raise InputError(f"channel_multiplier is {quoted(multiplier)}, not a whole number")
    return StylemapConfig(
        resolution=args["size"],
        stylemap_size=args["latent_spatial_size"],
        stylemap_channels=args["latent_channel_size"],
        channel_base=16384 * multiplier,
        channel_max=512,
        mapping_layers=args["mapping_layer_num"],
        mapping_lr_mul=args.get("lr_mul", 0.01),
        norm=NORMS[args.get("normalize_mode", "LayerNorm").removesuffix("2d")],
        light=bool(args.get("small_generator", False)),
    )
