"""Training of a mapping network alone, on stylemaps instead of images.

After the image cycle alone (``loss.autoencoder_images``), the generator draws what the encoder saw, and nothing has taught the
mapping network: samples are noise. A flow learns how the stylemaps of encoded images are distributed, by flow matching
(Lipman et al. 2023, arXiv 2210.02747): a regression, so nothing can collapse, and a step takes a thousandth of a step on images.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stylemap import randomness
from stylemap.architectures.layers import pixel_norm
from stylemap.architectures.stylemap.flow import FlowMapping
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.randomness import Purpose
from stylemap.training import ema

LEAST_DEVIATION = 1e-4  # of a principal component, as a share of the largest; less is rounding
DECAY = 0.999  # of the running average of the weights, per iteration
WARMUP = 200  # iterations
POWER_ITERATIONS = 4  # of the randomised search for principal components
EXAMINED, EXAMINATION = 4096, 1 << 62  # points at which held-out stylemaps are tried, and a place of random numbers


@dataclass(frozen=True)
class MappingTraining:
    """How a flow is trained."""

    iterations: int = 8000
    batch: int = 512
    """Stylemaps in a step."""
    lr: float = 1e-3
    """Learning rate of AdamW at first. It falls to 0 along a cosine."""
    examine_every: int = 500
    """Iterations between measurements on held-out stylemaps. The best average is kept."""
    seed: int = 0
    """Of the order of the stylemaps, of z, and of the first weights."""


def with_flow(model: StylemapModel, stylemaps: Tensor, seed: int = 0) -> StylemapModel:
    """The model with a flow as its mapping network, which knows mean and principal components of stylemaps, but is not trained.

    Args:
        stylemaps: [M, C, S, S].
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = StylemapModel(replace(model.config, mapping="flow")).to(model.device).eval().requires_grad_(False)
        flow = _flow(new)
        mean = stylemaps.mean(dim=0, keepdim=True)
        flat = (stylemaps - mean).flatten(1)
        rank = min(*flat.shape, len(flow.basis))
        _, singular, axes = torch.svd_lowrank(flat, rank, niter=POWER_ITERATIONS)
    kept = {name: x for name, x in model.state_dict().items() if not name.startswith("generator.mapping.")}
    new.load_state_dict(kept, strict=False)
    c = model.config.stylemap_channels
    deviations = singular / len(flat) ** 0.5
    known = deviations > LEAST_DEVIATION * deviations[0]
    deviations[c:] = deviations[c:].square().mean().sqrt()  # one scale, so that the larger of the others count more
    flow.mean.copy_(mean)
    flow.basis.zero_()
    flow.basis[:rank] = (axes * deviations * known).T
    return new


def train_mapping(
    model: StylemapModel,
    stylemaps: Tensor,
    heldout: Tensor,
    config: MappingTraining,
    advance: Callable[[int], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train the flow of a model `with_flow` until it carries z to where stylemaps of images are; nothing else changes.

    The flow gets a running average of its weights, as it was when held-out stylemaps fitted best.

    Args:
        stylemaps: [M, C, S, S], of encoded training images.
        heldout: [M', C, S, S], of other images.
        advance: called after each iteration, with the number of those done.
        stop: asked before each iteration whether to stop there.

    Returns:
        The number of iterations done.
    """
    best = _flow(model)
    flow, average = copy.deepcopy(best).requires_grad_(True), copy.deepcopy(best)
    points, unseen = (_components(best, x) for x in (stylemaps, heldout))
    optimizer = torch.optim.AdamW(flow.parameters(), lr=config.lr, fused=True)
    rng = randomness.generator(Purpose.MAPPING, config.seed, EXAMINATION)
    examination = unseen[torch.from_numpy(rng.integers(len(unseen), size=EXAMINED))]
    least, done = math.inf, 0

    @torch.no_grad()
    def examine() -> None:
        nonlocal least
        same = randomness.generator(Purpose.MAPPING, config.seed, EXAMINATION + 1)
        if (error := float(_loss(average, examination, same))) < least:
            least = error
            best.load_state_dict(average.state_dict())

    while done < config.iterations and not stop():
        rate = min(1.0, (done + 1) / WARMUP) * (1 + math.cos(math.pi * done / config.iterations)) / 2
        optimizer.param_groups[0]["lr"] = config.lr * rate
        rng = randomness.generator(Purpose.MAPPING, config.seed, done)
        batch = points[torch.from_numpy(rng.integers(len(points), size=config.batch))]
        loss = _loss(flow, batch, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        done += 1
        ema.update(average, flow, min(DECAY, done / (done + 10)))  # shorter at first, to forget the beginning
        if done % config.examine_every == 0:
            examine()
        advance(done)
    if done % config.examine_every:
        examine()
    return done


def _flow(model: StylemapModel) -> FlowMapping:
    mapping = model.generator.mapping
    if not isinstance(mapping, FlowMapping):
        raise ValueError("the mapping network is no flow; `with_flow` gives the model one")
    return mapping


def _components(flow: FlowMapping, stylemaps: Tensor) -> Tensor:
    """[M, Q]: the shares of the rows of the basis in stylemaps."""
    squares = flow.basis.square().sum(dim=1)
    inverse = torch.where(squares > 0, flow.basis.T / squares, 0.0)
    return torch.cat([(x.to(flow.mean.device) - flow.mean).flatten(1) @ inverse for x in stylemaps.split(1000)])


def _loss(flow: FlowMapping, components: Tensor, rng: np.random.Generator) -> Tensor:
    """Mean squared errors of the velocity, on straight ways from z to components [N, Q], and of the other components."""
    c = flow.shape[0]
    target, others = components[:, :c], components[:, c:]
    z = pixel_norm(torch.from_numpy(rng.standard_normal(target.shape, "float32")).to(target))
    time = torch.from_numpy(rng.random(len(target), "float32")).to(target)
    error = (flow.velocity(torch.lerp(z, target, time[:, None]), time) - (target - z)).square().mean()
    if flow.others is not None:
        error = error + (flow.others(target) - others).square().mean()
    return error
