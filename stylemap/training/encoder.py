"""Training of an encoder alone, for a generator that exists and does not change: e4e and pSp.

The encoder of "Designing an Encoder for StyleGAN Image Manipulation" (Tov et al. 2021, arXiv 2102.02766) predicts one w, and for
each further layer an offset from it. Two terms keep its latents where the generator can edit them: offsets stay small, and a
discriminator compares the vector of every layer with mapped w. Without these terms, and with all offsets from the beginning, it
is the encoder of pSp (Richardson et al. 2021, arXiv 2008.00951), which reconstructs better and edits worse.

What differs from the paper: the network is that of `architectures.vector.model`, and not a pretrained one. There is no term of a
face's identity, which needs another network. The discriminator sees the latents of the batch, and no pool of older ones.
"""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylemap import images, pickles, randomness
from stylemap.architectures import losses
from stylemap.architectures.layers import EqualLinear
from stylemap.architectures.vector.config import VectorConfig
from stylemap.architectures.vector.model import Encoder, VectorModel
from stylemap.config import EmaConfig
from stylemap.datasets import Dataset, stream
from stylemap.errors import InputError
from stylemap.perceptual import Perceptual
from stylemap.randomness import Purpose
from stylemap.training import ema
from stylemap.training.loop import due

STATES = 20  # that a training writes, about
BETAS = (0.9, 0.99)  # of Adam


@dataclass(frozen=True)
class EncoderTraining:
    """How an encoder is trained. The weights of the terms are those of e4e."""

    images: int = 100_000
    """Training images to see, with repetitions."""
    batch: int = 8
    lr: float = 0.002
    """Learning rate of Adam."""
    pixels: float = 1.0
    """Weight of the mean squared error, pixels in [-1, 1]."""
    perceptual: float = 0.8
    """Weight of the perceptual distance."""
    offsets: float = 2e-4
    """Weight of the lengths of the offsets, summed over layers (section 4.1.1)."""
    adversarial: float = 0.1
    """Weight of the latent discriminator (section 4.1.2). 0 means that there is none."""
    r1_gamma: float = 10.0
    """Weight of the penalty of the discriminator's gradient."""
    offsets_from: float = 0.1
    """Share of the images after which the second layer gets its offset. 0: all layers have theirs from the beginning."""
    offsets_every: float = 0.01
    """Share of the images between two layers."""
    seed: int = 0
    """Of the first weights, of the order of the images, and of z."""

    def active(self, seen: int, layers: int) -> int:
        """How many of the layers have a vector of their own after ``seen`` images: the first has the w, the others offsets."""
        if self.offsets_from == 0:
            return layers
        past = seen - round(self.offsets_from * self.images)
        return 1 if past < 0 else min(layers, 2 + past // max(1, round(self.offsets_every * self.images)))


E4E = EncoderTraining()
STYLES = {"e4e": E4E, "psp": replace(E4E, offsets=0.0, adversarial=0.0, offsets_from=0.0)}


class LatentDiscriminator(nn.Sequential):
    """Single vectors w [N, C] -> logits [N, 1], positive for mapped ones: four layers."""

    def __init__(self, channels: int):
        super().__init__(*(EqualLinear(channels, channels) for _ in range(3)), EqualLinear(channels, 1, activate=False))


def split_offsets(outputs: Tensor, active: int) -> tuple[Tensor, Tensor]:
    """What the network says, [N, L, C] -> (the vectors of all layers [N, L, C], the offsets [N, L - 1, C]).

    The first of the outputs is the w, without the mean. The offsets of layers from ``active`` on are 0.
    """
    base, offsets = outputs[:, :1], outputs[:, 1:]
    on = torch.arange(1, outputs.shape[1], device=outputs.device) < active
    offsets = offsets * on[:, None]
    return torch.cat([base, base + offsets], dim=1), offsets


def offset_lengths(offsets: Tensor) -> Tensor:
    """Lengths of offsets [N, L - 1, C], summed over layers. -> [N]. The gradient of an offset of 0 is 0."""
    return torch.linalg.vector_norm(offsets, dim=2).sum(dim=1)


@torch.no_grad()
def with_sums(encoder: Encoder, active: int) -> Encoder:
    """A copy whose outputs are vectors instead of a w and offsets: the last layer is linear, so its rows are added."""
    encoder = copy.deepcopy(encoder)
    for parameter in encoder.to_latent.parameters():
        rows = parameter.unflatten(0, encoder.shape)
        rows[active:] = 0
        rows[1:] += rows[:1].clone()
    return encoder


class Trainee(nn.Module):
    """The networks that learn, and the running average of the encoder."""

    def __init__(self, config: VectorConfig):
        super().__init__()
        self.encoder = Encoder(config).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.encoder).requires_grad_(False)
        self.discriminator = LatentDiscriminator(config.latent_channels)


