"""Our training step against the same step done plainly: images per second and peak memory, in one run.

    python -m benchmarks.training [--config configs/avatars32.yaml] [--rounds 5] [--threads 2] [--undo NAME ...] [--json FILE]

*Plainly* means as StyleGAN2-like code does it: NCHW memory, gamma and beta as two convolutions, a weight per sample in
grouped convolutions, layer norm and modulation as separate operations, G(E(x)) computed for D and again for the image
step, Adam parameter by parameter, and gradients of D's weights computed and thrown away while G and E learn. The
mathematics is the same: both start from the same weights, and before anything is timed, the losses and the gradients of
every phase of one iteration are compared. This is at learning rate 0, so that a phase does not see the rounding of the
one before, which Adam's first step would blow up to the size of the learning rate; and it is float64 that must agree. In
float32 the losses do to a few 1e-7, but where rounding turns the sign of a value before a leaky ReLU, its gradient jumps.

Our version is timed with the passes that a run takes here of itself (``speed.precision`` auto), and in float32. Each of our
choices is also switched off alone, in float32. A variant runs in turns with ours, iteration by iteration, in the same
process and with as many threads, so that a machine that slows down slows both. A round is one period of R1 (16 iterations
of each, so that R1 has its share); ratios are taken per round, and the table shows their median and range. Peak memory is
of a fresh process for each version. The images are noise, made beforehand: loading data is not measured.
"""

import argparse
import contextlib
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import memory, recipes, timing
from benchmarks.machine import machine
from stylemap import devices, files, perceptual
from stylemap.architectures import cycle
from stylemap.architectures.chance import Chance
from stylemap.architectures.layers import BLUR, EqualConv, ModulatedConv, same, upsample
from stylemap.architectures.stylemap import cycle as stylemap_cycle
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.stylemap.networks import Generator, Synthesis
from stylemap.config import TrainConfig
from stylemap.operators import upfirdn2d
from stylemap.training import ema, loop
from stylemap.training.distributed import ALONE
from stylemap.training.optimizers import Optimizers

TOLERANCE = 1e-9  # of float64 losses and gradients, relative to the largest of a tensor


