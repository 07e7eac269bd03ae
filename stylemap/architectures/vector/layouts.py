"""Foreign weights as state dicts of our `Generator`: names, shapes and conventions of four published layouts.

Common to all: weights are stored at unit variance (over lr_mul) and scaled at run time, as ours are, so that no number changes
but where a function says so. What does differ:

* TensorFlow has kernels [k, k, inputs, outputs] and dense weights [inputs, outputs].
* A transposed convolution lays the kernel down unturned, where a convolution of the upsampled image would turn it. StyleGAN2
  of TensorFlow stores doubling kernels for the second reading; ours and the PyTorch layouts for the first. The first StyleGAN
  uses an unturned transposed convolution ("fused") at sides from 128 on and a plain one below; ours is the plain one.
* TensorFlow adds 1 to the styles at run time; ours and the PyTorch layouts have it in the bias.
* The mapping of the first StyleGAN has the gain of the activation in the weight but not in the bias; ours has it in both.
"""

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from stylemap.architectures import find
from stylemap.architectures.layers import BLUR
from stylemap.architectures.vector.adain import BINOMIAL
from stylemap.architectures.vector.config import VectorConfig
from stylemap.errors import InputError
from stylemap.pickles import Holder, floats

FUSED_FROM = 128
MOST_PARTS = 1000  # of a network; those of 1024 px have 100
MOST_DOUBLINGS = 8  # of the side, from 4 to 1024
MOST_ENTRIES = 10_000  # those of 1024 px have 200
STYLEGAN3_LAYER = r"synthesis\.L\d+_\d+_\d+"  # number, side, channels, as StyleGAN3 names the parts of its pickles
STYLEGAN2_SETTINGS = {
    "architecture": "skip",
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "resample_kernel": list(BLUR),
}
STYLEGAN_SETTINGS = {
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "const_input_layer": True,
    "use_styles": True,
    "use_instance_norm": True,
    "use_pixel_norm": False,
    "use_wscale": True,
    "mapping_use_wscale": True,
    "blur_filter": list(BINOMIAL),
}
"""What a TensorFlow network may have been built with: anything else makes other images than ours of the same weights."""

Converted = tuple[VectorConfig, dict[str, Tensor]]


class Entries:
    """Foreign entries that are taken one by one, so that none is forgotten."""

    def __init__(self, tensors: Mapping[str, Any]):
        self.left = floats(tensors)

    def take(self, name: str) -> Tensor:
        if name not in self.left:
            raise InputError(f"it lacks {name}")
        return self.left.pop(name)

    def count(self, pattern: str) -> int:
        return sum(re.fullmatch(pattern, name) is not None for name in self.left)

    def drop(self, pattern: str) -> None:
        self.left = {name: t for name, t in self.left.items() if not re.fullmatch(pattern, name)}

    def check_filters(self, pattern: str, gains: tuple[float, ...]) -> None:
        """Drop the blur filters, which are constants of ours.

        Raises:
            InputError: one is another filter than ours.
        """
        line = torch.tensor(BLUR) / sum(BLUR)
        for name in [name for name in self.left if re.fullmatch(pattern, name)]:
            kernel = self.left.pop(name)
            if kernel.shape != (4, 4) or not any(torch.allclose(kernel, torch.outer(line, line) * g) for g in gains):
                raise InputError(f"{name} is not the filter {[int(tap) for tap in BLUR]}")

    def finish(self) -> None:
        if self.left:
            raise InputError(f"unknown entry {min(self.left)}, and {len(self.left) - 1} more")