class EncoderTrainer:
    """An encoder in training, for the generator of a model.

    Args:
        model: of vectors, without gradients. An encoder that it has plays no part.
        network: of the perceptual distance.
    """

    def __init__(self, model: VectorModel, network: Perceptual, config: EncoderTraining):
        self.model, self.network, self.config = model, network, config
        self.seen = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.networks = Trainee(model.config).to(model.device)

        def adam(part: nn.Module) -> torch.optim.Adam:
            return torch.optim.Adam(part.parameters(), lr=config.lr, betas=BETAS, fused=True)

        self.optimizers = {"encoder": adam(self.networks.encoder), "discriminator": adam(self.networks.discriminator)}

    @property
    def active(self) -> int:
        """Layers that have a vector of their own."""
        return self.config.active(self.seen, self.model.config.layers)

    def step(self, pictures: Tensor) -> dict[str, Tensor]:
        """One step on a batch [N, 3, R, R]; returns the terms, means over the batch without their weights."""
        active, rng = self.active, randomness.generator(Purpose.ENCODER, self.config.seed, self.seen)
        outputs, offsets = split_offsets(self.networks.encoder(pictures), active)
        latent = self.model.generator.w_avg + outputs
        reconstruction = self.model.synthesize(latent)
        terms = {
            "pixels": losses.squared_error(reconstruction, pictures).mean(),
            "perceptual": self.network.distance(reconstruction, pictures).mean(),
            "offsets": offset_lengths(offsets).mean(),
        }
        if self.config.adversarial:
            # layers without an offset repeat the first
            terms["adversarial"] = losses.fools(self._judge(latent[:, :active])).mean()
        self._descend("encoder", sum(getattr(self.config, name) * term for name, term in terms.items()))
        if self.config.adversarial:
            z = torch.from_numpy(rng.standard_normal((len(pictures) * active, latent.shape[2]), "float32"))
            terms |= self._discriminate(latent[:, :active].detach(), self.model.generator.mapping(z.to(latent)))
        self.seen += len(pictures)
        decay = ema.decay(self.seen, len(pictures), EmaConfig())
        ema.update(self.networks.average, self.networks.encoder, decay)
        return {name: term.detach() for name, term in terms.items()}

    def finished(self) -> VectorModel:
        """The model with the average of the encoder as it is now."""
        model = VectorModel(self.model.config).to(self.model.device).eval().requires_grad_(False)
        model.generator.load_state_dict(self.model.generator.state_dict())
        model.encoder = with_sums(self.networks.average, self.active)
        return model

    def state_dict(self) -> dict[str, Any]:
        optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"seen": self.seen, "networks": self.networks.state_dict(), "optimizers": optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises errors of nearly any type for the state of something else."""
        self.networks.load_state_dict(state["networks"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.seen = int(state["seen"])

    def _judge(self, vectors: Tensor) -> Tensor:
        return self.networks.discriminator(vectors.flatten(0, -2))

    def _discriminate(self, encoded: Tensor, mapped: Tensor) -> dict[str, Tensor]:
        """The discriminator learns to tell vectors of images [N, active, C] from mapped ones [M, C]."""
        mapped.requires_grad_(True)
        real = self._judge(mapped)
        penalty = losses.gradient_penalty(mapped, real).mean()
        judgement = losses.is_real(real).mean() + losses.is_fake(self._judge(encoded)).mean()
        self._descend("discriminator", judgement + self.config.r1_gamma / 2 * penalty)
        return {"discriminator": judgement, "r1_penalty": penalty}

    def _descend(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def train_encoder(
    trainer: EncoderTrainer,
    pictures: Dataset,
    file: Path | None = None,
    about: dict | None = None,
    advance: Callable[[dict[str, Tensor]], None] = lambda terms: None,
    stop: Callable[[], bool] = lambda: False,
    workers: int = 0,
) -> None:
    """Train until all images are seen or ``stop()`` is true.

    Args:
        pictures: to train on. They are mirrored with probability one half.
        file: where the state is kept; a training that was stopped goes on from it, and is the same to the last bit. It is written
            about STATES times and at the end. None keeps nothing.
        about: what the training depends on, as plain values; a state of anything else is refused.
        advance: called after each step, with its terms.
        stop: asked before each step.

    Raises:
        InputError: the file holds the state of another training, or is damaged; or the training diverged.
    """
    config = trainer.config
    if file is not None and file.exists():
        _restore(trainer, file, about or {})
    batches = stream.batches(pictures, config.batch, config.seed, trainer.seen, True, workers, stop=stop)
    every = max(config.batch, config.images // STATES)
    with contextlib.closing(batches):
        while trainer.seen < config.images and not stop():
            batch = next(batches, None)
            if batch is None:
                break
            advance(trainer.step(images.from_uint8(batch).to(trainer.model.device)))
            if due(trainer.seen, config.batch, every):
                _save(trainer, file, about or {})
    _save(trainer, file, about or {})


def _save(trainer: EncoderTrainer, file: Path | None, about: dict) -> None:
    if not all(value.isfinite().all() for value in trainer.networks.state_dict().values()):
        raise InputError("the training has diverged: weights are not finite; lower the learning rate")
    if file is not None:
        pickles.save(file, {"about": about, "trainer": trainer.state_dict()})


def _restore(trainer: EncoderTrainer, file: Path, about: dict) -> None:
    remedy = "go on with the same settings, give another --out, or delete the file"
    try:
        saved = pickles.content(file)
        other = sorted(
            name for name in about.keys() | saved["about"].keys() if saved["about"].get(name) != about.get(name)
        )
        if not other:
            trainer.load_state_dict(saved["trainer"])
    except Exception as err:  # damage comes out as nearly any type
        raise InputError(f"{file} cannot be read ({type(err).__name__}); {remedy}") from err
    if other:
        raise InputError(f"{file} is the state of a training with another {', '.join(other)}; {remedy}")