@dataclass(frozen=True)
class Choices:
    """What is ours; False does the same plainly."""

    channels_last: bool = True
    joint_style: bool = True
    shared_weights: bool = True
    fused_modulation: bool = True
    shared_reconstruction: bool = True
    fused_adam: bool = True
    frozen_discriminator: bool = True

    @property
    def order(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


OURS = Choices()
PLAIN = Choices(**{f.name: False for f in fields(Choices)})
LABELS = {
    "channels_last": "NCHW instead of channels_last memory",
    "joint_style": "gamma and beta in two convolutions instead of one",
    "shared_weights": "grouped convolutions with a weight per sample",
    "fused_modulation": "F.layer_norm, * gamma, + beta instead of group_norm and addcmul",
    "shared_reconstruction": "G(E(x)) computed twice",
    "fused_adam": "Adam not fused",
    "frozen_discriminator": "D's weights collect gradients while G and E learn",
}


# ---- the plain layers, made of our layers' weights


class PlainConv(nn.Module):
    """An `EqualConv` whose weights are repeated for each sample and applied as grouped convolution."""

    def __init__(self, ours: EqualConv, order: torch.memory_format):
        super().__init__()
        self.order, self.activate = order, ours.activate
        self.convolve, self.scale, self.gain = ours.convolve, ours.scale, ours.gain
        self.weight, self.bias = ours.weight, ours.bias

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        weight = (self.weight * self.scale)[None].repeat(n, 1, 1, 1, 1)  # [N, C', C, k, k]
        x = x.reshape(1, n * c, h, w)
        if self.convolve is same:
            x = F.conv2d(x, weight.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n).reshape(n, -1, h, w)
        elif self.convolve is upsample:
            x = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
            x = upfirdn2d(x.reshape(n, -1, 2 * h + 1, 2 * w + 1), BLUR, pad=(1, 1), gain=4)
        x = x.contiguous(memory_format=self.order)  # the reshapes made it NCHW
        x = x + (self.bias * self.gain).view(-1, 1, 1)
        return F.leaky_relu(x, 0.2) if self.activate else x


class PlainModulatedConv(nn.Module):
    """A `ModulatedConv` with layer norm, each of its parts as ours or plain."""

    def __init__(self, ours: ModulatedConv, choices: Choices):
        super().__init__()
        if choices.joint_style:
            self.style = ours.style
        else:
            self.gamma, self.beta = _halves(ours.style)
        self.order = choices.order
        self.conv = ours.conv if choices.shared_weights else PlainConv(ours.conv, self.order)
        self.fused = choices.fused_modulation

    def forward(self, x: Tensor, style: Tensor, *how: bool) -> Tensor:
        if hasattr(self, "style"):
            gamma, beta = self.style(style).chunk(2, dim=1)
        else:
            gamma, beta = self.gamma(style), self.beta(style)
        if self.fused:
            return self.conv(torch.addcmul(beta, F.group_norm(x, 1), gamma))
        x = F.layer_norm(x, x.shape[1:]).contiguous(memory_format=self.order)  # it answers in NCHW
        return self.conv(x * gamma + beta)


def _halves(style: EqualConv) -> tuple[EqualConv, EqualConv]:
    """The convolutions to gamma and to beta."""
    halves = []
    for weight, bias in zip(style.weight.chunk(2), style.bias.chunk(2), strict=True):
        half = EqualConv(weight.shape[1], weight.shape[0], weight.shape[2], activate=False).to(weight.device)
        half.load_state_dict({"weight": weight, "bias": bias})
        halves.append(half)
    return halves[0], halves[1]


class NchwSynthesis(Synthesis):
    memory_format = torch.contiguous_format


class NchwGenerator(Generator):
    def synthesize(self, stylemap: Tensor) -> Tensor:
        return self.synthesis(self.resizer(stylemap.contiguous()))


class NchwModel(StylemapModel):
    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def synthesize(self, stylemap: Tensor) -> Tensor:
        return self.generator.synthesize(stylemap)


def make_plain(model: StylemapModel, choices: Choices) -> None:
    """Replace the layers of the generator by those of the choices; the weights keep their values."""
    if not (choices.joint_style and choices.shared_weights and choices.fused_modulation):
        modulated = [(p, n) for p in model.modules() for n, m in p.named_children() if isinstance(m, ModulatedConv)]
        for parent, name in modulated:
            setattr(parent, name, PlainModulatedConv(getattr(parent, name), choices))
    if not choices.channels_last:
        model.__class__ = NchwModel
        model.generator.__class__ = NchwGenerator
        model.generator.synthesis.__class__ = NchwSynthesis


# ---- the training step


class Version:
    """Networks, optimisers and a batch, for one set of choices; every version starts from the same weights."""

    def __init__(
        self,
        config: TrainConfig,
        choices: Choices,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        passes: torch.dtype = torch.float32,
    ):
        self.config, self.choices = config, choices
        config = replace(config, augment=replace(config.augment, mode="none"))
        trainee = loop.build(config, device)
        self.networks, self.average = trainee.networks, trainee.average
        order = choices.order
        for model in (self.networks.model, self.average):
            make_plain(model, choices)
            model.to(memory_format=order, dtype=dtype)
        self.networks.discriminator.to(memory_format=order, dtype=dtype)
        self.optimizers = Optimizers.build(self.networks, config)
        if not choices.fused_adam:
            self.optimizers = Optimizers(**{n: _not_fused(o) for n, o in vars(self.optimizers).items()})
        distance = perceptual.for_training(config.loss, device)
        self.cycle = stylemap_cycle.StylemapCycle(self.networks, self.optimizers, config, distance, precision=passes)
        self.cycle.shares_reconstruction = choices.shared_reconstruction
        noise = torch.Generator().manual_seed(1)
        side = config.model.resolution
        real = torch.rand(config.batch, 3, side, side, generator=noise) * 2 - 1
        z = torch.randn(2, config.batch, config.model.stylemap_channels, generator=noise)
        self.batch = cycle.Pass(real.to(device, dtype).contiguous(memory_format=order), Chance(z.to(device, dtype)))
        self.done = 0  # iterations

    def iterate(self) -> cycle.Terms:
        """One iteration of the cycle; the first and every 16th with R1."""
        config = self.config
        with contextlib.ExitStack() as stack:
            if not self.choices.frozen_discriminator:
                stack.enter_context(mock.patch.object(cycle, "frozen", contextlib.nullcontext))
            terms = self.cycle.iterate([self.batch], self.done * config.batch)
        self.done += 1
        ema.update(self.average, self.networks.model, ema.decay(self.done * config.batch, config.batch, config.ema))
        return terms


def _not_fused(optimizer: torch.optim.Adam) -> torch.optim.Adam:
    (group,) = optimizer.param_groups
    return torch.optim.Adam(group["params"], lr=group["lr"], betas=group["betas"], fused=False)


# ---- the check


def recorded(version: Version) -> tuple[cycle.Terms, list[dict[str, Tensor]]]:
    """The losses of one iteration at learning rate 0, and the gradients at every optimiser step, by our names."""
    names = {id(p): name for name, p in version.networks.named_parameters()}
    gradients: list[dict[str, Tensor]] = []

    def record(optimizer: torch.optim.Optimizer, *_) -> None:
        parameters = [p for p in optimizer.param_groups[0]["params"] if p.grad is not None]
        gradients.append(_by_our_names({names[id(p)]: p.grad.clone() for p in parameters}))

    for optimizer in vars(version.optimizers).values():
        optimizer.register_step_pre_hook(record)
        optimizer.param_groups[0]["lr"] = 0.0
    return version.iterate(), gradients


def _by_our_names(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    ours = {name: g for name, g in gradients.items() if ".gamma." not in name and ".beta." not in name}
    for name, gamma in gradients.items():
        if ".gamma." in name:
            both = [gamma, gradients[name.replace(".gamma.", ".beta.")]]
            ours[name.replace(".gamma.", ".style.")] = torch.cat(both)
    return ours


def check(config: TrainConfig, choices: Choices, device: torch.device) -> dict[str, float]:
    """The largest relative differences between ours and other choices; AssertionError where they are not the same."""
    result: dict[str, float] = {}
    for dtype in (torch.float64, torch.float32):
        (losses, ours), (others, theirs) = (recorded(Version(config, c, device, dtype)) for c in (OURS, choices))
        assert losses.keys() == others.keys() and [g.keys() for g in ours] == [g.keys() for g in theirs]
        pairs = [(mine[name], other[name]) for mine, other in zip(ours, theirs, strict=True) for name in mine]
        kind = str(dtype).removeprefix("torch.")
        result |= {
            "optimizer_steps": len(ours),
            "gradients": len(pairs),
            f"{kind}_losses": max(_difference(losses[name], others[name]) for name in losses),
            f"{kind}_gradients": max(_difference(a, b) for a, b in pairs),
        }
    assert max(result["float64_losses"], result["float64_gradients"]) < TOLERANCE, result
    return result


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))