def rosinality(tensors: Mapping[str, Tensor]) -> Converted:
    """StyleGAN2 of rosinality/stylegan2-pytorch: the entry "g_ema" of a checkpoint, without the mean w.

    Its kernels have a leading 1; its to-RGB biases are [1, 3, 1, 1]. The file does not say lr_mul, which is 0.01 there. Early
    files, such as the published 550000.pt, hold no noise maps: fixed ones are drawn, and a warning says so.
    """
    entries, converted = Entries(tensors), {}
    mapping = entries.count(r"style\.\d+\.weight")
    for i in range(mapping):
        for part in ("weight", "bias"):
            converted[f"mapping.layers.{i}.{part}"] = entries.take(f"style.{i + 1}.{part}")
    doublings = entries.count(r"to_rgbs\.\d+\.bias")
    drawn = not entries.count(r"noises\.noise_\d+")
    if drawn:
        if doublings > MOST_DOUBLINGS:
            raise InputError(f"it doubles its side {doublings} times; {MOST_DOUBLINGS} is the most that is read")
        warnings.warn(
            "it holds no noise maps; fixed ones are drawn, as that program draws new ones each time", stacklevel=2
        )
        rng = torch.Generator().manual_seed(0)
    converted["synthesis.constant"] = entries.take("input.input")
    for i, name in enumerate(["conv1", *(f"convs.{k}" for k in range(2 * doublings))]):
        layer = f"synthesis.layers.{i}"
        converted |= _rosinality_conv(entries, name, layer)
        converted[f"{layer}.noise.strength"] = entries.take(f"{name}.noise.weight")
        side = 4 << ((i + 1) // 2)
        converted[f"{layer}.noise.constant"] = (
            torch.randn(1, 1, side, side, generator=rng) if drawn else entries.take(f"noises.noise_{i}")
        )
        converted[f"{layer}.bias"] = entries.take(f"{name}.activate.bias")
    for i, name in enumerate(["to_rgb1", *(f"to_rgbs.{k}" for k in range(doublings))]):
        converted |= _rosinality_conv(entries, name, f"synthesis.to_rgb.{i}")
        converted[f"synthesis.to_rgb.{i}.bias"] = entries.take(f"{name}.bias").flatten()
    # times 4 where zeros were put in between
    entries.check_filters(r".*\.kernel", (1, 4))
    entries.finish()
    return _config("stylegan2", converted, mapping, 0.01), converted


def _rosinality_conv(entries: Entries, source: str, target: str) -> dict[str, Tensor]:
    return {
        f"{target}.conv.weight": entries.take(f"{source}.conv.weight")[0],
        f"{target}.conv.style.weight": entries.take(f"{source}.conv.modulation.weight"),
        f"{target}.conv.style.bias": entries.take(f"{source}.conv.modulation.bias"),
    }


def ada(network: Holder) -> Converted:
    """StyleGAN2 of a StyleGAN2-ADA PyTorch pickle: its "G_ema".

    Its demodulated kernels have no run-time scale, which the demodulation takes out again. Trained with float16 it clamps
    activations, at 256 as published, which ours does not: a warning says so.
    """
    modules = _modules(network)
    if any(re.fullmatch(STYLEGAN3_LAYER, name) for name in modules):
        raise InputError("it is a StyleGAN3, which has other layers; StyleGAN and StyleGAN2 can be imported")
    for name, state in modules.items():
        for key, allowed in {"activation": ("lrelu", "linear"), "architecture": ("skip",)}.items():
            if state.get(key, allowed[0]) not in allowed:
                raise InputError(f"{name}.{key} is {state[key]}, not {' or '.join(allowed)}")
    if limits := {float(state["conv_clamp"]) for state in modules.values() if state.get("conv_clamp") is not None}:
        text = " and ".join(f"{limit:g}" for limit in sorted(limits))
        warnings.warn(
            f"it was trained with float16 and clamps activations at {text}, which is not done here: images differ where an "
            "activation is larger",
            stacklevel=2,
        )
    entries, converted = Entries(_tensors(modules)), {}
    mapping = entries.count(r"mapping\.fc\d+\.weight")
    for i in range(mapping):
        for part in ("weight", "bias"):
            converted[f"mapping.layers.{i}.{part}"] = entries.take(f"mapping.fc{i}.{part}")
    converted["w_avg"] = entries.take("mapping.w_avg")
    doublings = entries.count(r"synthesis\.b\d+\.torgb\.bias") - 1
    converted["synthesis.constant"] = entries.take("synthesis.b4.const")[None]
    names = ["b4.conv1", *(f"b{8 << k}.conv{j}" for k in range(doublings) for j in (0, 1))]
    for i, name in enumerate(f"synthesis.{name}" for name in names):
        layer = f"synthesis.layers.{i}"
        converted |= _ada_conv(entries, name, layer)
        converted[f"{layer}.noise.strength"] = entries.take(f"{name}.noise_strength").reshape(1)
        converted[f"{layer}.noise.constant"] = entries.take(f"{name}.noise_const")[None, None]
    for i in range(doublings + 1):
        converted |= _ada_conv(entries, f"synthesis.b{4 << i}.torgb", f"synthesis.to_rgb.{i}")
    entries.check_filters(r".*\.resample_filter", (1,))
    entries.finish()
    lr_mul = float(modules.get("mapping.fc0", {}).get("bias_gain", 0.01))
    return _config("stylegan2", converted, mapping, lr_mul), converted


def _ada_conv(entries: Entries, source: str, target: str) -> dict[str, Tensor]:
    return {
        f"{target}.conv.weight": entries.take(f"{source}.weight"),
        f"{target}.conv.style.weight": entries.take(f"{source}.affine.weight"),
        f"{target}.conv.style.bias": entries.take(f"{source}.affine.bias"),
        f"{target}.bias": entries.take(f"{source}.bias"),
    }


def _modules(network: Holder) -> dict[str, dict]:
    """The state of every module under its dotted name."""
    return {".".join(path): module.state for path, module in _walk(network, lambda module: module.state["_modules"])}


def _walk(network: Holder, parts_of: Callable[[Holder], dict | None]) -> Iterator[tuple[tuple[str, ...], Holder]]:
    """A network and all its parts, with the names that lead to them.

    Raises:
        InputError: more than `MOST_PARTS`, as of a part that is in itself.
    """
    left: list[tuple[tuple[str, ...], Holder]] = [((), network)]
    known = 1
    while left:
        path, part = left.pop()
        yield path, part
        parts = parts_of(part) or {}
        known += len(parts)
        if known > MOST_PARTS:
            raise InputError(f"it has more than {MOST_PARTS} parts")
        left += [((*path, str(name)), inner) for name, inner in reversed(parts.items())]


def _gathered(entries: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    gathered = {}
    for name, value in entries:
        gathered[name] = value
        if len(gathered) > MOST_ENTRIES:
            raise InputError(f"it has more than {MOST_ENTRIES} entries")
    return gathered


def _tensors(modules: dict[str, dict]) -> dict[str, Tensor]:
    return _gathered(
        (f"{name}.{entry}".lstrip("."), tensor)
        for name, state in modules.items()
        for group in ("_parameters", "_buffers")
        for entry, tensor in state[group].items()
        if tensor is not None
    )


def tensorflow(network: Holder) -> Converted:
    """StyleGAN2 or StyleGAN of a TensorFlow pickle: its "Gs"."""
    variables, settings = _variables(network)
    first = any("/StyleMod/" in name for name in variables)
    for name, required in (STYLEGAN_SETTINGS if first else STYLEGAN2_SETTINGS).items():
        value = settings.get(name, required)
        if (list(value) if isinstance(required, list) else value) != required:
            raise InputError(f"its {name} is {value!r}, not {required!r}")
    entries, converted = Entries(variables), {}
    mapping = entries.count(r"mapping/Dense\d+/weight")
    for i in range(mapping):
        bias = entries.take(f"mapping/Dense{i}/bias")
        converted[f"mapping.layers.{i}.weight"] = entries.take(f"mapping/Dense{i}/weight").T
        converted[f"mapping.layers.{i}.bias"] = bias / math.sqrt(2) if first else bias
    converted["w_avg"] = entries.take("dlatent_avg")
    if first:
        converted |= _tensorflow_first(entries, settings.get("fused_scale", "auto"))
    else:
        converted |= _tensorflow_second(entries)
    if "synthesis/lod" in entries.left and entries.take("synthesis/lod") != 0:
        raise InputError("it was still growing when it was saved")
    entries.finish()
    architecture = "stylegan" if first else "stylegan2"
    return _config(architecture, converted, mapping, float(settings.get("mapping_lrmul", 0.01))), converted


def _tensorflow_second(entries: Entries) -> dict[str, Tensor]:
    converted = {"synthesis.constant": entries.take("synthesis/4x4/Const/const")}
    doublings = entries.count(r"synthesis/(\d+)x\1/ToRGB/bias") - 1
    sides = [8 << k for k in range(doublings)]
    names = ["4x4/Conv", *(f"{s}x{s}/{conv}" for s in sides for conv in ("Conv0_up", "Conv1"))]
    for i, name in enumerate(f"synthesis/{name}" for name in names):
        layer = f"synthesis.layers.{i}"
        converted |= _tensorflow_conv(entries, name, layer, turn=name.endswith("_up"))
        converted[f"{layer}.noise.strength"] = entries.take(f"{name}/noise_strength").reshape(1)
        converted[f"{layer}.noise.constant"] = entries.take(f"synthesis/noise{i}")
    for i, side in enumerate([4, *sides]):
        converted |= _tensorflow_conv(entries, f"synthesis/{side}x{side}/ToRGB", f"synthesis.to_rgb.{i}")
    return converted


def _tensorflow_conv(entries: Entries, source: str, target: str, turn: bool = False) -> dict[str, Tensor]:
    return {
        f"{target}.conv.weight": _kernel(entries.take(f"{source}/weight"), turn),
        f"{target}.conv.style.weight": entries.take(f"{source}/mod_weight").T,
        f"{target}.conv.style.bias": entries.take(f"{source}/mod_bias") + 1,
        f"{target}.bias": entries.take(f"{source}/bias"),
    }


def _tensorflow_first(entries: Entries, fused: bool | str) -> dict[str, Tensor]:
    converted = {"synthesis.constant": entries.take("synthesis/4x4/Const/const")}
    doublings = entries.count(r"synthesis/(\d+)x\1/Conv0_up/bias")
    names = ["4x4/Const", "4x4/Conv"]
    names += [f"{s}x{s}/{conv}" for s in (8 << k for k in range(doublings)) for conv in ("Conv0_up", "Conv1")]
    for i, name in enumerate(names):
        source, layer, side = f"synthesis/{name}", f"synthesis.layers.{i}", 4 << (i // 2)
        if i > 0:
            turn = name.endswith("_up") and (side >= FUSED_FROM if fused == "auto" else bool(fused))
            converted[f"{layer}.weight"] = _kernel(entries.take(f"{source}/weight"), turn)
        bias = entries.take(f"{source}/StyleMod/bias")
        one = torch.ones(len(bias) // 2)
        converted[f"{layer}.bias"] = entries.take(f"{source}/bias")
        converted[f"{layer}.noise.strength"] = entries.take(f"{source}/Noise/weight").reshape(-1, 1, 1)
        converted[f"{layer}.noise.constant"] = entries.take(f"synthesis/noise{i}")
        converted[f"{layer}.norm.style.weight"] = entries.take(f"{source}/StyleMod/weight").T
        converted[f"{layer}.norm.style.bias"] = bias + torch.cat([one, 0 * one])
    converted["synthesis.to_rgb.weight"] = _kernel(entries.take("synthesis/ToRGB_lod0/weight"))
    converted["synthesis.to_rgb.bias"] = entries.take("synthesis/ToRGB_lod0/bias")
    # of the sides it grew through
    entries.drop(r"synthesis/ToRGB_lod\d+/(weight|bias)")
    return converted


def _kernel(weight: Tensor, turn: bool = False) -> Tensor:
    """[k, k, inputs, outputs] -> [outputs, inputs, k, k], turned by half a turn if asked."""
    weight = weight.permute(3, 2, 0, 1)
    return weight.flip(2, 3) if turn else weight


def _variables(network: Holder) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables under their path, and the settings the network and its parts were built with."""
    parts = list(_walk(network, lambda part: part.state.get("components")))
    variables = _gathered(
        ("/".join((*path, name)), value) for path, part in parts for name, value in part.state["variables"]
    )
    settings = {}
    for _, part in parts:
        settings |= part.state.get("static_kwargs") or {}
    return variables, settings


def _config(architecture: str, state: dict[str, Tensor], mapping: int, lr_mul: float) -> VectorConfig:
    """The config behind the shapes.

    Raises:
        InputError: widths that no config has.
    """
    layers = sum(name.endswith("noise.constant") for name in state)
    # the last layer of every side
    lasts = range(0, layers, 2) if architecture == "stylegan2" else range(1, layers, 2)
    widths = [len(state[f"synthesis.layers.{i}.bias"]) for i in lasts]
    resolution = 2 << len(widths)
    config = find(architecture).config(
        resolution=resolution,
        latent_channels=len(state["mapping.layers.0.bias"]) if mapping else 0,
        channel_base=widths[-1] * resolution,
        channel_max=widths[0],
        mapping_layers=mapping,
        mapping_lr_mul=lr_mul,
    )
    if widths != [config.channels(4 << i) for i in range(len(widths))]:
        raise InputError(f"channels {widths} at sides 4 to {resolution} do not halve as those of a config do")
    return config
