"""What ``stylemap train`` says of a run before it starts: the networks, and with ``--dry-run`` what it will take."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from stylemap import checkpoint, datasets, devices
from stylemap.architectures.discriminator import GROUP
from stylemap.cli import terminal
from stylemap.config import TrainConfig
from stylemap.datasets import unseen
from stylemap.errors import InputError
from stylemap.published import VGG
from stylemap.training import batching, distributed, estimate
from stylemap.training.estimate import Estimate, FittingSettings
from stylemap.training.optimizers import Networks
from stylemap.training.report.wording import duration


def note(text: str) -> None:
    """To stderr, as --dry-run prints YAML to stdout."""
    print(terminal.one_line(text), file=sys.stderr)


def parameters(config: TrainConfig) -> str:
    """The size of the networks, in words."""
    with torch.device("meta"):  # shapes without memory
        networks = Networks(config)
    sizes = [
        f"{name} {sum(p.numel() for p in network.parameters()) / 1e6:.2f}"
        for name in ("generator", "encoder", "discriminator")
        if (network := getattr(networks, name)) is not None
    ]
    return f"{config.model.resolution} px, {config.model.latents.words}, millions of parameters: {', '.join(sizes)}"


def foresee(config: TrainConfig, out: Path | None = None, resume: bool = False) -> None:
    """What a run will take, on stderr, and what is missing for it; no GPU is used."""
    note("estimating memory and time, without a GPU ...")
    estimated = estimate.estimate(config, _processes())
    for text in (parameters(config), *_memory(estimated), *_time(estimated, config)):
        note(text)
    for text in (*_missing(config, out, resume), *_obstacles(estimated, config)):
        note(f"warning: {text}")


def _processes() -> int:
    return int(os.environ["WORLD_SIZE"]) if distributed.launched() else 1


def _memory(estimated: Estimate) -> Iterator[str]:
    memories = estimated.memory.values()
    passes = f"{estimated.at_once} images at once" + (
        f", {estimated.share} in all" if estimated.share > estimated.at_once else ""
    )
    yield ""
    yield _row(f"memory of a process, {passes}, GiB", estimated.memory)
    yield _row("  weights, gradients, Adam, average", [_gib(m.lasting) for m in memories])
    yield _row("  data and activations", [_gib(m.activations) for m in memories])
    yield _row("  together", [_gib(m.total) for m in memories])
    yield _row("  needed on a card: a tenth more, and 1 GiB for CUDA", [_gib(m.on_card) for m in memories])


def _time(estimated: Estimate, config: TrainConfig) -> Iterator[str]:
    yield ""
    yield f"arithmetic of an image: {estimated.operations / 1e12:.2g} TFLOP"
    yield _row(f"time of {config.images:,} images on", estimated.memory)
    count = f"{estimated.processes} x " if estimated.processes > 1 else ""
    for name, device in estimate.DEVICES.items():
        days = [estimated.days(device, precision, config.speed.tf32) for precision in estimated.memory]
        yield _row(f"  {count}{name}", ["" if d is None else f"about {duration(d * 86400)}" for d in days])
    if config.device == "cpu" or (config.device == "auto" and devices.pick().type == "cpu"):
        seconds = config.images * estimated.operations / estimate.cpu_rate()
        yield _row("  this CPU, from a test of 0.2 s", [f"about {duration(seconds)}"])
    yield (
        f"estimated, not measured: GPUs at {estimate.SHARE:.0%} of their data sheets; --speed.precision auto takes bfloat16 "
        "on GPUs that have it"
    )


def _missing(config: TrainConfig, out: Path | None, resume: bool) -> Iterator[str]:
    """What the run needs and does not find, a line each. Prints how many images it finds."""
    for check in (
        lambda: note(_pictures(config, str(out) if resume else config.init_from)),
        lambda: config.init_from is None or resume or checkpoint.fitting(config.init_from, config.model),
    ):
        try:
            check()
        except InputError as err:
            yield str(err)
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        yield f"--device {config.device}: there is no NVIDIA GPU that PyTorch can use"
    if out is not None and not resume and (out / checkpoint.CONFIG_FILE).exists():
        yield f"--out {out} holds another run; add --resume to go on with it, or give another"
    if config.loss.perceptual_network == "lpips" and not (vgg := VGG.path(config.loss.vgg)).is_file():
        yield f"LPIPS needs VGG-16 weights, not found at {vgg}: {VGG.command} gets them"


def _pictures(config: TrainConfig, weights: str | None) -> str:
    """How many are trained on and held out, by a run that begins or goes on with these weights."""
    try:
        before = checkpoint.seen_by(weights) if weights else ()
    except InputError:  # there are none, which is told elsewhere
        before = ()
    split = unseen.open_for_training(config.data, config.model.resolution, config.heldout, before)
    if config.model.labelled:
        for images in (split.training, split.heldout):
            datasets.labelled(images, config.label_path)
    return datasets.summarize(split.training, split.heldout)


def _obstacles(estimated: Estimate, config: TrainConfig) -> Iterator[str]:
    """What will stop the run, or could."""
    try:
        if text := batching.small_groups_warning(config, distributed.World(0, estimated.processes)):
            yield text
    except InputError as err:
        yield str(err)
    memory = estimated.memory[estimated.precision]
    if memory.on_card > min(estimated.fits) * estimate.GIB:
        ways = [f"{card} GiB: {_way(fit, estimated, config)}" for card, fit in estimated.fits.items()]
        yield (
            f"the run needs about {_gib(memory.on_card)} GiB with {estimated.precision}. By the memory of the card: "
            f"{'; '.join(ways)}"
        )


def _way(fit: FittingSettings | None, estimated: Estimate, config: TrainConfig) -> str:
    if fit is None:
        return "too small"
    flags = [f"--batch-gpu {fit.batch_gpu}"] if fit.batch_gpu < estimated.at_once else []
    flags += ["--speed.checkpointing true"] if fit.checkpointing else []
    groups = (
        " (and smaller groups in the discriminator)"
        if fit.batch_gpu % GROUP and fit.batch_gpu < estimated.share
        else ""
    )
    return "give " + " ".join(flags) + groups if flags else "enough"


def _row(name: str, values: Iterable[str]) -> str:
    return f"{name:<54}" + "".join(f"{value:>20}" for value in values).rstrip()


def _gib(size: float) -> str:
    """Bytes in GiB."""
    gib = size / estimate.GIB
    return "under 0.1" if gib < 0.1 else f"{gib:.1f}" if gib < 100 else f"{gib:.0f}"