# ---- the measurement


def compare(
    config: TrainConfig,
    choices: Choices,
    device: torch.device,
    rounds: int,
    description: str,
    passes: torch.dtype = torch.float32,
) -> dict:
    """Ours, in these passes, and the choices in turns: images per second of both, and the ratio of their times in every round."""
    ours, other = Version(config, OURS, device, passes=passes), Version(config, choices, device)
    iterations = config.optim.r1_every
    seconds = timing.alternating(ours.iterate, other.iterate, device, iterations, rounds, description)
    images = iterations * config.batch
    mine, others = zip(*seconds, strict=True)
    ratios = [b / a for a, b in seconds]
    return {
        "ours_images_per_second": images / statistics.median(mine),
        "images_per_second": images / statistics.median(others),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


# ---- the report


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    facts = report["machine"]
    yield "{device}, {cpu}, {threads} threads, torch {torch}, {date}".format(**facts)
    yield "\nBefore timing, ours and plain agree in {gradients} gradients over {optimizer_steps} optimiser steps.".format(
        **report["check"]
    )
    yield "Largest relative difference: float64 losses {float64_losses:.1e}, gradients {float64_gradients:.1e};".format(
        **report["check"]
    )
    yield "float32 losses {float32_losses:.1e}, gradients {float32_gradients:.1e}.\n".format(**report["check"])
    plain, peaks = report["plain"], report["memory"]
    yield "| training step | images/s | peak memory, MiB | of that the step's, MiB |\n|---|---:|---:|---:|"
    for name, speed in (("ours", plain["ours_images_per_second"]), ("plain", plain["images_per_second"])):
        peak, idle = peaks[name]["peak_mib"], peaks[name]["idle_mib"]
        yield f"| {name} | {speed:.1f} | {peak:.0f} | {peak - idle:.0f} |"
    yield f"| ratio | {timing.ratio(plain)} | | |"
    for kind, row in report["auto"].items():
        yield f"| ours in {kind}, which auto takes | {row['ours_images_per_second']:.1f} | | |"
        yield f"| plain beside it | {row['images_per_second']:.1f} | | |"
        yield f"| ratio | {timing.ratio(row)} | | |"
    if not report["undone"]:
        return
    yield "\n| one choice undone | images/s | ours beside it | time, ours = 1 |\n|---|---:|---:|---:|"
    for name, row in report["undone"].items():
        speeds = f"{row['images_per_second']:.1f} | {row['ours_images_per_second']:.1f}"
        yield f"| {LABELS[name]} | {speeds} | {timing.ratio(row)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=recipes.DEFAULT, help="recipe, a YAML file")
    parser.add_argument("--rounds", type=int, default=5, help="periods of R1 of each version in a comparison")
    parser.add_argument(
        "--undo", nargs="*", choices=LABELS, default=list(LABELS), help="our choices, each undone alone"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    parser.add_argument("--memory-of", choices=("ours", "plain"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, config = devices.pick(arguments.device), recipes.read(arguments.config)
    if arguments.memory_of:
        choices = {"ours": OURS, "plain": PLAIN}[arguments.memory_of]
        peak, idle = memory.peak(lambda: Version(config, choices, device), device)
        print(json.dumps({"peak_mib": peak, "idle_mib": idle}))
        return
    report = {"machine": machine(device), "config": arguments.config}
    # First, while this process is small: Linux starts a child's peak at what its parent holds.
    report["memory"] = {name: memory.elsewhere("benchmarks.training", arguments, name) for name in ("ours", "plain")}
    report["check"] = check(config, PLAIN, device)
    report["plain"] = compare(config, PLAIN, device, arguments.rounds, "plain")
    _, auto = loop.choose_precision(config, loop.build(config, device), device, ALONE)
    kinds = {str(auto).removeprefix("torch."): auto} if auto != torch.float32 else {}
    report["auto"] = {
        name: compare(config, PLAIN, device, arguments.rounds, f"plain beside {name}", kind)
        for name, kind in kinds.items()
    }
    report["undone"] = {
        name: compare(config, replace(OURS, **{name: False}), device, arguments.rounds, name) for name in arguments.undo
    }
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
