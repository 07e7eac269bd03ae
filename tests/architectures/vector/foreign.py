"""Tiny generators in the foreign layouts: random entries, the image the reference makes of them, and how they are written."""

import math
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.architectures.vector import reference
from tests.architectures.vector.reference import Conv, Styled

C, WIDTHS, MAPPING, LR = 5, {4: 6, 8: 6, 16: 3}, 2, 0.01
LAST = max(WIDTHS)


def numbers(shape: tuple[int, ...], count: list[int]) -> Tensor:
    count[0] += 1
    return torch.randn(shape, generator=torch.Generator().manual_seed(count[0]))


def fill(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Standard normal; the mapping's entries over lr_mul; biases and noise strengths smaller, as they are in practice."""
    count = [0]
    entries = {}
    for name, shape in shapes.items():
        value = numbers(shape, count)
        if name.startswith(("style.", "mapping")) and "w_avg" not in name:
            value = value / LR
        if name.endswith(("bias", "strength", "noise.weight", "Noise/weight")):
            value = value * 0.3
        entries[name] = value
    return entries


def sides() -> list[tuple[int, int, int]]:
    """(side, width before, width) of all but the first."""
    return [(s, WIDTHS[s // 2], WIDTHS[s]) for s in WIDTHS if s > 4]


def dense(weight: Tensor, bias: Tensor, lr: float = 1.0, gain: float = 1.0) -> reference.Dense:
    """[outputs, inputs] at unit variance over lr_mul -> as it acts."""
    return weight.double() * (gain * lr / math.sqrt(weight.shape[1])), bias.double() * lr


def scaled(kernel: Tensor, gain: float = 1.0) -> Tensor:
    return kernel.double() * (gain / math.sqrt(kernel[0].numel()))


class Rosinality:
    @staticmethod
    def entries() -> dict[str, Tensor]:
        shapes = {f"style.{i + 1}.{p}": s for i in range(MAPPING) for p, s in (("weight", (C, C)), ("bias", (C,)))}
        shapes["input.input"] = (1, WIDTHS[4], 4, 4)

        def conv(name, inputs, outputs, k):
            shapes[f"{name}.conv.weight"] = (1, outputs, inputs, k, k)
            shapes[f"{name}.conv.modulation.weight"] = (inputs, C)
            shapes[f"{name}.conv.modulation.bias"] = (inputs,)

        def layer(name, inputs, outputs):
            conv(name, inputs, outputs, 3)
            shapes[f"{name}.noise.weight"] = (1,)
            shapes[f"{name}.activate.bias"] = (outputs,)

        def rgb(name, inputs):
            conv(name, inputs, 3, 1)
            shapes[f"{name}.bias"] = (1, 3, 1, 1)

        layer("conv1", WIDTHS[4], WIDTHS[4])
        rgb("to_rgb1", WIDTHS[4])
        shapes["noises.noise_0"] = (1, 1, 4, 4)
        for i, (side, before, width) in enumerate(sides()):
            layer(f"convs.{2 * i}", before, width)
            layer(f"convs.{2 * i + 1}", width, width)
            rgb(f"to_rgbs.{i}", width)
            shapes[f"noises.noise_{2 * i + 1}"] = shapes[f"noises.noise_{2 * i + 2}"] = (1, 1, side, side)
        entries = fill(shapes)
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        for i in range(len(WIDTHS) - 1):
            entries[f"convs.{2 * i}.conv.blur.kernel"] = torch.outer(line, line) * 4
            entries[f"to_rgbs.{i}.upsample.kernel"] = torch.outer(line, line) * 4
        return entries

    @staticmethod
    def render(e: dict[str, Tensor], z: Tensor) -> Tensor:
        def conv(name, **more):
            kernel = scaled(e[f"{name}.conv.weight"][0])
            style = dense(e[f"{name}.conv.modulation.weight"], e[f"{name}.conv.modulation.bias"])
            return Conv(kernel.flip(2, 3) if more.get("up") else kernel, style, **more)

        names = ["conv1", *(f"convs.{i}" for i in range(2 * len(WIDTHS) - 2))]
        layers = [
            conv(
                name,
                bias=e[f"{name}.activate.bias"],
                strength=e[f"{name}.noise.weight"],
                noise=e[f"noises.noise_{i}"],
                up=i % 2 == 1,
            )
            for i, name in enumerate(names)
        ]
        names = ["to_rgb1", *(f"to_rgbs.{i}" for i in range(len(WIDTHS) - 1))]
        rgbs = [conv(name, bias=e[f"{name}.bias"].flatten()) for name in names]
        mapping = [dense(e[f"style.{i + 1}.weight"], e[f"style.{i + 1}.bias"], LR) for i in range(MAPPING)]
        return reference.stylegan2(z, mapping, e["input.input"].double(), layers, rgbs)


class Ada:
    @staticmethod
    def entries() -> dict[str, Tensor]:
        shapes = {f"mapping.fc{i}.{p}": s for i in range(MAPPING) for p, s in (("weight", (C, C)), ("bias", (C,)))}
        shapes |= {"mapping.w_avg": (C,), "synthesis.b4.const": (WIDTHS[4], 4, 4)}

        def conv(name, inputs, outputs, k):
            shapes[f"synthesis.{name}.weight"] = (outputs, inputs, k, k)
            shapes[f"synthesis.{name}.bias"] = (outputs,)
            shapes[f"synthesis.{name}.affine.weight"] = (inputs, C)
            shapes[f"synthesis.{name}.affine.bias"] = (inputs,)

        def layer(name, inputs, outputs, side):
            conv(name, inputs, outputs, 3)
            shapes[f"synthesis.{name}.noise_strength"] = ()
            shapes[f"synthesis.{name}.noise_const"] = (side, side)

        layer("b4.conv1", WIDTHS[4], WIDTHS[4], 4)
        conv("b4.torgb", WIDTHS[4], 3, 1)
        for side, before, width in sides():
            layer(f"b{side}.conv0", before, width, side)
            layer(f"b{side}.conv1", width, width, side)
            conv(f"b{side}.torgb", width, 3, 1)
        entries = fill(shapes)
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        for side in WIDTHS:
            for name in (f"b{side}", f"b{side}.conv1", *([f"b{side}.conv0"] if side > 4 else [])):
                entries[f"synthesis.{name}.resample_filter"] = torch.outer(line, line)
        return entries

    @staticmethod
    def render(e: dict[str, Tensor], z: Tensor) -> Tensor:
        def conv(name, gain, **more):
            name = f"synthesis.{name}"
            kernel = e[f"{name}.weight"].double() * gain
            style = dense(e[f"{name}.affine.weight"], e[f"{name}.affine.bias"])
            return Conv(kernel.flip(2, 3) if more.get("up") else kernel, style, e[f"{name}.bias"], **more)

        names = ["b4.conv1", *(f"b{s}.conv{j}" for s in WIDTHS if s > 4 for j in (0, 1))]
        layers = [
            conv(
                name,
                1.0,
                strength=e[f"synthesis.{name}.noise_strength"],
                noise=e[f"synthesis.{name}.noise_const"],
                up=name.endswith("conv0"),
            )
            for name in names
        ]
        rgbs = [conv(f"b{s}.torgb", 1 / math.sqrt(WIDTHS[s])) for s in WIDTHS]
        mapping = [dense(e[f"mapping.fc{i}.weight"], e[f"mapping.fc{i}.bias"], LR) for i in range(MAPPING)]
        return reference.stylegan2(z, mapping, e["synthesis.b4.const"].double()[None], layers, rgbs)

    @staticmethod
    def dump(entries: dict[str, Tensor], path: Path, protocol: int = 4, **attributes) -> Path:
        """``attributes`` of every module besides its tensors."""
        persistence = Persistence()
        network = persistence.module(entries, attributes)
        with persistence:
            path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": network, "augment_pipe": None}, protocol))
        return path


class TensorFlow2:
    @staticmethod
    def entries() -> dict[str, Tensor]:
        shapes = {f"mapping/Dense{i}/{p}": s for i in range(MAPPING) for p, s in (("weight", (C, C)), ("bias", (C,)))}
        shapes |= {"dlatent_avg": (C,), "synthesis/4x4/Const/const": (1, WIDTHS[4], 4, 4)}

        def conv(name, inputs, outputs, k):
            shapes[f"synthesis/{name}/weight"] = (k, k, inputs, outputs)
            shapes[f"synthesis/{name}/bias"] = (outputs,)
            shapes[f"synthesis/{name}/mod_weight"] = (C, inputs)
            shapes[f"synthesis/{name}/mod_bias"] = (inputs,)

        conv("4x4/Conv", WIDTHS[4], WIDTHS[4], 3)
        conv("4x4/ToRGB", WIDTHS[4], 3, 1)
        names = ["4x4/Conv"]
        for s, before, width in sides():
            conv(f"{s}x{s}/Conv0_up", before, width, 3)
            conv(f"{s}x{s}/Conv1", width, width, 3)
            conv(f"{s}x{s}/ToRGB", width, 3, 1)
            names += [f"{s}x{s}/Conv0_up", f"{s}x{s}/Conv1"]
        for i, name in enumerate(names):
            shapes[f"synthesis/{name}/noise_strength"] = ()
            side = 4 << ((i + 1) // 2)
            shapes[f"synthesis/noise{i}"] = (1, 1, side, side)
        return fill(shapes)

    @staticmethod
    def render(e: dict[str, Tensor], z: Tensor) -> Tensor:
        def conv(name, **more):
            kernel = scaled(e[f"{name}/weight"].permute(3, 2, 0, 1))
            weight, bias = dense(e[f"{name}/mod_weight"].T, e[f"{name}/mod_bias"])
            return Conv(kernel, (weight, bias + 1), e[f"{name}/bias"], **more)

        names = ["4x4/Conv", *(f"{s}x{s}/{n}" for s in WIDTHS if s > 4 for n in ("Conv0_up", "Conv1"))]
        layers = [
            conv(
                f"synthesis/{name}",
                strength=e[f"synthesis/{name}/noise_strength"],
                noise=e[f"synthesis/noise{i}"],
                up=name.endswith("_up"),
            )
            for i, name in enumerate(names)
        ]
        rgbs = [conv(f"synthesis/{s}x{s}/ToRGB") for s in WIDTHS]
        mapping = [dense(e[f"mapping/Dense{i}/weight"].T, e[f"mapping/Dense{i}/bias"], LR) for i in range(MAPPING)]
        return reference.stylegan2(z, mapping, e["synthesis/4x4/Const/const"].double(), layers, rgbs)


class TensorFlow1:
    """With sides up to 128, the first at which its doubling layers are fused; 3 channels everywhere."""

    SIDES = (4, 8, 16, 32, 64, 128)
    WIDTH = 3

    @classmethod
    def names(cls) -> list[str]:
        return ["4x4/Const", "4x4/Conv", *(f"{s}x{s}/{n}" for s in cls.SIDES[1:] for n in ("Conv0_up", "Conv1"))]

    @classmethod
    def entries(cls) -> dict[str, Tensor]:
        shapes = {f"mapping/Dense{i}/{p}": s for i in range(MAPPING) for p, s in (("weight", (C, C)), ("bias", (C,)))}
        w = cls.WIDTH
        shapes |= {"dlatent_avg": (C,), "synthesis/4x4/Const/const": (1, w, 4, 4)}
        for i, name in enumerate(cls.names()):
            if i > 0:
                shapes[f"synthesis/{name}/weight"] = (3, 3, w, w)
            shapes[f"synthesis/{name}/bias"] = shapes[f"synthesis/{name}/Noise/weight"] = (w,)
            shapes[f"synthesis/{name}/StyleMod/weight"] = (C, 2 * w)
            shapes[f"synthesis/{name}/StyleMod/bias"] = (2 * w,)
            side = 4 << (i // 2)
            shapes[f"synthesis/noise{i}"] = (1, 1, side, side)
        for lod in range(len(cls.SIDES)):
            shapes[f"synthesis/ToRGB_lod{lod}/weight"] = (1, 1, w, 3)
            shapes[f"synthesis/ToRGB_lod{lod}/bias"] = (3,)
        return {**fill(shapes), "synthesis/lod": torch.tensor(0.0)}

    @classmethod
    def render(cls, e: dict[str, Tensor], z: Tensor, fused_from: int = 128) -> Tensor:
        layers = []
        for i, name in enumerate(cls.names()):
            name, side = f"synthesis/{name}", 4 << (i // 2)
            kernel = None if i == 0 else scaled(e[f"{name}/weight"].permute(3, 2, 0, 1), math.sqrt(2))
            style = dense(e[f"{name}/StyleMod/weight"].T, e[f"{name}/StyleMod/bias"])
            noise = e[f"{name}/Noise/weight"], e[f"synthesis/noise{i}"]
            layers.append(Styled(kernel, style, e[f"{name}/bias"], *noise, name.endswith("_up"), side >= fused_from))
        weight, bias = e["synthesis/ToRGB_lod0/weight"], e["synthesis/ToRGB_lod0/bias"]
        mapping = [
            dense(e[f"mapping/Dense{i}/weight"].T, e[f"mapping/Dense{i}/bias"], LR, math.sqrt(2))
            for i in range(MAPPING)
        ]
        rgb = scaled(weight.permute(3, 2, 0, 1))[:, :, 0, 0], bias.double()
        return reference.stylegan(z, mapping, e["synthesis/4x4/Const/const"].double(), layers, rgb)


def dump_tensorflow(entries: dict[str, Tensor], path: Path, protocol: int = 4, **static_kwargs) -> Path:
    """(G, D, Gs) with the networks as objects of dnnlib.tflib.network.Network."""
    fake = Persistence()

    def network(prefix, parts=None, **kwargs):
        variables = [
            (name.removeprefix(prefix), value.numpy())
            for name, value in entries.items()
            if name.startswith(prefix) and (prefix or "/" not in name)
        ]
        made = fake.Network()
        made.__dict__.update(
            version=4,
            name="G",
            static_kwargs=fake.EasyDict(kwargs),
            components=fake.EasyDict(parts or {}),
            build_module_src="import os; os.abort()",
            build_func_name="G",
            variables=variables,
        )
        return made

    parts = {name: network(f"{name}/") for name in ("mapping", "synthesis")}
    averaged = network("", parts, num_channels=3, resolution=np.int64(LAST), **static_kwargs)
    with fake:
        path.write_bytes(pickle.dumps((None, None, averaged), protocol))
    return path


class Persistence:
    """The modules that the pickles name; they exist only while one is written."""

    def __init__(self):
        class EasyDict(dict):
            pass

        class Network:
            pass

        def _reconstruct_persistent_obj(meta):
            raise AssertionError("run while a file was read")

        self.EasyDict, self.Network, self.rebuild = EasyDict, Network, _reconstruct_persistent_obj
        self.modules = {}
        for module, thing in (
            ("dnnlib.util", EasyDict),
            ("dnnlib.tflib.network", Network),
            ("torch_utils.persistence", _reconstruct_persistent_obj),
        ):
            thing.__module__, thing.__qualname__ = module, thing.__name__
            self.modules[module] = types.ModuleType(module)
            setattr(self.modules[module], thing.__name__, thing)
            for i in range(1, module.count(".") + 1):
                parent = ".".join(module.split(".")[:i])
                self.modules.setdefault(parent, types.ModuleType(parent))

    def __enter__(self):
        sys.modules.update(self.modules)

    def __exit__(self, *_):
        for name in self.modules:
            del sys.modules[name]

    def module(self, entries: dict[str, Tensor], attributes: dict, path: str = "") -> "Persistent":
        """The tree behind dotted names, its tensors parameters but for constants."""
        own = {n: t for n, t in entries.items() if "." not in n}
        children = list(dict.fromkeys(n.split(".")[0] for n in entries if "." in n))
        constants = {n for n in own if n in ("w_avg", "noise_const", "resample_filter")}
        state = {
            "training": False,
            "_parameters": OrderedDict((n, nn.Parameter(t)) for n, t in own.items() if n not in constants),
            "_buffers": OrderedDict((n, t) for n, t in own.items() if n in constants),
            "_non_persistent_buffers_set": set(),
            "_modules": OrderedDict(
                (
                    c,
                    self.module(
                        {n.removeprefix(f"{c}."): t for n, t in entries.items() if n.startswith(f"{c}.")}, attributes
                    ),
                )
                for c in children
            ),
            "bias_gain": np.float64(LR),
            **attributes,
        }
        return Persistent(self, state)


class Persistent:
    def __init__(self, names: Persistence, state: dict):
        self.names, self.state = names, state

    def __reduce__(self):
        meta = {"type": "class", "version": 6, "module_src": "import os; os.abort()", "class_name": "Generator"}
        return self.names.rebuild, (self.names.EasyDict(meta, state=self.state),), None
